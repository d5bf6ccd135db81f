"""Tasks learned one after the other in Python: how well each is done after each, and what is forgotten.

A model file that names tasks (``split_by_class``, ``permute``) comes to the same numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurosim.datasets import DataSet
from neurosim.errors import InputError, require
from neurosim.runfile import Continual
from neurosim.training.trainer import Observer, Trainer


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
    trainer.calibrate(tasks[0])
    errors = [[trainer.evaluate(task.test).error for task in tasks]]
    for task in tasks:
        trainer.fit(task, *observers, epochs=epochs, progress=False)
        errors.append([trainer.evaluate(one.test).error for one in tasks])
    return Continual(tuple(task.name for task in tasks), np.array(errors))
