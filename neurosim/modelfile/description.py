"""A trainer made in Python described as the model file that would make it again.

What no model file can hold (a class from outside the package, an attribute or a method that was changed after its object was made,
weights that are not the seed's, a training that began elsewhere) is listed under ``unstated``: such a run is resumed from Python,
and is never pooled with another.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import numbers
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.backends import Backend
from neurosim.catalogue import Imports, Stated, is_outside, outside_name
from neurosim.connectivity import connectivities
from neurosim.datasets import Augmentation, DataSet
from neurosim.encoders import Constant, encoders
from neurosim.errors import NeurosimError, quoted, utf8
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.modelfile.alike import alike, plain_attributes, replaced
from neurosim.modelfile.reading import Contents
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import DRIVE, BatchNormalisation, Surrogate, Transfer, neurons_by_name, surrogates, transfers
from neurosim.plasticity import Chain, PlasticityRule, Rule, Update, chain, rules, short_terms, updates
from neurosim.tasks import Sizes, default, tasks
from neurosim.training import Trainer

STARTED = "is not as its seed makes it"  # said of what a checkpoint restores


def describe(trainer: Trainer, data: DataSet, record: Mapping[str, Any]) -> Contents:
    """Return the contents of the model file that makes ``trainer``, joined to ``data``, again.

    record : the [record] table
    """
    describer = _Describer()
    contents = describer.settings(trainer, data)
    describer.unstated += _started(trainer)
    contents |= {"record": dict(record)}
    modules = describer.imports.needed(contents)
    contents |= {"modules": modules} if modules else {}
    return _as_toml(contents | ({"unstated": describer.unstated} if describer.unstated else {}))


def settings(trainer: Trainer, data: DataSet) -> Contents:
    """Return what ``describe`` does, but for the [record] table and for where the training starts."""
    describer = _Describer()
    contents = describer.settings(trainer, data)
    return _as_toml(contents | ({"unstated": describer.unstated} if describer.unstated else {}))


def describe_data(data: DataSet) -> Contents:
    """Return the [data] table of a data set: what ``load`` was asked for, or the name of the caller's own arrays."""
    if not data.loaded:
        return {"name": data.name, "arrays": True}
    table: Contents = _as_toml({key: value for key, value in data.loaded.items() if value})
    return table


