"""Feedback synapses: the rules they may have, how model files and runs hold them, and checkpoints of earlier versions."""

from types import SimpleNamespace

import numpy as np
import pytest

from neurosim.backends.base import generator
from neurosim.datasets import from_arrays
from neurosim.errors import EquationError, InputError, RunFileError, UnknownNameError
from neurosim.feedback import pathway
from neurosim.modelfile.description import describe
from neurosim.modelfile.schema import make_pathway
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD, Adam, CoActivationMemory, PlasticityRule, Rule, oja
from neurosim.recording.recorder import Recorder
from neurosim.runfile import Run
from neurosim.tasks import Reward
from neurosim.training import Observer, Trainer

SCHEMES = ("feedback_alignment", "direct_feedback_alignment")


def data():
    draw = np.random.default_rng(0)
    return from_arrays(draw.normal(size=(60, 5)), draw.integers(0, 3, 60), draw.normal(size=(6, 5)), draw.integers(0, 3, 6))


def trained(scheme, epochs=1, optimiser=None, hidden=(7, 6), **options):
    network = Network.layered((5,), list(hidden), 3, seed=1)
    made = Trainer(network, pathway(scheme, **options), optimiser or Adam(0.01), epochs=3, batch=10, seed=4)
    made.check(data())
    for _ in range(epochs):
        made.run_epoch(data())
    return made


# ---------------------------------------------------------------------- a rule as an option

