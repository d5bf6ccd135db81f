"""A network of neurosim's own as an ordinary network of Brian2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from neurosim.brian.driving import Driven, drive_inputs
from neurosim.brian.plastic import plastic_synapses
from neurosim.brian.synapse_code import synapse_code
from neurosim.brian.uncompiled import uncompiled
from neurosim.equations.neuron_code import brian2
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.neurons import DRIVE, Equations, PoissonSpikes, SpikeSource
from neurosim.simulation import InTime

Network = Any  # of neurosim.network, which uses this package
Population = Any
Projection = Any

SPIKES, STATES = "{}_spikes", "{}_states"  # names of monitors
ARRIVING = "drive_arriving"  # what spikes add to the drive where currents do, too


def export(
    network: Network,
    inputs: Any = None,
    *,
    modulators: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    record: Any = None,
    every: Any = None,
) -> Any:
    """Return a network of spiking populations as an ordinary ``Network`` of Brian2, with its own copy of all values.

    inputs, modulators, initial : as ``Network.run`` is given them, of one trial
    record, every : as of ``Network.run``; for each population and projection recorded there is a StateMonitor

    NeuronGroups, PoissonGroups and SpikeGeneratorGroups have the names of their populations, Synapses those of their projections.
    A synapse's weight is ``w``, in the unit of the variable that it adds into.  The SpikeMonitor of a population is called
    ``<population>_spikes``, a StateMonitor ``<population>_states`` or ``<projection>_states``.  A modulator is a shared variable of
    the synapses, or, in time, a TimedArray that they call.

    Raises
    ------
    InputError
        A network without dt; rate neurons that are no input; a rule that cannot be a part of a run; inputs that are none;
        modulators that are missing.
    """
    driven = drive_inputs(network, inputs, 1, modulators=modulators)
    return exported(network, driven, starts_of(network, initial, 1), recorded_of(network, record), every)


def exported(
    network: Network, driven: Driven, starts: Mapping[str, np.ndarray], recorded: Mapping[str, dict[str, Any]], every: Any
) -> Any:
    """Return the network of Brian2 with the inputs and start values of the first trial.

    recorded : owner -> variable -> which of it
    """
    check_runs(network)
    with uncompiled():
        return _Export(network, driven, starts, recorded, every).net()


def forget(objects: Iterable[Any]) -> None:
    """Let Brian2 say nothing of objects that will be in no run, because an error says more."""
    for one in objects:
        one._network = "none"


def check_runs(network: Network) -> None:
    """Raise InputError, naming the part, where a network has one that cannot be in a run."""
    require(network.dt is not None, "network: it has no dt: expected the time of a tick in a run; give Network(..., dt='0.1*ms')")
    spiking = any(population.neurons.emits == "spike" for population in network.populations.values())
    require(spiking, "network: none of its populations spikes: expected one that does in a run; use Network.sweep for rate neurons")
    for name, population in network.populations.items():
        neurons, source = population.neurons, name in network.inputs
        said = f"population {name!r}, of neurons {neurons.name!r}"
        expected = "expected equations with a threshold in a run (rate neurons only as an input)"
        require(isinstance(neurons, Equations) or source, f"{said}: {expected}; use Network.sweep, or other neurons")
        for what in ("noise", "dropout", "normalisation"):
            require(not getattr(population, what), f"{said}: {what} has no place in a run: expected none; leave it out")
    for p in network.projections.values():
        neurons = network.populations[p.post].neurons
        said = f"projection {p.name!r} into population {p.post!r}, which follows its input"
        require(not isinstance(neurons, SpikeSource), f"{said}: expected neurons with equations; change them")


def starts_of(network: Network, initial: Mapping[str, Any] | None, batch: int) -> dict[str, np.ndarray]:
    """Return start values that were given: ``population.variable`` -> (batch or 1, n), in SI units."""
    found = {}
    for name, value in (initial or {}).items():
        owner, _, variable = name.partition(".")
        population = network.populations.get(owner)
        known = [f"{one}.{state}" for one, part in network.populations.items() if isinstance(part.neurons, Equations)
                 for state in part.neurons.states]  # fmt: skip
        if population is None or name not in known:
            raise UnknownNameError("initial", name, known)
        try:
            array = np.asarray(value, float)
            flat = array.reshape(*array.shape[: array.ndim - len(population.shape)], -1) if array.ndim > 1 else array
            found[name] = np.broadcast_to(flat, (len(flat) if flat.ndim > 1 else 1, population.size))
        except (TypeError, ValueError) as cause:
            shape = getattr(value, "shape", np.shape(value))
            said = f"initial {name!r}: shape {shape}: expected (batch, {population.size})"
            raise InputError(f"{said}; give a number, or one for each trial and neuron") from cause
        said = f"initial {name!r}: of {len(found[name])} trials: expected {batch}"
        require(len(found[name]) in (1, batch), f"{said}, or one for all; give as many")
    return found


def recorded_of(network: Network, record: Any) -> dict[str, dict[str, Any]]:
    """Return what ``record`` asks for: owner -> variable -> which of it."""
    asked = dict.fromkeys([record] if isinstance(record, str) else record or [], True)
    asked |= record if isinstance(record, Mapping) else {}
    known = {f"{name}.{variable}" for name, part in network.populations.items() if isinstance(part.neurons, Equations)
             for variable in part.neurons.states}  # fmt: skip
    known |= {f"{p.name}.w" for p in network.projections.values() if network.populations[p.pre].neurons.emits == "spike"}
    found: dict[str, dict[str, Any]] = {}
    for name, which in asked.items():
        if name not in known:
            raise UnknownNameError("record", name, known, "Network.summary()")
        owner, _, variable = name.partition(".")
        found.setdefault(owner, {})[variable] = which
    return found


class _Export:
    """Makes the objects of one network of Brian2."""

    def __init__(
        self, network: Network, driven: Driven, starts: Mapping[str, np.ndarray], recorded: Mapping[str, dict[str, Any]], every: Any
    ) -> None:
        self.b2, self.network, self.driven, self.starts, self.recorded = brian2(), network, driven, starts, recorded
        assert network.dt is not None
        self.dt: float = network.dt
        self.every = None if every is None else float(every) * self.b2.second
        self.clock = self.b2.Clock(self.dt * self.b2.second)
        self.groups: dict[str, Any] = {}
        self.adds_into: dict[str, str] = {}  # population -> what spikes that go into its drive add into

    def net(self) -> Any:
        self.synapses: dict[str, Any] = {}
        try:
            for name, population in self.network.populations.items():
                made = self._group(population)
                if made is not None:
                    self.groups[name] = made
            for p in self.network.projections.values():
                if p.pre in self.groups:
                    self.synapses[p.name] = self._projection(p)
        except InputError:
            forget([*self.groups.values(), *self.synapses.values()])
            raise
        return self.b2.Network(*self.groups.values(), *self.synapses.values(), *self._monitors(), name="exported")

    # ------------------------------------------------------------------ populations

    def _group(self, population: Population) -> Any:
        """Return what a population is in Brian2; None where it only sends currents."""
        name, neurons, b2 = population.name, population.neurons, self.b2
        if isinstance(neurons, Equations):
            return self._neurons(population, neurons)
        if isinstance(neurons, PoissonSpikes):
            rates = self.driven.rates[name]
            if isinstance(rates, InTime):
                call, namespace = self._timed(f"{name}_rates", rates, b2.Hz)
                return b2.PoissonGroup(population.size, call, clock=self.clock, name=name, namespace=namespace)
            return b2.PoissonGroup(population.size, rates[0] * b2.Hz, clock=self.clock, name=name)
        if isinstance(neurons, SpikeSource):
            index, tick = self.driven.trains[name][0]
            return b2.SpikeGeneratorGroup(population.size, index, tick * self.dt * b2.second, clock=self.clock, name=name)
        return None

    def _timed(self, name: str, values: InTime, unit: Any) -> tuple[str, dict[str, Any]]:
        """Return the text of values in time, and the array it names."""
        return f"{name}(t, i)", {name: self._array(name, values, unit)}

    def _array(self, name: str, values: InTime, unit: Any) -> Any:
        return self.b2.TimedArray(values.values[0] * unit, dt=values.dt * self.b2.second, name=name)

    def _neurons(self, population: Population, neurons: Equations) -> Any:
        options = neurons.group_options()
        own = options["model"].splitlines()
        values = self._drive(population, neurons, own, options["namespace"])
        options["model"] = "\n".join(own)
        made = self.b2.NeuronGroup(population.size, clock=self.clock, name=population.name, **options)
        for variable, start in neurons.starts.items():
            given = self.starts.get(f"{population.name}.{variable}")
            made.variables[variable].set_value(np.full(population.size, start) if given is None else given[0])
        for variable, current in values.items():
            made.variables[variable].set_value(current)
        if self.adds_into.get(population.name):
            cleared = f"{self.adds_into[population.name]} = 0*{neurons.unit_of(DRIVE)}"
            made.run_regularly(cleared, when="after_groups", clock=self.clock, name=f"{population.name}_drive")
        return made

    def _drive(self, population: Population, neurons: Equations, lines: list[str], namespace: dict[str, Any]) -> dict[str, Any]:
        """Write the drive of neurons into the lines of their equations, and return the values of its parts.

        The drive is a parameter where only spikes add into it, or only currents that stay as they are; otherwise a sum.
        """
        name = population.name
        senders = [self.network.populations[p.pre] for p in self.network.incoming(name) if p.into == DRIVE]
        spikes = any(sender.neurons.emits == "spike" for sender in senders)
        currents = self.driven.currents.get(name, {})
        if spikes:
            self.adds_into[name] = ARRIVING if currents else DRIVE
        if not currents:
            return {}
        unit = neurons.unit_of(DRIVE)
        only = next(iter(currents.values()))
        if not spikes and len(currents) == 1 and not isinstance(only, InTime):
            return {DRIVE: only[0]}
        parts, found = [ARRIVING] if spikes else [], {}
        more = [f"{ARRIVING} : {unit}"] if spikes else []
        for current, values in currents.items():
            if isinstance(values, InTime):
                call, own = self._timed(current, values, self._unit(unit))
                namespace |= own
                parts.append(call)
            else:
                more.append(f"{current} : {unit}")
                parts.append(current)
                found[current] = values[0]
        at = next(k for k, line in enumerate(lines) if line.split(":")[0].strip() == DRIVE)
        lines[at : at + 1] = [f"{DRIVE} = {' + '.join(parts)} : {unit}", *more]
        return found

    def _unit(self, text: str) -> Any:
        return 1 if text == "1" else self.b2.Quantity(1.0, dim=self.b2.Equations(f"x : {text}")["x"].dim)

    # ------------------------------------------------------------------ projections

    def _projection(self, p: Projection) -> Any:
        into = self.adds_into[p.post] if p.into == DRIVE else p.into
        timed = {name: one for name, one in self.driven.modulators.items() if isinstance(one, InTime)}
        constant = {name: one[0] for name, one in self.driven.modulators.items() if not isinstance(one, InTime)}
        code = synapse_code(self.network, p, f"{into}_post", timed)
        called = {name: self._array(name, one, 1) for name, one in timed.items() if name in code.modulators}
        pre, post = p.synapses()
        pairs = {"i": pre, "j": post} if len(pre) else {"condition": False}
        ends = self.groups[p.pre], self.groups[p.post]
        made = plastic_synapses(code, *ends, connect=pairs, namespace=called, clock=self.clock, name=p.name)
        made.variables["w"].set_value(p.weights())
        for name in code.modulators.keys() & constant.keys():
            made.variables[name].set_value(constant[name])
        made.pre.delay = (p.delay if p.delays is None else p.delays) * self.dt * self.b2.second
        return made

    # ------------------------------------------------------------------ monitors

    def _monitors(self) -> Iterator[Any]:
        b2 = self.b2
        for name, group in self.groups.items():
            yield b2.SpikeMonitor(group, name=SPIKES.format(name))
        for owner, variables in self.recorded.items():
            which = {str(one): one for one in variables.values()}
            said = f"record: of {owner!r}, {' and '.join(map(quoted, which))}"
            require(len(which) == 1, f"{said}: expected the same of all its variables; give one selection")
            asked, source = next(iter(which.values())), {**self.groups, **self.synapses}[owner]
            options = {"clock": self.clock} if self.every is None else {"dt": self.every}
            yield b2.StateMonitor(source, list(variables), record=asked, name=STATES.format(owner), **options)
