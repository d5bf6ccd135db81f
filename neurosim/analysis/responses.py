"""What the populations of a run answered to some samples, as it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.analysis.grouping import contents, hidden_populations
from neurosim.runfile import Run


@dataclass(frozen=True)
class Responses:
    """The rates of a run's populations.

    rates : population -> epoch -> (samples, *shape), read from the file when they are used
    labels : (samples,), the class of each; None where targets are real
    shown : which samples these are; equal of two runs that were shown the same ones
    """

    rates: Mapping[str, Mapping[int, Any]]
    labels: np.ndarray | None
    shown: tuple[object, ...]


def recorded(run: Run) -> Responses | None:
    """Return the rates of populations that were recorded at the ends of epochs, and before the first.

    None where there are none, or those of one epoch only, which is not the last: a comparison's default recordings of a short run.
    """
    ends = {int(step): int(epoch) for (_, epoch), step in run.metrics["step"].items()}
    found: dict[str, dict[int, Any]] = {}
    for name, one in run.recordings.items():
        population, _, variable = name.rpartition(".")
        if variable == "rate":
            taken = {ends[int(step)]: one.isel(recording=k) for k, step in enumerate(one.step.values) if int(step) in ends}
            found |= {population: taken} if taken else {}
    moments = {epoch for rates in found.values() for epoch in rates}
    if len(moments) < 2 and run.done not in moments:
        return None
    record = contents(run).get("record")
    split = record.get("split", "test") if isinstance(record, Mapping) else "test"
    numbers = run.probe.get("sample")
    shown = (run.path.resolve(),) if numbers is None else samples_shown(run, str(split), numbers)
    return Responses({name: found[name] for name in _in_order(found, run)}, run.probe.get("label"), shown)


def samples_shown(run: Run, split: str, numbers: np.ndarray) -> tuple[object, ...]:
    """Return which samples were shown: a run's data, the split, and their numbers, (samples,)."""
    return str(run.attributes["data_digest"]), split, np.asarray(numbers, np.int64).tobytes()


def _in_order(names: Iterable[str], run: Run) -> list[str]:
    """Return populations with the hidden ones first, in the order of a sweep."""
    try:
        hidden = hidden_populations(contents(run)) or []
    except Exception:  # a stranger's graph
        hidden = []
    return sorted(names, key=lambda name: hidden.index(name) if name in hidden else len(hidden))
