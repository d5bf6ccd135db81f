"""Schemes and rules that read what they do not declare, as a stranger's might: their locality card shows it, by name."""

import numpy as np
import pytest

from neurosim.checking import card
from neurosim.checking.bench import make_chain
from neurosim.checking.cards import card_agrees
from neurosim.checking.declared import list_undeclared
from neurosim.checking.small import shrink
from neurosim.checking.subject import list_subjects
from neurosim.feedback import Claims, FeedbackPathway, pathway
from neurosim.feedback.direct_feedback_alignment import DirectFeedbackAlignment
from neurosim.feedback.feedback_alignment import FeedbackAlignment
from neurosim.network import Network
from neurosim.plasticity import SGD, PlasticityRule, Proposal, Rule
from neurosim.tasks import Classification, Reward
from neurosim.training import Trainer


class Local(Rule):
    """Honest: the product of both rates, as those below do it that read more."""

    pre, post = frozenset({"rate"}), frozenset({"rate"})

    def initial_state(self, shapes):
        return {}

    def describe(self):
        return "dw = rate_pre * rate_post"

    def more(self, pre, post, synapses):
        return 0

    def delta(self, pre, post, synapses):
        product = synapses.connectivity.correlate(synapses.backend, pre["rate"], post["rate"]) / len(pre["rate"])
        return Proposal(product + self.more(pre, post, synapses), None, {})


def depends(row):
    return {column for column, cell in row.cells.items() if cell}


def names(row, column):
    return {through.name for through in row[column].through}


def train(rule, scheme="feedback_alignment", task=None):
    network = Network.layered((20,), (12, 11), 3, seed=1)
    network.projections["x__hidden1"].rule = rule
    return Trainer(network, pathway(scheme), SGD(0.1), batch=8, task=task)


def why(what):
    """Return why a class is not as it declares itself."""
    return card_agrees(list_subjects(what, {})[0]).why


# ---------------------------------------------------------------------- rules


NOTES = np.linspace(0.1, 0.5, 5)  # a global


class ReadsAGlobal(Local):
    def more(self, pre, post, synapses):
        return NOTES.sum()


def read_another_layer(layers):
    """Return a rule that holds on to another projection's weights."""

    class ReadsAnotherLayer(Local):
        def more(self, pre, post, synapses):
            return layers["hidden1__hidden2"].w.mean()

    return ReadsAnotherLayer()


class ReadsItsNeighbour(Local):
    """Each sample meets the postsynaptic rates of the one after it."""

    def delta(self, pre, post, synapses):
        other = np.concatenate([post["rate"][1:], post["rate"][:1]])
        return Proposal(synapses.connectivity.correlate(synapses.backend, pre["rate"], post["rate"] * other), None, {})


class ReadsOtherNeurons(Local):
    def more(self, pre, post, synapses):
        return post["rate"].mean()


class Remembers(Local):
    """What it saw last, in an array of its own."""

    def __init__(self):
        self.last = np.zeros(1)

    def more(self, pre, post, synapses):
        before = self.last.copy()
        self.last[...] = pre["rate"].mean()
        return before


def test_an_honest_rule_is_found_honest():
    row = card(Local)["x__hidden"]
    assert depends(row) == {"pre", "post"} and why(Local) == ""


def test_a_rule_that_reads_a_global_array():
    row = card(ReadsAGlobal)["x__hidden"]
    (name,) = names(row, "outside")
    assert "NOTES" in name and row["outside"].state == "yes"
    assert "NOTES" in why(ReadsAGlobal)


def test_a_rule_that_reads_another_layer():
    made = train(None)
    made.network.projections["x__hidden1"].rule = read_another_layer(made.network.projections)
    found = card(made)["x__hidden1"]
    assert found["outside"].state == "yes" and "hidden1__hidden2" in found.words()


def test_a_rule_that_reads_the_sample_beside_it():
    row = card(ReadsItsNeighbour)["x__hidden"]
    assert row["samples"].state == "yes" and card(Local)["x__hidden"]["samples"].state == "no"


def test_a_rule_that_reads_other_neurons():
    row = card(ReadsOtherNeurons)["x__hidden"]
    assert names(row, "near") == {"hidden"} and row["near"].state == "yes"


def test_a_rule_that_remembers_in_secret():
    assert names(card(Remembers)["x__hidden"], "earlier") >= {"input"}
    assert "of the step before" in why(Remembers) or "does not name it" in why(Remembers)


# ---------------------------------------------------------------------- pathways


class CopiesWeights(FeedbackAlignment):
    """Its feedback becomes the forward weights, by a proposal as though it had learned."""

    def adapt(self, sweep, target, teaching, draws):
        links = self.network.projections
        return {name: links[name.split("/")[1]].w.T - w for name, w in self._synapses().items()}

    def _synapses(self):
        return {f"{own.prefix}{p.name}.w": p.w for own in self.networks.values() for p in own.projections.values()}

    def parameters(self):
        return self._synapses()

    def memory(self):
        return {}


