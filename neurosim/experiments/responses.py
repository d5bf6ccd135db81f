"""What the populations of a run answer to some samples: as was recorded, or its last network shown them again."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from neurosim.analysis.responses import Responses, recorded, samples_shown
from neurosim.datasets import DataSet
from neurosim.errors import RunFileError, quoted, require
from neurosim.experiments.opened import OpenRun
from neurosim.experiments.run import found_again
from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import Run
from neurosim.training.trial import Trial

SAMPLES = 1000  # that a network is shown again where nobody says how many
BATCH = 500  # samples at once
ASK = "record 'hidden*.rate every 1 epoch'"


def responses(run: OpenRun, samples: int | None, find_data: Callable[[OpenRun, ModelFile], DataSet]) -> Responses:
    """Return what was recorded, if that is of several epochs, or of the last; otherwise what the last network answers now.

    samples : show the last network so many, the first ones of the test split, whatever was recorded

    Raises RunFileError where the run is a simulation, where the file holds too little, or its data are others by now.
    """
    where = f"run file {run.path}"
    require(not run.is_simulation, f"{where}: a simulation in time: expected a training; name runs of trainings", RunFileError)
    return (recorded(run) if samples is None else None) or shown_again(run, samples or SAMPLES, find_data)


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
    return Responses(rates, y if data.classes else None, samples_shown(run, "test", np.arange(len(x))))


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


def shower(data_dir: str | os.PathLike[str] | None = None) -> Callable[[Run], Responses]:
    """Return what gives the responses of a run that ``open_run`` opened, for ``analysis.report.write_report``.

    data_dir : where the data files lie, if they have moved
    """
    find_data = data_finder(None, data_dir)

    def show(run: Run) -> Responses:
        opened = f"run file {run.path}: opened without its model: expected a run of neurosim.open_run; open it so"
        require(isinstance(run, OpenRun), opened)
        assert isinstance(run, OpenRun)
        return responses(run, None, find_data)

    return show
