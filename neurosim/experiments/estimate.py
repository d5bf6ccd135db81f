"""What a model would take, before it takes it: memory, and time on each backend."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import psutil

from neurosim.backends import Backend, DraftBackend, NumpyBackend, limits, select
from neurosim.datasets import DataSet, Entry
from neurosim.errors import InputError, NotCapturableError, quoted, require
from neurosim.modelfile.building import build_network, describe_data, load_data
from neurosim.modelfile.schema import Data, ModelTable, Record
from neurosim.network import Network
from neurosim.recording.recorder import BUFFER
from neurosim.recording.variables import recordable
from neurosim.runfile import chosen
from neurosim.tasks import Classification, Sizes, Task, one_hot
from neurosim.training import EVALUATION_BATCH, Trainer

MEBIBYTE = 2**20
PASSES = 4  # arrays of a state of each sample that array code holds at once: it, the next, and what the next is worked out from
WORTH_ASKING = 0.01  # of what is free: a model whose weights take less is not looked at more closely before it runs


@dataclass(frozen=True)
class Memory:
    """Bytes that a run holds at its peak.

    weights : of the network and of the pathway, with running statistics and synaptic state
    optimiser : its memory of every parameter; buffers : of the captured steps, with what rules remember of each sample
    data : images as they are loaded, and targets; evaluation : the activity of one batch of it, in all ticks of a trial
    checkpoint : the copy of weights and optimiser that is written after each epoch
    recording : of chosen variables, what waits to be written and the moment that comes next
    process : Python and the libraries
    """

    weights: int
    optimiser: int
    buffers: int
    data: int
    evaluation: int
    checkpoint: int
    recording: int
    process: int

    @property
    def total(self) -> int:
        return sum(getattr(self, part.name) for part in fields(self))

    def on(self, backend: Backend) -> int:
        """Return the bytes still to be taken on a backend: the process is there; a GPU has no checkpoint, and nothing waits."""
        return self.total - self.process - (0 if isinstance(backend, NumpyBackend) else self.checkpoint + self.recording)

    def describe(self) -> str:
        """Return the parts and their sum as one line of text."""
        parts = ", ".join(f"{part.name} {getattr(self, part.name) / MEBIBYTE:.1f}" for part in fields(self))
        return f"at most about {self.total / MEBIBYTE:,.0f} MiB ({parts})"


def about(table: Data, data: DataSet | None = None, data_dir: str | os.PathLike[str] | None = None) -> Entry:
    """Return the sizes of a model's data set: as they are known before it is loaded, or of ``data`` that are made."""
    if not table.is_made:
        return describe_data(table, data_dir)
    data = data or load_data(table)
    train = len(data.train) + len(data.validation)
    sizes: dict[str, Any] = {"shape": data.shape, "classes": data.classes, "target_shape": data.target_shape}
    return Entry(data.name, "", train=train, test=len(data.test), source="", licence="", citation="", normalisation="", **sizes)


def drafted(table: ModelTable, backend: Backend | None = None, entry: Entry | None = None) -> tuple[Network, list[Trainer]]:
    """Return a model's network and its stages' trainers without data; by default with weights that are never drawn.

    entry : the sizes of the data set, where they are known already

    Raises InputError where not even the addresses for them are to be had.
    """
    with _addresses(table):
        return _drafted(table, backend or DraftBackend(), entry or about(table.data))


@contextmanager
def _addresses(table: ModelTable) -> Iterator[None]:
    """Refuse a model whose arrays, which nothing is written to, are too large to have addresses."""
    try:
        yield
    except MemoryError as cause:
        limit = limits.free_memory().limit
        expected = "expected a model that fits; make the network or the batch smaller"
        raise InputError(f"model {quoted(table.title)}: {cause} ({limit}): {expected}") from cause


def task_of(table: ModelTable, entry: Entry) -> Task:
    """Return the task of a model file, by the sizes of its data set."""
    return table.task.on(Sizes(entry.shape, entry.classes, entry.target_shape))


def readout_of(task: Task) -> str:
    """Return the transfer of an output that does a task; of one that teaches nothing, that of classes."""
    return getattr(task, "readout", Classification.readout)


def _drafted(table: ModelTable, backend: Backend, entry: Entry) -> tuple[Network, list[Trainer]]:
    task = task_of(table, entry)
    network = build_network(
        table.network, table.shown(entry.shape), task.size, seed=table.seed, backend=backend, readout=readout_of(task)
    )
    trainers = []
    for stage in table.stages:
        options: dict[str, Any] = {"feedback_optimiser": stage.feedback_optimiser, "epochs": stage.epochs, "batch": stage.batch}
        options |= {"clock": table.clock.clock(), "encoder": table.encoder}
        trainers.append(Trainer(network, stage.pathway(), stage.optimiser, seed=table.seed, **options))
        trainers[-1].trial.check(network, entry.shape, entry.name)
        trainers[-1].sample = entry.shape
        trainers[-1].pathway.attach(network, task, table.seed)
    return network, trainers


