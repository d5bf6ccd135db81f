"""A Brian2 network as a circuit: Brian2's own code generator gives the assignments, in the order in which Brian2 does them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import brian2
import numpy as np
from brian2.codegen.translation import analyse_identifiers, make_statements
from brian2.core.functions import Function
from brian2.core.variables import ArrayVariable, AuxiliaryVariable, Constant, Subexpression
from brian2.groups.group import CodeRunner
from brian2.groups.neurongroup import Resetter, Thresholder
from brian2.groups.neurongroup import StateUpdater as NeuronUpdater
from brian2.synapses.synapses import StateUpdater as SynapseUpdater
from brian2.synapses.synapses import SynapticPathway
from brian2.units.fundamentalunits import get_unit

from neurosim.brian.uncompiled import uncompiled
from neurosim.circuit import (
    Action,
    Block,
    Circuit,
    Deliver,
    Lag,
    Place,
    Record,
    Replay,
    Reset,
    SpikingGroup,
    Threshold,
    Timed,
    Update,
)
from neurosim.equations.statements import KINDS, assignments
from neurosim.errors import InputError, quoted, require

INDICES = {"_idx": "element", "_presynaptic_idx": "pre", "_postsynaptic_idx": "post", "0": "shared"}  # as Brian2 calls them
DTYPES = {"bool": np.bool_, "float": np.float64, "int": np.int32}
CLOCK = ("t", "dt", "t_in_timesteps")  # the circuit's own
SILENT = (brian2.NeuronGroup, brian2.PoissonGroup, brian2.Synapses, brian2.SpikeMonitor)  # of themselves, they do nothing in a tick
TAKEN = "NeuronGroup, PoissonGroup, SpikeGeneratorGroup, PoissonInput, Synapses, SpikeMonitor and StateMonitor"


def circuit_of(net: Any, namespace: Mapping[str, Any]) -> Circuit:
    """Return the circuit of a Brian2 ``Network``; ``namespace`` resolves the names that its equations leave open.

    Raises InputError where something in the network cannot be taken, or it has run.
    """
    return _Reader(net, dict(namespace)).circuit()


class _Reader:
    """Reads one network.  depths : group -> the longest delay of its spikes, ticks"""

    def __init__(self, net: Any, namespace: dict[str, Any]) -> None:
        said = f"load: {quoted(net) if isinstance(net, str) else type(net).__name__}: expected a Brian2 Network"
        require(isinstance(net, brian2.Network), f"{said}; make one, such as Network(collect()) for what run() would take")
        self.net, self.namespace = net, namespace
        self.where = f"Brian2 network {net.name!r}"
        self.arrays: dict[str, np.ndarray] = {}
        self.units: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.depths: dict[str, int] = {}
        require(float(net.t_) == 0, f"{self.where}: it has run for {net.t}: expected one at its start; load it before it runs")
        self._prepare()
        self.objects = [one for one in net.sorted_objects if one.active]
        require(bool(self.objects), f"{self.where}: it is empty: expected something to run; fill it, as with Network(collect())")
        steps = {float(one.clock.dt_): one.name for one in self.objects if not isinstance(one, brian2.StateMonitor)}
        said = f"{self.where}: time steps {', '.join(f'{step:g} s (of {name!r})' for step, name in sorted(steps.items()))}"
        require(len(steps) == 1, f"{said}: expected one dt for all that it holds; change it, or leave that out")
        (self.dt,) = steps

    def _prepare(self) -> None:
        """Let Brian2 check the network: names, units, synapses.  Nothing is compiled for that."""
        with uncompiled():
            self.net.run(0 * brian2.second, namespace=self.namespace)

    def circuit(self) -> Circuit:
        actions = tuple(action for one in self.objects for action in self._actions(one))
        groups = {name: SpikingGroup(name, size, self.depths.get(name, 0) + 1) for name, size in self.sizes.items()}
        return Circuit(self.dt, self.arrays, groups, actions, self.units)

    # ------------------------------------------------------------------ actions

    def _actions(self, one: Any) -> Iterator[Action]:
        """Yield what an object does in a tick."""
        if isinstance(one, SILENT):
            return
        if isinstance(one, NeuronUpdater | SynapseUpdater):
            one.update_abstract_code(run_namespace=self.namespace)
            if one.abstract_code:
                yield Update(one.name, len(one.group), self._block(one, one.abstract_code), *_sides(one.group))
        elif type(one) is CodeRunner:  # what run_regularly makes
            one.update_abstract_code(run_namespace=self.namespace)
            yield Update(one.name, len(one.group), self._block(one, one.abstract_code), *_sides(one.group))
        elif isinstance(one, brian2.PoissonInput):
            drawn = {name: (int(one.N), float(one.rate * one.clock.dt)) for name in one.variables}
            yield Update(one.name, len(one.group), self._block(one, one.abstract_code, binomial=drawn))
        elif isinstance(one, brian2.StateMonitor):
            yield self._record(one)
        elif isinstance(one, brian2.SpikeGeneratorGroup):
            yield self._replay(one)
        elif isinstance(one, SynapticPathway):
            yield self._deliver(one)
        elif isinstance(one, Thresholder):
            yield self._threshold(one)
        elif isinstance(one, Resetter):
            self._check_event(one, one.event)
            one.update_abstract_code(run_namespace=self.namespace)
            yield Reset(one.name, self._group(one.group), self._block(one, one.abstract_code, unguarded=("not_refractory",)))
        else:
            said = f"{self.where}: {type(one).__name__} {one.name!r} cannot be taken"
            raise InputError(f"{said}: expected {TAKEN}; leave it out")

    def _check_event(self, one: Any, event: str) -> None:
        said = f"{self.where}: {one.name!r}: event {quoted(event)} cannot be taken"
        require(event == "spike", f"{said}: expected spikes only; leave it out")

    def _group(self, owner: Any) -> str:
        """Return the name of neurons that spike, and note their number."""
        name: str = owner.name
        self.sizes[name] = len(owner)
        return name

    def _threshold(self, one: Any) -> Threshold:
        self._check_event(one, one.event)
        one.update_abstract_code(run_namespace=self.namespace)
        owner, refractory = one.group, None
        if getattr(owner, "_refractory", False) is not False:
            refractory = self._array(owner.variables["not_refractory"]), self._array(owner.variables["lastspike"])
        return Threshold(one.name, self._group(owner), self._block(one, one.abstract_code), "_cond", refractory)

    def _replay(self, one: Any) -> Replay:
        period = float(np.asarray(one.variables["period"].get_value()).item())
        endless = period == 0 or period > 1e99
        require(endless, f"{self.where}: {one.name!r}: a period cannot be taken: expected all spikes; repeat them yourself")
        ticks, indices = (np.asarray(one.variables[name].get_value()) for name in ("_timebins", "neuron_index"))
        starts = np.searchsorted(ticks, np.arange(int(ticks.max(initial=-1)) + 2))
        return Replay(one.name, self._group(one), starts.astype(np.int32), indices.astype(np.int32))

    def _record(self, one: Any) -> Record:
        every = float(one.clock.dt_) / self.dt
        whole = every > 0.5 and abs(every - round(every)) < 1e-6
        require(whole, f"{self.where}: {one.name!r}: dt {one.clock.dt}: expected a multiple of the network's; change it")
        group = one.source.source if isinstance(one.source, brian2.Subgroup) else one.source  # of a part of a group, the group
        variables = {name: f"_to_record_{name}" for name in one.record_variables}
        block = self._block(one, "\n".join(f"{local} = {name}" for name, local in variables.items()), group=group)
        elements = np.array(one.record, np.int32) + np.int32(getattr(one.source, "start", 0))
        units = {name: unit_of(group.variables[name]) for name in variables}
        return Record(one.name, elements, block, variables, round(every), *_sides(group), units)

    def _deliver(self, one: Any) -> Deliver:
        one.update_abstract_code(run_namespace=self.namespace)
        owner = getattr(one.source, "source", one.source)  # of a part of a group, the group
        sources = np.asarray(one.synapse_sources.get_value())
        delays = np.asarray(one.variables["delay"].get_value()) / float(one.source.clock.dt_)
        ticks = np.broadcast_to(np.floor(delays + 0.5).astype(int), sources.shape)
        lags = tuple(_lag(sources, np.flatnonzero(ticks == lag), int(lag), len(owner)) for lag in np.unique(ticks)[::-1])
        group = self._group(owner)
        self.depths[group] = max([self.depths.get(group, 0), *(lag.ticks for lag in lags)])
        return Deliver(one.name, group, lags, *_sides(one.synapses), self._block(one, one.abstract_code))

    # ------------------------------------------------------------------ code

    def _block(
        self,
        one: Any,
        code: str,
        *,
        group: Any = None,
        unguarded: Collection[str] = (),
        binomial: Mapping[str, tuple[int, float]] | None = None,
    ) -> Block:
        """Return the block of an object's abstract code.

        group : whose variables the code is about, where not the object's own group
        unguarded : the truth values that guard a variable elsewhere, but not here
        """
        own = getattr(one, "variables", None) if group is None else None  # a monitor's have the names of what it records
        group = group or one.group
        _, known, unknown = analyse_identifiers(code, {**group.variables, **(own or {})}, recursive=True)
        used = sorted(known | unknown)
        variables = group.resolve_all(used, user_identifiers=set(), additional_variables=own, run_namespace=self.namespace)
        indices = {name: group.variables.indices[name] for name in variables}
        guards: dict[str, str] = {}
        for name in used:
            guard = getattr(variables[name], "conditional_write", None)
            if guard is not None and guard.name not in unguarded:
                guards[name], variables[guard.name] = guard.name, guard
                # a synapse's code does not know its neuron's guard: it lies beside what it guards
                indices[guard.name] = group.variables.indices[guard.name] if guard.name in group.variables else indices[name]
        once, each = make_statements(code, variables, np.float64, optimise=True, blockname=one.name)
        constants = {name: float(value.get_value()) for name, value in variables.items() if isinstance(value, Constant)}
        places = {
            name: Place(self._array(variable), self._index(one, name, variable, indices[name]))
            for name, variable in variables.items()
            if isinstance(variable, ArrayVariable) and name not in CLOCK
        }
        for name, variable in variables.items():
            known_kind = isinstance(variable, ArrayVariable | Constant | Function | AuxiliaryVariable | Subexpression)
            said = f"{self.where}: {one.name!r}: {type(variable).__name__} {name!r} cannot be taken"
            require(known_kind or name in CLOCK, f"{said}; leave it out")
        timed = {name: _timed(value, self.dt) for name, value in variables.items() if isinstance(value, brian2.TimedArray)}
        return Block(constants, places, assignments(once, guards), assignments(each, guards), binomial or {}, timed)

    def _index(self, one: Any, name: str, variable: Any, index: str) -> str:
        index = "0" if variable.scalar else index
        said = f"{self.where}: {one.name!r}: variable {name!r}, with an index of its own, cannot be taken"
        require(index in INDICES, f"{said}; give the whole group in place of a part")
        return INDICES[index]

    def _array(self, variable: Any) -> str:
        """Return the name of the circuit's array for a variable, whose values are copied."""
        name = f"{variable.owner.name}.{variable.name}"
        values = np.atleast_1d(np.asarray(variable.get_value()))
        self.arrays.setdefault(name, np.array(values, DTYPES[KINDS[values.dtype.kind]], order="C"))
        self.units[name] = unit_of(variable)
        return name


