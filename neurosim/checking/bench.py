"""What schemes are checked on, made here: one frozen sweep of a small network, and a small data set with its trainers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.datasets import DataSet, from_arrays
from neurosim.errors import InputError
from neurosim.feedback import FeedbackPathway, Phase, Proposals
from neurosim.network import Network, Population, Projection, Sweep
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import Update, error_driven, hebbian
from neurosim.tasks import Sizes, Task
from neurosim.training import Observer, Trainer
from neurosim.training.captured import CapturedStep

INPUTS, HIDDEN, CLASSES, SAMPLES = 6, (5, 4, 4), 3, 7

End = Callable[[], Any]
Arrays = dict[str, Any]


def leave(bench: Bench) -> End:
    """Perturb nothing."""
    return lambda: None


Perturb = Callable[["Bench"], End]


class Bench:
    """One scheme on a chain of three hidden populations, one frozen sweep, and every pathway weight off zero.

    make : returns a new pathway
    perturb : is handed the bench before the pathway is attached, and returns what ends the perturbation
    """

    def __init__(self, make: Callable[[], FeedbackPathway], perturb: Perturb = leave, *, dtype: str = "float64") -> None:
        draw = np.random.default_rng(5)
        self.pathway = make()
        self.network = make_chain(dtype, self.pathway.hidden_transfer)
        self.noise = np.random.default_rng(6)
        fit_rules(self.network, self.pathway)
        end = perturb(self)
        self.pathway.attach(self.network, CLASSES, seed=0)
        end()
        for values in self.pathway.parameters().values():  # heads and modules that start at zero would hide what they carry
            values += (0.3 * draw.normal(size=values.shape)).astype(values.dtype)
        self.target = np.eye(CLASSES, dtype=dtype)[draw.integers(0, CLASSES, SAMPLES)]
        self.draws = self.network.backend.draws(0, 0)
        x = draw.normal(size=(SAMPLES, INPUTS)).astype(dtype)
        self.sweep = self.network.sweep(x, training=self.pathway.training_sweep, draws=self.draws)

    def drop_normalisation(self) -> Bench:
        """Return the bench with batch normalisation switched off in the pathway's own networks, which ``pairwise`` leaves aside."""
        for network in self.pathway.networks.values():
            for population in network.populations.values():
                population.normalisation = None
        return self

    def list_errors(self, sweep: Sweep | None = None, target: Any = None) -> Arrays:
        """Return hidden population -> its error, (batch, *shape); one that takes no update in this step is left out."""
        teaching = self.pathway.teach(sweep or self.sweep, self.target if target is None else target, self.draws)
        errors = {name: teaching[name].error for name in self.network.hidden if name in teaching}
        return {name: np.array(error) for name, error in errors.items() if error is not None}

    def move_activity(self, **drives: Any) -> Sweep:
        """Return the sweep with the drive of some populations moved, and all that follows inside those populations."""
        of, same = self.network.populations, {"training": True, "draws": self.draws}  # what fires at random draws what it drew
        moved = {name: of[name].respond(drive, **same) for name, drive in drives.items()}
        return Sweep.of({**self.sweep.activity, **moved}, self.sweep.training)

    def move(self, population: str, rows: slice = slice(None), far: float = 1) -> Any:
        """Return the population's drive with noise added to some samples."""
        drive = self.sweep.drive[population].copy()
        drive[rows] += far * self.noise.normal(size=drive[rows].shape)
        return drive

    def list_above(self, population: str) -> list[str]:
        """Return the hidden populations downstream."""
        order = self.network.order
        return order[order.index(population) + 1 : -1]

    def adapt(self, draws: Draws | None = None) -> Any:
        """Return what the pathway proposes for its own synapses."""
        return adapt_once(self.pathway, self.sweep, self.target, draws or self.draws)

    def learn(self, step: int) -> None:
        """Let the pathway learn from one batch, and how to read the output."""
        for name, change in self.adapt(self.network.backend.draws(0, step)).items():
            self.pathway.parameters()[name][...] += 0.1 * change
        self.pathway.remember(self.sweep)
        self.pathway.calibrate(iter([(self.sweep, self.target)]))

    def take_snapshot(self) -> tuple[Arrays, Arrays]:
        """Return the pathway's arrays, and what it answers from then on: its errors and the scores."""
        arrays = {name: np.array(value) for name, value in (self.pathway.parameters() | self.pathway.memory()).items()}
        return arrays, self.list_errors() | {"scores": np.array(self.pathway.scores(self.sweep))}


def make_chain(dtype: str = "float64", transfer: str = "tanh") -> Network:
    """Return a chain of three hidden populations; its projections share one rule, whose making takes longer than all the rest."""
    hidden = [Population(f"hidden{k}", size, transfer=transfer) for k, size in enumerate(HIDDEN, start=1)]
    populations = [Population("x", INPUTS), *hidden, Population("output", CLASSES, transfer="softmax")]
    names, rule = [population.name for population in populations], error_driven()
    links = [Projection(a, b, rule=rule) for a, b in zip(names, names[1:], strict=False)]
    return Network(populations, links, dtype=dtype, seed=2)


