"""Optimisers of single projections, and constraints: what they promise of a weight holds after every step, to the last bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathways
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import (
    SGD,
    Adam,
    Bounds,
    CentredRMSProp,
    CoActivationMemory,
    Momentum,
    NormaliseIncoming,
    OneSign,
    PlasticityRule,
    Proposal,
    RMSProp,
    Rule,
    Shapes,
    Time,
    Update,
    bcm,
    chain,
    covariance,
    oja,
    rules,
    three_factor,
)
from neurosim.tasks import Reward
from neurosim.training import Commit, Observer, Trainer
from neurosim.training.captured import CapturedStep

spec = importlib.util.spec_from_file_location("standin", Path(__file__).parents[1] / "backends" / "standin.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

DRAW = np.random.default_rng(0)
DATA = from_arrays(DRAW.normal(size=(48, 8)), DRAW.integers(0, 3, 48), DRAW.normal(size=(4, 8)), DRAW.integers(0, 3, 4))
LOW, HIGH = -0.3, 0.2


class Noisy(Update):
    """A stranger's link: what it makes of a change has nothing to do with the change."""

    name = "noisy"

    def apply(self, backend, change, weight, state, time):
        change *= 7.0
        change -= weight


class Jump(Rule):
    """A stranger's rule that pulls every weight to the other side of zero."""

    pre, post = frozenset({"rate"}), frozenset()

    def initial_state(self, shapes):
        return {}

    def delta(self, pre, post, synapses):
        return Proposal(-1.7 * synapses.w + 0.01 * pre["rate"].mean(), None, {})

    def describe(self):
        return "jump"


class Solving(Jump):
    """The same as the weight change itself."""

    solves = True


def network(rule="error_driven", optimiser=None, dtype="float32", backend=None):
    normalisation = BatchNormalisation()
    populations = [Population("x", 8), Population("a", 6, transfer="tanh", normalisation=normalisation), Population("b", 5),
                   Population("output", 3, transfer="softmax")]  # fmt: skip
    first = Projection("x", "a", rule=rule, optimiser=optimiser)
    projections = [first, Projection("a", "b"), Projection("b", "output")]
    return Network(populations, projections, seed=3, dtype=dtype, backend=backend)


def trainer(made, optimiser=None, scheme="backprop", **options):
    return Trainer(made, pathways()[scheme](), optimiser or SGD(0.5), epochs=8, batch=8, seed=1, **options)


def check(weights, before, held):
    """Assert what each constraint promises of ``weights``, parameter name -> values."""
    for name, value in weights.items():
        value = np.asarray(value)
        if "bounds" in held:
            assert value.min() >= value.dtype.type(LOW) and value.max() <= value.dtype.type(HIGH), name
        if "one_sign" in held and name.endswith("w"):
            assert (value * np.sign(before[name]) >= 0).all(), name
        some = value[:, value.any(axis=0)] if value.ndim == 2 else value  # a neuron without a weight left has no size
        if "sum" in held and name.endswith("w"):
            np.testing.assert_allclose(np.abs(some).sum(axis=0), 1.5, rtol=1e-5, err_msg=name)
        if "norm" in held and name.endswith("w"):
            np.testing.assert_allclose(np.linalg.norm(some, axis=0), 1.5, rtol=1e-5, err_msg=name)


CONSTRAINTS = {
    "bounds": lambda: Bounds(LOW, HIGH),
    "one_sign": OneSign,
    "sum": lambda: NormaliseIncoming(1.5),
    "norm": lambda: NormaliseIncoming(1.5, of="norm"),
}
OPTIMISERS = [SGD(1.0), Momentum(0.5), Adam(0.1), RMSProp(0.1), CentredRMSProp(0.1), Noisy()]
TOGETHER = [("bounds",), ("one_sign",), ("one_sign", "bounds"), ("bounds", "one_sign"), ("sum",), ("norm",), ("one_sign", "sum"),
            ("one_sign", "norm")]  # fmt: skip
