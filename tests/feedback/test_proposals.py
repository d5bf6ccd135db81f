"""Pathways whose own synapses learn from what is proposed for the forward ones: Kolen and Pollack's scheme in its first form."""

import numpy as np
import pytest

import neurosim
from neurosim.backends import NumpyBackend
from neurosim.checking.bench import ArrayTrainer
from neurosim.checking.checking import measure
from neurosim.checking.subject import list_subjects
from neurosim.datasets import from_arrays
from neurosim.feedback import Phase, Proposals
from neurosim.feedback.backprop import Backprop
from neurosim.feedback.feedback_alignment import FeedbackAlignment
from neurosim.network import Clock, Network, Population, Projection
from neurosim.plasticity import SGD, Adam, Decay, PlasticityRule, chain
from neurosim.training import Trainer
from neurosim.training.alignment import alignments

RATE, DECAY = 0.2, 0.05
SQUARE = (5, 5, 5)
KINDS = pytest.mark.parametrize("kind", [Trainer, ArrayTrainer], ids=["captured", "array code"])


class KolenPollack(FeedbackAlignment):
    """Each B changes by the transpose of what is proposed for its W."""

    name, title = "kolen_pollack", "Feedback that changes as the forward weights do"
    citation = "Kolen and Pollack (1994). Backpropagation without weight transport. ICNN."
    variants = ({},)

    def __init__(self):
        super().__init__(rule="hebbian")  # its synapses learn; how, is said below

    def adapt_to_proposals(self, sweep, target, teaching, proposals, draws):
        return {own_name(key): proposals[f"{key}.w"].T for key in self.networks if f"{key}.w" in proposals}


class HandsOn(KolenPollack):
    """It proposes the very array that it was given, as square populations allow."""

    def adapt_to_proposals(self, sweep, target, teaching, proposals, draws):
        return {own_name(key): proposals[f"{key}.w"] for key in ("hidden1__hidden2", "hidden2__hidden3")}


class WritesIntoThem(KolenPollack):
    """It writes zeros into all that it sees."""

    def adapt_to_proposals(self, sweep, target, teaching, proposals, draws):
        found = super().adapt_to_proposals(sweep, target, teaching, proposals, draws)
        for change in proposals.values():
            change[...] = 0
        for name in proposals:
            proposals[name].T[...] *= 0
        return found


def own_name(key):
    """Return the parameter of the feedback synapses beside the forward projection ``key``."""
    pre, post = key.split("__")
    return f"feedback/{key}/{post}__{pre}.w"


def data(samples=40):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(samples, 6)), draw.integers(0, 3, samples)
    return from_arrays(x, y, x[:4], y[:4])


def recurrent(rule="dw = error_post * rate_pre"):
    """Return x -> hidden1 -> hidden2 -> output with a loop, so that ticks differ."""
    rule = PlasticityRule(rule)
    populations = [Population("x", 6), *(Population(f"hidden{k}", 5, transfer="tanh") for k in (1, 2))]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2", rule=rule), Projection("hidden2", "output", rule=rule)]
    links.append(Projection("hidden1", "hidden1", name="loop", delay=1))
    return Network([*populations, Population("output", 3, transfer="softmax")], links, dtype="float64", seed=2)


def chain_of(sizes=SQUARE):
    return Network.layered((6,), sizes, 3, dtype="float64", seed=2)


def trained(network, scheme, *, kind=Trainer, optimiser=None, epochs=3, **options):
    trainer = kind(network, scheme, optimiser or chain(Decay(DECAY), SGD(RATE)), epochs=epochs, batch=10, seed=1, **options)
    trainer.check(data())
    for population in network.hidden:
        network.populations[population].dropout = 0.2
    started = differences(network, scheme)
    trainer.fit(data())
    if kind is Trainer:
        assert all(step.program is not None for step in trainer._programs.values()), "the step was not captured"
    return trainer, started


def differences(network, scheme):
    return {key: network.projections[key].w - scheme.parameters()[own_name(key)].T for key in scheme.networks}