def memory(table: ModelTable, data_dir: str | os.PathLike[str] | None = None, entry: Entry | None = None) -> Memory:
    """Return what a run of the model holds at its peak on the CPU; nothing of it is taken to find out.

    entry : the sizes of the data set, where they are known already
    data_dir : where the data would be read from; what is not read from a folder comes with, or through, scikit-learn
    """
    entry = entry or about(table.data)
    if entry.openml is None or not (data_dir or os.environ.get("NEUROSIM_DATA")):
        import sklearn.datasets  # noqa: F401 some 90 MiB, which the run will hold
    available()  # CuPy, where it is installed, is another 150
    with _addresses(table):
        return _memory(table, entry)


def _memory(table: ModelTable, entry: Entry) -> Memory:
    network, trainers = drafted(table, entry=entry)
    buffers = 0
    for trainer in trainers:
        for phase in trainer.pathway.phases:
            try:
                buffers += NumpyBackend().buffer_bytes(trainer.recorded(phase))
            except NotCapturableError:  # array code asks for what it needs as it goes: about what it would have been given
                buffers += 8 * _activity(table, network, trainer.batch)
                buffers += PASSES * network.trace_bytes(trainer.batch)
    learned = _bytes((network.parameters() | network.memory()).values())
    learned += sum(_bytes((t.pathway.parameters() | t.pathway.memory()).values()) for t in trainers)
    commits = [commit for trainer in trainers for commit in (trainer.commit, trainer.feedback_commit)]
    kept = sum(_bytes(arrays.values()) for commit in commits for arrays in commit.memory.values())
    return Memory(
        weights=learned,
        optimiser=kept,
        buffers=buffers,
        data=_data(entry, table.data, network, task_of(table, entry).size),
        evaluation=3 * _activity(table, network, max(EVALUATION_BATCH, samples(table.record))),
        checkpoint=learned + kept,
        recording=_recording(table, network, trainers, entry),
        process=psutil.Process().memory_info().rss,
    )


def _bytes(arrays: Iterable[Any]) -> int:
    return sum(array.nbytes for array in arrays)


