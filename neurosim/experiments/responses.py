"""What the populations of a run answer to some samples: as was recorded, or its last network shown them again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.analysis.grouping import contents, hidden_populations
from neurosim.datasets import DataSet
from neurosim.errors import RunFileError, quoted, require
from neurosim.experiments.opened import OpenRun
from neurosim.experiments.run import found_again
from neurosim.modelfile.model_file import ModelFile
from neurosim.training.trial import Trial

SAMPLES = 1000  # that a network is shown again where nobody says how many
BATCH = 500  # samples at once
ASK = "record 'hidden*.rate every 1 epoch'"


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


def responses(run: OpenRun, samples: int | None, find_data: Callable[[OpenRun, ModelFile], DataSet]) -> Responses:
    """Return what was recorded, if that is of several epochs, or of the last; otherwise what the last network answers now.

    samples : show the last network so many, the first ones of the test split, whatever was recorded

    Raises RunFileError where the run is a simulation, where the file holds too little, or its data are others by now.
    """
    where = f"run file {run.path}"
    require(not run.is_simulation, f"{where}: a simulation in time: expected a training; name runs of trainings", RunFileError)
    return (recorded(run) if samples is None else None) or shown_again(run, samples or SAMPLES, find_data)


def recorded(run: OpenRun) -> Responses | None:
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
    shown = (run.path.resolve(),) if numbers is None else _shown(run, str(split), numbers)
    return Responses({name: found[name] for name in _in_order(found, run)}, run.probe.get("label"), shown)


def shown_again(run: OpenRun, samples: int, find_data: Callable[[OpenRun, ModelFile], DataSet]) -> Responses:
    """Return the rates of the network of the last checkpoint, the mean over the ticks of a trial."""
    model = run.model_file()
    data = find_data(run, model)
    network, trial = run.network(), Trial(model.table.clock.clock(), model.table.encoder)
    draws = network.backend.draws(int(run.attributes["seed"]), 0) if trial.encoder.stochastic else None
    x, y = data.test.x[:samples], data.test.y[:samples]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in network.populations}
    for start in range(0, len(x), BATCH):
        totals = dict.fromkeys(network.populations, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # a network that diverged
            for sweep in trial.run(network, x[start : start + BATCH], draws=draws):
                totals = {name: total + sweep[name].rate for name, total in totals.items()}
        for name, total in totals.items():
            parts[name].append(np.asarray(total) / trial.clock.ticks)
    rates = {name: {run.done: np.concatenate(part)} for name, part in parts.items()}
    return Responses(rates, y if data.classes else None, _shown(run, "test", np.arange(len(x))))


def data_finder(data: DataSet | None, data_dir: str | os.PathLike[str] | None) -> Callable[[OpenRun, ModelFile], DataSet]:
    """Return what finds the data set of a run; one that several runs share is loaded once.

    data : the data set, where it was given in Python; data_dir : where the files lie, if they have moved
    """
    known = {} if data is None else {data.digest(): data}

    def find(run: OpenRun, model: ModelFile) -> DataSet:
        where, expected = f"run file {run.path}", str(run.attributes["data_digest"])
        if expected in known:
            return known[expected]
        made = f"{where}: no rates of several epochs, or of the last, and no file holds its data, which are arrays given in Python"
        require(not model.table.data.arrays, f"{made}: expected data=... with the same ones; give them, or {ASK}", RunFileError)
        _, found = found_again(model.table, data_dir, str(run.attributes["data_dir"]), expected)
        changed = f"{where}: its data set {quoted(found.name)} has changed since: expected the same; give the same files, or {ASK}"
        require(found.digest() == expected, changed, RunFileError)
        return known.setdefault(expected, found)

    return find


def _shown(run: OpenRun, split: str, numbers: np.ndarray) -> tuple[object, ...]:
    return str(run.attributes["data_digest"]), split, np.asarray(numbers, np.int64).tobytes()


def _in_order(names: Iterable[str], run: OpenRun) -> list[str]:
    """Return populations with the hidden ones first, in the order of a sweep."""
    try:
        hidden = hidden_populations(contents(run)) or []
    except Exception:  # a stranger's graph
        hidden = []
    return sorted(names, key=lambda name: hidden.index(name) if name in hidden else len(hidden))
