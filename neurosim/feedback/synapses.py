"""Feedback synapses: ordinary projections that carry an error from the population that sends it to the one that receives it.

Each of them is a network of the pathway's with one projection: from the population above, whose rate is the error that it sends, to
the population below, whose variables are that population's.  Without a rule it stays as it was drawn; with one it learns.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.catalogue import make
from neurosim.connectivity import Connectivity, initialiser
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Deltas, FeedbackPathway
from neurosim.network import Activity, Network, Population, Projection, Sweep, Teaching
from neurosim.plasticity import PlasticityRule, Rule, rules


class ErrorFeedback(FeedbackPathway, abc.ABC):
    """A scheme whose errors come down through feedback synapses with one ``rule``; ``build`` makes them with ``add_feedback``.

    scale : factor of their weights as they are drawn
    """

    def __init__(self, *, rule: str | Mapping[str, Any] | Rule | None = None, scale: float = 1.0) -> None:
        self.rule = make_rule(f"scheme {self.name!r}", rule)
        said = f"scheme {self.name!r}: scale {quoted(scale)}: expected a positive number; give one such as 1.0"
        require(0 < scale < math.inf, said)
        self.scale = scale

    def options(self) -> dict[str, Any]:
        """Return the options that make the scheme again, the rule as text or table where it can be written so."""
        given = super().options()
        if isinstance(given.get("rule"), Rule):
            given["rule"] = describe_rule(given["rule"])
        return given

    @property
    def learned_from(self) -> tuple[str, ...]:
        """What the feedback synapses are made of, as ``Claims.feedback_learns_from`` says it: an error brings labels with it."""
        rule = self.rule
        if rule is None or not rule.pre | rule.post | rule.modulators:
            return ()
        return ("activity", "labels") if rule.pre or "error" in rule.post or rule.modulators else ("activity",)

    def add_feedback(
        self, key: str, sender: str, receiver: str, weights: np.ndarray, wiring: str | Connectivity = "all_to_all"
    ) -> None:
        """Join ``receiver`` to the error of ``sender``, both populations of the network, by synapses named ``key``.

        weights : as of a projection from receiver to sender, before ``scale``; all to all: (n_receiver, n_sender)
        wiring : the connectivity from sender to receiver
        """
        above, below = self.network.populations[sender], self.network.populations[receiver]
        ends = Population(sender, above.shape), Population(receiver, below.shape, neurons=below.neurons)
        options: dict[str, Any] = {"wiring": wiring, "rule": self.rule}
        self.networks[key] = feedback(self.network, *ends, self.scale * weights, f"feedback/{key}/", **options)
        if self.rule is not None:
            plain = not self.rule.solves and not self.networks[key].memory() and not synapses(self.networks[key]).starts
            what = f"scheme {self.name!r}: rule {quoted(self.rule.describe())}"
            require(plain, f"{what} keeps a state or solves for weights: expected one that does neither; use 'dw = ...'")
            self.networks[key].check_modulators(self.task.modulators, f"task {self.task.name!r}")

    def carry(self, key: str, error: Any) -> Any:
        """Return ``error``, (batch, *sender), as the synapses ``key`` bring it to their receiver: (batch, *receiver)."""
        return synapses(self.networks[key]).drive(error)

    def find_error(self, key: str, teaching: Mapping[str, Teaching]) -> Any:
        """Return the error that the synapses ``key`` bring, (batch, *sender): by default that on their sender's drive."""
        return teaching[synapses(self.networks[key]).pre].error

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        teaching = teaching or self.teach(sweep, target, draws)
        modulators = {} if target is None else self.task.broadcast(target)
        deltas: Deltas = {}
        for key, link in self.networks.items():
            ends = synapses(link)
            if ends.rule is not None:
                both = meet(link, self.find_error(key, teaching), sweep[ends.post])
                deltas |= link.propose(both, {ends.post: Teaching(teaching[ends.post].error)}, modulators)[0]
        return deltas

    def renew(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Take fixed weights named ``feedback/KEY.w``, as those of a projection from receiver to sender, until November 2026."""
        renewed = dict(state)
        for key, link in self.networks.items():
            earlier, now = f"pathway|feedback/{key}.w", f"pathway|{link.prefix}{synapses(link).name}.w"
            if earlier in state and now not in state:
                renewed[now] = reverse(state[earlier], synapses(link).connectivity)
        return renewed


def list_crossed(network: Network) -> dict[str, list[Projection]]:
    """Return the projections that an error comes back along within a tick, by the population it comes to, from the output down."""
    crossed: dict[str, list[Projection]] = {}
    for name in reversed(network.order):
        reached = {network.output, *crossed}
        links = [p for p in network.outgoing(name) if p.post in reached and not p.delay]
        if links and name not in (network.output, *network.inputs):
            crossed[name] = links
    return crossed


# ---------------------------------------------------------------------- one projection


def feedback(
    network: Network,
    sender: Population,
    receiver: Population,
    weights: np.ndarray,
    prefix: str,
    *,
    wiring: str | Connectivity = "all_to_all",
    rule: Rule | None = None,
) -> Network:
    """Return sender -> receiver, on ``network``'s backend and in its dtype.

    weights : as of a projection from receiver to sender; all to all: (n_receiver, n_sender)
    """
    projection = Projection(sender.name, receiver.name, connectivity=wiring, initial="zeros", bias=False, rule=rule)
    options: dict[str, Any] = {"dtype": str(network.dtype), "backend": network.backend, "prefix": prefix, "dt": network.dt}
    made = Network([sender, receiver], [projection], **options)
    projection.w[...] = network.backend.asarray(np.ascontiguousarray(reverse(weights, projection.connectivity), network.dtype))
    if projection.mask is not None:
        projection.w[...] *= projection.mask
    return made


def reverse(weights: np.ndarray, wiring: Connectivity) -> np.ndarray:
    """Return the weights of the projection that joins the same neurons the other way round."""
    return weights.T if wiring.matrix else weights


def draw_weights(seed: int, stream: str, initial: str, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Return weights of ``shape``, drawn from the ``stream`` that only the seed and its name decide."""
    return initialiser(initial)(generator(seed, stream), shape, fan_in)


def synapses(link: Network) -> Projection:
    """Return the one projection of a feedback network."""
    (projection,) = link.projections.values()
    return projection


def meet(link: Network, error: Any, received: Activity) -> Sweep:
    """Return what the rule of a feedback projection reads.

    error : that is sent from above, (batch, *sender); received : the activity of the population below
    """
    ends = synapses(link)
    sent = link.populations[ends.pre].respond(error)
    return Sweep.of({ends.pre: sent, ends.post: replace(received, rate=received.transmitted)}, received.training)


# ---------------------------------------------------------------------- a rule as an option


def make_rule(owner: str, given: str | Mapping[str, Any] | Rule | None) -> Rule | None:
    """Return the rule that an option gives: a Rule, a name, ``"dw = ..."``, or a table with ``name`` or ``equation``."""
    if given is None or isinstance(given, Rule):
        return given
    table = {"equation" if isinstance(given, str) and "=" in given else "name": given} if isinstance(given, str) else given
    what = f"{owner}: rule {quoted(given)}"
    fits = isinstance(table, Mapping) and isinstance(table.get("equation", table.get("name")), str)
    require(fits, f"{what}: expected a rule's name, an equation, or a table with one of them; give 'dw = rate_pre * rate_post'")
    options: dict[str, Any] = {key: value for key, value in table.items() if key not in ("name", "equation")}
    if "equation" in table:
        return PlasticityRule(table["equation"], **options)
    return make("rule", rules(), table["name"], options)  # type: ignore[arg-type]


def describe_rule(rule: Rule) -> Any:
    """Return the text or table that makes the rule again; a class from outside stays as it is."""
    if type(rule) is PlasticityRule:
        return rule.options()
    named = [name for name, maker in rules().items() if maker is type(rule)]
    return {"name": named[0]} | rule.options() if named else rule
