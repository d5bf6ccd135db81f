"""One data set as several tasks, to be learned one after the other: by classes, by permuted inputs; or with few samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.targets import check_whole
from neurosim.errors import DataError, quoted, require


def split_by_class(data: DataSet, groups: Sequence[Sequence[int]] | None = None) -> list[DataSet]:
    """Return one data set for each group of classes, which holds the samples of these classes only, in their order.

    All keep the classes of ``data``, so one output answers all of them, and has to tell the groups apart too ("class-incremental").

    groups : the numbers of the classes, each in at most one group; by default pairs, (0, 1), (2, 3), ...: split MNIST

    Raises
    ------
    DataError
        Targets are real, a class is unknown or in two groups, or a group has no samples.

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

    def of(group: Sequence[int]) -> DataSet:
        def part(split: Split) -> Split:
            rows = np.isin(split.y, list(group))
            return Split(split.x[rows], split.y[rows])

        return _derived(data, f"classes {', '.join(map(str, group))}", part)

    return [of(group) for group in groups]


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
        order = np.arange(int(np.prod(data.shape)))
        if number:
            order = np.random.default_rng([seed, number]).permutation(order)

        def part(split: Split) -> Split:
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


def _derived(data: DataSet, what: str, part: Callable[[Split], Split]) -> DataSet:
    train, validation, test = part(data.train), part(data.validation), part(data.test)
    name, content = f"{data.name}, {what}", f"{data.content}; {what}"
    return dataclasses.replace(data, name=name, content=content, loaded={}, train=train, validation=validation, test=test)