NUMBERS = st.floats(-3, 3, width=32)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_constraints_hold_after_any_changes(drawn):
    dtype, held = drawn.draw(st.sampled_from(["float32", "float64"])), drawn.draw(st.sampled_from(TOGETHER))
    links = [drawn.draw(st.sampled_from(OPTIMISERS)), *(CONSTRAINTS[name]() for name in held)]
    if drawn.draw(st.booleans()):
        links = [*links[1:], links[0]]  # the place of a constraint in the chain does not matter
    matrices = st.lists(NUMBERS, min_size=6, max_size=6).map(lambda values: np.array(values, dtype).reshape(3, 2))
    weights = {name: drawn.draw(matrices) for name in ("p.w", "p.b")}
    before = {name: value.copy() for name, value in weights.items()}
    weights["p.w"][weights["p.w"] == 0] = 1e-3  # one that starts at 0 has no sign yet
    before["p.w"][...] = weights["p.w"]
    commit = Commit(chain(*links), NumpyBackend())
    for _ in range(drawn.draw(st.integers(1, 6))):
        change = {name: drawn.draw(matrices) for name in weights}
        commit.apply(weights, change, Time(0, 1), set(drawn.draw(st.sampled_from([(), ("p.w",)]))))
        check(weights, before, held)


def test_a_weight_that_starts_at_zero_keeps_the_sign_of_its_first_change():
    weights = {"p.w": np.array([0.0, 0.0, 0.0, 0.5])}
    commit = Commit(chain(SGD(1.0), OneSign()), NumpyBackend())
    for change in ([1.0, -1.0, 0.0, -1.0], [-3.0, 3.0, -1.0, -1.0], [0.25, 0.25, 5.0, 0.25]):
        commit.apply(weights, {"p.w": np.array(change)}, Time(0, 1), set())
    np.testing.assert_array_equal(weights["p.w"], [0.25, 0.0, 0.0, 0.25])


def test_only_weights_keep_their_sign_and_their_size():
    for constraint in (OneSign(), NormaliseIncoming(1.0)):
        commit = Commit(chain(SGD(1.0), constraint), NumpyBackend())
        values = {name: np.array([[0.5, -0.5]]) for name in ("x__y.b", "y.gain", "y.shift")}
        commit.apply(values, {name: np.array([[-2.0, 2.0]]) for name in values}, Time(0, 1), set())
        for name, value in values.items():
            np.testing.assert_array_equal(value, [[-1.5, 1.5]], err_msg=name)
            assert [key for key in commit.state() if key.startswith(f"{name}:")] == [f"{name}:updates"]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("of", ["sum", "norm"])
def test_weights_of_any_size_are_brought_to_the_one_asked_for(scale, of):
    """Their squares are beyond float32."""
    weights = {"p.w": np.array([[3 * scale], [-4 * scale]], np.float32)}
    commit = Commit(chain(SGD(0.0), NormaliseIncoming(2.0, of=of)), NumpyBackend())
    commit.apply(weights, {"p.w": np.zeros((2, 1), np.float32)}, Time(0, 1), set())
    share = 2 / 7 if of == "sum" else 2 / 5
    np.testing.assert_allclose(weights["p.w"], [[3 * share], [-4 * share]], rtol=1e-6)


class Watch(Observer):
    """Looks at the weights after every step."""

    def __init__(self, names, before, held):
        self.names, self.before, self.held, self.steps = names, before, held, 0

    def on_step(self, made):
        self.steps += 1
        check({name: made.network.parameters()[name] for name in self.names}, self.before, self.held)


@pytest.fixture(params=["captured", "array code"])
def way(request, monkeypatch):
    if request.param == "array code":
        monkeypatch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
    return request.param


HELD = [("bounds",), ("one_sign",), ("one_sign", "bounds"), ("one_sign", "sum"), ("norm",)]
OTHERWISE = {"three_factor", "co_activation_memory", "intrinsic_homeostasis", "soft_hebb"}  # a reward; below; bias; own neurons
EVERY_RULE = [
    pytest.param(make, id=name) for name, make in rules().items() if name not in OTHERWISE
] + [Jump, Solving, CoActivationMemory, lambda: PlasticityRule("dw = tanh(rate_pre + rate_post) - w", method="explicit")]


