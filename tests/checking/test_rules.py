"""Plasticity rules of somebody else's, good and bad: the public function gives each its verdict, for the reason it deserves."""

import numpy as np
import pytest

import neurosim
from neurosim.plasticity import PlasticityRule, Proposal, Rule, Start, hebbian, three_factor


class Hebb(Rule):
    """Good: dw = rate_post * rate_pre."""

    pre, post = frozenset({"rate"}), frozenset({"rate"})

    def initial_state(self, shapes):
        return {}

    def change(self, pre, post, synapses):
        """Return the change, averaged over the batch."""
        total = synapses.connectivity.correlate(synapses.backend, pre["rate"], post["rate"])
        return total * total.dtype.type(1 / len(pre["rate"]))

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, post, synapses), None, {})

    def describe(self):
        return "dw = rate_post * rate_pre"


class Trace(Hebb):
    """Good: with a trace of the presynaptic rate, kept as synaptic state."""

    def initial_state(self, shapes):
        return {"trace": Start(shapes.w[:1])}

    def delta(self, pre, post, synapses):
        trace = synapses.state["trace"] * 0.9 + pre["rate"].mean(axis=0)
        dw = trace[:, None] * post["rate"].mean(axis=0) if synapses.all_to_all else trace * post["rate"].mean(axis=0)
        return Proposal(dw, None, {"trace": trace})


class Filtered(Hebb):
    """Good: with a trace of the presynaptic rate in each sample."""

    def initial_state(self, shapes):
        return {"trace": Start(shapes.w[:1], 0.1, per_sample=True)}

    def follow(self, trace, rate):
        """Return the trace after another tick."""
        return trace * trace.dtype.type(0.9) + rate

    def delta(self, pre, post, synapses):
        trace = self.follow(synapses.state["trace"], pre["rate"].reshape(len(pre["rate"]), -1))
        return Proposal(self.change({"rate": trace}, post, synapses), None, {"trace": trace})


class HearsOthers(Filtered):
    """The trace of one sample has the mean of all of them in it."""

    def follow(self, trace, rate):
        return super().follow(trace, rate.mean(axis=0, keepdims=True))


class HearsItsNeighbour(Filtered):
    """The samples of a batch hand their traces on, one to the next."""

    def follow(self, trace, rate):
        return super().follow(np.concatenate([trace[1:], trace[:1]]), rate)


class Passes(Filtered):
    """Good, though no synapse could do it: traces pass from neuron to neuron, to be read in the next tick only."""

    def delta(self, pre, post, synapses):
        trace = synapses.state["trace"]
        after = self.follow(np.concatenate([trace[:, 1:], trace[:, :1]], axis=1), pre["rate"].reshape(len(pre["rate"]), -1))
        return Proposal(self.change({"rate": trace}, post, synapses), None, {"trace": after})


class AddsAState(Hebb):
    """It returns a state that it does not name."""

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, post, synapses), None, {"trace": synapses.w * 1})


class DoubleState(Filtered):
    """Its traces are float64, whatever the network is."""

    def delta(self, pre, post, synapses):
        found = super().delta(pre, post, synapses)
        return Proposal(found.dw, None, {"trace": found.state["trace"].astype("float64")})


class Pools(Filtered):
    """Its trace of each sample is returned as one for all."""

    def delta(self, pre, post, synapses):
        found = super().delta(pre, post, synapses)
        return Proposal(found.dw, None, {"trace": found.state["trace"].mean(axis=0)})


class KeepsTraces(Filtered):
    """It keeps the traces that it should hand back."""

    kept = None

    def delta(self, pre, post, synapses):
        trace = synapses.state["trace"] if self.kept is None or len(self.kept) != len(pre["rate"]) else self.kept
        self.kept = self.follow(trace, pre["rate"].reshape(len(pre["rate"]), -1))
        return Proposal(self.change({"rate": self.kept}, post, synapses), None, {"trace": synapses.state["trace"]})


class Sanger(Hebb):
    """Good, though no synapse could do it: the weights of other neurons take part."""

    def delta(self, pre, post, synapses):
        rate = post["rate"]
        upper = np.triu(np.ones((rate.shape[1], rate.shape[1]), rate.dtype))
        overlap = synapses.backend.matmul(rate.T, rate) * rate.dtype.type(1 / len(rate)) * upper
        return Proposal(self.change(pre, post, synapses) - synapses.backend.matmul(synapses.w, overlap), None, {})


class Sums(Hebb):
    """It does not average."""

    def delta(self, pre, post, synapses):
        return Proposal(synapses.connectivity.correlate(synapses.backend, pre["rate"], post["rate"]), None, {})


class WritesWeights(Hebb):
    """It commits what it proposes."""

    def delta(self, pre, post, synapses):
        change = self.change(pre, post, synapses)
        synapses.w[...] += change
        return Proposal(change, None, {})


class KeepsAnAttribute(Hebb):
    """Its running mean is in no checkpoint."""

    mean = 0.0

    def delta(self, pre, post, synapses):
        self.mean = 0.9 * self.mean + 0.1 * float(post["rate"].mean())
        dw = self.change(pre, post, synapses)
        return Proposal(dw * dw.dtype.type(1 + self.mean), None, {})


