"""What a population's rates say: measures of one population's responses to some samples, and of the likeness of two.

Rates are (samples, *shape), whatever the shape of the population; labels are (samples,).  All is computed in float64.  A measure
that is not defined for its data is NaN: too few samples, rates that do not vary, rates that are not finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import require

Numbers = NDArray[np.float64]

PERCENTILES = (10, 50, 90)  # of what each neuron has a value of
PROBE_SEED = 0  # decides which samples a probe is fitted on: the same ones whatever is analysed


def linear_cka(x: ArrayLike, y: ArrayLike) -> float:
    """Return the linear centred kernel alignment of two populations, 0 to 1; 1 where one is the other turned and scaled.

    x : (samples, *shape); y : (samples, *other_shape), responses to the same samples.

    |Y'X|^2 / (|X'X| |Y'Y|), Frobenius norms of centred responses (Kornblith et al. 2019).  Biased upwards: independent
    Gaussian responses of p and q neurons to n samples have about sqrt(p q / ((n + p) (n + q))), near 1 where neurons outnumber
    samples.  See ``debiased_cka``.

    Raises InputError where the two have different numbers of samples.
    """
    x, y = _pair(x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(_overlap(x, y) / np.sqrt(_overlap(x, x) * _overlap(y, y)))


def debiased_cka(x: ArrayLike, y: ArrayLike) -> float:
    """Return the linear centred kernel alignment with unbiased estimates of its three parts, at most 1.

    x, y : as for ``linear_cka``.  Independent responses have 0 on average, so that it may fall below 0.  NaN below 4 samples.

    Each |Y'X|^2 is replaced by the estimator of Song et al. (2012), as in Nguyen et al. (2021).

    Raises InputError where the two have different numbers of samples.
    """
    x, y = _pair(x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(_unbiased(x, y) / np.sqrt(_unbiased(x, x) * _unbiased(y, y)))


def kernel(rates: ArrayLike) -> Numbers:
    """Return the U-centred kernel of a population above its diagonal, (samples (samples - 1) / 2,); all its rows sum to 0.

    rates : (samples, *shape).  For ``debiased_cka_of``; NaN below 4 samples.  (Szekely and Rizzo 2014.)
    """
    x = _centred(rates)
    n = len(x)
    if n < 4:
        return np.full(n * (n - 1) // 2, np.nan)
    found = x @ x.T
    np.fill_diagonal(found, 0)
    rows = found.sum(axis=0) / (n - 2)
    found -= rows + rows[:, None] - rows.sum() / (n - 1)
    return np.asarray(found[np.triu_indices(n, 1)])


def debiased_cka_of(kernels: Sequence[NDArray[Any]]) -> Numbers:
    """Return ``debiased_cka`` of each two of several populations, (populations, populations), from one matrix product.

    kernels : what ``kernel`` returns of each, of the same samples; their inner products are unbiased estimates of HSIC
    """
    stacked = np.stack(kernels)
    with np.errstate(invalid="ignore", divide="ignore"):
        overlaps = (stacked @ stacked.T).astype(np.float64)
        own = np.diagonal(overlaps)
        return np.asarray(overlaps / np.sqrt(own * own[:, None]))


def effective_dimension(rates: ArrayLike) -> float:
    """Return the participation ratio of the covariance's eigenvalues, (sum of l)^2 / sum of l^2.

    rates : (samples, *shape).  1 where all variance lies along one line; p where it is the same in p directions.  Biased downwards:
    of p independent neurons of one variance and n samples it is about 1 / (1/p + 1/n), and never above n - 1.

    (Abbott, Rajan and Sompolinsky 2011; Gao et al. 2017.)
    """
    x = _centred(rates)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((x**2).sum() ** 2 / _overlap(x, x))


def lifetime_sparsity(rates: ArrayLike) -> Numbers:
    """Return each neuron's sparsity over samples, (neurons,), 0 to 1; NaN for a neuron that is silent.

    rates : (samples, *shape).  (1 - a) / (1 - 1/n) with a = mean(|r|)^2 / mean(r^2), over the n samples: the activity ratio of
    Treves and Rolls (1991), scaled by Vinje and Gallant (2000).  0: the same rate for every sample; 1: a rate for one sample only.
    Magnitudes are taken, since a rate may have a sign; of rates that are not negative it is the published one.
    """
    return _sparsity(_flat(rates), axis=0)


def population_sparsity(rates: ArrayLike) -> Numbers:
    """Return each sample's sparsity over neurons, (samples,), 0 to 1; NaN for a sample to which all neurons are silent.

    As ``lifetime_sparsity``, over the neurons: 0: all have the same rate; 1: one neuron has a rate.
    """
    return _sparsity(_flat(rates), axis=1)


def class_selectivity(rates: ArrayLike, labels: ArrayLike) -> Numbers:
    """Return each neuron's class selectivity, (neurons,), 0 to 1.

    rates : (samples, *shape), not negative; labels : (samples,)

    (m - o) / (m + o), m the largest of the mean rates for each class, o the mean of those for the other classes (Morcos et al.
    2018).  1: the neuron answers one class only; 0: all classes alike.  NaN for a silent neuron, for one with a negative rate, of
    which the index says nothing, and where there is one class.

    Raises InputError where rates and labels are of different numbers of samples.
    """
    x, of = _labelled(rates, labels)
    means = _class_means(x, of)
    if len(means) < 2:
        return np.full(x.shape[1], np.nan)
    largest = means.max(axis=0)
    others = (means.sum(axis=0) - largest) / (len(means) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = (largest - others) / (largest + others)
    return np.where((x < 0).any(axis=0), np.nan, index)


def class_variance(rates: ArrayLike, labels: ArrayLike) -> Numbers:
    """Return the share of each neuron's variance over samples that lies between classes, (neurons,), 0 to 1.

    rates : (samples, *shape), of any sign; labels : (samples,)

    eta^2, the squared correlation ratio (Fisher 1925).  1: the rate depends on the class alone.  Biased upwards: of rates that have
    nothing to do with k classes it is (k - 1) / (n - 1) on average, for n samples.  NaN for a rate that does not vary.

    Raises InputError where rates and labels are of different numbers of samples.
    """
    x, of = _labelled(rates, labels)
    around = x - x.mean(axis=0)
    between = _class_means(around, of)[of]
    total = (around**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(np.ptp(x, axis=0) > 0, (between**2).sum(axis=0) / total, np.nan))


def linear_probe(rates: ArrayLike, labels: ArrayLike) -> float:
    """Return the accuracy, per cent, of a linear classifier that reads the class from the rates (Alain and Bengio 2016).

    rates : (samples, *shape); labels : (samples,)

    Half of the samples of each class, chosen at random with a fixed seed, fit it: logistic regression (softmax) with scikit-learn's
    penalty, C = 1, on rates with mean 0 and variance 1 over these samples.  It is scored on all the others.  Nothing is chosen on
    either.  An accuracy a has a standard error of sqrt(a (1 - a) / m) for m samples that are scored.

    Raises InputError where rates and labels are of different numbers of samples.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, of = _labelled(rates, labels)
    fitted, scored = probe_halves(labels)
    if not np.isfinite(x).all() or len(np.unique(of[fitted])) < 2 or not len(scored):
        return float("nan")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(100 * classifier.fit(x[fitted], of[fitted]).score(x[scored], of[scored]))


