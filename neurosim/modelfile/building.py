"""From the tables of a model file to data set, network and trainers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim import datasets
from neurosim.backends import Backend
from neurosim.backends.base import generator
from neurosim.datasets.sequences import few_shot, in_sequence, permute, split_by_class
from neurosim.equations.drawn import drawn
from neurosim.equations.units import Dimensions, Measure, measure
from neurosim.errors import UnknownNameError, quoted, require
from neurosim.modelfile.schema import Data, Layer, ModelTable, NetworkTable, Output, PopulationTable, ProjectionTable, Stage
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Equations, transfer
from neurosim.tasks import Classification, Task
from neurosim.training import Trainer


def load_data(table: Data, data_dir: str | os.PathLike[str] | None = None) -> datasets.DataSet:
    """Return the data set of a model file; one that a user's function makes gets a validation split where it has none.

    Where the file says so, it keeps a few samples of each class, or has tasks, which are learned one after the other.
    """
    data = _loaded(table, data_dir)
    data = data if table.few_shot is None else few_shot(data, table.few_shot)
    if table.permute is not None:
        return in_sequence(data, permute(data, table.permute))
    if table.split_by_class is not False:
        return in_sequence(data, split_by_class(data, None if table.split_by_class is True else table.split_by_class))
    return data


def _loaded(table: Data, data_dir: str | os.PathLike[str] | None) -> datasets.DataSet:
    made = table.made()
    if made is not None:
        return _limited(made, table)
    normalise = tuple(table.normalise) if isinstance(table.normalise, list) else table.normalise
    options: dict[str, Any] = {"test": table.test, "targets": table.targets, "limit": table.limit}
    return datasets.load(table.name, data_dir=data_dir, validation=table.validation, normalise=normalise, **options)


def describe_data(table: Data, data_dir: str | os.PathLike[str] | None = None) -> datasets.Entry:
    """Return what is known of the data set of a model file before it is loaded: sizes and shapes."""
    return datasets.describe(table.name, data_dir=data_dir, test=table.test, targets=table.targets)


def _limited(data: datasets.DataSet, table: Data) -> datasets.DataSet:
    """Return a user's data set with the last of its training images held out, and no more of them than [data] says."""
    label = f"data set {quoted(table.name)}: normalise {quoted(table.normalise)}"
    require(table.normalise is None, f"{label}: expected none, since its function returns the values to use; leave it out")
    x, y, held_out = data.train.x, data.train.y, data.validation
    if table.validation and not len(held_out):
        kept = len(y) - round(table.validation * len(y))
        x, y, held_out = x[:kept], y[:kept], datasets.Split(x[kept:], y[kept:])
    return replace(data, train=datasets.Split(x[: table.limit], y[: table.limit]), validation=held_out)


def build_network(
    table: NetworkTable,
    shape: tuple[int, ...],
    targets: int | tuple[int, ...],
    *,
    seed: int,
    backend: Backend,
    readout: str = Classification.readout,
) -> Network:
    """Return the network of a model file, fitted to inputs of ``shape`` and to the size, or shape, of a task's ``targets``.

    readout : the transfer of a chain's output that has none
    """
    populations, projections = written_out(table, readout)
    reached, outputs = {p.post for p in projections}, _outputs(table, populations, projections)
    sizes: dict[str, Any] = {}
    for population in populations:
        default = shape if population.name not in reached else targets if population.name in outputs else None
        sizes[population.name] = population.shape or default
        require(
            sizes[population.name] is not None,
            f"population {quoted(population.name)}: shape is missing: expected one for all but input and output; give shape = 100",
        )
    return Network(
        [_population(p, sizes[p.name]) for p in populations],
        [_projection(p) for p in projections],
        seed=seed if table.seed is None else table.seed,
        dtype=table.dtype,
        backend=backend,
        dt=table.dt,
        output=table.output if isinstance(table.output, str) else None,
    )


