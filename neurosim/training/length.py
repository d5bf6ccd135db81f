"""What of a training depends on how many epochs it is planned to have: found out from its optimisers, which alone are told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurosim.backends import NumpyBackend
from neurosim.errors import quoted
from neurosim.plasticity import Time, Update, chain
from neurosim.training.trainer import Trainer

UPDATES = (0.0, 1000.0)  # a link may ask only after some updates
MOST = 2000  # epochs that are looked at one by one
CHANGE = np.array([[1.0, -0.5], [0.25, 2.0]])  # what links are asked about


class _Noting(Time):
    """A time that notes whether it was asked for the share of all epochs that are done."""

    noted = False

    @property
    def progress(self) -> float:
        self.noted = True
        return super().progress


def dependent(trainer: Trainer, before: int, after: int, done: int) -> tuple[tuple[str, ...], bool]:
    """Return what goes by the share of all epochs, a line each; and whether that made a difference to the epochs that are done.

    before, after : epochs of the stage as they were planned, and as they are now; done : how many were begun by then

    Every optimiser and transform is asked what it makes of one proposed change in each epoch of either plan.
    """
    lines, differs = [], False
    for place, link in _links(trainer):
        if any(_asks(link, epoch, epochs) for epochs in (before, after) for epoch in _looked_at(epochs)):
            same = all(_same(link, epoch, before, after) for epoch in _looked_at(done))
            differs = differs or not same
            goes = f"{place}: {_said(link)} goes by the share of all epochs, which are {after} now and were {before}"
            lines.append(f"{goes}{_effects(link, done, after)}; {_past(same, done, after)}")
    return tuple(lines), differs


def _links(trainer: Trainer) -> Iterator[tuple[str, Update]]:
    """Yield every optimiser and transform, and where it is; those of the feedback only where they are others."""
    own = trainer.commit.chain.links
    yield from (("optimiser", link) for link in own)
    for projection in trainer.network.projections.values():
        if projection.optimiser is not None:
            yield from ((f"optimiser of {projection.name}", link) for link in chain(projection.optimiser).links)
    learns = bool(trainer.pathway.parameters())
    yield from (("feedback optimiser", link) for link in trainer.feedback_commit.chain.links if learns and link not in own)


def _looked_at(epochs: int) -> list[int]:
    """Return the epochs that are looked at, of so many."""
    return sorted({*np.linspace(0, epochs - 1, min(epochs, MOST)).astype(int).tolist()})


def _apply(link: Update, epoch: int, epochs: int, updates: float) -> tuple[bool, np.ndarray | None]:
    """Return whether a link asked for the share, and what it made of CHANGE; None where it makes nothing of this one."""
    change, weight, time = CHANGE.copy(), np.full(CHANGE.shape, 0.5), _Noting(epoch, epochs)
    time.updates = updates
    try:
        with np.errstate(all="ignore"):
            link.apply(NumpyBackend(), change, weight, {name: np.zeros(CHANGE.shape) for name in link.memory}, time)
    except Exception:  # a user's own, which may need more than this
        return time.noted, None
    return time.noted, change


def _asks(link: Update, epoch: int, epochs: int) -> bool:
    return any(_apply(link, epoch, epochs, updates)[0] for updates in UPDATES)


def _same(link: Update, epoch: int, before: int, after: int) -> bool:
    """Return whether a link makes the same of a change in an epoch of either plan."""
    pairs = [[_apply(link, epoch, epochs, updates)[1] for epochs in (before, after)] for updates in UPDATES]
    return all(one is not None and other is not None and np.array_equal(one, other) for one, other in pairs)


def _factor(link: Update, epoch: int, epochs: int) -> float | None:
    """Return what a link multiplies every change by; None where it does something else."""
    found = None if link.memory else _apply(link, epoch, epochs, 0.0)[1]
    if found is None or not np.allclose(found / CHANGE, found[0, 0] / CHANGE[0, 0]):
        return None
    return float(found[0, 0] / CHANGE[0, 0])


def _effects(link: Update, done: int, after: int) -> str:
    """Return what a link does from now on, where it multiplies changes by a number in each epoch."""
    factors = [_factor(link, epoch, after) for epoch in range(done, after)] if after - done <= MOST else [None]
    if None in factors:
        return ""
    changes = [k for k, factor in enumerate(factors) if k == 0 or factor != factors[k - 1]]
    told = ", ".join(f"by {factors[k]:g} from epoch {done + k + 1}" for k in changes[:4])
    return f": it multiplies changes {told}{', ...' if len(changes) > 4 else ''}"


def _said(link: Update) -> str:
    options = ", ".join(f"{name}={value!r}" for name, value in link.options().items())
    return f"{link.name}({quoted(options)[1:-1]})"


def _past(same: bool, done: int, after: int) -> str:
    if same:
        return "so far that made no difference"
    return f"epochs 1 to {done} went by the other, so this is not what {after} epochs from the start would have given"
