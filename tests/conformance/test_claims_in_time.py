"""Claims about ticks, broadcasts and signs: strangers that claim too little are found, and told in one line.

What the schemes of the package claim of these is measured with all else, in ``test_claims.py``.
"""

import numpy as np
import pytest

from neurosim.checking.bench import make_chain
from neurosim.checking.checking import measure
from neurosim.checking.in_time import TICKS, choose_networks, list_crossings, make_leaky, make_recurrent
from neurosim.checking.subject import list_subjects
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.feedback.backprop_through_time import BackpropThroughTime

CASES = [
    pytest.param(subject, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for subject, options in zip(list_subjects(scheme, {}), scheme.variants, strict=True)
]


@pytest.mark.parametrize("subject", CASES)
def test_without_delays_no_tick_matters_to_another(subject):
    """Unless the scheme itself remembers other ticks: e-prop and back-propagation through time only follow what neurons do."""
    filters = subject.make().claims_on(make_chain().hidden).history == "trace"
    assert bool(list(list_crossings(subject.make, make_chain, range(TICKS)))) == filters


# ---------------------------------------------------------------------- strangers


class Stranger(FeedbackPathway):
    """What those below share."""

    name, title, citation = "stranger", "A stranger's", "none (2026)"
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False)

    def teach(self, sweep, target, draws):
        network, teaching = self.network, {self.network.output: self.output_teaching(sweep, target)}
        for name in network.hidden:
            error = self.error(name, sweep, teaching[network.output].error)
            teaching[name] = network.populations[name].teach(error, sweep[name])
        return teaching

    def error(self, name, sweep, at_output):
        return np.ones(sweep.rate[name].shape)


class Remembers(Stranger):
    """A running mean of the output's error, which no claim tells of."""

    trace = 0

    def teach(self, sweep, target, draws):
        self.trace = 0.5 * self.trace + self.output_teaching(sweep, target).error.mean()
        return super().teach(sweep, target, draws)

    def error(self, name, sweep, at_output):
        return np.full(sweep.rate[name].shape, self.trace)


class LooksBack(Stranger):
    """Answers a trial by the first tick's rates, as well as the tick's."""

    answers, first = "trial", None

    def teach_trial(self, sweeps, targets, draws):
        self.first = sweeps[0]
        return [self.teach(s, t, draws) for s, t in zip(sweeps, targets, strict=True)]

    def error(self, name, sweep, at_output):
        return sweep.rate[name] - (self.first or sweep).rate[name] + 1


class LooksAhead(LooksBack):
    """The same, by the last tick's."""

    def teach_trial(self, sweeps, targets, draws):
        self.first = sweeps[-1]
        return [self.teach(s, t, draws) for s, t in zip(sweeps, targets, strict=True)]


class ClaimsTooMuch(Stranger):
    """Each tick by itself, whatever the claims say."""

    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, history="trace", future=True)


class ChainsOnly(LooksAhead):
    """The same where there are no delays."""

    def build(self, seed):
        self.network.chain("stranger")


class ClaimsRecords(Remembers):
    """What it is handed are no records of other ticks: what it keeps of them is a trace."""

    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, history="full")


class CarriesOn(LooksBack):
    """Which of the two a scheme needs that is handed whole trials is believed."""

    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, history="trace")


def measured(scheme, name):
    """Return the claim's measured value as text, and whether it is what is claimed."""
    found = measure(*list_subjects(scheme, {}), "claims", name)
    assert "\n" not in found.outcome.why
    return found.outcome.measured, found.passed


@pytest.mark.parametrize(
    ("scheme", "history", "future"),
    [
        (Stranger, ("none", True), ("no", True)),
        (Remembers, ("trace", False), ("no", True)),
        (ClaimsRecords, ("trace", False), ("no", True)),
        (LooksBack, ("full", False), ("no", True)),
        (CarriesOn, ("trace", True), ("no", True)),
        (LooksAhead, ("none", True), ("yes", False)),
        (ChainsOnly, ("none", True), ("yes", False)),
        (ClaimsTooMuch, ("none", False), ("no", False)),
    ],
)
def test_a_strangers_other_ticks_are_found(scheme, history, future):
    assert (measured(scheme, "history"), measured(scheme, "future")) == (history, future)
    assert choose_networks(scheme) == ([make_chain] if scheme is ChainsOnly else [make_recurrent, make_leaky])


def test_a_wrong_claim_of_ticks_is_told_in_one_line():
    found = measure(*list_subjects(LooksAhead, {}), "claims", "future")
    why = "claims future no; measured: yes, through tick 3 at hidden1 in tick 0, tick 3 at hidden2 in tick 0 and 4 more"
    assert str(found) == f"future failed: {why}"


def test_segments_look_ahead_within_themselves_only():
    crossings = list(list_crossings(lambda: BackpropThroughTime(horizon=2), make_recurrent, range(TICKS)))
    assert {(tick, other) for tick, other, _ in crossings} == {(1, 0), (3, 2)}


class Broadcasts(Stranger):
    """The loss, to every neuron through a fixed number of its own."""

    def error(self, name, sweep, at_output):
        fixed = np.random.default_rng(len(name)).normal(size=sweep.rate[name].shape[1:])
        return -np.abs(at_output).sum(axis=1, keepdims=True) * fixed * sweep.rate[name]


class BroadcastsTwo(Stranger):
    """One number to one population, another to the next."""

    def error(self, name, sweep, at_output):
        return at_output[:, [0 if name == "hidden1" else 1]] * sweep.rate[name]


@pytest.mark.parametrize(("scheme", "found"), [(Stranger, "no"), (Broadcasts, "yes"), (BroadcastsTwo, "no")])
def test_a_strangers_broadcast_is_found(scheme, found):
    assert measured(scheme, "scalar_broadcast") == (found, found == "no")


class Signs(Stranger):
    """Sign-symmetric feedback: the transposed weights, all of one size."""

    def teach(self, sweep, target, draws):
        signs = {name: np.sign(p.w) for name, p in self.network.projections.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), signs)


class Rounded(Stranger):
    """As it seems, but for large weights."""

    def teach(self, sweep, target, draws):
        rounded = {name: np.sign(p.w) * np.where(abs(p.w) > 0.8, 1.1, 1) for name, p in self.network.projections.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), rounded)


@pytest.mark.parametrize(("scheme", "found"), [(Stranger, "none"), (Signs, "sign"), (Rounded, "full")])
def test_a_strangers_signs_are_found(scheme, found):
    assert measured(scheme, "weight_transport") == (found, found == "none")


def test_claims_are_words_that_are_known():
    for wrong in ({"history": "some"}, {"weight_transport": "signs"}):
        with pytest.raises(AssertionError):
            Claims(**{"weight_transport": "none", "update_locking": False, "backward_locking": False, **wrong})
    claims = Claims(weight_transport="sign", update_locking=True, backward_locking=True, history="trace")
    words = ("weight_transport", "history", "future", "scalar_broadcast")
    assert [claims.words(name) for name in words] == ["sign", "trace", "no", "no"]
