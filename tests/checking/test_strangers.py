"""Schemes and rules of somebody else's, good and bad: the public function gives each its verdict, for the reason it deserves."""

import logging
import warnings

import numpy as np
import pytest

import neurosim
from neurosim.backends.base import generator
from neurosim.checking.checking import SCHEME, measure
from neurosim.checking.subject import list_subjects
from neurosim.errors import InputError
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.network import Teaching


class Backward(FeedbackPathway):
    """Good: the chain rule."""

    name = "backward"
    title = "Errors sent back"
    citation = "nobody, 2026"
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True)

    def teach(self, sweep, target, draws):
        return self.network.errors_back(sweep, self.output_teaching(sweep, target))


class Noisy(Backward):
    """Good: noise from the step's draws, and a running mean that is kept in an array that memory() names."""

    def build(self, seed):
        super().build(seed)
        self.mean = self.network.backend.zeros((self.task.size,), self.network.dtype)

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        noise = draws.normal("noisy", error.shape, error.dtype) * error.dtype.type(0.01)
        return teaching | {"hidden1": Teaching(error + noise, teaching["hidden1"].error_on_activation)}

    def remember(self, sweep):
        self.mean += (sweep.rate[self.network.output].mean(axis=0) - self.mean) * self.mean.dtype.type(0.1)

    def memory(self):
        return {"mean": self.mean}

    @property
    def claims(self):
        return Claims("full", True, True, feedback_learns_from=("activity",))


class ImpureTeach(Backward):
    """It counts how often each class was shown."""

    def build(self, seed):
        super().build(seed)
        self.shown = np.zeros(self.task.size)

    def teach(self, sweep, target, draws):
        self.shown += target.sum(axis=0)
        return super().teach(sweep, target, draws)


class CountsInTeach(Backward):
    """The same with a number, which no array shows."""

    calls = 0

    def teach(self, sweep, target, draws):
        self.calls += 1
        return super().teach(sweep, target, draws)


class WritesIntoTheSweep(Backward):
    """It reuses the sweep's array for the error."""

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        sweep.rate[self.network.output][...] *= 0.5
        return teaching


class WrongSign(Backward):
    """Gradients, not what lowers the loss."""

    def teach(self, sweep, target, draws):
        at_output = self.output_teaching(sweep, target)
        teaching = self.network.errors_back(sweep, Teaching(-at_output.error, None))
        return teaching | {self.network.output: at_output}


class WrongSignAtOutput(Backward):
    """Rate minus target."""

    def teach(self, sweep, target, draws):
        at_output = self.output_teaching(sweep, target)
        return self.network.errors_back(sweep, Teaching(-at_output.error, None))


class WrongShape(Backward):
    """One error for the whole population."""

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        return teaching | {"hidden1": Teaching(teaching["hidden1"].error.mean(axis=1, keepdims=True))}


class WrongType(Backward):
    """Its errors are float64, whatever the network is."""

    def teach(self, sweep, target, draws):
        return {name: Teaching(taught.error.astype("float64")) for name, taught in super().teach(sweep, target, draws).items()}


class StateInAttribute(Backward):
    """A trace that no checkpoint holds."""

    trace = 0.0

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        return teaching | {"hidden1": Teaching(error * error.dtype.type(1 + self.trace))}

    def remember(self, sweep):
        self.trace = 0.9 * self.trace + float(np.abs(sweep.rate["hidden1"]).mean())


class StateInHiddenArray(Backward):
    """The same in an array, so that the step is captured; but memory() does not name it."""

    def build(self, seed):
        super().build(seed)
        self.trace = self.network.backend.zeros((), self.network.dtype)

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        return teaching | {"hidden1": Teaching(teaching["hidden1"].error * (1 + self.trace))}

    def remember(self, sweep):
        self.trace *= self.trace.dtype.type(0.9)
        self.trace += abs(sweep.rate["hidden1"]).mean()


class DrawsBehind(Backward):
    """Noise from NumPy's own generator."""

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        return teaching | {"hidden1": Teaching(error * error.dtype.type(np.random.random()))}


class DrawsFromItsGenerator(Backward):
    """Noise from a generator that no checkpoint holds."""

    def build(self, seed):
        super().build(seed)
        self.noise = generator(seed, "noise")

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        return teaching | {"hidden1": Teaching(error * error.dtype.type(self.noise.random()))}


class ReadsWhileAdapting(pathways()["feedback_alignment"]):
    """Feedback alignment whose feedback moves to the forward weights, proposed as though it were learned."""

    variants = ({},)

    def parameters(self):
        return {f"feedback/{key}.w": p.w for key, link in self.networks.items() for p in link.projections.values()}

    def memory(self):
        return {}

    def adapt(self, sweep, target, teaching, draws):
        links = self.network.projections
        return {name: links[name.split("/")[1][:-2]].w.T - w for name, w in self.parameters().items()}