GIVEN = {
    "a name": "oja",
    "an equation": "dw = rate_post * (rate_pre - rate_post * w)",
    "a table with a name": {"name": "oja", "eta": 1.0},
    "a table with an equation": {"equation": "dw = k * rate_post * (rate_pre - rate_post * w)", "k": 1.0},
    "a rule": oja(),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("given", GIVEN)
def test_a_rule_is_given_in_each_form_and_is_the_same(scheme, given):
    made, plain = (trained(scheme, optimiser=SGD(0.05), rule=rule) for rule in (GIVEN[given], "oja"))
    assert len(made.pathway.parameters()) == 2 and not made.pathway.memory()
    for name, value in plain.state().items():
        np.testing.assert_allclose(made.state()[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
    started = trained(scheme, epochs=0, rule="oja").pathway.parameters()
    assert all(not np.array_equal(value, started[name]) for name, value in made.pathway.parameters().items())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("given", GIVEN)
def test_a_run_from_python_says_how_to_make_the_rule_again(scheme, given):
    made = trained(scheme, epochs=0, rule=GIVEN[given])
    table = describe(made, data(), {})
    assert "unstated" not in table
    (stage,) = table["stages"]
    again = make_pathway(scheme, stage["options"])
    assert again.rule.describe() == made.pathway.rule.describe()


class Own(Rule):
    """A stranger's rule, one constant a synapse."""

    pre, post = frozenset({"rate"}), frozenset({"rate"})

    def initial_state(self, shape):
        return {}

    def delta(self, pre, post, synapses):
        from neurosim.plasticity import Proposal

        dw = synapses.connectivity.correlate(synapses.backend, abs(pre["rate"]), abs(post["rate"]))
        return Proposal(dw / len(pre["rate"]), None, {})

    def describe(self):
        return "own"


def test_a_strangers_rule_learns_and_is_stated_as_what_no_file_can_hold():
    made = trained("feedback_alignment", rule=Own())
    before = trained("feedback_alignment", epochs=0, rule=Own()).pathway.parameters()
    assert all((value > before[name] - 1e-6).all() for name, value in made.pathway.parameters().items())
    assert any("scheme" in one for one in describe(made, data(), {})["unstated"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("rule", "error", "said"),
    [
        ("hebian", UnknownNameError, "rule 'hebian'.*hebbian"),
        ("dw = __import__('os')", EquationError, "dw = "),
        ({"eta": 1.0}, InputError, "expected a rule's name, an equation, or a table"),
        ({"name": "hebbian", "speed": 1.0}, UnknownNameError, "speed"),
        (3, InputError, "rule 3: expected a rule's name"),
    ],
)
def test_what_is_no_rule_is_refused_in_one_line(scheme, rule, error, said):
    with pytest.raises(error, match=said) as caught:
        pathway(scheme, rule=rule)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_model_files_say_what_a_rule_may_be(scheme):
    assert make_pathway(scheme, {"rule": "dw = rate_pre"}).rule.describe() == "dw = rate_pre"
    with pytest.raises(InputError, match=f"scheme '{scheme}': rule 3: expected a rule's name, an equation, or a table"):
        make_pathway(scheme, {"rule": 3})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_variable_that_no_population_has_is_refused_where_the_synapses_are_made(scheme):
    made = pathway(scheme, rule="dw = rate_pre * speed_post")
    with pytest.raises(EquationError, match="speed_post is no variable of"):
        made.attach(Network.layered((5,), [4, 4], 3), 3, seed=0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_rule_with_a_state_is_refused_where_the_synapses_are_made(scheme):
    with pytest.raises(InputError, match="keeps a state or solves for weights"):
        pathway(scheme, rule=CoActivationMemory()).attach(Network.layered((5,), [4, 4], 3), 3, seed=0)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("rule", "sources"),
    [
        (None, ()),
        ("dw = -0.1 * w", ()),
        ("dw = rate_post - w", ("activity",)),
        ("dw = error_post", ("activity", "labels")),
        ("dw = rate_pre", ("activity", "labels")),
        ("oja", ("activity", "labels")),
        ("dw = reward", ("activity", "labels")),
    ],
)
def test_claims_follow_what_the_rule_reads(scheme, rule, sources):
    assert pathway(scheme, rule=rule).claims.feedback_learns_from == sources


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_rule_that_is_set_while_training_takes_effect_and_fixed_feedback_is_no_parameter(scheme):
    made = trained(scheme)
    assert not made.pathway.parameters() and len(made.pathway.memory()) == 2
    for link in made.pathway.networks.values():
        for projection in link.projections.values():
            projection.rule = PlasticityRule("dw = rate_pre * rate_post")
    before = {name: value.copy() for name, value in made.pathway.parameters().items()}
    made.run_epoch(data())
    assert len(before) == 2 and not made.pathway.memory()
    assert all(not np.array_equal(value, before[name]) for name, value in made.pathway.parameters().items())


def test_modulators_reach_feedback_synapses_where_the_task_has_them():
    network = Network.layered((5,), [4, 4], 3, dtype="float64", seed=1)
    with pytest.raises(InputError, match="reads the modulator .reward.: task .classification. delivers none"):
        pathway("feedback_alignment", rule="dw = reward * rate_post").attach(network, 3, seed=0)
    scheme = pathway("feedback_alignment", rule="dw = reward * rate_post")
    scheme.attach(network, Reward(3), seed=0)
    sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 5)))
    outcome = np.eye(3)[np.arange(6) % 3] * np.arange(6)[:, None]
    change = scheme.adapt(sweep, outcome, scheme.teach(sweep, outcome, None), None)["feedback/hidden1__hidden2/hidden2__hidden1.w"]
    expected = (np.arange(6)[:, None] * sweep.rate["hidden1"]).mean(axis=0)
    np.testing.assert_allclose(change, np.broadcast_to(expected, (4, 4)), rtol=1e-12)


def test_one_to_one_projections_have_one_to_one_feedback():
    populations = [Population("x", 4), Population("a", 4, transfer="tanh"), Population("b", 4, transfer="tanh")]
    links = [Projection("x", "a"), Projection("a", "b", connectivity="one_to_one"), Projection("b", "output")]
    network = Network([*populations, Population("output", 3, transfer="softmax")], links, dtype="float64")
    scheme = pathway("feedback_alignment", rule="hebbian")
    scheme.attach(network, 3, seed=0)
    (feedback,) = scheme.networks["a__b"].projections.values()
    assert feedback.connectivity.name == "one_to_one" and feedback.w.shape == (4,)
    sweep, target = network.sweep(np.random.default_rng(0).normal(size=(6, 4))), np.eye(3)[np.arange(6) % 3]
    teaching = scheme.teach(sweep, target, None)
    np.testing.assert_allclose(teaching["a"].error, teaching["b"].error * feedback.w * (1 - sweep.rate["a"] ** 2), rtol=1e-12)
    change = scheme.adapt(sweep, target, teaching, None)["feedback/a__b/b__a.w"]
    np.testing.assert_allclose(change, (teaching["b"].error * sweep.rate["a"]).mean(axis=0), rtol=1e-12)


# ---------------------------------------------------------------------- checkpoints of earlier versions


def earlier_feedback(scheme, seed):
    """Return the fixed feedback as it was drawn and named until November 2026, for 5-7-6-3."""
    shapes = {"hidden1": (7, 3), "hidden2": (6, 3)}
    if scheme == "feedback_alignment":
        shapes = {"x__hidden1": (5, 7), "hidden1__hidden2": (7, 6), "hidden2__output": (6, 3)}
    bounds = {name: np.sqrt(6 / sum(shape)) for name, shape in shapes.items()}
    drawn = {name: generator(seed, f"feedback/{name}").uniform(-bounds[name], bounds[name], shapes[name]) for name in shapes}
    return {f"pathway|feedback/{name}.w": w.astype(np.float32) for name, w in drawn.items()}


def earlier(scheme, made):
    """Return a trainer's state as versions until November 2026 wrote it."""
    state = made.state()
    if scheme in SCHEMES:
        others = {key: value for key, value in state.items() if not key.startswith("pathway|")}
        return others | earlier_feedback(scheme, made.seed)
    fixed = ("pathway|label/", "pathway|feedback/")
    kept = {key: value for key, value in state.items() if not key.startswith(fixed)}
    return {key.replace("/input__", "/seen__").replace("__output.", "__told.") if "/" in key else key: v for key, v in kept.items()}


CASES = [
    *((scheme, {}) for scheme in SCHEMES),
    *(("local_errors", {"loss": loss, "backprop_free": free}) for loss in ("predsim", "sim") for free in (False, True)),
    ("synthetic_gradients", {}),
    ("synthetic_gradients", {"hidden_layers": 2, "width": 8, "synthetic_inputs": True}),
    ("difference_target_propagation", {}),
]


@pytest.mark.parametrize(("scheme", "options"), CASES, ids=str)
def test_a_checkpoint_of_an_earlier_version_is_gone_on_with(scheme, options):
    first, whole, resumed = trained(scheme, **options), trained(scheme, epochs=2, **options), trained(scheme, epochs=0, **options)
    state = earlier(scheme, first)
    if scheme in ("local_errors", "synthetic_gradients") and options != {"loss": "sim", "backprop_free": True}:
        assert any("seen__" in key and key.startswith("feedback_optimiser|") for key in state)
    for value in resumed.pathway.memory().values():
        value *= 1 if scheme == "local_errors" else 0  # P and F were not stored: they are the seed's
    resumed.restore(state)
    resumed.run_epoch(data())
    for name, value in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], value, err_msg=name)


