"""What a study would take: memory of each point, and time, found by a trial."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any

from neurosim.backends import NumpyBackend, limits
from neurosim.datasets import DataSet
from neurosim.errors import require
from neurosim.experiments.estimate import about, memory, timings, whole_run
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
        memory = f"at most {self.memory / 2**20:,.0f} MiB of memory each"
        what = f"{runs:,} run{'s' * (runs != 1)} on {workers} worker{'s' * (workers != 1)}"
        return f"{what}: {memory}, at least about {took} of training"


def price(plan: StudyPlan, workers: int, data_dir: str | os.PathLike[str] | None = None, *, here: bool = True) -> Price:
    """Return what a study takes.  Models that differ in numbers with a point alone, as rates do, take the same.

    data_dir : where the data lie; here : whether the workers are this machine's

    Raises InputError, naming the point, where ``workers`` of its kind do not fit into the memory that is free ``here``.
    """
    largest = check_fits(plan, workers if here else 0, data_dir)
    kinds = _kinds(plan)
    tried = kinds[:: math.ceil(len(kinds) / TRIALS)]
    seconds = sum(len(same) * _seconds(same[0], data_dir) for same in tried)
    share = 1.0 if plan.halving is None else plan.halving.share(plan.number_of_points, plan.points[0].epochs)
    return Price(largest, share * seconds / sum(map(len, tried)) * len(plan.points))


def check_fits(
    plan: StudyPlan, workers: int, data_dir: str | os.PathLike[str] | None = None, data: DataSet | None = None
) -> int:
    """Return the bytes of the largest point; raise InputError, naming it, where ``workers`` of its kind are more than is free."""
    return max(_memory(same[0], workers, data_dir, data) for same in _kinds(plan))


def _kinds(plan: StudyPlan) -> list[list[Point]]:
    """Return the points, those that take the same memory and time together."""
    alike: dict[str, list[Point]] = {}
    for point in plan.points:
        alike.setdefault(_size_of(point), []).append(point)
    return list(alike.values())


def _memory(point: Point, workers: int, data_dir: str | os.PathLike[str] | None, data: DataSet | None = None) -> int:
    """Return the bytes that a point takes; raise InputError where ``workers`` times as many are not free."""
    table, free = point.model.table, limits.free_memory().bytes
    needed = memory(table, data_dir, about(table.data, data, data_dir)).on(NumpyBackend())
    said = f"study: {point.label}: needs about {needed / 2**30:,.1f} GiB in each of {workers} workers, {free / 2**30:,.1f} GiB"
    require(needed * workers <= free, f"{said} are free: expected a model that fits; give fewer workers")
    return needed


def _seconds(point: Point, data_dir: str | os.PathLike[str] | None) -> float:
    """Return what the steps of a point take on the CPU, from a trial."""
    table = point.model.table
    entry = about(table.data, data_dir=data_dir)
    return whole_run(table, timings(table, BUDGET, entry), entry)["numpy"]


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