def state(value: Any, imports: Imports) -> Any:
    """Return a value of a model file that was given in Python as the text or table that makes it again.

    A class or a function is stated as ``module:name``, which ``imports`` knows from then on; a rule, an optimiser, a transfer by
    its name and options.

    Raises TypeError, with what was expected, where no table makes it again.
    """
    if isinstance(value, type) or inspect.isfunction(value):
        return imports.state(value)
    if isinstance(value, Mapping):
        return {str(key): state(one, imports) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [state(one, imports) for one in value]
    if isinstance(value, FeedbackPathway):
        raise TypeError("expected the scheme's class, and its options under 'options'")
    if not isinstance(value, Stated):
        if not isinstance(value, bool | numbers.Real | str | np.ndarray):
            raise TypeError("expected a number, text, a list, a table, a class, a rule or an optimiser")
        return _as_toml(value)
    describer = _Describer(imports)
    known: Mapping[str, Callable[..., Any]] = updates() if isinstance(value, Update) else {**neurons_by_name(), **connectivities()}
    if isinstance(value, Chain):
        stated: Any = [state(link, imports) for link in value.links]
    else:
        stated = describer.rule("", value) if isinstance(value, Rule) else describer.named("", value, known)
    if describer.unstated:
        why = describer.unstated[0].lstrip(": ")
        raise TypeError(f"no model file can hold it ({why}): expected one that its options make again")
    return _as_toml(stated)


class _Describer:
    """Describes parts one after the other.

    unstated : what a model file cannot hold; imports : the user's classes that it names
    """

    def __init__(self, imports: Imports | None = None) -> None:
        self.unstated: list[str] = []
        self.imports = imports or Imports()

    def settings(self, trainer: Trainer, data: DataSet) -> Contents:
        self._own("trainer", trainer, Trainer)
        return {
            "title": f"{trainer.pathway.title}, from Python",
            "seed": trainer.seed,
            "data": self._data(trainer, data),
            **self._task(trainer, data),
            **self._trial(trainer),
            "network": self._network(trainer.network, trainer.seed),
            "stages": [self._stage(trainer)],
        }

    # ------------------------------------------------------------------ data

    def _data(self, trainer: Trainer, data: DataSet) -> Contents:
        table = describe_data(data)
        if trainer.augment is not None:
            table["augment"] = self._augmentation(trainer.augment, data)
        return table

    def _task(self, trainer: Trainer, data: DataSet) -> Contents:
        """Return the task, where it is not what the data are made for."""
        table = self.named("task", trainer.task_on(data), tasks())
        table.pop("size", None)
        return {} if table == {"name": default(Sizes.of(data))} else {"task": table}

    def _trial(self, trainer: Trainer) -> Contents:
        """Return clock and encoder, where they are not those of a static network."""
        clock, encoder = trainer.trial.clock, self.named("encoder", trainer.trial.encoder, encoders())
        self._own("clock", clock, Clock)
        told: Contents = {} if clock == Clock() else {"clock": {"ticks": clock.ticks, "asked": clock.asked}}
        return told | ({} if encoder == {"name": Constant.name} else {"encoder": encoder})

    def _augmentation(self, augment: Any, data: DataSet) -> Contents:
        if type(augment) is not Augmentation or augment.fill != data.black:
            self.unstated.append(f"data.augment: {_class_of(augment)}")
            return plain_attributes(augment)
        return {"crop_pad": augment.crop_pad, "flip": augment.flip}

    # ------------------------------------------------------------------ network

    def _network(self, network: Network, seed: int) -> Contents:
        self._own("network", network, Network)
        table: Contents = {
            "dtype": str(network.dtype),
            "populations": [self._population(population) for population in network.populations.values()],
            "projections": [self._projection(projection) for projection in network.projections.values()],
        }
        if network.dt is not None:
            table["dt"] = network.dt
        if network.seed != seed:
            table["seed"] = network.seed
        if network.outputs != [network.output]:
            table["output"] = network.output
        return table

    def _population(self, population: Population) -> Contents:
        where = f"population {population.name}"
        self._own(where, population, Population)
        table: Contents = {"name": population.name, "shape": [int(n) for n in population.shape]}
        kind = "transfer" if isinstance(population.neurons, Transfer) else "neurons"
        table[kind] = self.named(f"{where}: {kind}", population.neurons, neurons_by_name())
        if population.normalisation is not None:
            table["normalisation"] = self._options(f"{where}: normalisation", population.normalisation, BatchNormalisation)
        return table | {key: getattr(population, key) for key in ("dropout", "noise") if getattr(population, key)}

    def _projection(self, projection: Projection) -> Contents:
        where = f"projection {projection.name}"
        self._own(where, projection, Projection)
        connectivity: Any = self.named(f"{where}: connectivity", projection.connectivity, connectivities())
        table: Contents = {"pre": projection.pre, "post": projection.post}
        table |= {"name": projection.name} if projection.name != f"{projection.pre}__{projection.post}" else {}
        table |= {"delay": projection.delay} if projection.delay else {}
        table |= {"into": projection.into} if projection.into != DRIVE else {}
        table["connectivity"] = connectivity if len(connectivity) > 1 else connectivity["name"]
        if projection.short_term is not None:
            table["short_term"] = self.named(f"{where}: short_term", projection.short_term, short_terms())
        if projection.optimiser is not None:
            table["optimiser"] = self._optimiser(chain(projection.optimiser).links)
        return table | {"initial": projection.initial, "bias": projection.bias, "rule": self.rule(where, projection.rule)}

    def rule(self, where: str, rule: Rule | None) -> Any:
        if rule is None:
            return "fixed"
        if type(rule) is PlasticityRule:
            return self._options(f"{where}: rule", rule, _equation)
        return self.named(f"{where}: rule", rule, rules())

    # ------------------------------------------------------------------ training

    def _stage(self, trainer: Trainer) -> Contents:
        pathway: FeedbackPathway = trainer.pathway
        scheme = self.named("scheme", pathway, pathways())
        own, others = trainer.commit.chain, trainer.feedback_commit.chain
        table: Contents = {"scheme": scheme.pop("name"), "options": scheme, "optimiser": self._optimiser(own.links)}
        if others.links != own.links:
            table["feedback_optimiser"] = self._optimiser(others.links)
        return table | {"epochs": trainer.epochs, "batch": trainer.batch, "shuffle": trainer.shuffle, "name": trainer.name}

    def _optimiser(self, links: Sequence[Update]) -> list[Contents]:
        return [self.named("optimiser", link, updates()) for link in links]

    # ------------------------------------------------------------------ objects

    def _own(self, what: str, made: Any, kind: type) -> None:
        """Note an object that is not of the package's own class, or has a method of its own."""
        if type(made) is not kind:
            self.unstated.append(f"{what}: {_class_of(made)}")
        self.unstated += [f"{what}: {name} is not its class's own" for name in replaced(made)]

    def named(self, what: str, made: Stated, known: Mapping[str, Callable[..., Any]]) -> Contents:
        """Return an object as ``{ name = ..., option = ... }``; a class of the user's by its module and name."""
        name = next((name for name, maker in known.items() if maker is type(made)), None)
        if name is None and _is_importable(type(made)):
            name = self.imports.state(type(made))
        if name is None:
            self.unstated.append(f"{what}: {_class_of(made)}")
            return {"name": _class_of(made)} | plain_attributes(made)
        return {"name": name} | self._options(what, made, type(made))

    def _options(self, what: str, made: Stated, maker: Callable[..., Stated]) -> Contents:
        """Return the options that make ``made`` again; what they do not bring back is unstated."""
        given = made.options()
        parts = {name: one for name, one in given.items() if isinstance(one, Transfer | Surrogate)}
        options: Contents = _as_toml({name: one for name, one in given.items() if name not in parts})
        try:
            again = maker(**options, **parts)
        except (NeurosimError, TypeError):  # a constant has the name of an option
            self.unstated.append(f"{what}: {quoted(options)} does not make it again")
            return options
        self.unstated += [f"{what}: {name} is not as it was made" for name in _differences(again, made)]
        self.unstated += [f"{what}: {name} is not its class's own" for name in replaced(made) if name not in vars(again)]
        known = {**transfers(), **surrogates()}
        return options | {name: self.named(f"{what}: {name}", one, known) for name, one in parts.items()}


def _equation(equation: str, **options: Any) -> PlasticityRule:
    return PlasticityRule(equation, **options)


def _differences(again: Any, made: Any) -> Iterator[str]:
    """Yield the attributes in which an object made again differs; those with an underscore are kept for speed only."""
    for name, value in vars(again).items():
        if not name.startswith("_") and not (hasattr(made, name) and alike(value, getattr(made, name))):
            yield name


# ---------------------------------------------------------------------- where the training starts


def _started(trainer: Trainer) -> list[str]:
    """Return what is not where a trainer made again would start, a line each; a checkpoint holds what STARTED is said of."""
    network = trainer.network
    found = [f"network: {name} {STARTED}" for name in _changed(network)]
    if trainer.epoch or trainer.steps or trainer.position or trainer.commit.memory or trainer.feedback_commit.memory:
        found.append(f"training: at epoch {trainer.epoch}, step {trainer.steps}, {STARTED}")
    pathway = trainer.pathway
    try:
        again = type(pathway)(**pathway.options())
        again.attach(network, pathway.task, trainer.seed)
    except Exception:  # a class from outside, which is said already
        return found
    host = network.backend.to_host
    own, fresh = pathway.parameters() | pathway.memory(), again.parameters() | again.memory()
    found += [f"scheme: {name} {STARTED}" for name in _unequal(own, fresh, host)]
    kept = {id(value) for value in own.values()}
    for name, drawn in _arrays(again, network.backend).items():
        arrays = getattr(pathway, name, {})
        if any(id(value) not in kept for value in arrays.values()) and list(_unequal(arrays, drawn, host)):
            digest = hashlib.blake2b(b"".join(host(value).tobytes() for value in arrays.values()), digest_size=4).hexdigest()
            found.append(f"scheme: {name} is set by hand ({digest})")
    return found


def _arrays(pathway: FeedbackPathway, backend: Backend) -> dict[str, Mapping[str, Any]]:
    """Return the dictionaries of arrays that a pathway has, by its names for them."""
    found = {name: value for name, value in vars(pathway).items() if isinstance(value, dict) and value}
    return {name: value for name, value in found.items() if all(isinstance(one, backend.array) for one in value.values())}


def _changed(network: Network) -> Iterator[str]:
    """Yield the names of the arrays that are not what the network's seed makes of its projections and populations."""
    host, backend = network.backend.to_host, network.backend
    for p in network.projections.values():
        again = Projection(p.pre, p.post, name=p.name, initial=p.initial, bias=p.bias, rule=p.rule)
        again.connectivity = p.connectivity
        again.build(backend, network.populations[p.pre], network.populations[p.post], network.seed, network.prefix, network.dtype)
        own, fresh = p.parameters | p.state, again.parameters | again.state
        yield from (f"{p.name}.{key}" for key in _unequal(own, fresh, host))
    for population in network.populations.values():
        new = Population(population.name, population.shape, normalisation=population.normalisation)
        new.build(backend, network.dtype)
        own, fresh = population.parameters | population.statistics, new.parameters | new.statistics
        yield from (f"{population.name}.{key}" for key in _unequal(own, fresh, host))


def _unequal(own: Mapping[str, Any], fresh: Mapping[str, Any], host: Callable[[Any], np.ndarray]) -> Iterator[str]:
    for key, value in own.items():
        if key not in fresh or not np.array_equal(host(value), host(fresh[key])):
            yield key


# ---------------------------------------------------------------------- texts


def _is_importable(kind: type) -> bool:
    """Return whether a class is the user's, and ``module:Class`` says where it is."""
    top = getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind
    ours = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return top and not ours and is_outside(outside_name(kind))


def _class_of(made: Any) -> str:
    if isinstance(made, functools.partial):
        return f"partial of {_class_of(made.func)}"
    named = made if hasattr(made, "__qualname__") else type(made)  # a function has a name of its own
    return f"{named.__module__}:{named.__qualname__}"


def _as_toml(value: Any) -> Any:
    """Return a value as TOML and JSON hold it: NumPy's numbers as Python's, tuples as lists, nothing for None."""
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real | str | Mapping | list | tuple | np.ndarray):
        return value if isinstance(value, bool) else quoted(value)
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, Mapping):
        return {utf8(str(key)): _as_toml(one) for key, one in value.items() if one is not None}
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    return [_as_toml(one) for one in value]