class StoresLabels(DirectFeedbackAlignment):
    """Errors are turned by the labels of the step before, which lie in an array of its own."""

    def build(self, seed):
        super().build(seed)
        self.last = np.zeros(self.task.size)

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        for name in self.network.hidden:
            error = teaching[name].error
            teaching[name] = type(teaching[name])(error * (1 + self.last[0]))
        return teaching

    def adapt(self, sweep, target, teaching, draws):
        self.last[...] = target.mean(axis=0)
        return {}


class StoresLabelsByName(StoresLabels):
    """The same in an attribute that is another array each time."""

    def adapt(self, sweep, target, teaching, draws):
        self.last = target.mean(axis=0)
        return {}


class ReadsTheInput(DirectFeedbackAlignment):
    """The network's input reaches all populations through a closure around the network's sweep."""

    def build(self, seed):
        super().build(seed)
        sweep, shown = self.network.sweep, []

        def look(x, *given, **options):
            shown[:] = [x]
            return sweep(x, *given, **options)

        self.network.sweep, self.shown = look, shown

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        for name in self.network.hidden:
            teaching[name] = type(teaching[name])(teaching[name].error + self.shown[0].mean())
        return teaching


class ReadsItsNeighbours(DirectFeedbackAlignment):
    """Every sample is taught by the one after it as well."""

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        for name in self.network.hidden:
            error = teaching[name].error
            teaching[name] = type(teaching[name])(error * np.concatenate([error[1:], error[:1]]))
        return teaching


class Smuggles(Classification):
    """A reward that is the number of the class, whatever the network did."""

    modulators = ("reward",)

    def broadcast(self, outcome):
        return {"reward": (outcome * np.arange(self.size)).sum(axis=1)}


CHEATERS = [
    (CopiesWeights, "feedback_learns_from is declared nothing"),
    (StoresLabels, "labels (of the step before)"),
    (StoresLabelsByName, "labels (of the step before)"),
    (ReadsTheInput, "past the sweep"),
    (ReadsItsNeighbours, "pairwise is declared no"),
]


@pytest.mark.parametrize(("scheme", "said"), CHEATERS, ids=[scheme.__name__ for scheme, _ in CHEATERS])
def test_a_cheater_is_told_from_what_it_declares(scheme, said):
    lines = list_undeclared(card(scheme), scheme().claims, make_chain())
    assert why(scheme) and any(said in line for line in lines), lines


@pytest.mark.parametrize("scheme", [FeedbackAlignment, DirectFeedbackAlignment])
def test_those_they_are_made_from_are_honest(scheme):
    assert why(scheme) == ""


def test_weights_copied_while_adapting_are_named():
    row = card(CopiesWeights)["feedback/hidden3__output/output__hidden3"]
    assert [str(through) for through in row["weights"].through] == ["hidden3__output (values)"]
    assert not depends(row) - {"weight", "weights"}


@pytest.mark.parametrize("scheme", ["none", "feedback_alignment"])
def test_a_label_in_a_modulator_is_told_from_a_reward(scheme):
    """A reward asks whether the answer was right: rename all classes, and it is the same."""
    rule = PlasticityRule("dw = eta * reward * rate_pre * rate_post", eta=0.1)
    smuggled = card(train(rule, scheme, Smuggles(3)))["x__hidden1"]
    assert names(smuggled, "scalar") == {"reward"} and names(smuggled, "labels") == {"reward brings them"}
    rewarded = card(train(rule, scheme, Reward(3)))["x__hidden1"]
    assert names(rewarded, "scalar") == {"reward"} and "reward brings them" not in names(rewarded, "labels")


def test_a_smuggled_label_is_undeclared():
    made = train(PlasticityRule("dw = eta * reward * rate_pre", eta=0.1), "feedback_alignment", Smuggles(3))
    claims, network = made.pathway.claims, shrink(made.network)
    assert any("reward brings them" in line for line in list_undeclared(card(made), claims, network))
    made = train(PlasticityRule("dw = eta * reward * rate_pre", eta=0.1), "feedback_alignment", Reward(3))
    assert not list_undeclared(card(made), claims, network)


# ---------------------------------------------------------------------- where the graph cannot be followed


class AsksForANumber(FeedbackPathway):
    """Reads a later population's weights only where an error is large: it cannot be recorded, and is perturbed all the same."""

    name, title, citation = "asks", "Asks", "none (2026)"
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=True)

    def teach(self, sweep, target, draws):
        at_output = self.output_teaching(sweep, target)
        if float(np.abs(at_output.error).sum()) > 0:
            return self.network.errors_back(sweep, at_output)
        return {self.network.output: at_output}


def test_what_cannot_be_recorded_is_perturbed():
    found = card(AsksForANumber)
    assert "the graph was not followed" in found.notes[0] and not found.unexplained
    assert names(found["x__hidden1"], "weights") == {"hidden1__hidden2", "hidden2__hidden3", "hidden3__output"}
    assert "weight_transport is declared none" in why(AsksForANumber)
