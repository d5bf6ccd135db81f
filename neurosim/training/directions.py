"""Where a step goes, beside other directions: the exact gradient, Gauss and Newton's, other schemes' and seeds'; and what it does.

All is found from one batch, without noise and dropout, and comes to the host; nothing learns.

Martens (2020). New insights and perspectives on the natural gradient method. Journal of Machine Learning Research 21, 146.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurosim.datasets import Split
from neurosim.errors import DivergedError, quoted, require
from neurosim.network import Sweep
from neurosim.training.alignment import Alignment, exact_changes, proposed_changes
from neurosim.training.trainer import Trainer

Changes = Mapping[str, NDArray[np.float64]]
MOST_ROWS = 4000  # samples times outputs: a matrix of that size is solved for


class Effect(NamedTuple):
    """The mean loss of a batch before and after a step on it, in the task's unit, in evaluation; NaN where it diverged."""

    before: float
    after: float

    @property
    def decrease(self) -> float:
        """How much the loss fell."""
        return self.before - self.after


def propose(trainer: Trainer, split: Split) -> Changes:
    """Return projection -> the change of its weights that the rules propose for a batch, before the optimiser.

    Raises InputError where the trainer has not seen its data yet.
    """
    trainer = copy.deepcopy(trainer)  # a scheme may count what it teaches
    sweeps, outcomes = _shown(trainer, split)
    found = proposed_changes(trainer.pathway, sweeps, outcomes, trainer.network.backend.draws(trainer.seed, trainer.steps))
    names = {name: f"{trainer.network.prefix}{name}.w" for name in trainer.network.projections}
    return _on_host(trainer, {name: found[key] for name, key in names.items() if key in found})


def gradient(trainer: Trainer, split: Split) -> Changes:
    """Return projection -> minus the gradient of the task's mean loss of a batch in its weights.

    Raises InputError where the trainer has not seen its data yet, or its task has no error at the output.
    """
    return _on_host(trainer, exact_changes(trainer.pathway, *_shown(trainer, split)))


def gauss_newton(trainer: Trainer, split: Split, *, damping: float = 0.01) -> Changes:
    """Return projection -> Gauss and Newton's change of its weights for a batch: (G + lambda I)**-1 times minus the gradient.

    G = mean of J^T H J, with J the derivatives of the output's activation in all weights (biases stay), and H the second derivative
    of the loss in the activation: diag(p) - p p^T of softmax and cross-entropy, I of linear neurons and squared error.  lambda is
    ``damping`` times the mean eigenvalue of G among the batch's directions; all is NaN where that is 0, or no finite number.

    Raises
    ------
    InputError
        Another task or output, several ticks, batch normalisation, synapses that are not all to all or not into a drive, more than
        4,000 samples times outputs, a damping that is not positive, or a trainer that has not seen its data yet.
    """
    require(damping > 0, f"gauss_newton: damping {quoted(damping)}: expected a positive number; give one such as 0.01")
    _known(trainer)
    check_gauss_newton(trainer, len(split))
    (sweep,), _ = _shown(trainer, split)
    network, (n, outputs) = trainer.network, (len(split), trainer.task.size)
    errors = _factor_errors(trainer, sweep)  # of each output: population -> (n, size)
    host = network.backend.to_host
    rates = {p.name: host(sweep[p.pre].transmitted).reshape(n, -1).astype(np.float64) for p in network.projections.values()}
    gram = np.zeros((n * outputs, n * outputs))
    for p in network.projections.values():
        of_post = np.concatenate([one[p.post] for one in errors])  # (outputs * n, post)
        gram += np.tile(rates[p.name] @ rates[p.name].T, (outputs, outputs)) * (of_post @ of_post.T)
    gram /= n
    shift = damping * np.trace(gram) / len(gram)
    downhill = gradient(trainer, split)
    if not 0 < shift < np.inf:  # an output that is certain of every sample has no curvature; a run that diverged has no number
        return {name: np.full_like(change, np.nan) for name, change in downhill.items()}

    # Woodbury: with G = A^T A,  (A^T A + shift)^-1 g = (g - A^T (A A^T + shift)^-1 A g) / shift
    along = np.zeros((outputs, n))
    for p in network.projections.values():
        change = downhill[p.name].reshape(rates[p.name].shape[1], -1)
        along += np.stack([((rates[p.name] @ change) * one[p.post]).sum(axis=1) for one in errors])
    solved = np.linalg.solve(gram + shift * np.eye(len(gram)), along.reshape(-1) / np.sqrt(n)).reshape(outputs, n)
    found = {}
    for p in network.projections.values():
        post = sum(solved[k][:, None] * one[p.post] for k, one in enumerate(errors)) / np.sqrt(n)
        back = (rates[p.name].T @ post).reshape(downhill[p.name].shape)
        found[p.name] = (downhill[p.name] - back) / shift
    return found