@pytest.mark.parametrize("held", HELD, ids="-".join)
@pytest.mark.parametrize("make", EVERY_RULE)
def test_a_projection_s_constraints_hold_under_every_rule(make, held, way):
    """Large changes, so that the weights run into them."""
    made = trainer(network(make(), chain(SGD(5.0), *(CONSTRAINTS[name]() for name in held))))
    before = {name: value.copy() for name, value in made.network.parameters().items()}
    watch = Watch(["x__a.w"], before, held)
    with np.errstate(over="ignore", invalid="ignore"):
        made.run_epoch(DATA, watch)
    assert watch.steps == 6
    assert not np.array_equal(made.network.parameters()["x__a.w"], before["x__a.w"])


@pytest.mark.parametrize("scheme", pathways())
def test_a_stage_s_constraints_hold_under_every_scheme(scheme, way):
    made = trainer(Network.layered((8,), [6, 5], 3, seed=3), chain(Adam(0.3), OneSign(), Bounds(LOW, HIGH)), scheme)
    made.check(DATA)
    before = {name: value.copy() for name, value in made.network.parameters().items()}
    watch = Watch([name for name in before if name.endswith(".w")], before, ())
    made.run_epoch(DATA, watch)
    changed = {n: v for n, v in made.network.parameters().items() if not np.array_equal(v, before[n])}  # what rests was never held
    watch.names, watch.held = list(changed), ("bounds", "one_sign")
    made.run_epoch(DATA, watch)
    assert bool(changed) == (scheme != "none")
    assert not changed or any(name.endswith(".w") and (value == 0).any() for name, value in changed.items()), "none was held"
    assert watch.steps == 12 * len(made.pathway.phases)


