"""Leaky integrate-and-fire neurons without units, for learning."""

from __future__ import annotations

from typing import Any

from neurosim.neurons.equations import Equations, as_time
from neurosim.neurons.surrogates import Surrogate


class LIF(Equations):
    """tau dv/dt = R drive - v; a spike where v > 1; integrated exactly.

    tau : of the membrane, text such as ``20*ms``, or seconds
    resistance : R.  A constant drive moves v to R drive in the end, and by R drive (1 - exp(-dt / tau)) in the first tick
    tau_syn : of a synaptic current I that filters the drive, tau_syn dI/dt = drive - I; None: the drive is the current
    subtract : whether a spike takes the threshold, 1, from v; otherwise it puts v to 0
    refractory : a time such as ``2*ms`` in which there is no spike, while v moves on; None: spikes in any tick
    surrogate : the slope of a spike for errors

    Lapicque (1907). Recherches quantitatives sur l'excitation electrique des nerfs traitee comme une polarisation. Journal de
    Physiologie et de Pathologie Generale 9, 620-635.
    """

    name = "lif"

    def __init__(
        self,
        *,
        tau: str | float = "20*ms",
        resistance: float = 1.0,
        tau_syn: str | float | None = None,
        subtract: bool = True,
        refractory: str | None = None,
        surrogate: str | Surrogate = "fast_sigmoid",
    ) -> None:
        self.subtract = subtract
        current = "drive" if tau_syn is None else "I"
        lines = [f"dv/dt = (R * {current} - v) / tau : 1"]
        lines += [] if tau_syn is None else ["dI/dt = (drive - I) / tau_syn : 1"]
        times: dict[str, str | float] = {"tau": tau} if tau_syn is None else {"tau": tau, "tau_syn": tau_syn}
        constants: dict[str, Any] = {name: as_time(value, f"neurons {self.name!r}: {name}") for name, value in times.items()}
        super().__init__(
            "\n".join(lines),
            threshold="v > 1",
            reset="v -= 1" if subtract else "v = 0",
            refractory=refractory,
            method="exact",
            surrogate=surrogate,
            R=resistance,
            **constants,
        )