class TrainsInPlace(Backward):
    """It commits what it proposes."""

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        self.network.parameters()["hidden1__hidden2.w"][...] *= 0.99
        return teaching


class DecaysWhileRemembering(Backward):
    """It changes forward weights after the commit."""

    def remember(self, sweep):
        self.network.projections["hidden1__hidden2"].w[...] *= 0.99


class NotDeterministic(Backward):
    """Its first weights differ from run to run."""

    def build(self, seed):
        super().build(seed)
        self.scale = float(np.random.default_rng().random())

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        return teaching | {"hidden1": Teaching(error * error.dtype.type(self.scale))}


class AsksForNumbers(Backward):
    """Good, but slow: what it does depends on a value, so it has no captured step."""

    claims = Claims("full", True, True, pairwise=True)

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        for name, taught in teaching.items():
            size = float(np.abs(taught.error).max())
            if size > 1:
                teaching[name] = Teaching(taught.error * taught.error.dtype.type(1 / size))
        return teaching


class RelaxesForLong(Backward):
    """Good, but long: a hundred small steps to its answer."""

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        wanted = teaching["hidden1"].error
        error = wanted * wanted.dtype.type(0)
        for _ in range(100):
            error = error + (wanted - error) * wanted.dtype.type(0.05)
        return teaching | {"hidden1": Teaching(error)}


class Raises(Backward):
    """It fails."""

    def teach(self, sweep, target, draws):
        raise ValueError("no idea\nwhat to do")


class RaisesWhileBuilding(Backward):
    """It fits no network."""

    def build(self, seed):
        raise InputError("scheme 'x': no network is good enough; make another")


class Unfinished(FeedbackPathway):
    """It has no teach."""

    name = title = citation = "unfinished"
    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False)


class Nameless(Backward):
    """It has an empty title."""

    title = ""


class NoClaims(Backward):
    """It claims a text."""

    claims = "everything"


class SaysNothing(Backward):
    """It teaches nobody."""

    def teach(self, sweep, target, draws):
        return {}


class NoDictionary(Backward):
    """It answers pairs."""

    def teach(self, sweep, target, draws):
        return list(super().teach(sweep, target, draws).items())


class CountsOnTheClass(Backward):
    """What it counts outlives the object."""

    calls = 0

    def teach(self, sweep, target, draws):
        CountsOnTheClass.calls += 1
        return super().teach(sweep, target, draws)


class WrongSignInAdapt(pathways()["local_errors"]):
    """Its readouts go up their loss."""

    variants = ({"loss": "pred"},)

    def adapt(self, sweep, target, teaching, draws):
        return {name: -change for name, change in super().adapt(sweep, target, teaching, draws).items()}


class AdaptsNobody(Backward):
    """It proposes a change of what it has not."""

    def adapt(self, sweep, target, teaching, draws):
        return {"feedback.w": target}


class Explodes(Backward):
    """Its errors leave the finite numbers."""

    def teach(self, sweep, target, draws):
        return {name: Teaching(taught.error * np.inf) for name, taught in super().teach(sweep, target, draws).items()}


class Leaves(Backward):
    """It ends the process."""

    def teach(self, sweep, target, draws):
        raise SystemExit(3)


class Speechless(Exception):
    """An error that cannot say what it is."""

    def __str__(self):
        raise RuntimeError


class RaisesSpeechless(Backward):
    """It fails without a word."""

    def teach(self, sweep, target, draws):
        raise Speechless


class OddVariants(Backward):
    """Its name is a number, and its variants are none."""

    name, variants = 3, (1, 2)


class ReadsAGlobal(Backward):
    """A global that changes is not watched while a captured step runs."""

    def remember(self, sweep):
        SHARED["calls"] += 1

    def teach(self, sweep, target, draws):
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        return teaching | {"hidden1": Teaching(error * error.dtype.type(SHARED["calls"] % 7))}


SHARED = {"calls": 0}


