"""Schemes that do not keep what they claim, in ways a stranger's might: the measurement finds each of them."""

import numpy as np
import pytest

import neurosim
from neurosim.checking.checking import measure
from neurosim.checking.subject import list_subjects
from neurosim.feedback import Claims, FeedbackPathway
from neurosim.feedback.direct_feedback_alignment import DirectFeedbackAlignment
from neurosim.feedback.feedback_alignment import FeedbackAlignment
from neurosim.feedback.local_errors import LocalErrors
from neurosim.network import Network, Population, Projection


class LearnedFeedback(FeedbackPathway):
    """Honest: errors go back through weights of its own, which learn from presynaptic rate and error (after Kolen and Pollack)."""

    name = "learned_feedback"
    title = "Learned feedback"
    citation = "Kolen and Pollack (1994)."
    claims = Claims(
        weight_transport="none", update_locking=True, backward_locking=True, feedback_learns_from=("activity", "labels")
    )

    def build(self, seed):
        for link in self.network.chain("learned feedback")[1:]:  # none into the input
            ends = [Population(end, self.network.populations[end].shape) for end in (link.post, link.pre)]
            back = Projection(link.post, link.pre, bias=False)
            self.networks[link.name] = Network(ends, [back], dtype=str(self.network.dtype), seed=seed, prefix=f"{link.name}/")

    def teach(self, sweep, target, draws):
        feedback = {name: own.projections[self.reverse(name)].w.T for name, own in self.networks.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), feedback)

    def adapt(self, sweep, target, teaching, draws):
        links = self.network.projections
        return {
            f"{name}/{self.reverse(name)}.w": (teaching[links[name].post].error.T @ sweep.rate[links[name].pre]) / len(target)
            for name in self.networks
        }

    @staticmethod
    def reverse(name):
        return "__".join(reversed(name.split("__")))

    def forward_weights(self):
        return {f"{name}/{self.reverse(name)}.w": self.network.projections[name].w.T for name in self.networks}


class CopiesWhileAdapting(LearnedFeedback):
    """B <- W': proposed, as though it had been learned."""

    def adapt(self, sweep, target, teaching, draws):
        own = self.parameters()
        return {name: w - own[name] for name, w in self.forward_weights().items()}


class CopiesALittle(LearnedFeedback):
    """The honest change and a hundredth of W'."""

    def adapt(self, sweep, target, teaching, draws):
        honest = super().adapt(sweep, target, teaching, draws)
        return {name: change + self.forward_weights()[name] / 100 for name, change in honest.items()}


class ReadsResponses(LearnedFeedback):
    """B moves to what the next projection makes of unit vectors: W, without reading it."""

    def adapt(self, sweep, target, teaching, draws):
        found = {}
        for name, change in super().adapt(sweep, target, teaching, draws).items():
            link = self.network.projections[name.split("/")[0]]
            found[name] = change + link.drive(np.eye(link.pre_shape[0])).T
        return found


def feedback(scheme):
    """Return the weights of the feedback projections, (n_sender, n_receiver), by their keys."""
    return {key: projection.w for key, link in scheme.networks.items() for projection in link.projections.values()}


def copy_weights(scheme):
    for name, w in feedback(scheme).items():
        w[...] = scheme.network.projections[name].w.T


class StartsFromWeights(FeedbackAlignment):
    """Fixed feedback, drawn by nobody: the forward weights' first values."""

    def build(self, seed):
        super().build(seed)
        copy_weights(self)


class CopiesWhileRemembering(FeedbackAlignment):
    """Fixed feedback that is not."""

    def remember(self, sweep):
        copy_weights(self)


class CopiesLater(FeedbackAlignment):
    """The same, in the third step only."""

    seen = 0

    def remember(self, sweep):
        self.seen += 1
        if self.seen == 3:
            copy_weights(self)


class CopiesInSecret(FeedbackAlignment):
    """Its memory shows the fixed weights; it teaches with others."""

    def build(self, seed):
        super().build(seed)
        self.secret = {name: w.T for name, w in feedback(self).items()}

    def teach(self, sweep, target, draws):
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), self.secret)

    def remember(self, sweep):
        self.secret = {name: p.w.copy() for name, p in self.network.projections.items()}


class ReadsTheNextLayer(DirectFeedbackAlignment):
    """Direct feedback scaled by the mean size of the next projection's weights."""

    def remember(self, sweep):
        for name, w in feedback(self).items():
            (link,) = self.network.outgoing(name)
            w *= 1 + np.abs(link.w).mean()


class ReadsTheOutput(DirectFeedbackAlignment):
    """Direct feedback to the last hidden population that becomes the output projection's weights."""

    def remember(self, sweep):
        last = self.network.hidden[-1]
        feedback(self)[last][...] = self.network.outgoing(last)[0].w.T


class RemembersLabels(DirectFeedbackAlignment):
    """Feedback that grows with how often the last step's output was right."""

    def adapt(self, sweep, target, teaching, draws):
        self.right = float((target * sweep.rate[self.network.output]).sum(axis=1).mean())
        return {}

    def remember(self, sweep):
        for w in feedback(self).values():
            w *= 1 + self.right