def _recording(table: ModelTable, network: Network, trainers: list[Trainer], entry: Entry) -> int:
    """Return the bytes of recordings at one moment, and of those that may wait, which are no more than an epoch's."""
    requests = table.record.requests()
    if not requests:
        return 0
    known = recordable(network, [trainer.pathway for trainer in trainers])
    moment = epoch = 0
    for name, request in chosen(requests, known).items():
        shape, *_ = known[name].layout(request, samples(table.record))
        size = math.prod(shape) * known[name].dtype.itemsize
        steps = max(batches(entry, table, trainer.batch) * len(trainer.pathway.phases) for trainer in trainers)
        moment += size
        epoch += size * (max(1, steps // request.interval.every) if request.interval.unit == "steps" else 1)
    return moment + min(epoch, max(BUFFER, moment))


def samples(record: Record) -> int:
    """Return how many samples the probe has, at most."""
    return record.samples if isinstance(record.samples, int) else len(record.samples)


def _activity(table: ModelTable, network: Network, batch: int) -> int:
    """Return the bytes of one number for each neuron's input and sample, in each tick of a trial, and of the rates it begins with.

    A rate on its way is the array that the population sent; only those that a trial begins with come on top.
    """
    inputs = sum(population.size * len(population.neurons.inputs) for population in network.populations.values())
    begun = sum(network.populations[name].size * delay for name, delay in network.delays.items())
    return batch * (table.clock.ticks * inputs + begun) * network.dtype.itemsize


def _data(entry: Entry, table: Data, network: Network, targets: int) -> int:
    """Return the bytes of all samples while they are loaded, and of targets; a float64 network keeps another copy of both.

    The samples of tasks by classes are there once more, and those of each permuted task but the first.
    """
    pixels = (entry.train + entry.test) * math.prod(entry.shape)
    copy = entry.train * math.prod(entry.shape) * 8 if network.dtype == np.float64 else 0
    more = 0 if not table.is_sequence else 1 if table.permute is None else table.permute - 1
    return (entry.bytes_a_value + 4 * more) * pixels + copy + entry.train * targets * (4 + network.dtype.itemsize)


def check_fits(
    table: ModelTable,
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    backend: Backend | None = None,
    entry: Entry | None = None,
    times: int = 1,
) -> None:
    """Raise InputError, with the numbers, where the model would not fit into the memory that is free, here or on ``backend``.

    times : in how many processes at once
    """
    entry = entry or about(table.data)
    network, _ = drafted(table, entry=entry)
    weights = _bytes(network.parameters().values())
    asked = {each.name: each for each in (NumpyBackend(), backend) if each is not None}.values()
    if any(times * weights >= WORTH_ASKING * each.free_bytes() for each in asked):
        needed = memory(table, data_dir, entry)
        for each in asked:
            refuse_unless_free(needed, name, each, times)


def refuse_unless_free(memory: Memory, name: str, backend: Backend | None = None, times: int = 1) -> None:
    """Raise InputError, with the numbers, where ``times`` as much as ``memory`` is not free, on the CPU or on ``backend``."""
    backend = backend or NumpyBackend()
    needed, free = memory.on(backend), backend.free_bytes()
    where = f" ({limits.free_memory().limit})" if isinstance(backend, NumpyBackend) else f" on {backend.describe()}"
    each, fewer = ("", "") if times == 1 else (f" in each of {times} processes", ", or run fewer at once")
    require(
        times * needed <= free,
        f"model {name!r}: needs about {needed / 2**30:,.1f} GiB more{each}, {free / 2**30:,.1f} GiB are free{where}: "
        f"expected a model that fits; make the network or the batch smaller{fewer}",
    )


# ---------------------------------------------------------------------- time


def seconds_a_step(trainer: Trainer, budget: float) -> float:
    """Return the median time of one batch, all phases of an epoch together, found by running for ``budget`` seconds.

    The trainer's weights change: make one for this.
    """
    backend, network = trainer.network.backend, trainer.network
    draw = np.random.default_rng(0)
    x = draw.random((trainer.batch, *trainer.sample)).astype(network.dtype)
    size = trainer.pathway.task.size
    target = one_hot(draw.integers(0, size, trainer.batch), size).astype(network.dtype)  # of any task: numbers of the right shape
    total = 0.0
    for phase in trainer.pathway.phases:
        try:
            program = backend.capture(trainer.recorded(phase))
        except NotCapturableError:

            def run(step: int) -> None:
                trainer.steps = step
                trainer.run_as_array_code(phase, x, target)  # noqa: B023 called before the next phase
        else:

            def run(step: int) -> None:
                program.run_on({"x": x, "target": target}, step)  # noqa: B023
                program.check()  # noqa: B023

        total += _median(run, budget / len(trainer.pathway.phases))
    return total


def _median(run: Any, budget: float) -> float:
    """Return the median seconds of ``run(step)``, the first two left out: they load and capture."""
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - started < budget:
        before = time.perf_counter()
        run(len(times))
        times.append(time.perf_counter() - before)
    return statistics.median(times[2:])


def timings(table: ModelTable, budget: float = 2.0, entry: Entry | None = None) -> dict[str, list[float]]:
    """Return for every backend that could hold the model the seconds of a batch in each stage, from ``budget`` seconds of each."""
    found, entry = {}, entry or about(table.data)
    for backend in roomy(table, entry):
        _, trainers = drafted(table, backend, entry)
        found[backend.name] = [seconds_a_step(trainer, budget / len(trainers)) for trainer in trainers]
    return found


def available() -> list[Backend]:
    """Return the backends that this machine can run."""
    best = select("auto")
    return [best] if best.name == "numpy" else [NumpyBackend(), best]


def roomy(table: ModelTable, entry: Entry | None = None) -> list[Backend]:
    """Return the CPU, which was asked before, and the GPU where the model fits there."""
    cpu, *others = available()
    return [cpu, *(backend for backend in others if memory(table, entry=entry).on(backend) <= backend.free_bytes())]


def whole_run(table: ModelTable, found: Mapping[str, list[float]], entry: Entry | None = None) -> dict[str, float]:
    """Return the seconds of all epochs of all stages on each backend, from the seconds of a batch as ``timings`` finds them."""
    entry = entry or about(table.data)
    tasks = table.data.tasks(entry.classes)
    counts = [tasks * stage.epochs * batches(entry, table, stage.batch) for stage in table.stages]
    return {name: sum(n * each for n, each in zip(counts, seconds, strict=True)) for name, seconds in found.items()}


def fastest(table: ModelTable, entry: Entry | None = None) -> str:
    """Return the backend on which the model takes least; without a GPU that is known without trying."""
    if len(available()) == 1:
        return "numpy"
    entry = entry or about(table.data)
    found = whole_run(table, timings(table, entry=entry), entry)
    return min(found, key=lambda name: found[name])


def batches(entry: Entry, table: ModelTable, batch: int) -> int:
    """Return how many batches an epoch has; where tasks are classes, about how many on average."""
    data, kept = table.data, entry.train - round(table.data.validation * entry.train)
    kept = min(kept, data.limit or kept, data.few_shot * entry.classes if data.few_shot else kept)
    if data.permute is not None or not data.is_sequence:
        return kept // batch
    learned = sum(map(len, data.split_by_class)) if isinstance(data.split_by_class, list) else entry.classes
    return kept * learned // max(1, entry.classes * data.tasks(entry.classes) * batch)
