"""A projection's rule as what Brian2's Synapses do."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from neurosim.errors import InputError, quoted, require
from neurosim.neurons import DRIVE, Equations
from neurosim.plasticity import SGD, Bounds, SpikeCode, spike_code

Network = Any  # of neurosim.network, which uses this package
Projection = Any

LARGEST = 1e300  # where there is no bound


def rests(p: Projection) -> bool:
    """Return whether a projection's weights stay as they are in a run: an error of a feedback pathway never comes."""
    return p.rule is None or "error" in p.rule.post


def synapse_code(network: Network, p: Projection, into: str, timed: Collection[str] = ()) -> SpikeCode:
    """Return the code of a projection whose spikes add to ``into``, such as ``I_post``.

    timed : modulators that change in time; the code calls them as functions

    Raises InputError, naming the projection, for a rule that cannot be translated, or an optimiser that has no place in a run.
    """
    neurons = network.populations[p.post].neurons
    assert isinstance(neurons, Equations)
    units = {"w": neurons.unit_of(p.into)}
    for side, name in (("pre", p.pre), ("post", p.post)):
        units |= _units(network.populations[name].neurons, side)
    rule = None if rests(p) else p.rule
    try:
        bounds = None if rule is None else _bounds(p, units["w"])
        of_time = set() if rule is None else rule.modulators & set(timed)
        code = spike_code(rule, into=into, units=units, dt=network.dt, bounds=bounds, short_term=p.short_term, timed=of_time)
    except InputError as cause:
        raise type(cause)(f"projection {p.name!r}: {cause}") from cause
    for name, called in code.modulators.items():
        said = f"projection {p.name!r}: modulator {quoted(name)}: in the code of its synapses the name is of something else"
        require(name == called, f"{said}: expected a name of its own, such as reward; change the rule")
    return code


def modulated(network: Network) -> dict[str, list[Projection]]:
    """Return modulator -> the projections whose rules read it in a run."""
    found: dict[str, list[Projection]] = {}
    for p in network.projections.values():
        if network.populations[p.pre].neurons.emits == "spike" and not rests(p):
            for name in sorted(p.rule.modulators):
                found.setdefault(name, []).append(p)
    return found


def _units(neurons: Any, side: str) -> Mapping[str, str]:
    if not isinstance(neurons, Equations):
        return {}
    return {f"{name}_{side}": neurons.unit_of(name) for name in (*neurons.states, *((DRIVE,) if neurons.reads_drive else ()))}


def _bounds(p: Projection, unit: str) -> tuple[float | str, float | str] | None:
    """Return the bounds that a projection's optimiser keeps its weights in, which are in ``unit``.

    In a run a weight changes by what the rule says, at once: there is no batch, and no update that an optimiser could count.
    """
    found = None
    for _, link in [] if p.optimiser is None else p.optimiser.working:
        plain = isinstance(link, SGD) and link.learning_rate == 1
        said = f"projection {p.name!r}: its optimiser has {quoted(link)}"
        expected = "expected SGD(1) and Bounds in a run; put a rate into the rule's constants"
        require(plain or isinstance(link, Bounds), f"{said}: {expected}")
        if isinstance(link, Bounds):
            found = (_in_unit(link.w_min, unit), _in_unit(link.w_max, unit))
    return found


def _in_unit(bound: float, unit: str) -> float | str:
    """Return a bound in SI units as text with its unit; one that is none is far away."""
    finite = math.copysign(LARGEST, bound) if math.isinf(bound) else float(bound)
    return finite if unit == "1" else f"{finite!r}*({unit})"