def unit_of(variable: Any) -> str:
    """Return the SI unit of a variable's values, such as ``V``, or ``1``."""
    return "1" if variable.dim.is_dimensionless else str(get_unit(variable.dim))


def _timed(array: Any, dt: float) -> Timed:
    """Return a TimedArray's values, and the finer steps in which Brian2 looks them up, so that no time falls between two."""
    step = float(array.dt)
    finer = max(int(2 ** np.ceil(np.log2(8 / dt * step))), 1)
    return Timed(np.asarray(array.values, float), step / finer, finer)


def _sides(owner: Any) -> tuple[Any, Any]:
    """Return the neurons before and after each synapse, (synapses,) each; None where the owner has no synapses."""
    if "_synaptic_pre" not in owner.variables:
        return None, None
    pre, post = (np.array(owner.variables[f"_synaptic_{side}"].get_value(), np.int32) for side in ("pre", "post"))
    return pre, post


def _lag(sources: np.ndarray, chosen: np.ndarray, ticks: int, neurons: int) -> Lag:
    """Return the ``chosen`` synapses, sorted by the neuron whose spikes they get, in the order in which they were made."""
    order = chosen[np.argsort(sources[chosen], kind="stable")]
    starts = np.searchsorted(sources[order], np.arange(neurons + 1))
    return Lag(ticks, starts.astype(np.int32), order.astype(np.int32))
