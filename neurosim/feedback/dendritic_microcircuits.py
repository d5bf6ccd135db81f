"""Dendritic microcircuits: interneurons cancel what comes down to apical dendrites; what they do not cancel is the error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback
from neurosim.network import Network, Population, Projection, Sweep, Teaching
from neurosim.plasticity import error_driven


@dataclass(frozen=True)
class Settled:
    """What lies between two populations in steady state, where the upper one is nudged; (batch, *upper) but for ``apical``.

    interneurons : their sweep; nudged : their rate with what comes from their partners; prediction : their rate without that
    apical : voltage of the lower population's apical dendrites, (batch, *lower)
    """

    interneurons: Sweep
    nudged: Any
    prediction: Any
    apical: Any


class DendriticMicrocircuits(FeedbackPathway):
    """Pyramidal neurons of three compartments and, beside each hidden population, an interneuron for each neuron above it.

    a_l      the basal potential, as the soma takes it: the network's drive
    u_M      = a_M + nudge e_M, e_M = y - p for classes      nudge = somatic / (leak + basal + somatic)
    i_l      = (1 - partner) a^I_l + partner u_{l+1}         interneurons, a^I_l = W^IP_l h_l
    v_l      = W^TD_l phi(u_{l+1}) + W^PI_l phi(i_l)         apical voltage
    u_l      = a_l + apical_share v_l                        apical_share = apical / (leak + basal + apical)
    error_l  = phi(u_l) - phi(a_l)                           soma minus what its basal dendrite predicts; the output's is e_M
    W^IP_l   learns phi(i_l) - phi(a^I_l), presynaptic rate h_l;  W^PI_l learns -v_l, presynaptic rate phi(i_l);  W^TD_l is fixed

    partner = somatic / (leak + dendritic + somatic) is the share that the pyramidal neuron above has in an interneuron.

    Of the output, phi is left out: what it sends down, and its interneurons, are potentials.

    At first the circuit predicts itself: W^IP_l is W_{l+1}, and W^PI_l minus W^TD_l.  Without nudging, v_l is then zero, and no
    forward weight changes.  With weak nudging, a_l moves by apical_share (1 - partner) W^TD_l phi'(a_{l+1}) times the move above:
    the errors are those of feedback alignment, nudge (apical_share (1 - partner))**(M - l) times smaller.

    The steady state is found from the output down.  What an apical dendrite changes in its neuron's rate is not sent up again.

    leak, basal, apical, somatic, dendritic : conductances; the last one is the interneurons' own
    lateral : whether W^PI learns; otherwise it stays minus W^TD.  It learns to cancel whatever comes down, errors as well

    Raises
    ------
    InputError
        A conductance that is not positive, a network that is not one chain, normalised populations, or a transfer that draws.
    """

    name = "dendritic_microcircuits"
    title = "Dendritic microcircuits (steady state)"
    citation = (
        "Sacramento, Costa, Bengio and Senn (2018). Dendritic cortical microcircuits approximate the backpropagation algorithm. "
        "Advances in Neural Information Processing Systems 31. arXiv:1810.11393."
    )
    variants = ({}, {"lateral": False})
    takes_normalised = False  # an interneuron cannot know the statistics of its partner's drive
    # Forward weights are read once, when the pathway is joined to the network: that is where the circuit begins to predict itself.
    claims = Claims(
        weight_transport="none",
        update_locking=True,
        backward_locking=True,
        feedback_learns_from=("activity", "labels", "one_hop"),
    )

    def __init__(
        self,
        *,
        leak: float = 0.1,
        basal: float = 1.0,
        apical: float = 0.8,
        somatic: float = 0.8,
        dendritic: float = 1.0,
        lateral: bool = True,
    ) -> None:
        given = {"leak": leak, "basal": basal, "apical": apical, "somatic": somatic, "dendritic": dendritic}
        for name, value in given.items():
            said = f"scheme {self.name!r}: {name} {quoted(value)} is not positive and finite: expected a conductance"
            require(0 < value < math.inf, f"{said}; give one such as 0.8")
        self.lateral = lateral
        self.nudge = somatic / (leak + basal + somatic)
        self.partner = somatic / (leak + dendritic + somatic)
        self.apical_share = apical / (leak + basal + apical)

    def build(self, seed: int) -> None:
        network = self.network
        self.links = network.chain(f"scheme {self.name!r}")[1:]
        for name in network.hidden:
            curve = network.populations[name].transfer
            said = f"scheme {self.name!r}: population {name!r} has transfer {curve.name!r}: expected one that gives each neuron"
            require(not curve.stochastic and curve.name != "softmax", f"{said} a rate of its own; use 'tanh'")
        for link in self.links:
            self.networks[f"interneurons/{link.pre}"] = self._interneurons(link)
            above, below = (Population(name, network.populations[name].shape) for name in (link.post, link.pre))
            weights = draw_weights(seed, f"feedback/{link.name}", "glorot", link.w.shape, link.w.shape[0])
            self.networks[f"down/{link.pre}"] = feedback(network, above, below, weights, f"down/{link.pre}/")
            partners, below = Population("interneurons", above.shape), Population(link.pre, link.pre_shape)
            rule = error_driven() if self.lateral else None
            onto_apical = feedback(network, partners, below, -weights, f"lateral/{link.pre}/", rule=rule)
            self.networks[f"lateral/{link.pre}"] = onto_apical

    def _interneurons(self, link: Projection) -> Network:
        """Return lower population -> interneurons, whose synapses are those of ``link``."""
        upper = self.network.populations[link.post]
        curve = "linear" if link.post == self.network.output else upper.transfer
        ends = [Population(link.pre, link.pre_shape), Population("interneurons", upper.shape, transfer=curve)]
        own = Projection(link.pre, "interneurons", initial="zeros", bias=link.bias)
        options: dict[str, Any] = {"dtype": str(self.network.dtype), "backend": self.network.backend}
        made = Network(ends, [own], prefix=f"interneurons/{link.pre}/", **options)
        for name, value in own.parameters.items():
            value[...] = link.parameters[name]
        return made

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        for name, settled in self._settle(sweep, teaching[network.output].error).items():
            population, activity = network.populations[name], sweep[name]
            moved = self._rate(name, self._soma(activity.drive, settled)) - activity.rate
            teaching[name] = population.teach_activation(population.error_on_rate(moved, activity), activity)
        return teaching

    def _settle(self, sweep: Sweep, error: Any) -> dict[str, Settled]:
        """Return the steady state beside each hidden population; error : the output's on its drive, (batch, *output)."""
        found: dict[str, Settled] = {}
        u = sweep.drive[self.network.output] + error * error.dtype.type(self.nudge)
        for link in reversed(self.links):
            own = self.networks[f"interneurons/{link.pre}"].sweep(sweep[link.pre].transmitted)
            predicted = own["interneurons"].drive
            share = predicted.dtype.type(self.partner)
            rate, nudged = (self._sent(link.post, value, sweep) for value in (u, predicted + share * (u - predicted)))
            down = self.networks[f"down/{link.pre}"].sweep(rate).rate[link.pre]
            apical = down + self.networks[f"lateral/{link.pre}"].sweep(nudged).rate[link.pre]
            found[link.pre] = Settled(own, nudged, self._sent(link.post, predicted, sweep), apical)
            u = self._soma(sweep.drive[link.pre], found[link.pre])
        return found

    def _soma(self, basal: Any, settled: Settled) -> Any:
        """Return u_l, (batch, *shape)."""
        return basal + settled.apical * basal.dtype.type(self.apical_share)

    def _rate(self, name: str, potential: Any) -> Any:
        return self.network.populations[name].transfer.rate(self.network.backend, potential, None, name)

    def _sent(self, name: str, potential: Any, sweep: Sweep) -> Any:
        """Return what population ``name``, or its interneurons, send down at a potential: neurons that drop out are silent."""
        if name == self.network.output:
            return potential
        return self.network.populations[name].error_on_rate(self._rate(name, potential), sweep[name])

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        deltas: Deltas = {}
        for name, settled in self._settle(sweep, self.output_teaching(sweep, target).error).items():
            own, lateral = self.networks[f"interneurons/{name}"], self.networks[f"lateral/{name}"]
            surprise = settled.nudged - settled.prediction
            deltas |= own.propose(settled.interneurons, {"interneurons": Teaching(surprise)})[0]
            if self.lateral:
                deltas |= lateral.propose(lateral.sweep(settled.nudged), {name: Teaching(-settled.apical)})[0]
        return deltas