class CalibratesOnLabels(FeedbackAlignment):
    """The class that was most frequent gets more of every score."""

    bias: object = 0.0

    def calibrate(self, sweeps):
        self.bias = sum(targets.sum(axis=0) for _, targets in sweeps) / 100

    def scores(self, sweep):
        return super().scores(sweep) + self.bias


class ReadsTheInput(FeedbackAlignment):
    """Feedback scaled by the mean of the input."""

    def remember(self, sweep):
        weights = feedback(self)["hidden1__hidden2"]
        weights *= 1 + sweep.rate[self.network.input].mean()


class HeadsThatReadAbove(LocalErrors):
    """Local readouts that also decay by the next projection's weights."""

    def adapt(self, sweep, target, teaching, draws):
        found = super().adapt(sweep, target, teaching, draws)
        above = {name: np.abs(self.network.outgoing(name)[0].w).mean() for name in self.network.hidden}
        return {name: change * above[name.split("/")[1]] for name, change in found.items()}


class Hides(FeedbackAlignment):
    """Feedback kept where nobody looks for arrays: those below say where."""

    def hidden(self):
        raise NotImplementedError

    def hide(self, weights):
        raise NotImplementedError

    def teach(self, sweep, target, draws):
        at_output = self.output_teaching(sweep, target)
        return self.network.errors_back(sweep, at_output, self.hidden() or {name: w.T for name, w in feedback(self).items()})

    def remember(self, sweep):
        self.hide({name: p.w.copy() for name, p in self.network.projections.items()})


class HidesInAClosure(Hides):
    def build(self, seed):
        super().build(seed)
        box = []
        self.hide, self.hidden = box.append, lambda: box and box[-1]


class HidesInItsClass(Hides):
    secret = None

    def hidden(self):
        return self.secret

    def hide(self, weights):
        type(self).secret = weights


class HidesInAPopulation(Hides):
    def hidden(self):
        return getattr(self.network.populations["output"], "secret", None)

    def hide(self, weights):
        self.network.populations["output"].secret = weights


class Lazy(FeedbackAlignment):
    """The forward weights' values of the first time that it teaches."""

    @property
    def first(self):
        if "_first" not in vars(self):
            self._first = {name: p.w.copy() for name, p in self.network.projections.items()}
        return self._first

    def teach(self, sweep, target, draws):
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), self.first)


class SeedsFromWeights(FeedbackAlignment):
    """Random feedback, drawn by a generator that the weights seed."""

    def remember(self, sweep):
        for name, w in feedback(self).items():
            seed = np.frombuffer(self.network.projections[name].w.tobytes(), np.uint32)
            w[...] = np.random.default_rng(seed).normal(size=w.shape)


class CopiesBesidesItsProposal(FeedbackAlignment):
    """``adapt`` proposes nothing, and writes."""

    def adapt(self, sweep, target, teaching, draws):
        copy_weights(self)
        return {}


CHEATERS = [
    (HidesInAClosure, "full"),
    (HidesInItsClass, "full"),
    (HidesInAPopulation, "full"),
    (Lazy, "full"),
    (SeedsFromWeights, "one_hop"),
    (CopiesBesidesItsProposal, "one_hop"),
    (CopiesWhileAdapting, "one_hop"),
    (CopiesALittle, "one_hop"),
    (ReadsResponses, "responses"),
    (StartsFromWeights, "one_hop"),
    (CopiesWhileRemembering, "one_hop"),
    (CopiesLater, "one_hop"),
    (CopiesInSecret, "full"),
    (ReadsTheNextLayer, "one_hop"),
    (ReadsTheOutput, "output"),
    (RemembersLabels, "labels"),
    (CalibratesOnLabels, "labels"),
    (ReadsTheInput, "input"),
    (HeadsThatReadAbove, "one_hop"),
]


def claimed_and_measured(scheme, name):
    """Return both as text, and whether the public check passed the claim."""
    found = measure(*list_subjects(scheme(), {}), "claims", name)
    return found.outcome.claimed, found.outcome.measured, found.passed


def test_an_honest_scheme_is_found_honest():
    result = neurosim.check(LearnedFeedback)
    assert result, result


@pytest.mark.parametrize(("scheme", "source"), CHEATERS, ids=[scheme.__name__ for scheme, _ in CHEATERS])
def test_a_cheater_is_found(scheme, source):
    """Each claims what the scheme claims that it is made from, and tells a population nothing more in one step than that does."""
    claimed, measured, passed = claimed_and_measured(scheme, "weight_transport")
    assert passed and claimed == measured
    claimed, measured, passed = claimed_and_measured(scheme, "feedback_learns_from")
    assert source in measured.split(", ")
    assert not passed and claimed != measured


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [scheme for scheme, _ in CHEATERS[::3]], ids=lambda scheme: scheme.__name__)
def test_the_public_check_fails_a_cheater(scheme):
    """Some of them: what finds each out is tested above, alone."""
    result = neurosim.check(scheme())
    assert not result
    assert not result["feedback_learns_from"].passed