def align(changes: Changes, others: Changes) -> pd.DataFrame:
    """Return angle (degrees), cosine and norm_ratio (changes over others) by projection, of those that both have.

    changes, others : what ``propose``, ``gradient`` or ``gauss_newton`` return, of one trainer or of two

    Raises InputError where there is no such projection, or shapes differ.
    """
    shared = [name for name in changes if name in others]
    alike = "take networks that are alike"
    require(bool(shared), f"align: projections {list(changes)} and {list(others)}: expected some in both; {alike}")
    for name in shared:
        one, other = changes[name].shape, others[name].shape
        require(one == other, f"align: projection {name!r} has weights {one} and {other}: expected one shape; {alike}")
    rows = {name: vars(Alignment.of(changes[name], others[name])) for name in shared}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("projection")


def step_effect(trainer: Trainer, split: Split) -> Effect:
    """Return what one step on a batch does to the batch's own loss: all phases of the scheme, through the optimiser.

    A copy of the trainer takes the step.  Raises InputError where the trainer has not seen its data yet.
    """
    _known(trainer)
    tried = copy.deepcopy(trainer)
    before = _loss(tried, split)
    try:
        for phase in tried.pathway.phases:
            tried.run_as_array_code(phase, split.x, tried.targets(split))
    except (DivergedError, FloatingPointError):
        return Effect(before, float("nan"))
    return Effect(before, _loss(tried, split))


def _loss(trainer: Trainer, split: Split) -> float:
    try:
        return trainer.evaluate(split).loss
    except DivergedError:
        return float("nan")


def _known(trainer: Trainer) -> None:
    known = trainer.pathway.attached
    require(known, "directions: the trainer has not seen its data yet: expected fit(data) or check(data) first")


def _shown(trainer: Trainer, split: Split) -> tuple[list[Sweep], list[object]]:
    """Return the sweeps of a trial of the batch, without noise, and what is asked in each tick."""
    _known(trainer)
    network, backend = trainer.network, trainer.network.backend
    draws = backend.draws(trainer.seed, trainer.steps)
    x = backend.asarray(split.x, network.dtype)
    target = backend.asarray(trainer.targets(split), network.dtype)
    sweeps = trainer.trial.sweeps(network, x, training=False, draws=draws)
    return sweeps, trainer.trial.outcomes(trainer.pathway, sweeps, target, draws)


def _on_host(trainer: Trainer, changes: Mapping[str, object]) -> Changes:
    host = trainer.network.backend.to_host
    return {name: host(change).astype(np.float64) for name, change in changes.items()}


def check_gauss_newton(trainer: Trainer, samples: int, where: str = "gauss_newton", advice: str = "use gradient()") -> None:
    """Raise InputError where Gauss and Newton's direction for so many samples is not defined, or takes too much.

    where, advice : how the error begins and ends
    """
    network, task = trainer.network, trainer.task
    output = network.populations[network.output]
    pair = (task.name, getattr(output.neurons, "name", ""))
    known = pair in (("classification", "softmax"), ("regression", "linear"))
    said = f"{where}: task {pair[0]!r} with an output of {pair[1]!r} neurons"
    require(known, f"{said}: expected classification with 'softmax', or regression with 'linear'; {advice}")
    ticks = trainer.trial.clock.ticks
    require(ticks == 1, f"{where}: trials of {ticks} ticks: expected one; {advice}")
    for population in network.populations.values():
        plain = population.normalisation is None
        require(plain, f"{where}: population {population.name!r} has batch normalisation: expected none; {advice}")
    for p in network.projections.values():
        plain = p.connectivity.matrix and p.into == "drive" and not p.delay
        said = f"{where}: projection {p.name!r}: expected all_to_all synapses into a drive, without delay"
        require(plain, f"{said}; {advice}")
    reaching, found = {network.output}, {network.output}
    while found:
        found = {p.pre for p in network.projections.values() if p.post in found} - reaching
        reaching |= found
    for name in network.populations:
        told = f"{where}: population {name!r} does not reach the output: expected that all do; {advice}"
        require(name in reaching, told)
    said = f"{where}: {samples} samples times {task.size} outputs: expected at most {MOST_ROWS:,}"
    require(samples * task.size <= MOST_ROWS, f"{said}; give fewer samples, or {advice}")


def _factor_errors(trainer: Trainer, sweep: Sweep) -> list[dict[str, NDArray[np.float64]]]:
    """Return, for each output, the errors on all drives that come of a factor of H at the output: H = sum_k v_k v_k^T."""
    network = trainer.network
    output, activity = network.populations[network.output], sweep[network.output]
    host, shape = network.backend.to_host, activity.rate.shape
    p = host(activity.rate).reshape(len(activity.rate), -1)
    found = []
    for k in range(trainer.task.size):
        one = np.zeros(p.shape[1], p.dtype)
        one[k] = 1
        factor = np.sqrt(p[:, k : k + 1]) * (one - p) if trainer.task.name == "classification" else np.broadcast_to(one, p.shape)
        at_output = network.backend.asarray(np.ascontiguousarray(factor.reshape(shape)))
        taught = network.errors_back(sweep, output.teach_activation(at_output, activity))
        found.append({name: host(one.error).astype(np.float64).reshape(len(p), -1) for name, one in taught.items()})
    return found
