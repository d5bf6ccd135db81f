"""What the synapses of a projection are in Brian2's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neurosim import reprs
from neurosim.equations import Quantity


@dataclass(frozen=True)
class SpikeCode:
    """What a projection's synapses are in Brian2's language.

    model : the equations, with w; on_pre, on_post : what a spike does, statements by line
    amplitude : what a spike transmits: ``w``, or less of it where the synapse tires
    constants : name in the code -> a number, or a quantity
    starts : name of a variable in the code -> what it starts as, where that is not 0
    names : the rule's states, as its equations write them -> names in the code
    reads : variables of the neurons that the code reads, such as ``v_post``
    modulators : what is set from outside, as the rule's equations write it -> its name in the code: a shared variable of the model,
        or a function of t, which is no part of the constants
    method : how the clock-driven equations are integrated; None where there are none
    """

    model: str
    on_pre: str = ""
    on_post: str = ""
    amplitude: str = "w"
    constants: Mapping[str, float | Quantity] = field(default_factory=dict)
    starts: Mapping[str, float | Quantity] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    modulators: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None

    __repr__ = reprs.fields
