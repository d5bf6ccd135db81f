"""What comes into a network in each trial of a run: spikes, rates of Poisson spikes, currents, and modulators of its rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from neurosim.brian.synapse_code import modulated
from neurosim.errors import InputError, ShapeError, UnknownNameError, quoted, require
from neurosim.neurons import DRIVE, Equations, GivenSpikes, LatencySpikes, PoissonSpikes, Transfer
from neurosim.simulation import InTime

Network = Any  # of neurosim.network, which uses this package
Population = Any

Train = tuple[np.ndarray, np.ndarray]  # the neuron and the tick of each spike
NONE = np.zeros(0, np.int64)


@dataclass
class Driven:
    """What comes into a network from outside.

    batch : trials
    rates : population of Poisson spikes -> Hz, (batch, n), or in time
    trains : population of given spikes -> those of each trial
    currents : receiver -> name of a current -> its values, (batch, n), or in time; they are added to the drive
    modulators : name -> its values, (batch, 1), or in time, (batch, steps)
    """

    batch: int
    rates: dict[str, np.ndarray | InTime] = field(default_factory=dict)
    trains: dict[str, list[Train]] = field(default_factory=dict)
    currents: dict[str, dict[str, np.ndarray | InTime]] = field(default_factory=dict)
    modulators: dict[str, np.ndarray | InTime] = field(default_factory=dict)

    @property
    def signature(self) -> tuple[Any, ...]:
        """What of it the code of a run depends on."""
        flat = {("rates", name): value for name, value in self.rates.items()}
        flat |= {("modulators", name): value for name, value in self.modulators.items()}
        flat |= {(name, current): value for name, of in self.currents.items() for current, value in of.items()}
        return tuple((key, (value.values.shape[1], value.dt) if isinstance(value, InTime) else None) for key, value in flat.items())

    def in_time(self) -> dict[str, InTime]:
        """Return what changes in time, by the names that the code of a run calls."""
        found = {f"{name}_rates": one for name, one in self.rates.items() if isinstance(one, InTime)}
        found |= {name: one for of in self.currents.values() for name, one in of.items() if isinstance(one, InTime)}
        modulators = {name: one for name, one in self.modulators.items() if isinstance(one, InTime)}
        for name in found.keys() & modulators.keys():
            said = f"modulator {name!r}, in time: what comes from {name!r} changes in time, too"
            raise InputError(f"{said}: expected two names; rename the projection or the modulator")
        return found | modulators


def drive_inputs(
    network: Network, inputs: Any, batch: int | None, first: int = 0, modulators: Mapping[str, Any] | None = None
) -> Driven:
    """Return what the inputs and modulators of ``Network.run`` come to.

    batch : trials; None goes by the inputs and modulators
    first : the tick in which the run begins; from then on values in time count

    Raises
    ------
    InputError
        An input of what is no input population, or a modulator that no rule reads; of another shape or number of trials, out of
        its range, or missing.
    """
    given = _by_name(network, inputs)
    found = {}
    for name in network.inputs:
        population = network.populations[name]
        if name in given and not isinstance(population.neurons, GivenSpikes):
            found[name] = _values(f"input of population {name!r}", population.shape, given[name], network.dt, first)
    trains = {name: value for name, value in given.items() if name not in found}
    modulating = _modulators(network, modulators or {}, first)
    counts = {f"input of population {name!r}": len(_array(values)) for name, values in found.items()}
    counts |= {f"input of population {name!r}": len(value) for name, value in trains.items() if isinstance(value, list)}
    counts |= {f"modulator {name!r}": len(_array(values)) for name, values in modulating.items()}
    trials = _batch(batch, counts)
    driven = Driven(trials, modulators={name: _spread(values, trials) for name, values in modulating.items()})
    for name in network.inputs:
        population = network.populations[name]
        if isinstance(population.neurons, GivenSpikes):
            driven.trains[name] = _trains(population, trains.get(name), trials, network.dt, first)
        elif isinstance(population.neurons, PoissonSpikes):
            driven.rates[name] = _rates(population, found.get(name), trials, network.dt)
        elif isinstance(population.neurons, LatencySpikes):
            driven.trains[name] = _latencies(population, found.get(name), trials, first)
        elif isinstance(population.neurons, Equations):
            if name in found:
                said = f"input of population {name!r}: its equations do not name the drive"
                require(population.neurons.reads_drive, f"{said}: expected no input; leave it out, or name drive in an equation")
                driven.currents.setdefault(name, {})[f"{name}_input"] = _spread(found[name], trials)
        elif isinstance(population.neurons, Transfer):
            _add_currents(driven, network, population, found.get(name), trials)
    _add_biases(driven, network, trials)
    return driven


def _by_name(network: Network, inputs: Any) -> dict[str, Any]:
    """Return population -> input."""
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        said = f"inputs of populations {', '.join(network.inputs)}: expected a dictionary, population -> its input"
        require(len(network.inputs) == 1, f"{said}; give one such as {{{network.inputs[0]!r}: x}}")
        return {network.inputs[0]: inputs}
    for name in inputs:
        if name not in network.inputs:
            raise UnknownNameError("inputs: input population", name, network.inputs)
    return dict(inputs)


def _modulators(network: Network, given: Mapping[str, Any], first: int) -> dict[str, np.ndarray | InTime]:
    """Return modulator -> its values, (1 or batch, 1), or in time, (1 or batch, steps)."""
    example = "give a dictionary such as {'reward': 1.0}"
    require(isinstance(given, Mapping), f"modulators {quoted(given)}: expected a dictionary, name -> its values; {example}")
    read, found = modulated(network), {}
    for name in given:
        if name not in read:
            raise UnknownNameError("modulators: modulator", name, read or ["(none)"])
    for name, readers in read.items():
        said = f"projection {readers[0].name!r}: its rule reads the modulator {name!r}: expected its values"
        how = f"give modulators={{{name!r}: ...}} (in a model file, of [simulation]), or the rule a constant of that name"
        require(name in given, f"{said}; {how}")
        values = _values(f"modulator {name!r}", (), given[name], network.dt, first)
        found[name] = InTime(values.values[:, :, 0], values.dt) if isinstance(values, InTime) else values
    return found


def _values(where: str, shape: tuple[int, ...], value: Any, dt: float, first: int) -> np.ndarray | InTime:
    """Return what is given as (1 or batch, n), or in time, (1 or batch, steps, n), for a run that begins in tick ``first``."""
    timed = isinstance(value, InTime)
    try:
        array = np.asarray(value.values if timed else value, float)
    except (TypeError, ValueError) as cause:
        raise InputError(f"{where} {quoted(value)}: expected numbers; give an array") from cause
    if array.ndim == 0:
        array = np.full(shape, array)
    own = array.ndim - len(shape) - timed  # whether each trial has its own
    fits = own in (0, 1) and array.shape[array.ndim - len(shape) :] == shape
    axes = ["batch", *(["steps"] if timed else []), *map(str, shape)]
    expected = f"({', '.join(axes)}), or the same without batch" if axes[1:] else "a number, or one for each trial, (batch,)"
    require(fits, f"{where}: shape {array.shape}: expected {expected}; reshape it", ShapeError)
    require(bool(np.isfinite(array).all()), f"{where}: it is not finite everywhere: expected finite numbers; correct it")
    flat = array.reshape(*([] if own else [1]), *array.shape[: array.ndim - len(shape)], math.prod(shape))
    return _later(where, InTime(flat, value.dt), first, dt) if timed else flat


def _later(where: str, values: InTime, first: int, dt: float) -> InTime:
    """Return values in time that begin in tick ``first``."""
    if not first:
        return values
    ticks = round(values.dt / dt)
    said = f"{where}: values in time, of {values.dt:g} s each, in a run that goes on after another"
    whole = ticks >= 1 and abs(values.dt / dt - ticks) < 1e-6 * ticks
    require(whole, f"{said}: expected a multiple of the network's dt, {dt:g} s; change it")
    step = math.gcd(ticks, first)
    own = np.repeat(values.values, ticks // step, axis=1)
    return InTime(np.concatenate([np.repeat(own[:, :1], first // step, axis=1), own], axis=1), step * dt)


def _array(values: np.ndarray | InTime) -> np.ndarray:
    return values.values if isinstance(values, InTime) else values


def _batch(batch: int | None, counts: Mapping[str, int]) -> int:
    """Return how many trials there are."""
    if batch is not None:
        whole = isinstance(batch, int | np.integer) and not isinstance(batch, bool) and batch >= 1
        require(whole, f"batch {quoted(batch)}: expected 1 or more trials; give a positive whole number")
    trials = max(counts.values(), default=1) if batch is None else int(batch)
    for where, count in counts.items():
        require(count in (1, trials), f"{where}: of {count} trials: expected {trials}, or one for all; give as many")
    return trials


def _spread(values: np.ndarray | InTime, trials: int) -> np.ndarray | InTime:
    """Return values of each trial, (batch, ...)."""
    array = _array(values)
    whole = np.broadcast_to(array, (trials, *array.shape[1:]))
    return InTime(whole, values.dt) if isinstance(values, InTime) else whole


def _rates(population: Population, values: Any, trials: int, dt: float) -> np.ndarray | InTime:
    neurons: Any = population.neurons
    spread = _spread(np.ones((1, population.size)) if values is None else values, trials)
    array = _array(spread)
    said = f"input of population {population.name!r}: {array.min():g} to {array.max():g} times {neurons.hertz:g} Hz"
    fits = bool(array.min() >= 0) and bool(array.max() * neurons.hertz * dt <= 1)
    require(fits, f"{said}: expected rates of 0 or more, and at most one spike in a tick of {dt:g} s; scale it")
    return InTime(array * neurons.hertz, spread.dt) if isinstance(spread, InTime) else array * neurons.hertz


def _trains(population: Population, given: Any, trials: int, dt: float, first: int) -> list[Train]:
    """Return the spikes of each trial, in ticks from the beginning of all runs."""
    if given is None:
        return [(NONE, NONE)] * trials
    each = given if isinstance(given, list) else [given] * trials
    said = f"input of population {population.name!r}: of {len(each)} trials"
    require(len(each) in (1, trials), f"{said}: expected {trials}; give as many")
    found = []
    for number, one in enumerate(each if len(each) == trials else each * trials):
        where = f"input of population {population.name!r}, trial {number}"
        pair = isinstance(one, tuple) and len(one) == 2
        require(pair, f"{where}: {quoted(one)}: expected the pair (index, time), of one entry a spike; give it")
        index, time = np.asarray(one[0]), np.asarray(one[1], float)
        whole = index.ndim == 1 and index.shape == time.shape and (index.dtype.kind in "iu" or not len(index))
        require(whole, f"{where}: expected as many whole numbers of neurons as times; correct it")
        there = not len(index) or (0 <= index.min() and index.max() < population.size)
        require(there, f"{where}: expected neurons from 0 to {population.size - 1}; correct it")
        fits = bool(np.isfinite(time).all() and (time >= 0).all())
        require(fits, f"{where}: expected times of 0 or more, in seconds; correct it")
        tick = np.floor(time / dt + 1e-3).astype(np.int64) + first
        once = len(np.unique(np.stack([index, tick]), axis=1).T) == len(index)
        require(once, f"{where}: a neuron spikes twice in one tick: expected once; leave one out, or lower the network's dt")
        found.append((index.astype(np.int64), tick))
    return found


def _latencies(population: Population, values: Any, trials: int, first: int) -> list[Train]:
    neurons: Any = population.neurons
    constant = isinstance(values, np.ndarray) and bool(values.min() >= 0 and values.max() <= 1)
    said = f"input of population {population.name!r}, neurons {neurons.name!r}"
    require(constant, f"{said}: expected one number from 0 to 1 for each neuron; give such an array")
    found = []
    for x in _array(_spread(values, trials)):
        index = np.flatnonzero(x > 0)
        found.append((index, neurons.latency(x[index]).astype(np.int64) + first))
    return found


def _add_currents(driven: Driven, network: Network, population: Population, values: Any, trials: int) -> None:
    """Add what a population of rate neurons sends: its values, through the weights, are currents."""
    where = f"population {population.name!r}"
    require(values is not None, f"input of {where}: it is missing: expected (batch, {population.size}); give inputs")
    rate = population.neurons.rate(network.backend, _array(_spread(values, trials)), None, population.name)  # type: ignore[attr-defined]
    for p in network.outgoing(population.name):
        said = f"projection {p.name!r} from rate neurons into {quoted(p.into)}"
        require(p.into == DRIVE, f"{said}: expected into = 'drive' in a run; change it, or give spikes")
        require(p.delay == 0, f"{said}: a delay of {p.delay} ticks: expected none in a run; leave it out")
        pre, post = p.synapses()
        through = sparse.csr_array((p.weights(), (pre, post)), shape=(population.size, network.populations[p.post].size))
        current = (rate.reshape(-1, population.size) @ through).reshape(*rate.shape[:-1], -1)
        driven.currents.setdefault(p.post, {})[p.name] = InTime(current, values.dt) if isinstance(values, InTime) else current


def _add_biases(driven: Driven, network: Network, trials: int) -> None:
    """Add biases as currents; of other inputs than the drive there are none."""
    for p in network.projections.values():
        untouched = p.pristine and not (isinstance(p.initial, str) and p.initial == "lecun")  # it begins with 0
        b = None if not p.bias or untouched else np.asarray(network.backend.to_host(p.parameters["b"]), float).reshape(-1)
        if b is None or not b.any():
            continue
        said = f"projection {p.name!r}: a bias on {quoted(p.into)}"
        require(p.into == DRIVE, f"{said}: expected one on the drive, or none, in a run; give bias=False")
        driven.currents.setdefault(p.post, {})[f"{p.name}_bias"] = np.broadcast_to(b, (trials, len(b)))
