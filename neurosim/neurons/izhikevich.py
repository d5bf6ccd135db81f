"""Izhikevich's simple model of spiking neurons."""

from __future__ import annotations

from typing import Any

from neurosim.errors import UnknownNameError
from neurosim.neurons.equations import Equations
from neurosim.neurons.surrogates import Surrogate

TEXT = """
dv/dt = (0.04 * v**2 + 5 * v + 140 - u + drive) / ms : 1
du/dt = a * (b * v - u) / ms : 1
"""
KINDS = {  # a, b, c, d
    "regular_spiking": (0.02, 0.2, -65, 8),
    "intrinsically_bursting": (0.02, 0.2, -55, 4),
    "chattering": (0.02, 0.2, -50, 2),
    "fast_spiking": (0.1, 0.2, -65, 2),
    "low_threshold_spiking": (0.02, 0.25, -65, 2),
}


class Izhikevich(Equations):
    """dv/dt = 0.04 v^2 + 5 v + 140 - u + drive;  du/dt = a (b v - u), per ms, by Euler's method.

    A spike where v >= 30; then v = c and u + d.  v counts mV, but nothing has a unit.  The published model is Euler's method in
    steps of 1 ms: ``Network(..., dt="1*ms")``; a finer step, or another method, gives other spikes.

    kind : a set of constants: ``regular_spiking``, ``intrinsically_bursting``, ``chattering``, ``fast_spiking``,
        ``low_threshold_spiking``
    constants : a, b, c, d, unless they are to be those of the kind

    Izhikevich (2003). Simple model of spiking neurons. IEEE Transactions on Neural Networks 14, 1569-1572.

    Raises
    ------
    InputError
        An unknown kind, or a constant that is not theirs.
    """

    name = "izhikevich"

    def __init__(
        self, *, kind: str = "regular_spiking", surrogate: str | Surrogate = "fast_sigmoid", **constants: str | float
    ) -> None:
        if kind not in KINDS:
            raise UnknownNameError("neurons 'izhikevich': kind", kind, KINDS)
        self.kind = kind
        values: dict[str, Any] = {**dict(zip("abcd", KINDS[kind], strict=True)), **constants}
        super().__init__(
            TEXT,
            threshold="v >= 30",
            reset="v = c; u += d",
            method="euler",
            start={"v": -65, "u": "-65 * b"},
            surrogate=surrogate,
            **values,
        )
