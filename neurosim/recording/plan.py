"""What a run will record: checked, and laid out for the run file, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.datasets import DataSet
from neurosim.errors import require
from neurosim.modelfile.schema import Record
from neurosim.recording.variables import UNITS, Variable, recordable
from neurosim.runfile import Layout, Request, Series, chosen
from neurosim.training import Trainer

ALIGNED = {"angle": "degrees", "cosine": "1", "norm_ratio": "1"}
FLOAT, WHOLE = np.dtype(np.float64), np.dtype(np.int64)


@dataclass(frozen=True)
class Chosen:
    """One variable to be recorded: where, when, and which neurons (None: all)."""

    variable: Variable
    request: Request
    shape: tuple[int, ...]
    dims: str
    numbers: np.ndarray | None


class RecordingPlan:
    """All that a run of ``trainers``, one for each stage, on ``data`` will write; checked, and nothing written yet.

    Raises
    ------
    UnknownNameError
        A variable that is not there; the message names the nearest.
    InputError
        Neurons or samples that are not there, alignment where the task has no error at the output.
    """

    def __init__(self, trainers: Sequence[Trainer], data: DataSet, record: Record) -> None:
        self.trainers, self.data, self.record = list(trainers), data, record
        self.network = self.trainers[0].network
        known = recordable(self.network, [trainer.pathway for trainer in self.trainers])
        self.probe = probe(data, record)
        self.variables = [self._chosen(known[name], request) for name, request in chosen(record.requests(), known).items()]
        self.comparisons = record.comparisons()
        self.checkpoints = record.checkpoints()
        if self.comparisons:
            for trainer in self.trainers:
                task = trainer.task
                said = f"record: alignment: task {task.name!r} has no error at the output to compare with"
                require(task.has_error, f"{said}; leave alignment out")
                task.check("record: alignment", self.network.populations[self.network.output])

    def _chosen(self, variable: Variable, request: Request) -> Chosen:
        return Chosen(variable, request, *variable.layout(request, len(self.probe)))

    def series(self) -> list[Series]:
        """Return every dataset that grows."""
        found = []
        for split in ("train", "validation", "test"):
            if len(getattr(self.data, split)):
                columns = {"epoch": WHOLE, "step": WHOLE, "loss": FLOAT, "error": FLOAT}
                columns |= {"seconds": FLOAT} if split == "train" else {}
                columns |= {"alignment_seconds": FLOAT} if split == "train" and self.comparisons else {}
                found += [Series(f"metrics/{split}/{name}", (), dtype) for name, dtype in columns.items()]
        for c in self.variables:
            where = f"{c.variable.group}/{c.variable.key}"
            said = {"units": UNITS, "description": c.variable.description, "dims": c.dims, "request": str(c.request)}
            found.append(Series(where, c.shape, c.variable.dtype, said, self._between_flushes(c.request)))
            found += [Series(f"{where}.{clock}", (), WHOLE) for clock in ("epoch", "step")]
        for name in self.network.projections if self.comparisons else ():
            found += [Series(f"alignment/{name}/{clock}", (), WHOLE) for clock in ("epoch", "step")]
            found += [Series(f"alignment/{name}/{key}", (), FLOAT, {"units": unit}) for key, unit in ALIGNED.items()]
        return found

    def _between_flushes(self, request: Request) -> int:
        """Return how many recordings come in one epoch."""
        longest = max(len(self.data.train) // trainer.batch * len(trainer.pathway.phases) for trainer in self.trainers)
        return max(1, longest // request.interval.every) if request.interval.unit == "steps" else 1

    def constants(self) -> dict[str, np.ndarray]:
        """Return what is written once: the probe, and the chosen neurons' numbers."""
        found = {f"{c.variable.group}/{c.variable.key}.neurons": c.numbers for c in self.variables if c.numbers is not None}
        if any(c.variable.shown for c in self.variables):
            what = "label" if self.data.classes else "target"
            found |= {"probe/sample": self.probe, f"probe/{what}": getattr(self.data, self.record.split).y[self.probe]}
        return found

    @property
    def epochs(self) -> int:
        """The epochs of all stages together."""
        return sum(trainer.epochs for trainer in self.trainers)

    def is_checkpoint(self, epoch: int, step: int) -> bool:
        """Return whether the whole run's interval has a checkpoint after so many epochs and steps."""
        return self.checkpoints.due("steps", step) or self.checkpoints.due("epochs", epoch)

    def number(self, epoch: int, step: int) -> int:
        """Return the number of the checkpoint after so many epochs and steps of the whole run, which rises."""
        return 1 + (step if self.checkpoints.unit == "steps" else epoch)

    def layout(self) -> Layout:
        """Return what the checkpoints will hold."""
        states = {stage: trainer.state_layout() for stage, trainer in enumerate(self.trainers)}
        return Layout(states, self.record.keep or None)


def probe(data: DataSet, record: Record) -> np.ndarray:
    """Return the numbers of the samples that populations are shown, (samples,); raise InputError where they are not there."""
    size = len(getattr(data, record.split))
    where = f"record: samples of the {record.split} split, which has {size}"
    if isinstance(record.samples, int):
        require(size > 0, f"{where}: expected another split; change record.split")
        return np.arange(min(record.samples, size))
    numbers = np.array(record.samples, WHOLE)
    fits = len(numbers) > 0 and numbers.min() >= 0 and numbers.max() < size
    require(fits, f"{where}: {record.samples}: expected numbers from 0 to {size - 1}; change record.samples")
    return numbers