GOOD = [Backward, Noisy, AsksForNumbers, RelaxesForLong]
BAD = [
    (ImpureTeach, {"teach_is_pure"}, "teach changes 'shown' of ImpureTeach 'backward'"),
    (CountsInTeach, {"teach_is_pure"}, "'calls'"),
    (WritesIntoTheSweep, {"teach_is_pure", "teach_repeats"}, "rate of output in the sweep"),
    (WrongSign, {"signs_point_up"}, "errors of hidden populations point the wrong way"),
    (WrongSignAtOutput, {"signs_point_up"}, "the wrong way"),
    (WrongShape, {"proposals_fit"}, "error of hidden1 has shape (7, 1): expected (7, 5)"),
    (WrongType, {"proposals_fit"}, "is float64 in a network of float32"),
    (StateInAttribute, {"resume_repeats"}, "memory()"),
    (StateInHiddenArray, {"resume_repeats"}, "memory()"),
    (DrawsBehind, {"teach_is_pure", "teach_repeats", "runs_repeat", "resume_repeats"}, "draws random numbers from np.random"),
    (DrawsFromItsGenerator, {"teach_is_pure", "teach_repeats", "resume_repeats"}, "a generator of its own"),
    (ReadsWhileAdapting, {"feedback_learns_from"}, "claims feedback_learns_from nothing; measured: one_hop"),
    (TrainsInPlace, {"teach_is_pure"}, "teach changes hidden1__hidden2.w"),
    (DecaysWhileRemembering, {"forward_never_learns"}, "remember changes hidden1__hidden2.w"),
    (NotDeterministic, {"runs_repeat"}, "draw in build"),
    (Raises, {"works"}, "Raises.teach, line"),
    (RaisesWhileBuilding, {"works"}, "no network is good enough"),
    (Unfinished, {"works"}, "abstract"),
    (Nameless, {"names_itself"}, "title"),
    (NoClaims, {"works"}, "claims is 'everything': expected Claims"),
    (SaysNothing, {"proposals_fit"}, "proposes nothing"),
    (NoDictionary, {"proposals_fit"}, "expected a dictionary"),
    (CountsOnTheClass, {"teach_is_pure"}, "teach changes 'calls' of class CountsOnTheClass"),
    (WrongSignInAdapt, {"signs_point_up"}, "what adapt proposes goes the wrong way"),
    (AdaptsNobody, {"proposals_fit"}, "adapt: 'feedback.w' is no parameter"),
    (Explodes, {"proposals_fit"}, "not finite"),
    (Leaves, {"works"}, "raised SystemExit: 3"),
    (RaisesSpeechless, {"works"}, "raised Speechless: no text"),
    (OddVariants, {"names_itself"}, "name is no text"),
    (ReadsAGlobal, {"runs_repeat"}, "keep nothing outside the object"),
]


PARAMETERS = [pytest.param(*case, id=case[0].__name__) for case in BAD]
CASES = pytest.mark.parametrize(("scheme", "failing", "reason"), PARAMETERS)
SOME = pytest.mark.parametrize(("scheme", "failing", "reason"), PARAMETERS[::3])
GROUPS = {name: group for group, properties in SCHEME.items() for name in properties}


@pytest.mark.parametrize("scheme", GOOD, ids=lambda scheme: scheme.__name__)
def test_a_good_scheme_passes_and_its_check_leaves_nothing_behind(scheme, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    log, state = logging.getLogger("neurosim"), np.random.get_state()[1].copy()
    before = log.level, np.geterr(), list(warnings.filters), dict(vars(scheme))
    result = neurosim.check(scheme)
    assert result, result
    assert ("array code: " in result["step_is_captured"].outcome.measured) == (scheme is AsksForNumbers)
    assert (log.level, np.geterr(), list(warnings.filters), dict(vars(scheme))) == before
    assert np.array_equal(np.random.get_state()[1], state)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@CASES
def test_a_bad_scheme_fails_for_its_reason(scheme, failing, reason):
    """Each property alone, as the check measures it; those that cannot be asked are checked as a whole, which is quick."""
    subject, *_ = list_subjects(scheme, {})
    found = [measure(subject, GROUPS[name], name) for name in sorted(failing)]
    assert not any(finding.passed for finding in found), found
    assert any(reason in finding.outcome.why for finding in found), found
    assert all("\n" not in finding.outcome.why for finding in found)
    assert measure(subject, "contract", "works").passed != ("works" in failing)
    assert "works" not in failing or [finding.name for finding in neurosim.check(scheme).findings] == ["works"]


@pytest.mark.slow
@SOME
def test_the_public_check_gives_a_bad_scheme_its_verdict(scheme, failing, reason):
    """Some of them: the measurement that fails each is tested above, alone."""
    result = neurosim.check(scheme)
    failed = {finding.name: finding.outcome.why for finding in result.failed}
    assert not result
    assert failing <= failed.keys(), result
    assert any(reason in failed[name] for name in failing), failed
    assert all("\n" not in why for why in failed.values())


def test_an_interrupt_ends_a_check():
    class Interrupted(Backward):
        def teach(self, sweep, target, draws):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        neurosim.check(Interrupted)
