"""Tasks learned one after the other: how well each is done after each, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurosim.datasets import DataSet
from neurosim.errors import InputError, require
from neurosim.training.trainer import Observer, Trainer


@dataclass(frozen=True)
class Continual:
    """What a sequence of tasks came to.

    names : of the tasks, in order
    errors : test errors in per cent, (1 + tasks, tasks): row 0 before learning, row k after the k-th task; column j of task j
    """

    names: tuple[str, ...]
    errors: NDArray[np.float64]

    @property
    def final_error(self) -> float:
        """The mean test error of all tasks at the end."""
        return float(self.errors[-1].mean())

    @property
    def forgetting(self) -> float:
        """How much error each task but the last has at the end above its least error since it was learned, on average.

        Chaudhry, Dokania, Ajanthan and Torr (2018). Riemannian walk for incremental learning. ECCV 2018, equation 3.  It is 0 of
        one task.
        """
        last = [self.errors[-1, j] - self.errors[1 + j :, j].min() for j in range(len(self.names) - 1)]
        return float(np.mean(last)) if last else 0.0

    @property
    def table(self) -> pd.DataFrame:
        """One row for each error: after (how many tasks), task (its number, from 1), name, test_error."""
        rows = [
            {"after": after, "task": task + 1, "name": self.names[task], "test_error": float(error)}
            for after, errors in enumerate(self.errors)
            for task, error in enumerate(errors)
        ]
        return pd.DataFrame(rows)


def learn_in_sequence(trainer: Trainer, tasks: Sequence[DataSet], *observers: Observer, epochs: int = 1) -> Continual:
    """Train on one task after the other, and test on all of them before the first and after each.

    tasks : data sets of one shape and one number of classes or targets, such as ``split_by_class`` and ``permute`` make
    epochs : for each task.  Weights, optimiser and scheme go on from task to task

    Raises
    ------
    InputError
        There is no task, or one does not fit the network.
    DivergedError
        Activity is no longer finite.
    """
    require(bool(tasks), "learn_in_sequence: no task: expected one data set or more; give split_by_class(data)")
    for task in tasks[1:]:
        same = (task.shape, task.classes, task.target_shape) == (tasks[0].shape, tasks[0].classes, tasks[0].target_shape)
        said = f"learn_in_sequence: data set {task.name!r} differs from {tasks[0].name!r} in its shape or its targets"
        require(same, f"{said}: expected one network to fit all; take tasks of one kind", InputError)
    trainer.check(tasks[0])
    errors = [[trainer.evaluate(task.test).error for task in tasks]]
    for task in tasks:
        trainer.fit(task, *observers, epochs=epochs, progress=False)
        errors.append([trainer.evaluate(one.test).error for one in tasks])
    return Continual(tuple(task.name for task in tasks), np.array(errors))
