"""Brian2's Synapses that learn by a rule of neurosim's, and quantities in Brian2's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import brian2
from brian2.units.fundamentalunits import get_or_create_dimension

from neurosim.equations import Quantity
from neurosim.plasticity import SpikeCode


def as_brian2(value: float | Quantity) -> Any:
    """Return a quantity as Brian2's; a number stays one."""
    if not isinstance(value, Quantity):
        return value
    return brian2.Quantity(value.value, dim=get_or_create_dimension(value.dimensions))


def plastic_synapses(
    code: SpikeCode,
    source: Any,
    target: Any,
    *,
    connect: Mapping[str, Any] | None = None,
    namespace: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Return Brian2's ``Synapses`` of a rule's ``spike_code``, connected, its states at their start; w is 0 until you set it.

    connect : options of Synapses.connect; all to all by default
    namespace : what the code reads beside its constants, such as a TimedArray called ``reward``
    options : of Synapses, such as name, delay and dt
    """
    known = {name: as_brian2(value) for name, value in code.constants.items()} | dict(namespace or {})
    method = {} if code.method is None else {"method": code.method}
    made = brian2.Synapses(
        source, target, code.model, on_pre=code.on_pre, on_post=code.on_post, namespace=known, **{**method, **options}
    )
    made.connect(**(connect or {}))
    for name, value in code.starts.items():
        setattr(made, name, as_brian2(value))
    return made
