"""What a study would take: memory of each point, and time, found by a trial."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from neurosim.backends import NumpyBackend, limits
from neurosim.datasets import Entry
from neurosim.errors import require
from neurosim.experiments.estimate import memory, timings, whole_run
from neurosim.studies.plan import Point, StudyPlan

TRIALS = 12  # models that are tried; of more, that many are taken at equal distances
BUDGET = 0.2  # seconds of steps in one trial


@dataclass(frozen=True)
class Price:
    """Bytes of the largest point, and seconds of steps of all runs together, one after the other, evaluation left out."""

    memory: int
    seconds: float

    def describe(self, runs: int, workers: int) -> str:
        """Return it as one line of text."""
        span = self.seconds / workers
        took = f"{span:.2g} s" if span < 120 else f"{span / 60:.0f} min" if span < 7200 else f"{span / 3600:.1f} h"
        return f"{runs:,} runs on {workers} workers: at most {self.memory / 2**20:,.0f} MiB each, at least about {took} in steps"


def price(plan: StudyPlan, entry: Entry, workers: int) -> Price:
    """Return what a study takes.  Models that differ in numbers with a point alone, as rates do, take the same.

    Raises InputError, naming the point, where ``workers`` of its kind do not fit into the memory that is free.
    """
    alike: dict[str, list[Point]] = {}
    for point in plan.points:
        alike.setdefault(_size_of(point), []).append(point)
    largest = 0
    for same in alike.values():
        point, free = same[0], limits.free_memory()
        needed = memory(point.model.table, entry=entry).on(NumpyBackend())
        said = f"study: {point.label}: needs about {needed / 2**30:,.1f} GiB in each of {workers} workers"
        there = f"{free.bytes / 2**30:,.1f} GiB are free: expected a model that fits; give fewer workers"
        require(needed * workers <= free.bytes, f"{said}, {there}")
        largest = max(largest, needed)
    kinds = list(alike.values())
    tried = kinds[:: -(-len(kinds) // TRIALS)]
    seconds = [sum(whole_run(t, timings(t, BUDGET, entry), entry)["numpy"] for t in [same[0].model.table]) for same in tried]
    mean = sum(each * len(same) for each, same in zip(seconds, tried, strict=True)) / sum(map(len, tried))
    return Price(largest, mean * len(plan.points))


def _size_of(point: Point) -> str:
    """Return what decides a point's memory and time: its model without numbers that have a point, and without texts for people."""
    kept = {key: value for key, value in point.model.contents.items() if key not in ("title", "seed", "paper", "measured")}
    return json.dumps(_without_fractions(kept), sort_keys=True, default=str)


def _without_fractions(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_fractions(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_fractions(inner) for inner in value]
    return None if isinstance(value, float) else value