def test_captured_and_array_code_agree_with_constraints(monkeypatch):
    def trained():
        optimiser = chain(Momentum(0.5), OneSign(), NormaliseIncoming(1.5), Bounds(-1, HIGH))
        made = trainer(network(oja(eta=0.5), optimiser, "float64"))
        made.run_epoch(DATA)
        return made

    captured = trained()
    assert all(step.program is not None for step in captured._programs.values())
    monkeypatch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
    for name, value in trained().state().items():
        np.testing.assert_allclose(captured.state()[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


# ---------------------------------------------------------------------- an optimiser for one projection


def test_a_projection_s_optimiser_goes_before_the_trainer_s():
    plain, own = trainer(network()), trainer(network(optimiser=SGD(0.1)))
    before = {name: value.copy() for name, value in plain.network.parameters().items()}
    rows = np.arange(8)
    for made in (plain, own):
        made.check(DATA)
        made.run_as_array_code(made.pathway.phases[0], DATA.train.x[rows], np.eye(3, dtype=np.float32)[DATA.train.y[rows]])
    for name, value in plain.network.parameters().items():
        share = 0.2 if name.startswith("x__a.") else 1.0
        change = own.network.parameters()[name] - before[name]
        np.testing.assert_allclose(change, share * (value - before[name]), rtol=1e-3, atol=1e-7)
    assert not np.array_equal(plain.network.parameters()["x__a.w"], before["x__a.w"])


def test_dale_s_law_on_one_projection_leaves_the_others_and_biases_and_gains_alone():
    free, held = trainer(network()), trainer(network(optimiser=chain(SGD(0.5), OneSign())))
    before = {name: value.copy() for name, value in free.network.parameters().items()}
    for made in (free, held):
        made.run_epoch(DATA)
    flipped = {
        key: {name for name, value in made.network.parameters().items() if (value * before[name] < 0).any()}
        for key, made in (("free", free), ("held", held))
    }
    assert "x__a.w" in flipped["free"] and "x__a.w" not in flipped["held"]
    assert {"a__b.w", "b__output.w"} <= flipped["held"]
    assert not (held.commit.memory["x__a.b"] or held.commit.memory["a.gain"] or held.commit.memory["a__b.w"])


def test_an_optimiser_given_between_steps_takes_effect():
    made = trainer(network(optimiser=SGD(0.1)))
    made.run_epoch(DATA)
    before = made.network.parameters()["x__a.w"].copy()
    made.network.projections["x__a"].optimiser = Momentum(0.0)
    made.run_epoch(DATA)
    np.testing.assert_array_equal(made.network.parameters()["x__a.w"], before)
    assert list(made.commit.memory["x__a.w"]) == ["0.u"]


def test_a_transform_that_needs_all_to_all_synapses_is_refused_for_others():
    populations = [Population("x", 3), Population("y", 3, transfer="softmax")]

    def made(optimiser=None):
        return Network([*populations], [Projection("x", "y", connectivity="one_to_one", initial=0.3, optimiser=optimiser)])

    said = "^projection 'x__y': transform 'normalise_incoming' needs all_to_all synapses; give [^\n]*$"
    with pytest.raises(InputError, match=said):
        Trainer(made(), pathways()["backprop"](), chain(SGD(0.1), NormaliseIncoming(1.0)))
    populations[:] = [Population("x", 3), Population("y", 3, transfer="softmax")]
    Trainer(made(SGD(0.1)), pathways()["backprop"](), chain(SGD(0.1), NormaliseIncoming(1.0)))


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(InputError, match="optimiser 0.1: expected an optimiser or transform"):
        Projection("x", "y", optimiser=0.1)


# ---------------------------------------------------------------------- where scale carries meaning


@pytest.mark.parametrize("optimiser", [Adam(0.01), RMSProp(0.01), CentredRMSProp(0.01)], ids=lambda one: one.name)
def test_a_rule_whose_terms_balance_warns_once_of_an_optimiser_that_rescales(optimiser, caplog):
    rule = oja()
    for _ in range(2):
        trainer(network(rule), optimiser)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"projection 'x__a': {optimiser.name} rescales") and "\n" not in said


@pytest.mark.parametrize(
    ("rule", "optimiser"), [("error_driven", Adam(0.01)), (CoActivationMemory(), Adam(0.01)), (oja(), SGD(0.1)), (None, Adam(0.01))]
)
def test_other_pairs_do_not_warn(rule, optimiser, caplog):
    trainer(network(rule), optimiser)
    trainer(network(oja(), SGD(0.1)), Adam(0.01))
    assert not caplog.records


# ---------------------------------------------------------------------- on a GPU's program


ALL_STATES = PlasticityRule(
    "dw = e * (1 - 0.1 * c_post) - 0.1 * c_pre", pre={"c": ("dc/dt = (rate_pre - c) / tau", 0.5)},
    post={"c": "dc/dt = abs(rate_post) - 0.2 * c"}, synapse={"e": "de/dt = rate_pre * error_post - 0.3 * e"}, tau=3.0,
)  # fmt: skip


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.parametrize("rule", [ALL_STATES, bcm(eta=1.0), covariance(eta=1.0), three_factor(eta=1.0)], ids=range(4))
def test_states_and_constraints_agree_on_the_device(rule, tmp_path, monkeypatch):
    links = Momentum(0.5), OneSign(), NormaliseIncoming(1.5), Bounds(-1, HIGH)

    def trained(backend):
        made = trainer(network(rule, chain(*links), "float64", backend), task=Reward(3))
        before = backend.to_host(made.network.parameters()["x__a.w"]).copy()
        for _ in range(2):
            made.run_epoch(DATA)
        assert all(step.program is not None for step in made._programs.values())
        assert not np.array_equal(backend.to_host(made.network.parameters()["x__a.w"]), before)
        return made.state()

    host = trained(NumpyBackend())
    with standin.installed(tmp_path, monkeypatch) as cupy:
        device = trained(CupyBackend())
        assert cupy.forbidden == []
    states = rule.initial_state(Shapes((8, 6), (8,), (6,)))
    assert {f"network|x__a.{name}" for name in states} | {"optimiser|x__a.w:1.sign"} <= host.keys()
    for name, value in host.items():
        np.testing.assert_allclose(device[name], value, rtol=0, atol=1e-9 * (np.abs(value).max() + 1e-6), err_msg=name)
