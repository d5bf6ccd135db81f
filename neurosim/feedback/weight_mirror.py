"""Weight mirrors: populations that emit noise show the feedback synapses what the forward ones do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway, Phase
from neurosim.feedback.synapses import draw_weights, feedback, list_crossed, meet, reverse, synapses
from neurosim.network import Activity, Population, Projection, Sweep, Teaching
from neurosim.neurons import DRIVE
from neurosim.plasticity import PlasticityRule
from neurosim.plasticity.optimisers import is_number


class WeightMirror(FeedbackPathway):
    """e_l = (B_{l+1} e_{l+1}) * phi'(a_l), and B_{l+1} learns in a phase of its own to be W_{l+1}.

    In the phase ``mirror`` nothing of the data counts.  For each projection in turn, the population below emits noise, the one
    above responds to it alone, and the feedback synapses between them correlate the two:

    xi ~ N(0, noise**2),  r = phi(W_{l+1} xi + b_{l+1})
    dB_{l+1} = xi r - decay B_{l+1}                       mean over the batch

    Where phi is linear, <dB> = noise**2 W - decay B, so that B comes to noise**2 / decay W, which is W by default.  Other transfers
    have a slope below 1, and B is smaller by its mean.

    noise : standard deviation of xi
    decay : of the feedback weights, in each step, times the learning rate; by default ``noise**2``

    The rule's terms balance by their sizes, so the feedback synapses need an optimiser that does not rescale them:
    ``feedback_optimiser=SGD(0.1)``.

    Raises
    ------
    InputError
        ``noise`` or ``decay`` that is not positive.
    """

    name = "weight_mirror"
    title = "Weight mirror"
    citation = (
        "Akrout, Wilson, Humphreys, Lillicrap and Tweed (2019). Deep learning without weight transport. NeurIPS 2019. "
        "arXiv:1904.05391."
    )
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=True, feedback_learns_from=("responses",))
    phases = (Phase("mirror", forward=False), Phase("learn", feedback=False))

    def __init__(self, *, noise: float = 0.5, decay: float | None = None) -> None:
        for name, value in (("noise", noise), ("decay", noise if decay is None else decay)):
            said = f"scheme {self.name!r}: {name} {quoted(value)}"
            require(is_number(value) and value > 0, f"{said}: expected a positive number; give one such as 0.25")
        self.noise = noise
        self.decay = noise**2 if decay is None else decay

    def build(self, seed: int) -> None:
        network = self.network
        self.crossed = [p for links in list_crossed(network).values() for p in links]
        rule = PlasticityRule("dw = rate_pre * rate_post - decay * w", decay=self.decay)
        for p in self.crossed:
            above, below = network.populations[p.post], network.populations[p.pre]
            ends = Population(p.post, above.shape), Population(p.pre, below.shape)
            weights = draw_weights(seed, f"feedback/{p.name}", "glorot", p.w.shape, p.connectivity.fan_in(p.pre_shape))
            wiring, prefix = p.connectivity.reversed(), f"feedback/{p.name}/"
            self.networks[p.name] = feedback(network, *ends, weights, prefix, wiring=wiring, rule=rule)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        back = {p.name: reverse(synapses(self.networks[p.name]).w, p.connectivity) for p in self.crossed}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), back)

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        deltas: Deltas = {}
        for p in self.crossed:
            link, like = self.networks[p.name], sweep.rate[p.pre]
            xi = like.dtype.type(self.noise) * draws.normal(f"{p.name}/mirror", like.shape, like.dtype)
            deltas |= link.propose(meet(link, self.respond(p, xi), Activity(xi, xi, xi, xi, xi)), {})[0]
        return deltas

    def respond(self, p: Projection, xi: Any) -> Any:
        """Return what the population above ``p`` sends, (batch, *post), where ``xi``, (batch, *pre), is all that reaches it."""
        received, above = p.drive(xi), self.network.populations[p.post]
        if p.into == DRIVE:
            return above.respond(received).rate
        return above.respond(self.network.backend.xp.zeros_like(received), inputs={p.into: received}).rate
