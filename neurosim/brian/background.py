"""Input from outside an exported network: many Poisson processes onto each neuron, and noise in a variable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import brian2
from brian2.units.fundamentalunits import get_or_create_dimension

from neurosim.brian.exporting import forget
from neurosim.equations.units import NONE, Measure, measure, written
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.neurons import Equations
from neurosim.neurons.poisson_spikes import HERTZ

Network = Any  # of neurosim.network, which uses this package


def add_poisson(net: Any, network: Network, into: str, count: int, rate: Any, weight: Any) -> None:
    """Give each neuron of a population ``count`` Poisson processes of its own, each of whose spikes adds ``weight``.

    net : what ``export`` returned for ``network``; into : ``population.variable``; rate : of one process, such as ``"20*Hz"``
    weight : in the unit of the variable

    It is Brian2's PoissonInput: in each tick the number of spikes is binomial.

    Raises InputError for a variable that is not there, and a rate or a weight that is none.
    """
    label = f"Poisson input into {quoted(into)}"
    group, variable = _variable(net, network, into, label)
    found = measure(rate, f"{label}: rate")
    assert network.dt is not None
    fits = tuple(found.dimensions) == HERTZ and 0 <= found.value * network.dt <= 1
    said = f"{label}: rate {quoted(rate)}: expected a rate of at most one spike in a tick of {network.dt:g} s"
    require(fits, f"{said}; give one such as '20*Hz'")
    require(count >= 1, f"{label}: count {quoted(count)}: expected 1 or more processes; change it")
    adds = _in_unit(network, into, weight, f"{label}: weight")
    made = brian2.PoissonInput(group, variable, N=count, rate=found.value * brian2.Hz, weight=_quantity(adds))
    made._name = _free(net, f"{group.name}_{variable}_poisson")  # Brian2 counts them up, and random numbers go by the name
    net.add(made)


def add_noise(net: Any, network: Network, into: str, sd: Any) -> None:
    """Draw a variable of a population anew at the start of each tick: normal, of mean 0 and standard deviation ``sd``.

    net, into : as of ``add_poisson``; sd : in the unit of the variable

    Raises InputError for a variable that is not there, and for an sd that is none.
    """
    label = f"noise into {quoted(into)}"
    group, variable = _variable(net, network, into, label)
    size = _in_unit(network, into, sd, f"{label}: sd")
    code, name = f"{variable} = {written(size)} * randn()", _free(net, f"{group.name}_{variable}_noise")
    group.run_regularly(code, when="start", clock=group.clock, name=name)


def drawn_input(net: Any, network: Network, poisson: Iterable[Any], noise: Iterable[Any]) -> None:
    """Add all inputs from outside that a model file lists; raise InputError for one that does not fit.

    poisson : each with into, count, rate, weight; noise : each with into, sd
    """
    try:
        for one in poisson:
            add_poisson(net, network, one.into, one.count, one.rate, one.weight)
        for one in noise:
            add_noise(net, network, one.into, one.sd)
    except InputError:
        forget(net.objects)
        raise


def _variable(net: Any, network: Network, into: str, label: str) -> tuple[Any, str]:
    """Return the group and the name of ``population.variable``."""
    spiking = {name: one.neurons for name, one in network.populations.items() if isinstance(one.neurons, Equations)}
    known = [f"{name}.{variable}" for name, neurons in spiking.items() for variable in neurons.states]
    if into not in known:
        raise UnknownNameError(f"{label}: variable", into, known)
    owner, _, variable = into.partition(".")
    return net[owner], variable


def _in_unit(network: Network, into: str, value: Any, label: str) -> Measure:
    """Return a quantity that is in the unit of ``population.variable``."""
    owner, _, variable = into.partition(".")
    unit = network.populations[owner].neurons.unit_of(variable)
    found, expected = measure(value, label), measure(1 if unit == "1" else f"1*({unit})", label)
    fits = tuple(found.dimensions) == tuple(expected.dimensions)
    require(fits, f"{label} {quoted(value)}: expected it in {'no unit' if unit == '1' else unit}, as {into!r} is; change it")
    return found


def _quantity(found: Measure) -> Any:
    return found.value if found.dimensions == NONE else brian2.Quantity(found.value, dim=get_or_create_dimension(found.dimensions))


def _free(net: Any, name: str) -> str:
    """Return a name that nothing in the network has."""
    taken = {one.name for part in net.objects for one in (part, *part.contained_objects)}
    return next(one for one in (name, *(f"{name}{k}" for k in range(2, 10_000))) if one not in taken)
