"""What a run will record: checked, and laid out for the run file, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.datasets import DataSet
from neurosim.errors import require, span
from neurosim.feedback import FeedbackPathway
from neurosim.modelfile.schema import Record
from neurosim.recording.variables import UNITS, Variable, recordable
from neurosim.reprs import listed
from neurosim.runfile import Layout, Request, Series, chosen
from neurosim.tasks import Classification
from neurosim.training import Trainer
from neurosim.training.directions import check_gauss_newton

EVERY = {"epoch": ("1", "epochs of the whole run that were done"), "step": ("1", "steps of the whole run that were done")}
ALIGNED = {
    "angle": ("degrees", "angle between the proposed change and minus the exact gradient"),
    "cosine": ("1", "cosine of that angle"),
    "norm_ratio": ("1", "norm of the proposed change over that of the gradient"),
}
CURVED = {
    "angle": ("degrees", "angle between the proposed change and Gauss and Newton's"),
    "cosine": ("1", "cosine of that angle"),
    "norm_ratio": ("1", "norm of the proposed change over that of Gauss and Newton's"),
}
TIMED = {  # comparison -> what its seconds were spent in
    "alignment": "comparing updates",
    "gauss_newton": "comparing updates with Gauss and Newton's direction",
    "step_effect": "trying steps on a copy",
}
SPENT = "spent since the evaluation before"
RESPONSE = "the output neuron of highest rate, for each sample of the probe; -1 where a rate is no number"
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
        Neurons or samples that are not there, alignment where the task has no error at the output, Gauss and Newton's direction
        where it is not defined or takes too much.
    """

    def __init__(self, trainers: Sequence[Trainer], data: DataSet, record: Record) -> None:
        self.trainers, self.data, self.record = list(trainers), data, record
        self.network = self.trainers[0].network
        known = recordable(self.network, [trainer.pathway for trainer in self.trainers])
        self.probe = probe(data, record)
        self.variables = [self._chosen(known[name], request) for name, request in chosen(record.requests(), known).items()]
        self.comparisons = record.comparisons()
        self.checkpoints = record.checkpoints()
        for trainer in self.trainers:
            if "alignment" in self.comparisons:
                task = trainer.task
                said = f"record: alignment: task {task.name!r} has no error at the output to compare with"
                require(task.has_error, f"{said}; leave alignment out")
                task.check("record: alignment", self.network.populations[self.network.output])
            if "gauss_newton" in self.comparisons:
                check_gauss_newton(trainer, trainer.batch, "record: gauss_newton", "leave it out")

    def __repr__(self) -> str:
        chosen = listed(f"{c.variable.name} {c.request.interval}" for c in self.variables) or "metrics only"
        return f"<RecordingPlan: {chosen}; of {len(self.trainers)} stages>"

    def _chosen(self, variable: Variable, request: Request) -> Chosen:
        return Chosen(variable, request, *variable.layout(request, len(self.probe)))

    def series(self) -> list[Series]:
        """Return every dataset that grows."""
        found = []
        for split in ("train", "validation", "test"):
            if len(getattr(self.data, split)):
                found += [_column(f"metrics/{split}/{name}", *said) for name, said in (EVERY | self._measured(split)).items()]
        for number in range(1, len(self.data.tasks) + 1):
            found += [_column(f"tasks/{number}/{name}", *said) for name, said in (EVERY | self._measured("test")).items()]
        for c in self.variables:
            where = f"{c.variable.group}/{c.variable.key}"
            said = {"units": UNITS, "description": c.variable.description, "dims": c.dims, "request": str(c.request)}
            found.append(Series(where, c.shape, c.variable.dtype, said, self._between_flushes(c.request)))
            found += [_column(f"{where}.{clock}", *words) for clock, words in EVERY.items()]
        for comparison, columns in (("alignment", ALIGNED), ("gauss_newton", CURVED)):
            for name in self.network.projections if comparison in self.comparisons else ():
                found += [_column(f"{comparison}/{name}/{key}", *words) for key, words in (EVERY | columns).items()]
        if "step_effect" in self.comparisons:
            found += [_column(f"step_effect/{key}", *words) for key, words in (EVERY | self._tried()).items()]
        return [*found, *self._responses()]

    def _measured(self, split: str) -> dict[str, tuple[str, str]]:
        """Return unit and description of what is measured of a split, by column."""
        task = self.trainers[0].task
        loss = self._loss_unit, f"mean loss of the {split} split"
        found = {"loss": loss, "error": ("%", f"{task.score}, of the {split} split")}
        if split == "train":
            found |= {"seconds": ("s", f"{SPENT} in steps")}
            found |= {f"{name}_seconds": ("s", f"{SPENT} in {TIMED[name]}") for name in self.comparisons}
        return found

    @property
    def _loss_unit(self) -> str:
        own = any(type(trainer.pathway).loss is not FeedbackPathway.loss for trainer in self.trainers)
        return "nats" if isinstance(self.trainers[0].task, Classification) and not own else "1"

    def _tried(self) -> dict[str, tuple[str, str]]:
        """Return unit and description of what is recorded of a step that is tried."""
        what = "mean loss of the batch that comes next, in evaluation"
        return {"before": (self._loss_unit, what), "after": (self._loss_unit, f"{what}, after the step on it")}

    @property
    def answered(self) -> str:
        """The group of what the network answers the probe, whenever that is shown for a recording; "" where there is no such."""
        shown = self.data.classes and any(c.variable.shown for c in self.variables)
        return f"responses/{self.network.output}" if shown else ""

    def _responses(self) -> list[Series]:
        if not self.answered:
            return []
        said = {"units": "1", "description": RESPONSE, "dims": "recording sample"}
        rows = max(self._between_flushes(c.request) for c in self.variables if c.variable.shown)
        answers = Series(f"{self.answered}/neuron", (len(self.probe),), WHOLE, said, rows)
        return [answers, *(_column(f"{self.answered}/neuron.{clock}", *words) for clock, words in EVERY.items())]

    def _between_flushes(self, request: Request) -> int:
        """Return how many recordings come in one epoch."""
        most = max(map(len, self.data.parts("train")))
        longest = max(most // trainer.batch * len(trainer.pathway.phases) for trainer in self.trainers)
        return max(1, longest // request.interval.every) if request.interval.unit == "steps" else 1

    def constants(self) -> dict[str, np.ndarray]:
        """Return what is written once: the probe, and the chosen neurons' numbers."""
        found = {f"{c.variable.group}/{c.variable.key}.neurons": c.numbers for c in self.variables if c.numbers is not None}
        found |= self._axes()
        if any(c.variable.shown for c in self.variables):
            what = "label" if self.data.classes else "target"
            found |= {"probe/sample": self.probe, f"probe/{what}": getattr(self.data, self.record.split).y[self.probe]}
        return found

    def _axes(self) -> dict[str, np.ndarray]:
        """Return what names each dimension of a recording where it lies: the samples' numbers, or those along an axis.

        Variables of one group share them where they are as long, and no variable has the name.
        """
        found: dict[str, np.ndarray] = {f"{self.answered}/sample": self.probe} if self.answered else {}
        taken = {f"{c.variable.group}/{c.variable.key}" for c in self.variables}
        for c in self.variables:
            for dim, size in zip(c.dims.split()[1:], c.shape if c.numbers is None else c.shape[:-1], strict=c.numbers is None):
                numbers = self.probe if dim == "sample" and c.variable.shown else np.arange(size)
                place = f"{c.variable.group}/{dim}"
                if place in taken or not np.array_equal(found.setdefault(place, numbers), numbers):
                    found[f"{c.variable.group}/{c.variable.key}.{dim}"] = numbers
        return found

    @property
    def epochs(self) -> int:
        """The epochs of all stages together."""
        return sum(trainer.epochs for trainer in self.trainers)

    def is_checkpoint(self, epoch: int | None, step: int) -> bool:
        """Return whether the whole run's interval has a checkpoint after so many steps, and epochs (None: within one)."""
        return self.checkpoints.due("steps", step) or epoch is not None and self.checkpoints.due("epochs", epoch)

    def number(self, step: int) -> int:
        """Return the number of the checkpoint after so many steps of the whole run, which rises."""
        return 1 + step

    def layout(self) -> Layout:
        """Return what the checkpoints will hold."""
        states = {stage: trainer.state_layout() for stage, trainer in enumerate(self.trainers)}
        return Layout(states, self.record.keep or None)


def _column(path: str, unit: str, words: str) -> Series:
    """Return a series of numbers."""
    clock = path.rpartition("/")[2].rpartition(".")[2] in EVERY
    return Series(path, (), WHOLE if clock else FLOAT, {"units": unit, "description": words})


def probe(data: DataSet, record: Record) -> np.ndarray:
    """Return the numbers of the samples that populations are shown, (samples,); raise InputError where they are not there."""
    size = len(getattr(data, record.split))
    where = f"record: samples of the {record.split} split, which has {size}"
    if isinstance(record.samples, int):
        require(size > 0, f"{where}: expected another split; change record.split")
        return np.arange(min(record.samples, size))
    numbers = np.array(record.samples, WHOLE)
    fits = len(numbers) > 0 and numbers.min() >= 0 and numbers.max() < size
    require(fits, f"{where}: {record.samples}: expected numbers, each {span(0, size - 1)}; change record.samples")
    return numbers