@KINDS
@pytest.mark.parametrize(("make", "clock"), [(chain_of, Clock()), (recurrent, Clock(4, asked=2))], ids=["one tick", "four ticks"])
def test_by_proposals_and_by_a_local_rule_kolen_and_pollack_s_scheme_is_one(make, clock, kind):
    """Under the delta rule the two must agree: in each step, in all weights."""
    by_proposals, started = trained(make(), KolenPollack(), kind=kind, clock=clock)
    local, _ = trained(make(), FeedbackAlignment(rule="hebbian"), kind=kind, clock=clock)
    for name, value in local.state().items():
        np.testing.assert_allclose(by_proposals.state()[name], value, rtol=1e-10, atol=1e-10, err_msg=name)
    for key, now in differences(by_proposals.network, by_proposals.pathway).items():
        expected = (1 - RATE * DECAY) ** by_proposals.steps * started[key]
        np.testing.assert_allclose(now, expected, rtol=1e-10, atol=1e-12, err_msg=key)
        assert np.abs(now).max() > 1e-2


@pytest.mark.parametrize(("make", "clock"), [(chain_of, Clock()), (recurrent, Clock(4, asked=2))], ids=["one tick", "four ticks"])
def test_captured_it_does_what_array_code_does(make, clock):
    captured, plain = (trained(make(), KolenPollack(), kind=kind, clock=clock)[0] for kind in (Trainer, ArrayTrainer))
    for name, value in plain.state().items():
        np.testing.assert_allclose(captured.state()[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@KINDS
def test_each_tick_s_proposals_are_seen_also_where_the_output_is_not_asked(kind):
    """A rule that needs no error proposes in every tick, and W - B' shrinks with it as with any other."""
    network = recurrent("dw = 0.1 * rate_pre * rate_post")
    trainer, started = trained(network, KolenPollack(), kind=kind, clock=Clock(4, asked=1))
    for key, now in differences(network, trainer.pathway).items():
        np.testing.assert_allclose(now, (1 - RATE * DECAY) ** trainer.steps * started[key], rtol=1e-10, atol=1e-12)


@KINDS
@pytest.mark.parametrize("clock", [Clock(), Clock(3, asked=3)], ids=["one tick", "three ticks"])
def test_writing_into_proposals_changes_nothing_of_what_is_committed(kind, clock):
    honest, writing = (trained(chain_of(), make(), kind=kind, clock=clock)[0] for make in (KolenPollack, WritesIntoThem))
    for name, value in honest.state().items():
        np.testing.assert_array_equal(writing.state()[name], value, err_msg=name)


@KINDS
def test_an_array_handed_on_is_another_one_for_each_optimiser(kind):
    """Optimisers work in place: W's must not scale what B is proposed, nor the other way round."""
    network, scheme = chain_of(), HandsOn()
    trainer = kind(network, scheme, SGD(0.5), feedback_optimiser=SGD(0.25), epochs=1, batch=40, shuffle=False, seed=1)
    trainer.check(data())
    before = {name: value.copy() for name, value in (network.parameters() | scheme.parameters()).items()}
    trainer.run_epoch(data())
    for key in ("hidden1__hidden2", "hidden2__hidden3"):
        forward = network.parameters()[f"{key}.w"] - before[f"{key}.w"]
        back = scheme.parameters()[own_name(key)] - before[own_name(key)]
        np.testing.assert_allclose(back, forward / 2, rtol=1e-7, atol=1e-12)
        assert np.abs(back).max() > 1e-4


def test_in_a_phase_in_which_forward_synapses_rest_nothing_is_proposed():
    class Rests(KolenPollack):
        """Forward and feedback synapses learn in turn."""

        phases = (Phase("forward", feedback=False), Phase("feedback", forward=False))

    scheme = Rests()
    network = chain_of()
    trainer = Trainer(network, scheme, SGD(0.1), epochs=1, batch=10, seed=1)
    trainer.check(data())
    before = {name: value.copy() for name, value in scheme.parameters().items()}
    trainer.fit(data())
    for name, value in scheme.parameters().items():
        np.testing.assert_array_equal(value, before[name])


def test_proposals_are_a_mapping_of_copies():
    changes = {"a.w": np.ones(3), "a.b": np.zeros(2)}
    proposals = Proposals(changes)
    assert list(proposals) == ["a.w", "a.b"] and len(proposals) == 2 and "a.w" in proposals and "b.w" not in proposals
    assert proposals["a.w"] is not changes["a.w"] and proposals.get("b.w") is None
    with pytest.raises(TypeError):
        proposals["a.w"] = 0


def test_its_updates_are_compared_with_back_propagation_s():
    """With transposed weights in B the updates are back-propagation's, and to measure it changes nothing."""
    network, scheme = chain_of(), KolenPollack()
    scheme.attach(network, 3, seed=0)
    for key in scheme.networks:
        scheme.parameters()[own_name(key)][...] = network.projections[key].w.T
    before = {name: value.copy() for name, value in (network.parameters() | scheme.parameters()).items()}
    draw = np.random.default_rng(1)
    x, target = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]
    found = alignments(network, scheme, x, target, NumpyBackend().draws(0, 0))
    assert found.keys() == network.projections.keys()
    for name, alignment in found.items():
        assert alignment.cosine == pytest.approx(1) and alignment.norm_ratio == pytest.approx(1), name
    for name, value in (network.parameters() | scheme.parameters()).items():
        np.testing.assert_array_equal(value, before[name])


# ---------------------------------------------------------------------- claims


class OfBackprop(KolenPollack):
    """The errors are those of back-propagation, so what is proposed holds the weights that they came through."""

    def teach(self, sweep, target, draws):
        return self.network.errors_back(sweep, self.output_teaching(sweep, target))


class OfAReadingRule(KolenPollack):
    """It gives the forward projections a rule whose proposals hold their weights."""

    def build(self, seed):
        super().build(seed)
        for projection in self.network.projections.values():
            projection.rule = PlasticityRule("dw = error_post * rate_pre - 0.1 * w")


class CopiesWeights(KolenPollack):
    """W' - B beside what is proposed."""

    def adapt_to_proposals(self, sweep, target, teaching, proposals, draws):
        own = self.parameters()
        found = super().adapt_to_proposals(sweep, target, teaching, proposals, draws)
        return {name: change + self.network.projections[name.split("/")[1]].w.T - own[name] for name, change in found.items()}


class SaysNothingOfLabels(KolenPollack):
    """It claims that B is made of activity alone."""

    learned_from = ("activity",)


@pytest.mark.parametrize("scheme", [KolenPollack, WritesIntoThem])
def test_an_honest_scheme_passes_the_check(scheme):
    result = neurosim.check(scheme)
    assert result, result
    assert result["feedback_learns_from"].outcome.measured == "activity, labels"
    assert result["step_is_captured"].outcome.measured == "captured"


@pytest.mark.parametrize(
    ("scheme", "source"),
    [(OfBackprop, "full"), (OfAReadingRule, "one_hop"), (CopiesWeights, "one_hop"), (SaysNothingOfLabels, "labels")],
)
def test_whoever_takes_more_than_is_claimed_through_proposals_is_found(scheme, source):
    found = measure(*list_subjects(scheme, {}), "claims", "feedback_learns_from")
    assert not found.passed and source in found.outcome.measured.split(", "), found


def test_adapt_alone_is_asked_as_ever():
    """A pathway of somebody else's that knows nothing of proposals: only its ``adapt`` is asked, where the output is."""

    class Counts(Backprop):
        asked = 0

        def adapt(self, sweep, target, teaching, draws):
            assert target is not None
            type(self).asked += 1
            return {}

    trained(chain_of(), Counts(), kind=ArrayTrainer, optimiser=Adam(0.01), epochs=1, clock=Clock(4, asked=2))
    assert Counts.asked == 4 * 2