class WritesItsState(Hebb):
    """It changes the state that it is handed."""

    def initial_state(self, shapes):
        return {"count": Start(shapes.w)}

    def delta(self, pre, post, synapses):
        synapses.state["count"][...] += 1
        return Proposal(self.change(pre, post, synapses), None, {"count": synapses.state["count"]})


class ForgetsItsState(Hebb):
    """It names a state that it never returns."""

    def initial_state(self, shapes):
        return {"trace": Start(shapes.w)}


class Turned(Hebb):
    """Its change is (n_post, n_pre)."""

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, post, synapses).T, None, {})


class Double(Hebb):
    """Its change is float64, whatever the network is."""

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, post, synapses).astype("float64"), None, {})


class Draws(Hebb):
    """Noise from NumPy's own generator."""

    def delta(self, pre, post, synapses):
        dw = self.change(pre, post, synapses)
        return Proposal(dw * dw.dtype.type(np.random.random()), None, {})


class ReadsUnnamed(Hebb):
    """It reads an error that it does not name."""

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, {"rate": post["error"]}, synapses), None, {})


class ReadsNoVariable(Hebb):
    """It names what a rate population has not."""

    post = frozenset({"calcium"})

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, {"rate": post["calcium"]}, synapses), None, {})


class SaysTwoLines(Hebb):
    """Its description is too long."""

    def describe(self):
        return "dw =\nrate_post * rate_pre"


class Rests(Hebb):
    """It proposes nothing."""

    def delta(self, pre, post, synapses):
        return Proposal(synapses.w * 0, None, {})


class Divides(Hebb):
    """It divides by zero."""

    def delta(self, pre, post, synapses):
        return Proposal(self.change(pre, post, synapses) / (synapses.w - synapses.w), None, {})


GOOD = {
    "equation": ("dw = eta * rate_post * (rate_pre - rate_post * w)", {"eta": 0.1}, "local"),
    "class": (Hebb, {}, "local"),
    "object": (PlasticityRule("dw = eta * error_post * rate_pre", bias="db = eta * error_post", eta=0.3), {}, "local"),
    "function": (hebbian, {"eta": 0.1}, "local"),
    "name": ("oja", {}, "local"),
    "state": (Trace, {}, "local"),
    "state of each sample": (Filtered, {}, "local"),
    "passes": (Passes, {}, "not local: dw reads rate_pre of other neurons"),
    "eligibility": (three_factor, {"per_sample": True}, "local"),
    "not local": (Sanger, {}, "not local: dw reads rate_post of other neurons, w of other synapses"),
}
BAD = [
    (Sums, "batch_is_averaged", "average over the batch, do not sum"),
    (WritesWeights, "delta_is_pure", "delta changes w"),
    (KeepsAnAttribute, "delta_is_pure", "delta changes 'mean' of KeepsAnAttribute"),
    (WritesItsState, "delta_is_pure", "delta changes count"),
    (ForgetsItsState, "proposal_fits", "initial_state names ['trace']"),
    (Turned, "proposal_fits", "dw has shape (4, 5): expected (5, 4)"),
    (Double, "proposal_fits", "dw is float64 where the weights are float32"),
    (Draws, "delta_is_pure", "delta draws random numbers from np.random"),
    (ReadsUnnamed, "works", "ReadsUnnamed.delta, line"),
    (ReadsNoVariable, "works", "calcium_post is no variable"),
    (SaysTwoLines, "describes_itself", "expected one line of text"),
    (Rests, "weights_move", "next to nothing"),
    (Divides, "proposal_fits", "not finite"),
    (HearsOthers, "samples_are_apart", "trace of a sample is another where other samples are in its batch"),
    (HearsItsNeighbour, "samples_are_apart", "trace of a sample is another where other samples are in its batch"),
    (AddsAState, "proposal_fits", "delta returns the state ['trace']: initial_state names []"),
    (DoubleState, "proposal_fits", "trace is float64 where the weights are float32"),
    (Pools, "proposal_fits", "trace has shape (5,): expected (8, 5)"),
    (KeepsTraces, "delta_is_pure", "delta changes 'kept' of KeepsTraces"),
]


@pytest.mark.parametrize(("what", "options", "local"), GOOD.values(), ids=GOOD)
def test_a_good_rule_passes(what, options, local):
    result = neurosim.check(what, **options)
    assert result, result
    assert result["synapse_is_local"].outcome.measured == local


@pytest.mark.parametrize(("rule", "name", "reason"), BAD, ids=[rule.__name__ for rule, _, _ in BAD])
def test_a_bad_rule_fails_for_its_reason(rule, name, reason):
    result = neurosim.check(rule)
    assert not result
    assert not result[name].passed, result
    assert reason in result[name].outcome.why


def test_an_equation_that_cannot_be_read_is_a_finding():
    result = neurosim.check("dw = eta * next_layer_error * rate_pre", eta=0.1)
    assert [finding.name for finding in result.findings] == ["works"]
    assert "'next_layer_error' is not local to the synapse" in result["works"].outcome.why
    assert "\n" not in result["works"].outcome.why
