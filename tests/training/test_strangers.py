"""Classes that a user brings: what of them changes takes effect, and what cannot be captured runs as array code and says why."""

import importlib.util
import logging
import random
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.datasets import from_arrays
from neurosim.feedback import pathways
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Transfer
from neurosim.plasticity import SGD, Proposal, Rule, Update, chain
from neurosim.training import Observer, Trainer
from neurosim.training.captured import CapturedStep, StepSource

spec = importlib.util.spec_from_file_location("standin", Path(__file__).parents[1] / "backends" / "standin.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

draw = np.random.default_rng(0)
DATA = from_arrays(draw.normal(size=(40, 6)), draw.integers(0, 3, 40), draw.normal(size=(4, 6)), draw.integers(0, 3, 4))


class Gain:
    """A part of a scheme that is no class of the package's."""

    __slots__ = ("factor",)

    def __init__(self):
        self.factor = 1.0


class Errors(pathways()["backprop"]):
    """Back-propagation with everything a scheme may hold; ``extra`` is done in each ``teach``."""

    name = "errors"
    title = citation = ""
    offset = 0.0

    def __init__(self, extra=lambda own, sweep, target: 0):
        self.extra, self.gain, self.mode, self.scales = extra, Gain(), "plain", [1.0, 1.0]
        self.table, self.parts, self.used = {"hidden1": {"scale": 1.0}}, types.SimpleNamespace(scale=1.0), {"gain"}
        self.calls, self.pair = 0, (np.ones(3), 1.0)
        self.draws, self.labels, self.kept = np.random.default_rng(5), np.arange(3), None

    def build(self, seed):
        super().build(seed)
        self.trace = self.network.backend.zeros((3,), self.network.dtype)

    def teach(self, sweep, target, draws):
        output = sweep["output"]
        scale = self.scales[1] * self.table["hidden1"]["scale"] * self.parts.scale * self.pair[1]
        scale = scale * self.gain.factor if "gain" in self.used else scale
        if self.mode == "twice" or "more" in self.used:
            scale = scale * 2
        error = (target - output.rate + self.extra(self, sweep, target)) * scale + self.offset
        at_output = self.network.populations["output"].teach_activation(error * self.pair[0], output)
        self.trace += error.mean(axis=0)
        return self.network.errors_back(sweep, at_output)

    def memory(self):
        return super().memory() | {"trace": self.trace}


class Delta(Rule):
    """The delta rule with a rate of its own."""

    pre, post = frozenset({"rate"}), frozenset({"error"})

    def __init__(self):
        self.rate = 1.0

    def initial_state(self, shape):
        return {}

    def delta(self, pre, post, synapses):
        dw = synapses.connectivity.correlate(synapses.backend, pre["rate"], post["error"]) * (self.rate / len(pre["rate"]))
        return Proposal(dw, None, {})

    def describe(self):
        return "delta"


class Scaled(Update):
    """A transform."""

    name = "scaled"

    def __init__(self):
        self.by = {"factor": 1.0}

    def apply(self, backend, change, weight, state, time):
        change *= self.by["factor"]


class Soft(Transfer):
    """A transfer."""

    name = "soft"

    def __init__(self):
        self.slope = 1.0

    def rate(self, backend, activation, draws, stream):
        return backend.xp.tanh(activation * self.slope)

    def through_slope(self, backend, error_on_rate, activation, rate):
        return error_on_rate * (1 - rate * rate) * self.slope


def trainer(scheme=None, backend=None, *, dtype="float64", seed=1):
    populations = [Population("x", 6), Population("hidden1", 5, transfer=Soft()), Population("output", 3, transfer="softmax")]
    projections = [Projection("x", "hidden1", rule=Delta()), Projection("hidden1", "output")]
    network = Network(populations, projections, seed=seed, dtype=dtype, backend=backend or NumpyBackend())
    return Trainer(network, scheme or Errors(), chain(SGD(0.1), Scaled()), epochs=9, batch=10, seed=1)


def set_class(made, value):
    Errors.offset = value


CHANGES = {
    "an attribute in a slot": lambda made: setattr(made.pathway.gain, "factor", 0.0),
    "a text": lambda made: setattr(made.pathway, "mode", "twice"),
    "an item of a list": lambda made: made.pathway.scales.__setitem__(1, 3.0),
    "an item of a nested dictionary": lambda made: made.pathway.table["hidden1"].update(scale=3.0),
    "an attribute of a namespace": lambda made: setattr(made.pathway.parts, "scale", 3.0),
    "a member of a set": lambda made: made.pathway.used.add("more"),
    "a tuple with an array": lambda made: setattr(made.pathway, "pair", (np.full(3, 2.0), 3.0)),
    "an object": lambda made: setattr(made.pathway, "gain", types.SimpleNamespace(factor=4.0)),
    "an attribute new on an object": lambda made: setattr(made.pathway, "offset", 0.5),
    "a function": lambda made: setattr(made.pathway, "extra", lambda own, sweep, target: 0.25),
    "a method": lambda made: setattr(made.pathway, "teach", lambda sweep, target, draws: {}),
    "an array for another": lambda made: setattr(made.pathway, "trace", np.ones(3)),
    "a rule's number": lambda made: setattr(made.network.projections["x__hidden1"].rule, "rate", 0.0),
    "a rule": lambda made: setattr(made.network.projections["x__hidden1"], "rule", None),
    "a transform's number": lambda made: made.commit.chain.links[1].by.update(factor=0.5),
    "the links": lambda made: setattr(made.commit.chain, "links", made.commit.chain.links[:1] + (Scaled(),)),
    "a transfer's slope": lambda made: setattr(made.network.populations["hidden1"].transfer, "slope", 2.0),
    "a transfer": lambda made: setattr(made.network.populations["hidden1"], "transfer", pathways_transfer()),
    "dropout": lambda made: setattr(made.network.populations["hidden1"], "dropout", 0.5),
    "weights for others": lambda made: made.network.projections["x__hidden1"].parameters.update(w=np.full((6, 5), 0.1)),
    "a chain for another": lambda made: setattr(made.commit, "chain", chain(SGD(0.3), Scaled())),
}


def pathways_transfer():
    made = Soft()
    made.slope = 0.5
    return made


class Once(Observer):
    """Makes a change after the second step."""

    def __init__(self, change):
        self.change = change

    def on_step(self, made):
        if made.steps == 2:
            self.change(made)


def after_an_epoch(monkeypatch, change=None, scheme=None, captured=True, backend=None):
    made = trainer(scheme, backend)
    made.check(DATA)
    with monkeypatch.context() as patch:
        if not captured:
            patch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
        made.run_epoch(DATA, *([Once(change)] if change else []))
    return made


def assert_same(one, other, rtol=1e-9):
    for name, value in one.state().items():
        np.testing.assert_allclose(other.state()[name], value, rtol=rtol, atol=1e-12, err_msg=name)


def differs(one, other):
    return any(not np.allclose(value, other.state()[name], rtol=1e-6, atol=1e-9) for name, value in one.state().items())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_takes_effect_at_the_next_step(monkeypatch, caplog, change):
    captured = after_an_epoch(monkeypatch, change)
    assert all(step.program is not None for step in captured._programs.values())
    plain = after_an_epoch(monkeypatch, change, captured=False)
    assert_same(captured, plain)
    unchanged = after_an_epoch(monkeypatch)
    if change is not CHANGES["the links"]:  # the same again: only the objects are others
        assert differs(captured, unchanged)
    assert not caplog.records


def test_a_change_of_a_class_takes_effect_at_the_next_epoch(monkeypatch):
    ends = []
    for captured in (True, False):
        monkeypatch.setattr(Errors, "offset", 0.0)
        made = after_an_epoch(monkeypatch, captured=captured)
        Errors.offset = 0.5
        with monkeypatch.context() as patch:
            if not captured:
                patch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
            made.run_epoch(DATA)
        ends.append(made)
    assert_same(*ends)
    assert differs(ends[0], after_an_epoch(monkeypatch))


def test_what_a_step_does_not_read_costs_no_new_program(monkeypatch):
    made = trainer()
    made.check(DATA)
    made.run_epoch(DATA)
    (step,) = made._programs.values()
    before = step.program
    made.pathway.note = "read by nobody"
    made.run_epoch(DATA)
    assert step.program is before


def test_a_step_around_which_all_changes_runs_as_array_code_and_says_so_once(monkeypatch, caplog):
    class Schedule(Observer):
        def on_step(self, made):
            made.commit.chain.links[0].learning_rate = 0.1 / made.steps

    ends = []
    for captured in (True, False):
        made = trainer()
        made.batch = 2
        made.check(DATA)
        with monkeypatch.context() as patch:
            if not captured:
                patch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
            made.run_epoch(DATA, Schedule())
            made.run_epoch(DATA, Schedule())
        ends.append(made)
    assert_same(*ends)
    (record,) = caplog.records
    assert "'learning_rate' of SGD 'sgd' changed more than 8 times in one epoch" in record.message


# ---------------------------------------------------------------------- what cannot be captured


def counts(own, sweep, target):
    own.calls += 1
    return 0.1 * own.calls


def counts_deep(own, sweep, target):
    own.parts.calls = getattr(own.parts, "calls", 0) + 1
    return 0.1 * own.parts.calls


def counts_in_its_class(own, sweep, target):
    type(own).seen = getattr(type(own), "seen", 0) + 1
    return 0.0


def counts_beside(own, sweep, target):
    STEPS.append(1)
    return 0.01 * len(STEPS)


def appends(own, sweep, target):
    own.scales.append(1.0)
    return 0.01 * len(own.scales)


def keeps_a_sweep(own, sweep, target):
    before, own.kept = own.kept, sweep
    return 0.0 if before is None else 0.1 * before.rate["output"]


def swallows(own, sweep, target):
    try:
        return 0.1 * float(sweep.rate["output"].sum() > 0)
    except Exception:
        return 5.0


def into_a_view_elsewhere(own, sweep, target):
    sample = np.zeros((10, 3))
    sample += sweep.rate["output"]
    return sample


def weighs(own, sweep, target):
    return 0.1 * (sweep.rate["output"].argmax(axis=1) == target.argmax(axis=1)).mean()


def rate(sweep):
    return sweep.rate["output"]


STEPS: list = []
REFUSED = {
    "argmax": (weighs, ".argmax"),
    "an index by a list": (lambda own, sweep, target: 0.1 * rate(sweep)[[0]], "reading at"),
    "a mask": (lambda own, sweep, target: 0.1 * rate(sweep)[rate(sweep) > 0.3].sum(), "reading at"),
    "an int64 array": (lambda own, sweep, target: 0.1 * (own.labels * target).sum(), "int64"),
    "compared with an int64 array": (lambda own, sweep, target: 0.1 * (own.labels == own.labels[:]) * rate(sweep), ""),
    "float": (lambda own, sweep, target: 0.1 * float(rate(sweep)[0].sum() if False else rate(sweep).sum()), "asks for a value"),
    "if": (lambda own, sweep, target: 0.1 if rate(sweep).sum() > 0 else 0.2, "asks for a value"),
    "a float of an array it holds": (lambda own, sweep, target: 0.1 * float(own.pair[0].sum()), "asks for a value"),
    "np.linalg": (lambda own, sweep, target: 0.1 * np.linalg.norm(rate(sweep)), "np.norm"),
    "np.linalg.inv": (lambda own, sweep, target: np.linalg.inv(rate(sweep).T @ rate(sweep) + np.eye(3)).sum() * 1e-3, "np.inv"),
    "tolist": (lambda own, sweep, target: 0.1 * sum(rate(sweep).tolist()[0]), ".tolist"),
    "np.isnan": (lambda own, sweep, target: np.where(np.isnan(rate(sweep)), 1.0, 0.1), "np.isnan"),
    "two answers": (lambda own, sweep, target: 0.1 * np.modf(rate(sweep))[0], "2 arrays"),
    "a keyword": (lambda own, sweep, target: 0.1 * rate(sweep).sum(axis=0, dtype="float64"), "TypeError"),
    "an error of another kind": (lambda own, sweep, target: {1: 0.1}[len(rate(sweep).flat) // 30], ".flat"),
    "a refusal swallowed": (swallows, "asks for a value"),
    "an array it does not hold": (into_a_view_elsewhere, "an array the step does not know"),
    "a counter": (counts, "changes 'calls' of Errors 'errors'"),
    "a counter deep down": (counts_deep, "changes 'calls' of SimpleNamespace"),
    "a counter in its class": (counts_in_its_class, "changes 'seen' of class Errors"),
    "a counter elsewhere": (counts_beside, "changes an item of 'STEPS'"),
    "a list that grows": (appends, "changes"),
    "a sweep that is kept": (keeps_a_sweep, "is kept in"),
    "a generator of its own": (lambda own, sweep, target: own.draws.normal(size=(10, 3)), "a generator of its own"),
    "a generator that decides": (lambda own, sweep, target: 0.1 * (own.draws.random() < 0.5), "a generator of its own"),
    "np.random": (lambda own, sweep, target: 0.1 * np.random.rand(10, 3), "np.random"),
    "Python's random": (lambda own, sweep, target: 0.1 * random.random(), "Python's random"),
}


def fresh(extra):
    STEPS.clear()
    if "seen" in vars(Errors):
        del Errors.seen
    random.seed(3)
    np.random.seed(3)
    return Errors(extra)


def two_epochs(extra, monkeypatch, captured, backend=None):
    made = after_an_epoch(monkeypatch, scheme=fresh(extra), captured=captured, backend=backend)
    with monkeypatch.context() as patch:
        if not captured:
            patch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
        made.run_epoch(DATA)
    return made, (made.pathway.calls, random.random(), np.random.rand(), made.pathway.draws.random(), getattr(Errors, "seen", 0))


@pytest.mark.parametrize(("extra", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_captured_runs_as_array_code_and_says_why_once(monkeypatch, caplog, extra, said):
    plain, left = two_epochs(extra, monkeypatch, captured=False)
    assert not caplog.records
    made, left_too = two_epochs(extra, monkeypatch, captured=True)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert said in record.message
    assert "\n" not in record.message
    for name, value in plain.state().items():
        np.testing.assert_array_equal(made.state()[name], value, err_msg=name)
    assert left_too == left


def test_another_thread_that_draws_meanwhile_is_not_taken_for_the_step(monkeypatch, caplog):
    """As those of a scheduler's worker do now and then, whose heartbeats are irregular."""
    recorded, times = StepSource._recorded, []

    def beside_another(self, now, *others):
        times.append(now)
        if len(times) <= 3:
            thread = threading.Thread(target=random.random)
            thread.start()
            thread.join()
        return recorded(self, now, *others)

    monkeypatch.setattr(StepSource, "_recorded", beside_another)
    made = after_an_epoch(monkeypatch, scheme=fresh(lambda own, sweep, target: 0.1), captured=True)
    assert not caplog.records and len(times) == 4
    assert any(captured.program is not None for captured in made._programs.values())


DEVICE = ["argmax", "a mask", "an int64 array", "float", "np.linalg", "a counter", "a generator of its own"]


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.parametrize("case", DEVICE)
def test_on_a_gpu_s_stand_in_too(monkeypatch, caplog, tmp_path, case):
    extra, said = REFUSED[case]
    with standin.installed(tmp_path, monkeypatch):
        made, left = two_epochs(extra, monkeypatch, captured=True, backend=CupyBackend())
    told = [record.message for record in caplog.records]
    assert told == [] if case == "an int64 array" else len(told) == 1 and said in told[0]  # a GPU's loops know int64
    plain, left_too = two_epochs(extra, monkeypatch, captured=False)
    assert_same(plain, made, rtol=1e-7)
    assert left == left_too


def test_an_error_of_the_user_s_own_is_raised_as_it_is(monkeypatch):
    def broken(own, sweep, target):
        raise KeyError("my own mistake")

    made = trainer(Errors(broken))
    made.check(DATA)
    before = made.state()
    with pytest.raises(KeyError, match="my own mistake"):
        made.run_epoch(DATA)
    for name, value in made.state().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert made.commit.memory == {}


def test_a_step_that_can_be_captured_again_is(monkeypatch):
    made = after_an_epoch(monkeypatch, scheme=fresh(REFUSED["float"][0]))
    (step,) = made._programs.values()
    assert step.program is None
    made.pathway.extra = lambda own, sweep, target: 0
    made.run_epoch(DATA)
    assert step.program is not None


def writes_into_a_view(own, sweep, target):
    error = target - rate(sweep)
    flat = error.reshape(-1)
    flat *= 2.0
    turned = error.T
    turned += 0.125
    column = own.trace[:, None]
    column += 0.5
    return error


def test_what_is_written_into_a_view_is_written_into_what_it_shows(monkeypatch, caplog):
    made, plain = (after_an_epoch(monkeypatch, scheme=Errors(writes_into_a_view), captured=captured) for captured in (True, False))
    assert not caplog.records
    assert_same(plain, made)


def test_arrays_that_share_memory_are_not_captured(monkeypatch, caplog):
    def shares(own, sweep, target):
        own.whole += 1.0
        return 0.001 * own.window.sum()

    ends = []
    for captured in (True, False):
        scheme = Errors(shares)
        scheme.whole = np.zeros(3)
        scheme.window = scheme.whole[1:]
        ends.append(after_an_epoch(monkeypatch, scheme=scheme, captured=captured))
    assert "share memory" in caplog.records[0].message
    assert_same(*ends)


def test_a_scheme_s_list_of_arrays_is_written_to(monkeypatch, caplog):
    def traces(own, sweep, target):
        own.arrays[0] += rate(sweep).mean(axis=0)
        return 0.1 * own.arrays[0]

    ends = []
    for captured in (True, False):
        scheme = Errors(traces)
        scheme.arrays = [np.zeros(3)]
        ends.append(after_an_epoch(monkeypatch, scheme=scheme, captured=captured))
    assert not caplog.records
    assert_same(*ends)
    np.testing.assert_allclose(ends[0].pathway.arrays[0], ends[1].pathway.arrays[0], rtol=1e-9)
    assert ends[0].pathway.arrays[0].all()


def test_output_teaching_is_the_same_as_the_scheme_s_own(monkeypatch):
    """``Errors`` at rest is back-propagation: what the tests above compare is a scheme that learns."""
    made = trainer()
    made.check(DATA)
    sweep = made.network.sweep(DATA.train.x[:10])
    target = np.eye(3)[DATA.train.y[:10]]
    expected = made.pathway.output_teaching(sweep, target).error
    np.testing.assert_allclose(made.pathway.teach(sweep, target, None)["output"].error, expected)
