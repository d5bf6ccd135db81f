"""Burst-dependent plasticity as rates: events carry the signal up, and whether they are bursts carries the error down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.synapses import ErrorFeedback, draw_weights
from neurosim.network import Activity, Sweep, Teaching
from neurosim.plasticity import Rule

RATES = {"sigmoid": (1.0, 0.0), "relu": (1.0, 0.0), "tanh": (2.0, -1.0)}  # transfer -> gain, offset: h = gain * events + offset
SILENT = 1e-6  # events, below which a neuron is taken to have so many: it has no bursts to speak of


class BurstDependent(ErrorFeedback):
    """A neuron's events r_l are its rate; a share P_l of them are bursts, one half where nothing comes down.

    b_l - r_l / 2  = (P_l - 1/2) r_l                          bursts beyond what is usual: what goes down
    P_l      = sigmoid(4 k_l x_l), x_l = Y_l (b_{l+1} - r_{l+1} / 2)      k = r'(a) / r(a): 1 - r for logistic neurons
    error_l  = (P_l - 1/2) r_l / signal                       dW_l = eta * rate_pre * error_l
    output   sends signal * e_M, e_M = y - p for classes, and learns by e_M

    The rate r_{l+1} / 2 comes down through synapses of their own, -Y_l / 2, by way of interneurons, as in the single-phase model of
    Greedy et al. (2022): without an error all P are 1/2, and neither a second phase nor a moving average is needed.

    For small signals (P - 1/2) r is r'(a) x: the errors are those of feedback alignment, and with Y_l = W_{l+1} those of
    back-propagation.  Large ones saturate: a neuron cannot have more bursts than events, nor fewer than none.

    tanh neurons are taken for logistic ones, h = 2 r - 1; what they transmit, and bursts, are counted in units of h.

    rule : the rule of Y, as for ``FeedbackAlignment``; None keeps Y as it is drawn.  ``rate_pre`` is the error above
    scale : a factor of Y, which is drawn as Glorot's
    signal : how strong the output's bursts are beside its error

    Raises
    ------
    InputError, EquationError
        A rule or scale that ``FeedbackAlignment`` refuses, a signal that is not positive, a network that is not one chain, or a
        transfer whose rates are no numbers of events: other than ``sigmoid``, ``relu`` and ``tanh``.
    """

    name = "burst_dependent"
    title = "Burst-dependent plasticity (rates)"
    citation = (
        "Payeur, Guerguiev, Zenke, Richards and Naud (2021). Burst-dependent synaptic plasticity can coordinate learning in "
        "hierarchical circuits. Nature Neuroscience 24, 1010-1019. Single phase: Greedy, Zhu, Pemberton, Mellor and Costa (2022). "
        "Single-phase deep learning in cortico-cortical networks. NeurIPS 35. arXiv:2206.11769."
    )
    variants = ({}, {"rule": "hebbian"})

    def __init__(self, *, rule: str | Mapping[str, Any] | Rule | None = None, scale: float = 1.0, signal: float = 0.1) -> None:
        super().__init__(rule=rule, scale=scale)
        said = f"scheme {self.name!r}: signal {quoted(signal)} is not positive and finite: expected a factor; give one such as 0.1"
        require(0 < signal < math.inf, said)
        self.signal = signal

    @property
    def claims(self) -> Claims:
        """The same with any rule, but for what the feedback synapses learn from."""
        return Claims(
            weight_transport="none", update_locking=True, backward_locking=True, feedback_learns_from=self.learned_from
        )

    def build(self, seed: int) -> None:
        network = self.network
        self.links = network.chain(f"scheme {self.name!r}")[1:]
        for name in network.hidden:
            curve = network.populations[name].transfer.name
            said = f"scheme {self.name!r}: population {name!r} has transfer {curve!r}: expected one of {', '.join(RATES)}"
            require(curve in RATES, f"{said}, whose rates can be numbers of events; use 'tanh'")
        for link in self.links:
            weights = draw_weights(seed, f"feedback/{link.name}", "glorot", link.w.shape, link.w.shape[0])
            self.add_feedback(link.name, link.post, link.pre, weights, link.connectivity.reversed())

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        for link in reversed(self.links):
            population, activity = network.populations[link.pre], sweep[link.pre]
            bursts = self.carry(link.name, teaching[link.post].error * activity.rate.dtype.type(self.signal))
            error = self._burst(link.pre, population.error_on_rate(bursts, activity), activity)
            teaching[link.pre] = population.teach_activation(error / error.dtype.type(self.signal), activity)
        return teaching

    def _burst(self, name: str, x: Any, activity: Activity) -> Any:
        """Return bursts beyond one half of the events, (batch, *shape), in units of the rate; x : what comes to the dendrite."""
        population, xp = self.network.populations[name], self.network.backend.xp
        gain, offset = RATES.get(population.transfer.name, (1.0, 0.0))
        number = activity.rate.dtype.type
        events = xp.maximum(activity.rate - number(offset), number(gain * SILENT))  # times gain
        more = population.error_on_activation(x, activity) / events  # k x, as events has the gain that r' has not
        return 0.5 * xp.tanh(2 * more) * events  # sigmoid(4 z) - 1/2 = tanh(2 z) / 2