def probe_halves(labels: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of the samples that a linear probe is fitted on, and of those that it is scored on.

    labels : (samples,); each class is halved, to within a sample
    """
    given = np.asarray(labels)
    order = np.random.default_rng(PROBE_SEED).permutation(len(given))
    order = order[np.argsort(given[order], kind="stable")]
    return np.sort(order[::2]), np.sort(order[1::2])


# ---------------------------------------------------------------------- by the name of the measure


def of_population(rates: np.ndarray, labels: np.ndarray | None, *, probed: bool = True) -> dict[str, float]:
    """Return what is measured of one population, by the name of the measure.

    rates : (samples, *shape); labels : (samples,), or None: then nothing is measured that needs classes
    probed : whether a linear probe is fitted, which takes longer than all else

    Selectivity is left undefined for the whole population where any rate is negative.
    """
    if not np.isfinite(rates).all():
        rates = np.full_like(rates, np.nan)  # a run that diverged: nothing of it is measured
    found = {
        "dimension": effective_dimension(rates),
        "lifetime_sparsity": _mean(lifetime_sparsity(rates)),
        "population_sparsity": _mean(population_sparsity(rates)),
        "silent": float(100 * (rates == 0).all(axis=0).mean()) if np.isfinite(rates).all() else float("nan"),
    }
    if labels is None:
        return found
    selective = class_selectivity(rates if (rates >= 0).all() else np.full_like(rates, np.nan), labels)
    of_neurons = {"selectivity": selective, "class_variance": class_variance(rates, labels)}
    spread = {f"{name}_p{at}": _percentile(values, at) for name, values in of_neurons.items() for at in PERCENTILES}
    return ({"probe": linear_probe(rates, labels)} if probed else {}) | found | spread


def of_pair(rates: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """Return how alike two populations' rates are, (samples, *shape) and (samples, *other_shape), by the name of the measure."""
    return {"cka": linear_cka(rates, others), "cka_debiased": debiased_cka(rates, others)}


def _mean(values: Iterable[float]) -> float:
    known = np.array([value for value in values if np.isfinite(value)])
    return float(known.mean()) if len(known) else float("nan")


def _percentile(values: np.ndarray, at: int) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, at)) if len(known) else float("nan")


