"""The HSIC bottleneck: every population forgets the input and keeps the label, by a kernel objective of its own."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.errors import InputError, quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching
from neurosim.tasks import Classification

EPSILON = 1e-5  # the released code's regulariser, per sample of the batch
OUTPUTS = ("softmax", "units", "rest")


class HSICBottleneck(FeedbackPathway):
    """Each population minimises nHSIC(Z, X) - beta nHSIC(Z, Y) over the batch, and needs nothing from above.

    K_ij      = exp(-||z_i - z_j||**2 / (2 sigma**2 d))           d the width of that variable
    nHSIC     = tr(R_Z R_X),  R = K H (K H + epsilon m I)**-1      H = I - 11'/m, one-sided centring; epsilon = 1e-5
    error_i   = -m dL/dz_i * s'(a_i)                              m samples; rules average over the batch

    Cost: one factorisation and two m x m x m products for each population, in the network's dtype; one factorisation each for
    input and label, and all distances, in float64.  Where products round their operands (``cupy-tf32``), all in float64.

    beta : the weight of the dependence on the label
    sigma : the width of the kernel; or a pattern of population names -> width, if branches differ (sigma-combined networks)
    output : ``softmax`` (the readout learns the task at the same time), ``rest`` (it does not learn; format training does this in
        a second stage, with ``frozen`` and ``settled``), or ``units`` (unformatted training: the output learns by the same
        objective, and the training data decide which neuron stands for which class)

    Raises
    ------
    InputError
        ``beta`` or ``sigma`` out of range, an unknown ``output``, a population without a sigma, an output that does not fit.
    """

    name = "hsic_bottleneck"
    title = "HSIC bottleneck"
    citation = (
        "Ma, Lewis and Kleijn (2020). The HSIC bottleneck: deep learning without back-propagation. AAAI 2020. arXiv:1908.01580."
    )
    variants = ({}, {"output": "units"}, {"output": "rest"}, {"sigma": {"*1": 1.0, "*": 5.0}})

    def __init__(self, *, beta: float = 50.0, sigma: float | Mapping[str, float] = 5.0, output: str = "softmax") -> None:
        widths = sigma if isinstance(sigma, Mapping) else {"*": sigma}
        require(beta >= 0, f"scheme {self.name!r}: beta {quoted(beta)} is negative; give a weight such as 50")
        for pattern, width in widths.items():
            said = f"scheme {self.name!r}: sigma {quoted(width)} for {quoted(pattern)}"
            require(1e-100 < width < 1e100, f"{said} is not between 1e-100 and 1e100; give a width such as 5")
        require(output in OUTPUTS, f"scheme {self.name!r}: output {quoted(output)}: expected one of {', '.join(OUTPUTS)}; pick one")
        self.beta, self.widths, self.output = beta, dict(widths), output

    @property
    def claims(self) -> Claims:
        """The same in all variants but for the readout of ``units``, which is learned from labels."""
        return Claims(
            weight_transport="none",
            update_locking=False,
            backward_locking=False,
            pairwise=True,
            labels_at_hidden=True,
            raw_input_at_hidden=True,
            feedback_learns_from=("activity", "labels") if self.output == "units" else (),
        )

    def check_output(self) -> None:
        network, task = self.network, self.task
        if self.output != "units":
            return super().check_output()
        size = network.populations[network.output].size
        where = f"scheme {self.name!r}: output 'units'"
        require(isinstance(task, Classification), f"{where}: reads classes off neurons: expected task 'classification'; use 'rest'")
        require(
            size >= task.size,
            f"scheme {self.name!r}: output population {network.output!r} has {size} neurons for {task.size} classes; "
            "give it one for each",
        )

    def build(self, seed: int) -> None:
        network = self.network
        plastic = {p.post for p in network.projections.values() if p.rule is not None}
        taught = [name for name in network.hidden if name in plastic]
        taught += [network.output] if self.output == "units" else []
        self.sigma = {name: self._width(name) for name in taught}
        self.dtype = np.dtype(np.float64) if network.backend.tf32 else network.dtype  # of the populations' kernels
        self.assigned = network.backend.asarray(np.arange(self.task.size))

    def _width(self, population: str) -> float:
        for pattern, width in self.widths.items():
            if fnmatch.fnmatchcase(population, pattern):
                return width
        where = f"scheme {self.name!r}: no sigma for population {population!r}"
        raise InputError(f"{where} in {quoted(self.widths)}; add a pattern for it")

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network, teaching = self.network, {}
        x = sweep.rate[network.input].astype(self.dtype)
        relations = {width: self._target_relation(x, target, width) for width in set(self.sigma.values())}
        for name, width in self.sigma.items():
            error = self._error(sweep.rate[name].astype(self.dtype), relations[width], width)
            teaching[name] = network.populations[name].teach(error.astype(network.dtype), sweep[name])
        if self.output == "softmax":
            teaching[network.output] = self.output_teaching(sweep, target)
        return teaching

    def _target_relation(self, x: Any, target: Any, sigma: float) -> Any:
        """Return H (R_X - beta R_Y), (batch, batch), found in float64 and rounded to x's dtype.

        Computed in float32 it would be the largest part of a gradient's error, since C**-1 stands on both sides of it; and it
        takes two kernels, however many populations read it.
        """
        wide_x, wide_target = x.astype(np.float64), target.astype(np.float64)
        return (self._relation(wide_x, sigma) - self.beta * self._relation(wide_target, sigma)).astype(x.dtype)

    def _relation(self, values: Any, sigma: float) -> Any:
        """Return H R of a variable, (batch, batch): I - c C**-1 with C = H K H + c I, c = epsilon m.

        One-sided centring makes R = K H (K H + c I)**-1 = K C**-1 H, and in a trace with another R only H R counts.  That is
        symmetric, so a Cholesky factor of C does what the released code takes a general inverse for; and as C**-1 1 = 1 / c,
        it is centred as it stands.
        """
        _, _, inverse, c = self._kernel(values, sigma)
        return self.network.backend.identity(len(inverse), inverse.dtype) - c * inverse

    def _kernel(self, values: Any, sigma: float) -> tuple[Any, Any, Any, float]:
        """Return Z, (batch, d), K - 11', C**-1, both (batch, batch), all of the values' dtype, and c.

        H 11' = 0, so that C is made of K - 11', which keeps in float32 the digits that K, near one, would lose.  The distances are
        small differences of large squares wherever samples lie in clusters: they are taken in float64.
        """
        backend = self.network.backend
        z = values.reshape(len(values), -1)
        wide = z.astype(np.float64)
        squares = (wide * wide).sum(axis=1)
        distance = backend.matmul(wide, wide.T)
        distance *= -2
        distance += squares[:, None]
        distance += squares
        backend.xp.maximum(distance, 0, out=distance)  # rounding leaves a sample a little away from itself
        distance *= -1 / (2 * sigma**2 * z.shape[1])
        less_one = backend.xp.expm1(distance, out=distance).astype(z.dtype)
        c = EPSILON * len(z)
        regular = centred(less_one) + c * backend.identity(len(z), z.dtype)
        return z, less_one, backend.positive_inverse(regular), c

    def _error(self, values: Any, relation: Any, sigma: float) -> Any:
        """Return -m dL/dZ, (batch, *shape), of L = tr(R_Z relation).

        dL/dK = c C**-1 relation C**-1 = G;  S = -(G o K) / (sigma**2 d);  dL/dZ = 2 (diag(S 1) Z - S Z)
        """
        matmul = self.network.backend.matmul
        z, less_one, inverse, c = self._kernel(values, sigma)
        weight = centred(matmul(matmul(inverse, relation), inverse))
        weight *= less_one + 1
        weight *= 2 * c * len(z) / (sigma**2 * z.shape[1])  # the 2 of dL/dZ, m, and minus the sign of S
        error = weight.sum(axis=1, keepdims=True) * z - matmul(weight, z)
        return error.reshape(values.shape)

    # ------------------------------------------------------------------ unformatted training: neurons read as classes

    def calibrate(self, sweeps: Any) -> None:
        """Assign each class the output neuron that it drives most, largest class mean first.

        The training data decide.  The released code assigns on the split it then scores, with that split's own labels, and
        reports the mean over classes of their accuracies: numbers from it look a little better than they are.
        """
        if self.output != "units":
            return super().calibrate(sweeps)
        classes = self.task.size
        sums, counts = np.zeros((classes, self.network.populations[self.network.output].size)), np.zeros((classes, 1))
        for sweep, targets in sweeps:
            labels = targets.argmax(axis=1)
            rate = self.network.backend.to_host(sweep.rate[self.network.output]).reshape(len(labels), -1)
            np.add.at(sums, labels, rate)
            np.add.at(counts, labels, 1)
        means = sums / np.maximum(counts, 1)
        for _ in range(classes):
            label, unit = np.unravel_index(np.argmax(means), means.shape)
            self.assigned[label] = unit
            means[label], means[:, unit] = -np.inf, -np.inf

    def scores(self, sweep: Sweep) -> Any:
        if self.output != "units":
            return super().scores(sweep)
        rate = sweep.rate[self.network.output]
        return rate.reshape(len(rate), -1)[:, self.assigned]

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the mean cross-entropy in nats; with ``units``, that of a softmax over the assigned neurons' rates.

        It is there to be compared; what the populations minimise is the kernel objective.
        """
        if self.output != "units":
            return super().loss(sweep, target)
        xp, scores = self.network.backend.xp, self.scores(sweep)
        shifted = scores - scores.max(axis=1, keepdims=True)
        return (xp.log(xp.exp(shifted).sum(axis=1)) - (target * shifted).sum(axis=1)).mean()

    def memory(self) -> dict[str, Any]:
        return super().memory() | ({"hsic/assigned": self.assigned} if self.output == "units" else {})


def centred(matrix: Any) -> Any:
    """Return H matrix H: row and column means taken out.

    In exact arithmetic C**-1 keeps centred matrices centred.  In floating point it blows a trace of the constant direction up
    by 1 / c = 1e5 / m; centring again made the gradient's relative error 2e-12 instead of 6e-8 (9 samples, against 50 digits).
    """
    means = matrix.mean(axis=0)
    return matrix - means - matrix.mean(axis=1)[:, None] + means.mean()
