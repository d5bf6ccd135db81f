"""Binary transmission: h = +1 or -1."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.transfer import Transfer


class Sign(Transfer):
    """h = +1 where a > 0 and -1 elsewhere; the slope is that of tanh, which the sign is taken of (straight-through).

    Source: the binary networks of Lee et al. 2015 (section 3.2) and Choromanska et al. 2019 pass tanh(a) through the sign
    and let the error through the sign unchanged.
    """

    name = "sign"
    straight_through = True

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        xp = backend.xp
        # a NaN stays a NaN, so that a diverged run is noticed
        return xp.where(activation > 0, 1, xp.where(activation <= 0, -1, activation)).astype(activation.dtype)

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        smooth = backend.xp.tanh(activation)
        return error_on_rate * (1 - smooth * smooth)
