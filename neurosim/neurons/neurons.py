"""The contract of neurons: what a population is made of."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from neurosim.backends import Backend, Draws
from neurosim.catalogue import Stated

RATE_VARIABLES = {
    "drive": "summed synaptic input",
    "activation": "drive after normalisation, what the transfer is applied to",
    "rate": "output activity",
}


class Neurons(Stated, abc.ABC):
    """What the neurons of a population have, how they advance by one tick, and how an error passes back through that.

    emits : what they send: ``rate``
    variables : name -> description of all that rules may read and recorders write
    stochastic : whether what they send is drawn
    straight_through : whether an error passes as through another curve than the rate's own, which has no slope of use
    """

    name: ClassVar[str]
    emits: ClassVar[str] = "rate"
    variables: ClassVar[Mapping[str, str]] = RATE_VARIABLES
    stochastic: ClassVar[bool] = False
    straight_through: ClassVar[bool] = False

    def state(self) -> dict[str, float]:
        """Return the variables that outlive a tick, of each sample, with the value each trial starts from (default: none)."""
        return {}

    @abc.abstractmethod
    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        """Return the rate and the next state, (batch, *shape) each, for an input ``activation`` of the same shape; pure.

        draws : for stochastic neurons, from ``stream``; None in evaluation
        """

    @abc.abstractmethod
    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Return the error on the input and the errors on the state before this tick, (batch, *shape) each.

        activity : what the population did in this tick (``network.Activity``)
        error_on_state : what the next tick sends back to the state after this one; empty at the end of a trial or a segment
        """