class Stops(Observer):
    def on_epoch(self, trainer, metrics):
        if trainer.epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("scheme", "options"), CASES, ids=str)
def test_an_interrupted_run_file_of_an_earlier_version_is_resumed(scheme, options, tmp_path, monkeypatch):
    whole, first, resumed = (trained(scheme, epochs=0, **options) for _ in range(3))
    whole.fit(data())
    state = Trainer.state
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "state", lambda made: earlier(scheme, SimpleNamespace(state=lambda: state(made), seed=made.seed)))
        found = earlier(scheme, trained(scheme, **options))
        layout = {key: (np.shape(value), np.asarray(value).dtype) for key, value in found.items()}
        patched.setattr(Trainer, "state_layout", lambda made: layout)
        with Recorder.open(tmp_path / "run.h5", first, data(), "hidden1.rate", samples=4) as recorder:
            first.fit(data(), recorder, Stops())
    if scheme != "difference_target_propagation":  # whose names are what they were
        with monkeypatch.context() as patched, pytest.raises(RunFileError, match="it does not fit the model"):
            patched.setattr(type(resumed.pathway), "renew", lambda self, state: state)  # as though nobody knew the names
            Recorder.resume(tmp_path / "run.h5", resumed, data())
    with Recorder.resume(tmp_path / "run.h5", resumed, data()) as recorder:
        assert resumed.epoch == 2
        resumed.fit(data(), recorder)
    for name, value in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], value, err_msg=name)
    with Run(tmp_path / "run.h5") as run:
        assert run.status == "complete"


def test_names_of_the_network_stay_as_they_are():
    """A user's population may be called what a module's was."""
    populations = [Population("x", 5), Population("seen", 4, transfer="tanh"), Population("told", 3, transfer="softmax")]
    network = Network(populations, [Projection("x", "seen"), Projection("seen", "told")], seed=1)
    made = Trainer(network, pathway("synthetic_gradients"), Adam(0.01), epochs=3, batch=10, seed=4)
    made.check(data())
    made.run_epoch(data())
    state = made.state()
    assert set(made.pathway.renew(state)) == set(state)
    assert "optimiser|seen__told.w:updates" in state
