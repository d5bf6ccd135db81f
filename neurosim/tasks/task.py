"""The contract of a task: what the output should do, and how far it is from doing it.

A task knows the target's type, the error at the output, the loss and the score.  A feedback pathway knows none of these: it asks
its task, and carries the error on.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import Backend, Draws
from neurosim.catalogue import Stated
from neurosim.datasets import DataSet
from neurosim.errors import InputError, require
from neurosim.network import Activity, Population, Teaching

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Sizes:
    """What a task has to know of a data set.

    shape : of one input; classes : how many, 0 where targets are real vectors; target_shape : of one real target
    """

    shape: Shape
    classes: int
    target_shape: Shape = ()

    @staticmethod
    def of(data: DataSet) -> Sizes:
        """Return the sizes of a data set."""
        return Sizes(tuple(data.shape), data.classes, tuple(data.target_shape))

    @property
    def inputs(self) -> int:
        """How many numbers one input has."""
        return math.prod(self.shape)

    @property
    def targets(self) -> int:
        """How many numbers one real target has."""
        return math.prod(self.target_shape)


class Task(Stated, abc.ABC):
    """What the output population should do.

    size : the length of a target vector

    name : of the task in model files
    score : what its error in per cent is, in words; guess : the best answer that ignores the input, in words
    gives_target : whether a feedback pathway is given the target; otherwise it is given what came of what the network did
    has_error : whether there is an error at the output; otherwise only pathways that need none can be used
    modulators : names of what the task broadcasts to all synapses, such as ``reward``
    """

    name: ClassVar[str]
    score: ClassVar[str]
    guess: ClassVar[str]
    gives_target: ClassVar[bool] = True
    has_error: ClassVar[bool] = True
    modulators: ClassVar[tuple[str, ...]] = ()
    readout: ClassVar[str]  # the transfer of a population that does this task beside the output, as local readouts do

    def __init__(self, size: int) -> None:
        require(size >= 1, f"task {self.name!r}: size {size}: expected 1 number or more in a target; check the data")
        self.size = size

    @classmethod
    @abc.abstractmethod
    def of(cls, sizes: Sizes, **options: Any) -> Task:
        """Return the task for data of these sizes; raise InputError where they have no such task."""

    # ------------------------------------------------------------------ present

    @abc.abstractmethod
    def targets(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float32]:
        """Return the target vectors, (n, size), of inputs ``x``, (n, *shape), of which the data set says ``y``, (n, ...)."""

    @abc.abstractmethod
    def check(self, owner: str, output: Population) -> None:
        """Raise InputError, naming ``owner``, where the output population cannot do this task."""

    # ------------------------------------------------------------------ teach

    def outcome(self, backend: Backend, output: Activity, target: Any, draws: Draws) -> Any:
        """Return what a pathway is given, (batch, size): the target itself, unless the task keeps it back."""
        return target

    def broadcast(self, outcome: Any) -> dict[str, Any]:
        """Return the task's modulators: name -> value of each sample, (batch,)."""
        return {}

    @abc.abstractmethod
    def error(self, population: Population, activity: Activity, outcome: Any) -> Any:
        """Return the error on the argument of the population's curve, (batch, *shape): minus the gradient of a sample's loss."""

    def teach(self, population: Population, activity: Activity, outcome: Any) -> Teaching:
        """Return the teaching signal of the population that does this task."""
        return population.teach_argument(self.error(population, activity, outcome), activity)

    def losses(self, backend: Backend, rate: Any, outcome: Any) -> Any:
        """Return what ``error`` is minus the gradient of, for each sample, (batch,), given the rate of the output, (batch, *shape).

        For schemes that try out what changes it.  Raises InputError where a task does not say it (default).
        """
        raise InputError(f"task {self.name!r} says no loss of each sample: expected losses(); use a task that has it")

    # ------------------------------------------------------------------ evaluate

    def calibrate(self, rates: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Learn from the training data how to read the output (default: nothing to learn).

        rates : output rates, (n, neurons), and targets, (n, size), on the host, batch by batch
        """

    def scores(self, backend: Backend, rate: Any) -> Any:
        """Return the network's answer, (batch, size), given the rate of the output, (batch, *shape)."""
        return rate

    def answer(self, scores: NDArray[Any], sizes: Sizes) -> NDArray[Any]:
        """Return what the network answers to samples, as ``Trainer.predict`` gives it (default: the scores, (n, size)).

        scores : (n, size), on the host; sizes : of the data

        Raises InputError, in one line, where the task has no answer to predict.
        """
        return scores

    @abc.abstractmethod
    def loss(self, backend: Backend, rate: Any, target: Any) -> Any:
        """Return the mean loss of a batch, a number that may still lie on the device."""

    @abc.abstractmethod
    def missed(self, scores: Any, target: Any) -> Any:
        """Return how much of ``target`` the ``scores`` miss, summed over the batch; a number that may still lie on the device."""

    @abc.abstractmethod
    def most(self, target: NDArray[Any]) -> float:
        """Return what ``missed`` is 100 per cent of, for all targets of a split, (n, size)."""

    @abc.abstractmethod
    def chance(self, target: NDArray[Any]) -> float:
        """Return the error, in per cent, of the ``guess``."""
