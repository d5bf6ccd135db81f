"""Leaky integrate-and-fire neurons whose threshold rises with every spike, without units, for learning."""

from __future__ import annotations

from neurosim.neurons.equations import Equations, as_time
from neurosim.neurons.surrogates import Surrogate


class AdaptiveLIF(Equations):
    """tau dv/dt = drive - v;  tau_a da/dt = -a;  a spike where v > 1 + beta a, then v - 1 and a + 1; integrated exactly.

    tau : of the membrane; tau_a : of the adaptation; text such as ``20*ms``, or seconds
    beta : by how much a spike raises the threshold, by default 1.7 tau / tau_a, as in the paper
    refractory : a time such as ``2*ms`` in which there is no spike, while v moves on; None: spikes in any tick
    surrogate : the slope of a spike for errors, which go back through the spikes that raised the threshold as well

    Bellec et al. (2020). A solution to the learning dilemma for recurrent networks of spiking neurons. Nature Communications 11,
    3625, equations 5 to 8; there the drive is not multiplied by 1 - exp(-dt / tau), which a scale of the weights makes up for.
    """

    name = "adaptive_lif"

    def __init__(
        self,
        *,
        tau: str | float = "20*ms",
        tau_a: str | float = "200*ms",
        beta: float = 0.17,
        refractory: str | None = None,
        surrogate: str | Surrogate = "triangle",
    ) -> None:
        label = f"neurons {self.name!r}"
        super().__init__(
            "dv/dt = (drive - v) / tau : 1\nda/dt = -a / tau_a : 1",
            threshold="v > 1 + beta * a",
            reset="v -= 1; a += 1",
            refractory=refractory,
            method="exact",
            surrogate=surrogate,
            through_spike=["a"],
            tau=as_time(tau, f"{label}: tau"),
            tau_a=as_time(tau_a, f"{label}: tau_a"),
            beta=beta,
        )