def adapt_once(pathway: FeedbackPathway, sweep: Sweep, target: Any, draws: Draws) -> Any:
    """Return what a pathway proposes for its own synapses, as a step asks it."""
    teaching = pathway.teach(sweep, target, draws)
    proposals = Proposals(pathway.network.propose(sweep, teaching)[0])
    return pathway.adapt_to_proposals(sweep, target, teaching, proposals, draws)


def fit_rules(network: Network, pathway: FeedbackPathway) -> None:
    """Give the first projection a rule that needs no error where the pathway may send none, so that something learns."""
    if not pathway.needs_error:
        network.projections["x__hidden1"].rule = hebbian(eta=0.1)


def list_differing(before: Arrays, after: Arrays) -> set[str]:
    """Return the names of what is not bit-identical, or is there only once."""
    shared = before.keys() & after.keys()
    changed = {name for name in shared if not np.array_equal(before[name], after[name], equal_nan=True)}
    return changed | (before.keys() ^ after.keys())


# ---------------------------------------------------------------------- training


class Uncaptured(CapturedStep):
    """A step that always runs as array code."""

    def prepared(self, epoch: int, epochs: int) -> None:
        return None


class ArrayTrainer(Trainer):
    """A trainer that captures nothing: what a captured step is compared with."""

    def _captured(self, phase: Phase) -> CapturedStep:
        return Uncaptured(lambda: self._source(phase), self.network.backend, "")


class _Stopped(Exception):
    pass


class _Stop(Observer):
    """Stops a training within an epoch."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.epoch == 1 and trainer.position == 3:
            raise _Stopped


def run_into_second_epoch(trainer: Trainer) -> None:
    """Train for an epoch of ``make_data()``, and for three steps of the next one."""
    trainer.run_epoch(make_data())
    with contextlib.suppress(_Stopped):
        trainer.run_epoch(make_data(), _Stop())


def make_data(samples: int = 64, inputs: int = 12, classes: int = 4) -> DataSet:
    """Return normal samples with labels at random."""
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(samples, inputs)), draw.integers(0, classes, samples)
    return from_arrays(x, y, draw.normal(size=(8, inputs)), np.arange(8) % classes)


def make_data_for(task: type[Task]) -> DataSet:
    """Return samples with labels or, where the task has no use for these, with real targets of two numbers."""
    labelled = make_data()
    try:
        task.of(Sizes.of(labelled))
        return labelled
    except InputError:
        x, other = labelled.train.x, labelled.test.x
        return from_arrays(x, x[:, :2], other, other[:, :2])


def make_task_trainer(make: Callable[[], FeedbackPathway], task: type[Task], optimiser: Update) -> Trainer:
    """Return a trainer of array code on ``make_data_for(task)``, whose output can do the task; raise InputError if refused."""
    given = make_data_for(task)
    made_task = task.of(Sizes.of(given))
    populations = [Population("x", given.shape), *(Population(f"hidden{k}", 6, transfer="tanh") for k in (1, 2))]
    populations.append(Population("output", made_task.size, transfer=made_task.readout))
    names = [population.name for population in populations]
    network = Network(populations, [Projection(a, b) for a, b in zip(names, names[1:], strict=False)], dtype="float64", seed=3)
    pathway = make()
    fit_rules(network, pathway)
    made = ArrayTrainer(network, pathway, optimiser, task=made_task, batch=16, seed=1)
    made.check(given)
    return made


def make_trainer(
    make: Callable[[], FeedbackPathway],
    optimiser: Update,
    *,
    dtype: str = "float64",
    normalised: bool = False,
    batch: int = 16,
    hidden: Sequence[int] = (9, 8, 7),
    epochs: int = 2,
    kind: type[Trainer] = Trainer,
) -> Trainer:
    """Return a trainer on ``make_data()``, joined to it, with noise and dropout everywhere.

    normalised : with batch normalisation, too, unless the scheme takes none
    """
    pathway = make()
    normalisation = BatchNormalisation() if normalised and pathway.takes_normalised else None
    network = Network.layered((12,), hidden, 4, transfer="tanh", normalisation=normalisation, dtype=dtype, seed=3)
    for name in network.hidden:
        network.populations[name].dropout = network.populations[name].noise = 0.1
    fit_rules(network, pathway)
    made = kind(network, pathway, optimiser, epochs=epochs, batch=batch, seed=1)
    made.check(make_data())
    for value in made.pathway.parameters().values():
        value += np.float32(0.01)  # what starts at zero hides mistakes, and Adam makes rounding of it large
    return made
