"""A trainer made in Python described as the model file that would make it again.

What no model file can hold (a class from outside the package, an attribute that was changed after its object was made, weights
that are not the seed's) is listed under ``unstated``: such a run is resumed from Python, and is never pooled with another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.catalogue import Stated
from neurosim.datasets import Augmentation, DataSet
from neurosim.errors import NeurosimError, quoted
from neurosim.experiments.reading import Contents
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import PlasticityRule, Rule, Update, rules, updates
from neurosim.training import Trainer
from neurosim.transfer import BatchNormalisation, transfers

PLAIN = (bool, int, float, str, tuple, list, dict, type(None))


def describe(trainer: Trainer, data: DataSet, record: Mapping[str, Any]) -> Contents:
    """Return the contents of the model file that makes ``trainer`` again.

    record : the [record] table
    """
    return _Describer().describe(trainer, data, record)


class _Describer:
    """Describes parts one after the other; ``unstated`` gathers what a model file cannot hold."""

    def __init__(self) -> None:
        self.unstated: list[str] = []

    def describe(self, trainer: Trainer, data: DataSet, record: Mapping[str, Any]) -> Contents:
        contents: Contents = {
            "title": f"{trainer.pathway.title}, from Python",
            "seed": trainer.seed,
            "data": self._data(trainer, data),
            "network": self._network(trainer.network, trainer.seed),
            "stages": [self._stage(trainer)],
            "record": dict(record),
        }
        return contents | ({"unstated": self.unstated} if self.unstated else {})

    # ------------------------------------------------------------------ data

    def _data(self, trainer: Trainer, data: DataSet) -> Contents:
        table: Contents = {"name": data.name, "arrays": True}
        if data.loaded:
            table = {key: _as_toml(value) for key, value in data.loaded.items() if value}
        if trainer.augment is not None:
            table["augment"] = self._augmentation(trainer.augment, data)
        return table

    def _augmentation(self, augment: Any, data: DataSet) -> Contents:
        if not isinstance(augment, Augmentation) or augment.fill != data.black:
            self.unstated.append(f"data.augment: {_class_of(augment)}")
            return {}
        return {"crop_pad": augment.crop_pad, "flip": augment.flip}

    # ------------------------------------------------------------------ network

    def _network(self, network: Network, seed: int) -> Contents:
        table: Contents = {
            "dtype": str(network.dtype),
            "populations": [self._population(population) for population in network.populations.values()],
            "projections": [self._projection(projection) for projection in network.projections.values()],
        }
        if network.seed != seed:
            table["seed"] = network.seed
        self.unstated += [f"network: {name} is not as its seed makes it" for name in _changed(network)]
        return table

    def _population(self, population: Population) -> Contents:
        where = f"population {population.name}"
        table: Contents = {"name": population.name, "shape": [int(n) for n in population.shape]}
        table["transfer"] = self._named(f"{where}: transfer", population.transfer, transfers())
        if population.normalisation is not None:
            own = {"batch": BatchNormalisation}
            table["normalisation"] = self._options(f"{where}: normalisation", population.normalisation, own["batch"])
        return table | {key: getattr(population, key) for key in ("dropout", "noise") if getattr(population, key)}

    def _projection(self, projection: Projection) -> Contents:
        where = f"projection {projection.name}"
        table = {"pre": projection.pre, "post": projection.post, "connectivity": projection.connectivity.name}
        return table | {"initial": projection.initial, "bias": projection.bias, "rule": self._rule(where, projection.rule)}

    def _rule(self, where: str, rule: Rule | None) -> Any:
        if rule is None:
            return "fixed"
        if type(rule) is PlasticityRule:
            return self._options(f"{where}: rule", rule, _equation)
        return self._named(f"{where}: rule", rule, rules())

    # ------------------------------------------------------------------ training

    def _stage(self, trainer: Trainer) -> Contents:
        pathway: FeedbackPathway = trainer.pathway
        scheme = self._named("scheme", pathway, pathways())
        own, others = trainer.commit.chain, trainer.feedback_commit.chain
        table: Contents = {"scheme": scheme.pop("name"), "options": scheme, "optimiser": self._optimiser(own.links)}
        if others.links != own.links:
            table["feedback_optimiser"] = self._optimiser(others.links)
        return table | {"epochs": trainer.epochs, "batch": trainer.batch, "shuffle": trainer.shuffle, "name": trainer.name}

    def _optimiser(self, links: Sequence[Update]) -> list[Contents]:
        return [self._named("optimiser", link, updates()) for link in links]

    # ------------------------------------------------------------------ objects

    def _named(self, what: str, made: Stated, known: Mapping[str, Callable[..., Any]]) -> Contents:
        """Return an object as ``{ name = ..., option = ... }``."""
        name = getattr(made, "name", None) or next((n for n, c in known.items() if c is type(made)), None)
        if name is None or known.get(name) is not type(made):
            self.unstated.append(f"{what}: {_class_of(made)}")
            return {"name": _class_of(made)}
        return {"name": name} | self._options(what, made, type(made))

    def _options(self, what: str, made: Stated, maker: Callable[..., Stated]) -> Contents:
        """Return the options that make ``made`` again; what they do not bring back is unstated."""
        options = made.options()
        try:
            again = maker(**options)
        except NeurosimError:  # a constant has the name of an option
            self.unstated.append(f"{what}: {quoted(options)} does not make it again")
        else:
            self.unstated += [f"{what}: {name} is not as it was made" for name in _differences(again, made)]
        return {name: _as_toml(value) for name, value in options.items() if value is not None}


def _equation(equation: str, **options: Any) -> PlasticityRule:
    return PlasticityRule(equation, **options)


def _differences(again: Any, made: Any) -> Iterator[str]:
    """Yield the plain attributes in which an object made again differs."""
    for name, value in vars(again).items():
        if name == "_given":
            continue
        if isinstance(value, PLAIN) and getattr(made, name, None) != value:
            yield name


def _changed(network: Network) -> Iterator[str]:
    """Yield the names of the arrays that are not what the network's seed makes of its projections and populations."""
    host, backend = network.backend.to_host, network.backend
    for p in network.projections.values():
        again = Projection(p.pre, p.post, connectivity=p.connectivity.name, initial=p.initial, bias=p.bias, rule=p.rule)
        again.build(backend, network.populations[p.pre], network.populations[p.post], network.seed, network.prefix, network.dtype)
        yield from _unequal(p.name, p.parameters | p.state, again.parameters | again.state, host)
    for population in network.populations.values():
        fresh = Population(population.name, population.shape, normalisation=population.normalisation)
        fresh.build(backend, network.dtype)
        own = population.parameters | population.statistics
        yield from _unequal(population.name, own, fresh.parameters | fresh.statistics, host)


def _unequal(owner: str, own: Mapping[str, Any], fresh: Mapping[str, Any], host: Callable[[Any], np.ndarray]) -> Iterator[str]:
    for key, value in own.items():
        if key not in fresh or not np.array_equal(host(value), host(fresh[key])):
            yield f"{owner}.{key}"


def _class_of(made: Any) -> str:
    kind = made if isinstance(made, type) or not hasattr(type(made), "__qualname__") else type(made)
    return f"{kind.__module__}:{kind.__qualname__}"


def _as_toml(value: Any) -> Any:
    """Return a value as TOML and JSON hold it: NumPy's numbers as Python's, tuples as lists."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _as_toml(one) for key, one in value.items()}
    return [_as_toml(one) for one in value] if isinstance(value, list | tuple) else value