def initial_values(network: Network, initial: Mapping[str, str | float]) -> dict[str, np.ndarray]:
    """Return the start values of a run: ``population.variable`` -> (n,), in SI units.

    initial : ``population.variable`` -> a number, or text such as ``"Vr + (Vt - Vr) * rand()"``, which may name the constants of
        the population's equations, and its variables that stand before; what it draws follows from the network's seed and this name

    Raises InputError for a variable that is not there, and for a value that is none, or of another unit.
    """
    found: dict[str, np.ndarray] = {}
    spiking = {name: one for name, one in network.populations.items() if isinstance(one.neurons, Equations)}
    known = {f"{name}.{variable}": one for name, one in spiking.items() for variable in one.neurons.states}
    for name, value in initial.items():
        if name not in known:
            raise UnknownNameError("initial: variable", name, known)
        population, label = known[name], f"initial {quoted(name)}"
        neurons, (owner, _, variable) = population.neurons, name.partition(".")
        names = {key: measure(one, label) for key, one in neurons.constants.items()}
        names |= {of: Measure(found[f"{owner}.{of}"], _unit(neurons, of)) for of in neurons.states if f"{owner}.{of}" in found}
        draw = generator(network.seed, f"initial/{name}")
        found[name], dimensions = drawn(str(value), label, draw, population.size, names)
        fits = dimensions == _unit(neurons, variable) or not found[name].any()
        require(fits, f"{label} {quoted(value)}: expected it in {neurons.unit_of(variable)}, the variable's unit; change it")
    return found


def _unit(neurons: Equations, variable: str) -> Dimensions:
    unit = neurons.unit_of(variable)
    return measure(1 if unit == "1" else f"1*({unit})", variable).dimensions


def _outputs(table: NetworkTable, populations: list[PopulationTable], projections: list[ProjectionTable]) -> list[str]:
    """Return the output that does the task; where none is named, every population with no projection to others."""
    sending = {p.pre for p in projections if p.pre != p.post}
    return [table.output] if isinstance(table.output, str) else [p.name for p in populations if p.name not in sending]


def written_out(table: NetworkTable, readout: str = Classification.readout) -> tuple[list[PopulationTable], list[ProjectionTable]]:
    """Return the network as a graph: the chain x -> hidden1 -> ... -> output where ``hidden`` gives only its sizes."""
    if table.hidden is None:
        return table.populations or [], table.projections or []
    assert isinstance(table.output, Output)  # a chain has no name there
    hidden = [f"hidden{k}" for k in range(1, len(table.hidden) + 1)]
    layer, last = table.layer, table.output
    populations = [PopulationTable(name="x", noise=table.input.noise, dropout=table.input.dropout)]
    for name, size in zip(hidden, table.hidden, strict=True):
        own = PopulationTable(name=name, shape=[size], dropout=layer.dropout, noise=layer.noise)
        made = {"neurons": layer.neurons, "transfer": layer.transfer, "normalisation": layer.normalisation}
        populations.append(own.model_copy(update=made))
    own = PopulationTable(name="output")
    read = {"neurons": last.neurons, "transfer": last.transfer or transfer(readout), "normalisation": last.normalisation}
    populations.append(own.model_copy(update=read))
    ends = zip(["x", *hidden], [*hidden, "output"], [layer] * len(hidden) + [last], strict=True)
    return populations, [_synapses(pre, post, common) for pre, post, common in ends]


def _synapses(pre: str, post: str, common: Layer | Output) -> ProjectionTable:
    table = ProjectionTable(pre=pre, post=post, initial=common.initial, bias=common.bias)
    made = {"rule": common.rule, "optimiser": common.optimiser}
    return table.model_copy(update=made)  # copied, not given: a rule is checked text only once


def _population(table: PopulationTable, shape: Any) -> Population:
    return Population(
        table.name,
        shape,
        neurons=table.neurons,
        transfer=None if table.neurons is not None else table.transfer,
        normalisation=table.normalisation,
        dropout=table.dropout,
        noise=table.noise,
    )


def _projection(table: ProjectionTable) -> Projection:
    return Projection(
        table.pre,
        table.post,
        name=table.name,
        delay=table.delay,
        into=table.into,
        connectivity=table.connectivity,
        initial=table.initial,
        bias=table.bias,
        rule=table.rule,
        optimiser=table.optimiser,
        short_term=table.short_term,
    )


def build_trainer(
    number: int, stage: Stage, network: Network, task: Task, data: datasets.DataSet, table: ModelTable, seed: int
) -> Trainer:
    """Return the trainer of one stage, joined to its data: all that could be wrong with it has been found by now."""
    change = table.data.augment
    augment = datasets.Augmentation(**change.model_dump(), fill=data.black) if change else None
    trainer = Trainer(
        network,
        stage.pathway(),
        stage.optimiser,
        task=task,
        clock=table.clock.clock(),
        encoder=table.encoder,
        feedback_optimiser=stage.feedback_optimiser,
        epochs=stage.epochs * (len(data.tasks) or 1),
        batch=stage.batch,
        shuffle=stage.shuffle,
        seed=seed,
        augment=augment,
        name=stage.name or f"stage{number}",
    )
    trainer.check(data)
    return trainer
