"""What the output should do: its target, the error at the output, the loss and the score; one task a file."""

from __future__ import annotations

import sys
from typing import Any

from neurosim.catalogue import concrete
from neurosim.datasets import DataSet
from neurosim.errors import UnknownNameError
from neurosim.tasks.classification import Classification, one_hot
from neurosim.tasks.reconstruction import Reconstruction
from neurosim.tasks.regression import Regression
from neurosim.tasks.reward import Reward
from neurosim.tasks.task import Sizes, Task
from neurosim.tasks.unsupervised import Unsupervised

__all__ = [
    "Classification", "Reconstruction", "Regression", "Reward", "Sizes", "Task", "Unsupervised", "default", "of_data", "one_hot",
    "task", "tasks",
]  # fmt: skip


def tasks() -> dict[str, type[Task]]:
    """Return every task by name."""
    return concrete(sys.modules[__name__], Task)  # type: ignore[type-abstract]


def task(name: str, sizes: Sizes, **options: Any) -> Task:
    """Return the task called ``name`` for data of these ``sizes``; raise InputError where such data have no such task."""
    if name not in tasks():
        raise UnknownNameError("task", name, tasks())
    return tasks()[name].of(sizes, **options)


def default(sizes: Sizes) -> str:
    """Return the task's name where nobody names one: what the targets are made for."""
    return "classification" if sizes.classes else "regression"


def of_data(data: DataSet) -> Task:
    """Return the task that ``data`` are made for."""
    sizes = Sizes.of(data)
    return task(default(sizes), sizes)