# ---------------------------------------------------------------------- parts of the equations


def _flat(rates: ArrayLike) -> Numbers:
    """Return rates as (samples, neurons)."""
    x = np.asarray(rates, np.float64)
    require(x.ndim > 1 and x.size > 0, f"rates of shape {x.shape}: expected (samples, neurons), one or more of each; reshape them")
    return x.reshape(len(x), -1)


def _centred(rates: ArrayLike) -> Numbers:
    """Return rates as (samples, neurons), the mean of each neuron taken off; exactly 0 where a neuron has one rate only."""
    x = _flat(rates)
    return np.where(np.ptp(x, axis=0) > 0, x - x.mean(axis=0), 0.0) if np.isfinite(x).all() else np.full_like(x, np.nan)


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Numbers, Numbers]:
    one, other = _centred(x), _centred(y)
    told = f"responses to {len(one)} and {len(other)} samples: expected the same samples; give responses to the same ones"
    require(len(one) == len(other), told)
    return one, other


def _overlap(x: Numbers, y: Numbers) -> Any:
    """Return |Y'X|^2, the sum over samples i, j of k_ij l_ij with K = XX' and L = YY', by whichever products are fewer."""
    if x.shape[1] * y.shape[1] <= len(x) ** 2:
        return ((y.T @ x) ** 2).sum()
    return ((x @ x.T) * (y @ y.T)).sum()


def _unbiased(x: Numbers, y: Numbers) -> Any:
    """Return n (n - 3) times the unbiased estimate of HSIC (Song et al. 2012) for centred responses.

    It leaves the diagonals of K and L out.  With centred responses the rows of K then sum to -k_ii.
    """
    n, k, l = len(x), (x**2).sum(axis=1), (y**2).sum(axis=1)  # noqa: E741 as in the paper
    if n < 4:
        return np.float64("nan")
    return _overlap(x, y) - n / (n - 2) * (k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2))


def _sparsity(x: Numbers, axis: int) -> Numbers:
    n = x.shape[axis]
    with np.errstate(invalid="ignore", divide="ignore"):
        activity = np.abs(x).mean(axis=axis) ** 2 / (x**2).mean(axis=axis)
        return np.asarray((1 - activity) / (1 - np.float64(1) / n))


def _labelled(rates: ArrayLike, labels: ArrayLike) -> tuple[Numbers, NDArray[np.intp]]:
    """Return rates, (samples, neurons), and the number of each sample's class, counted from 0 over those that are there."""
    x, given = _flat(rates), np.asarray(labels)
    told = f"labels of shape {given.shape}: expected ({len(x)},), one for each sample; give the labels of these samples"
    require(given.shape == (len(x),), told)
    return x, np.unique(given, return_inverse=True)[1]


def _class_means(x: Numbers, of: NDArray[np.intp]) -> Numbers:
    """Return the mean rate of each neuron for each class, (classes, neurons)."""
    return np.array([x[of == label].mean(axis=0) for label in range(of.max() + 1)])
