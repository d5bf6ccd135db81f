"""One data set as several tasks, to be learned one after the other: by classes, by permuted inputs; or with few samples.

Which samples and which orders are drawn follows from a seed of their own, 0, and not from that of a run.  So all seeds and all
schemes learn the same data, and what differs between seeds is what initial weights and the order of the samples make.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.targets import check_whole
from neurosim.errors import DataError, quoted, require

SEQUENCES = ("split_by_class", "permute")  # keys of a [data] table that make tasks of it
ARRANGED = (*SEQUENCES, "few_shot")


def split_by_class(data: DataSet, groups: Sequence[Sequence[int]] | None = None) -> list[DataSet]:
    """Return one data set for each group of classes, which holds the samples of these classes only, in their order.

    All keep the classes of ``data``, so one output answers all of them, and has to tell the groups apart too ("class-incremental").

    groups : the numbers of the classes, each in at most one group; by default pairs, (0, 1), (2, 3), ...: split MNIST

    Raises
    ------
    DataError
        Targets are real, a class is unknown or in two groups, or a group has no samples in a split that has some.

    Zenke, Poole and Ganguli (2017). Continual learning through synaptic intelligence. ICML 2017.
    """
    require(data.classes > 0, f"data set {data.name!r}: split_by_class: targets are real: expected classes; use permute", DataError)
    if groups is None:
        groups = [range(k, min(k + 2, data.classes)) for k in range(0, data.classes, 2)]
    named = [label for group in groups for label in group]
    for label in named:
        said = f"data set {data.name!r}: split_by_class: class {quoted(label)}"
        require(label in range(data.classes), f"{said}: expected 0 to {data.classes - 1}; change it", DataError)
        require(named.count(label) == 1, f"{said} is in two groups: expected one; leave it out of the other", DataError)

    for group in groups:
        for name in ("train", "validation", "test"):
            split: Split = getattr(data, name)
            there = not len(split) or bool(np.isin(split.y, list(group)).any())
            said = f"data set {data.name!r}: split_by_class: group {quoted(list(group))}: 0 {name} samples"
            require(there, f"{said}: expected some; put its classes into another group, or change the splits", DataError)
    return [_of_classes(data, group) for group in groups]


def _of_classes(data: DataSet, classes: Sequence[int]) -> DataSet:
    def part(split: Split) -> Split:
        rows = np.isin(split.y, list(classes))
        return Split(split.x[rows], split.y[rows])

    return _derived(data, f"{'class' if len(classes) == 1 else 'classes'} {', '.join(map(str, classes))}", part)


def permute(data: DataSet, tasks: int, *, seed: int = 0) -> list[DataSet]:
    """Return data sets with the same labels, the inputs of each in an order of its own: permuted MNIST.  The first is as ``data``.

    tasks : how many; seed : decides the orders.  All splits of one task have the same order.

    Raises DataError where ``tasks`` is not a whole number from 1 on.

    Goodfellow, Mirza, Xiao, Courville and Bengio (2013). An empirical investigation of catastrophic forgetting in gradient-based
    neural networks. arXiv:1312.6211.
    """
    check_whole("tasks", tasks)
    require(tasks >= 1, f"data set {data.name!r}: permute: tasks {quoted(tasks)}: expected 1 or more; raise it", DataError)

    def of(number: int) -> DataSet:
        order = np.random.default_rng([seed, number]).permutation(int(np.prod(data.shape)))

        def part(split: Split) -> Split:
            if not number:
                return split
            flat = split.x.reshape(len(split), len(order))[:, order]
            return Split(np.ascontiguousarray(flat).reshape(split.x.shape), split.y)

        return _derived(data, f"order {number}", part)

    return [of(number) for number in range(tasks)]


def few_shot(data: DataSet, shots: int, *, seed: int = 0) -> DataSet:
    """Return a data set with ``shots`` training samples of each class; validation and test samples stay all.

    seed : decides which; with more shots, those of fewer are among them

    Raises DataError where targets are real, or a class has fewer training samples.
    """
    check_whole("shots", shots)
    said = f"data set {data.name!r}: few_shot: shots {quoted(shots)}"
    require(data.classes > 0, f"{said}: targets are real: expected classes; take fewer samples by limit", DataError)
    fewest = int(np.bincount(data.train.y, minlength=data.classes).min())
    require(1 <= shots <= fewest, f"{said}: expected 1 to {fewest}, the samples of the rarest class; change it", DataError)
    order = np.random.default_rng(seed).permutation(len(data.train))
    rows = np.sort(np.concatenate([order[data.train.y[order] == label][:shots] for label in range(data.classes)]))

    def part(split: Split) -> Split:
        return Split(split.x[rows], split.y[rows]) if split is data.train else split

    return _derived(data, f"{shots} of each class", part)


def in_sequence(data: DataSet, tasks: Sequence[DataSet]) -> DataSet:
    """Return a data set of which a trainer learns one task after the other, each for an equal share of its epochs.

    Training is on the task at hand, and so is what is said of the training split.  Loss and error of the validation and the test
    split are means over all tasks, those to come among them (``Evaluation.tasks`` has each).

    data : what the tasks were made of.  Its samples are those that are recorded; classes that are in no task are left out of them
    tasks : such as ``split_by_class`` and ``permute`` make

    Raises DataError where there is no task, or one is of another shape or kind, or lacks a split that another has.
    """
    said = f"data set {data.name!r}: in_sequence"
    require(bool(tasks), f"{said}: no task: expected one data set or more; give split_by_class(data)", DataError)
    nested = any(one.tasks for one in (data, *tasks))
    require(not nested, f"{said}: tasks that have tasks: expected plain ones; change it", DataError)
    for task in tasks:
        same = (task.shape, task.classes, task.target_shape) == (data.shape, data.classes, data.target_shape)
        same = same and bool(len(task.validation)) == bool(len(data.validation))
        told = f"{said}: {task.name!r} differs in its shape, its targets or its splits: expected one network to fit all"
        require(same, f"{told}; take tasks of one kind", DataError)
    if data.classes:
        learned, there = _labels(*tasks), _labels(data)
        data = data if there <= learned else dataclasses.replace(_of_classes(data, sorted(learned)), name=data.name)
    return dataclasses.replace(data, loaded={}, tasks=tuple(tasks))


def arranged(table: Mapping[str, Any]) -> str:
    """Return in words what a [data] table makes of its data set, after whose name they stand: ``, 5 of each class``, or nothing."""
    groups, orders, shots = (table.get(key) for key in ("split_by_class", "permute", "few_shot"))
    few = f", {shots} of each class" if shots is not None else ""
    if groups:
        return f"{few}, classes in {f'{len(groups)} tasks' if isinstance(groups, list) else 'tasks of two'}"
    return f"{few}, {orders} permuted tasks" if orders is not None else few


def _labels(*several: DataSet) -> set[int]:
    """Return the classes that samples of some data sets have."""
    return {int(label) for data in several for split in (data.train, data.validation, data.test) for label in np.unique(split.y)}


def _derived(data: DataSet, what: str, part: Callable[[Split], Split]) -> DataSet:
    require(not data.tasks, f"data set {data.name!r}: it has tasks already: expected none; take it as it was before", DataError)
    train, validation, test = part(data.train), part(data.validation), part(data.test)
    name, content = f"{data.name}, {what}", f"{data.content}; {what}"
    return dataclasses.replace(data, name=name, content=content, loaded={}, train=train, validation=validation, test=test)
