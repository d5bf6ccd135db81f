"""Forward-forward: each layer learns to be active for an input with its own label, and quiet for one with a wrong label."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback, synapses
from neurosim.network import Activity, Population, Sweep, Teaching
from neurosim.plasticity import error_driven

LABEL = "label"
LOSSES = ("hinton", "symba")
GOODNESS = ("sum", "mean")
TINY = 1e-8  # beside a length, which may be 0


class ForwardForward(FeedbackPathway):
    """Each hidden population lowers a loss of its own goodness; nothing comes from above, and nothing goes on below.

    a_1    = W_1' x + V' c                   c the label that is shown with the input, in neurons of its own
    a_l    = W_l' z_{l-1}                    z = h / sqrt(mean of h**2 over the population): only the direction of h goes on
    g_l    = sum of h_l**2                   goodness; or its mean over the population
    hinton   loss_l = log(1 + exp(theta - g_l(own))) + log(1 + exp(g_l(wrong) - theta))
    symba    loss_l = log(1 + exp(-alpha (g_l(own) - g_l(wrong))))
    error_l  = minus the gradient of loss_l in a_l, z_{l-1} being given
    answer   the label with the most goodness, summed over all hidden populations but the first

    In each step a sample is shown twice: with its own label, and with a wrong one, drawn from all wrong ones alike.  Synapses learn
    in both phases.

    The paper writes the label into ten black pixels.  Here it has neurons and synapses V of its own, which are drawn and learn as
    those of pixels: on images with a black margin this is the same, and no input is overwritten.

    The output population, which the scheme does not need, learns to read the last hidden one in a sweep without a label.

    loss : ``hinton`` or ``symba``
    goodness : ``sum`` or ``mean``
    threshold : theta, for each neuron: of the mean square; a sum's theta is as many times larger as there are neurons
    sharpness : SymBa's alpha

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, normalised populations, or another task than classification.
    """

    name = "forward_forward"
    title = "Forward-forward"
    citation = (
        "Hinton (2022). The forward-forward algorithm: some preliminary investigations. arXiv:2212.13345. SymBa: Lee and Song "
        "(2023). SymBa: symmetric backpropagation-free contrastive learning with forward-forward algorithm. arXiv:2303.08418."
    )
    # "raw input": the sweeps with labels begin at the input, and what they bring comes up through the populations in between.
    claims = Claims(
        weight_transport="none",
        update_locking=False,
        backward_locking=False,
        labels_at_hidden=True,
        raw_input_at_hidden=True,
        feedback_learns_from=("activity", "labels", "input", "responses"),
    )
    asks_more = True
    takes_normalised = False  # sweeps with labels have other statistics than those without, which populations remember
    variants = ({}, {"loss": "symba", "goodness": "mean"})

    def __init__(
        self, *, loss: str = "hinton", goodness: str = "sum", threshold: float = 0.3, sharpness: float = 0.3
    ) -> None:
        owner = f"scheme {self.name!r}"
        require(loss in LOSSES, f"{owner}: loss {quoted(loss)}: expected one of {', '.join(LOSSES)}; pick one")
        require(goodness in GOODNESS, f"{owner}: goodness {quoted(goodness)}: expected one of {', '.join(GOODNESS)}; pick one")
        for name, value, usual in (("threshold", threshold, 0.3), ("sharpness", sharpness, 0.3)):
            said = f"{owner}: {name} {quoted(value)} is not positive and finite; give one such as {usual}"
            require(0 < value < math.inf, said)
        self.kind, self.goodness, self.threshold, self.sharpness = loss, goodness, threshold, sharpness

    def build(self, seed: int) -> None:
        network, owner = self.network, f"scheme {self.name!r}"
        said = f"{owner}: task {self.task.name!r}: labels are shown with the input: expected task 'classification'"
        require(self.task.name == "classification", f"{said}; use another scheme")
        self.links = network.chain(owner)[:-1]
        require(bool(self.links), f"{owner}: the network has no hidden population: expected one or more; add some")
        for name in network.hidden:
            assert network.populations[name].transfer  # refuses neurons that keep a state
        first, classes = self.links[0], self.task.size
        weights = draw_weights(seed, LABEL, "glorot", (classes, first.w.shape[1]), first.w.shape[0])
        ends = Population(LABEL, classes), Population(first.post, first.post_shape)
        self.networks[LABEL] = feedback(network, *ends, weights.T, f"{LABEL}/", rule=error_driven())

    # ------------------------------------------------------------------ sweeps with labels

    def _show(self, sweep: Sweep, label: Any, draws: Draws) -> dict[str, Activity]:
        """Return the activity of each hidden population for the sweep's input and ``label``, (batch, classes)."""
        first = self.links[0]
        from_input = first.drive(sweep[first.pre].transmitted)
        return self._walk(from_input + synapses(self.networks[LABEL]).drive(label), sweep.training, draws)

    def _walk(self, drive: Any, training: bool, draws: Draws | None) -> dict[str, Activity]:
        """Return the activity of each hidden population, given the drive of the first, (batch, *shape)."""
        first, *others = self.links
        found = {first.post: self.network.populations[first.post].respond(drive, training=training, draws=draws)}
        for link in others:
            below = {link.pre: self._direction(found[link.pre])}
            found[link.post] = self.network.respond(link.post, below, training=training, draws=draws)
        return found

    def _direction(self, activity: Activity) -> Any:
        """Return z, (batch, *shape): what a population transmits, brought to a mean square of 1."""
        h = activity.transmitted
        axes = tuple(range(1, h.ndim))
        length = self.network.backend.xp.sqrt((h * h).mean(axis=axes, keepdims=True))
        return h / (length + h.dtype.type(TINY))

    def _goodness(self, activity: Activity) -> Any:
        """Return g, (batch, 1)."""
        h = activity.transmitted.reshape(len(activity.rate), -1)
        square = h * h
        return square.sum(axis=1, keepdims=True) if self.goodness == "sum" else square.mean(axis=1, keepdims=True)

    def _wrong(self, target: Any, draws: Draws) -> Any:
        """Return a wrong label for each sample, (batch, classes)."""
        one = target.dtype.type(1)
        lots = (one + draws.uniform(f"{LABEL}/wrong", target.shape, target.dtype)) * (one - target)
        return (lots >= lots.max(axis=1, keepdims=True)) * one

    # ------------------------------------------------------------------ one step

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network, at_output = self.network, self.output_teaching(sweep, target)
        own, wrong = self._show(sweep, target, draws), self._show(sweep, self._wrong(target, draws), draws)
        # the output learns once, from what the last hidden population transmits in the sweep without a label
        teaching = {network.output: replace(at_output, phases=(at_output, Teaching()))}
        for name in network.hidden:
            up, down = self._pushes(network.populations[name], own[name], wrong[name])
            teaching[name] = Teaching.of([self._teach(name, up, own[name]), self._teach(name, -down, wrong[name])])
        return teaching

    def _teach(self, name: str, push: Any, activity: Activity) -> Teaching:
        """Return the teaching of one phase; push : minus the gradient of the loss in goodness, (batch, 1)."""
        population, h = self.network.populations[name], activity.transmitted
        slope = h.dtype.type(2 if self.goodness == "sum" else 2 / population.size)
        error = push.reshape(len(h), *(1,) * (h.ndim - 1)) * slope * h
        taught = population.teach(population.error_on_rate(error, activity), activity)
        return taught if name == self.network.hidden[-1] else replace(taught, rate=self._direction(activity))

    def _pushes(self, population: Population, own: Activity, wrong: Activity) -> tuple[Any, Any]:
        """Return how strongly goodness should grow with the own label and shrink with the wrong one, (batch, 1) each."""
        right, other = self._goodness(own), self._goodness(wrong)
        if self.kind == "symba":
            alpha = right.dtype.type(self.sharpness)
            push = alpha * self._logistic(alpha * (other - right))
            return push, push
        theta = right.dtype.type(self.threshold * (population.size if self.goodness == "sum" else 1))
        return self._logistic(theta - right), self._logistic(other - theta)

    def _logistic(self, value: Any) -> Any:
        return 0.5 * (1 + self.network.backend.xp.tanh(0.5 * value))

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        own = self.networks[LABEL]
        first = self.links[0].post
        taught = (teaching or self.teach(sweep, target, draws))[first].phases
        deltas: Deltas = {}
        for label, one in zip((target, self._wrong(target, draws)), taught, strict=True):
            assert one.activity is not None
            both = {LABEL: own.populations[LABEL].respond(label), first: one.activity}
            proposed = own.propose(Sweep.of(both, sweep.training), {first: Teaching(one.error)})[0]
            deltas = {name: deltas[name] + change if deltas else change for name, change in proposed.items()}
        return deltas

    # ------------------------------------------------------------------ evaluate

    def scores(self, sweep: Sweep) -> Any:
        """Return the softmax over labels of their goodness, (batch, classes)."""
        xp, first, label = self.network.backend.xp, self.links[0], synapses(self.networks[LABEL])
        from_input = first.drive(sweep[first.pre].transmitted)
        columns = []
        for k in range(self.task.size):
            found = self._walk(from_input + label.w[k].reshape(first.post_shape), False, None)
            columns.append(sum(self._goodness(found[name]) for name in self.network.hidden[1:] or self.network.hidden))
        total = xp.concatenate(columns, axis=1)
        share = xp.exp(total - total.max(axis=1, keepdims=True))
        return share / share.sum(axis=1, keepdims=True)

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the cross-entropy of ``scores``, in nats."""
        return self.task.loss(self.network.backend, self.scores(sweep), target)
