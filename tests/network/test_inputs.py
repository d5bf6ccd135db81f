"""Projections into another input than the drive: what arrives, what rules read, what is refused."""

import numpy as np
import pytest

from neurosim.errors import EquationError, InputError, ShapeError, UnknownNameError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection, Teaching
from neurosim.neurons import BatchNormalisation, Leaky, Neurons
from neurosim.neurons.neurons import RATE_VARIABLES
from neurosim.neurons.tanh import Tanh
from neurosim.plasticity import CoActivationMemory, PlasticityRule, error_driven
from neurosim.tasks import Classification, Regression

X = np.random.default_rng(0).normal(size=(7, 4))


class Gated(Neurons):
    """h = tanh(a) (1 + tanh(g)), a stranger's."""

    name = "gated"
    inputs = ("drive", "gain")
    variables = {**RATE_VARIABLES, "gain": "what the rate is multiplied by"}

    def advance(self, backend, activation, state, draws, stream, *, gain):
        xp = backend.xp
        return xp.tanh(activation) * (1 + xp.tanh(gain)), {}

    def errors_back(self, backend, error_on_rate, error_on_state, activity):
        curve, factor = backend.xp.tanh(activity.activation), backend.xp.tanh(activity.inputs["gain"])
        on_gain = error_on_rate * curve * (1 - factor * factor)
        return error_on_rate * (1 - curve * curve) * (1 + factor), {}, {"gain": on_gain}


def gated(*, rule=None, gate_rule=None, neurons=None, **options):
    """Return x -> hidden, into drive and, twice, into gain, -> output."""
    populations = [Population("x", 4), Population("hidden", 3, neurons=neurons or Gated(), **options)]
    links = [Projection("x", "hidden", rule=rule), Projection("x", "hidden", name="gate", into="gain", rule=gate_rule)]
    links += [Projection("x", "hidden", name="more", into="gain", delay=1), Projection("hidden", "output")]
    return Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64", seed=1)


def test_each_input_is_the_sum_of_what_its_projections_bring():
    network = gated(noise=0.5, normalisation=BatchNormalisation(affine=False))
    first = network.sweep(X, training=True, draws=network.backend.draws(0, 0))
    second = network.sweep(X, first.state, training=True, draws=network.backend.draws(0, 1))
    w = {name: p.w for name, p in network.projections.items()}
    np.testing.assert_allclose(first["hidden"].value("gain"), X @ w["gate"], rtol=1e-12)  # without noise, and as it is
    np.testing.assert_allclose(second["hidden"].value("gain"), X @ w["gate"] + X @ w["more"], rtol=1e-12)
    assert not np.allclose(second.drive["hidden"], X @ w["x__hidden"])  # there is noise
    np.testing.assert_allclose(second["hidden"].activation.std(axis=0), 1, rtol=1e-3)
    expected = np.tanh(second["hidden"].activation) * (1 + np.tanh(second["hidden"].inputs["gain"]))
    np.testing.assert_allclose(second.rate["hidden"], expected, rtol=1e-12)


def test_an_input_in_which_nothing_arrives_is_zero():
    """The other one, and the drive itself; of an input population too."""
    populations = [Population("x", 4, neurons=Gated()), Population("a", 3, neurons=Gated()), Population("b", 3, neurons=Gated())]
    links = [Projection("x", "a"), Projection("x", "b", into="gain"), Projection("a", "output"), Projection("b", "output")]
    network = Network([*populations, Population("output", 2)], links, dtype="float64")
    sweep = network.sweep(X)
    np.testing.assert_array_equal(sweep["x"].inputs["gain"], np.zeros_like(X))
    np.testing.assert_array_equal(sweep["a"].inputs["gain"], np.zeros((7, 3)))
    np.testing.assert_array_equal(sweep.drive["b"], np.zeros((7, 3)))
    np.testing.assert_allclose(sweep.rate["a"], np.tanh(np.tanh(X) @ network.projections["x__a"].w), rtol=1e-12)


def test_rules_read_the_input_and_the_error_on_the_one_that_they_add_into():
    rule = PlasticityRule("dw = gain_post * rate_pre")
    network = gated(rule=rule, gate_rule=error_driven())
    sweep = network.sweep(X)
    error, on_gain = np.random.default_rng(1).normal(size=(2, 7, 3))
    teaching = {"hidden": Teaching(error, inputs={"gain": on_gain})}
    deltas, _ = network.propose(sweep, teaching)
    np.testing.assert_allclose(deltas["x__hidden.w"], X.T @ sweep["hidden"].inputs["gain"] / 7, rtol=1e-12)
    np.testing.assert_allclose(deltas["gate.w"], X.T @ on_gain / 7, rtol=1e-12)
    np.testing.assert_allclose(deltas["gate.b"], on_gain.mean(axis=0), rtol=1e-12)
    network.projections["x__hidden"].rule = error_driven()
    deltas, _ = network.propose(sweep, teaching)
    np.testing.assert_allclose(deltas["x__hidden.w"], X.T @ error / 7, rtol=1e-12)


def test_a_rule_rests_where_nothing_is_said_of_its_input():
    network = gated(rule=error_driven(), gate_rule=error_driven())
    sweep, error = network.sweep(X), np.ones((7, 3))
    assert set(network.propose(sweep, {"hidden": Teaching(error)})[0]) == {"x__hidden.w", "x__hidden.b"}
    assert set(network.propose(sweep, {"hidden": Teaching(inputs={"gain": error})})[0]) == {"gate.w", "gate.b", "more.w", "more.b"}
    reads_none = PlasticityRule("dw = rate_post * rate_pre")
    network.projections["gate"].rule = reads_none
    assert "gate.w" in network.propose(sweep, {"hidden": Teaching(error)})[0]


def test_errors_come_down_from_the_input_that_a_projection_adds_into():
    populations = [Population("x", 4), Population("below", 3, transfer="tanh"), Population("above", 2, neurons=Gated())]
    links = [Projection("x", "below"), Projection("below", "above"), Projection("below", "above", name="gate", into="gain")]
    network = Network([*populations, Population("output", 2)], [*links, Projection("above", "output")], dtype="float64")
    error, on_gain = np.random.default_rng(1).normal(size=(2, 7, 2))
    w = {name: p.w for name, p in network.projections.items()}
    both = network.error_from_above("below", {"above": Teaching(error, inputs={"gain": on_gain})})
    np.testing.assert_allclose(both, error @ w["below__above"].T + on_gain @ w["gate"].T, rtol=1e-12)
    one = network.error_from_above("below", {"above": Teaching(error)})
    np.testing.assert_allclose(one, error @ w["below__above"].T, rtol=1e-12)
    other = network.error_from_above("below", {"above": Teaching(inputs={"gain": on_gain})}, {"gate": np.ones((3, 2))})
    np.testing.assert_allclose(other, on_gain @ np.ones((2, 3)), rtol=1e-12)


def test_a_summary_says_into_what():
    lines = gated().summary().splitlines()
    assert "  more: x -> hidden all_to_all, bias, delay 1, into gain: dw = eta * error_post * rate_pre" in [
        line.partition(";")[0] for line in lines
    ]
    assert sum("into" in line for line in lines) == 2


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("into", "error", "said"),
    [
        ("gian", UnknownNameError, "^projection 'gate' into population 'hidden': input 'gian' is unknown: expected one of drive, "
         "gain; did you mean 'gain'[?]$"),
        ("rate", UnknownNameError, "input 'rate' is unknown"),
        ("x" * 10_000, UnknownNameError, "input 'xxx.* is unknown"),
        (3, InputError, "^projection 'gate': into 3: expected an input's name; give one such as 'drive'$"),
        (None, InputError, "into None: expected an input's name"),
    ],
)  # fmt: skip
def test_an_input_that_is_not_there(into, error, said):
    with pytest.raises(error, match=said) as caught:
        links = [Projection("x", "hidden"), Projection("x", "hidden", name="gate", into=into)]
        Network([Population("x", 4), Population("hidden", 3, neurons=Gated())], links)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_neurons_with_the_drive_alone_take_no_other():
    for made in ({"transfer": "tanh"}, {"neurons": Leaky()}):
        with pytest.raises(UnknownNameError, match="into population 'y': input 'gain' is unknown: expected one of drive$"):
            Network([Population("x", 4), Population("y", 3, **made)], [Projection("x", "y", into="gain")])


def declared(**attributes):
    return type("Declared", (Gated,), {"name": "declared", **attributes})()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"inputs": ("gain", "drive")}, r"inputs \('gain', 'drive'\): expected a tuple of names of which the drive is the first"),
        ({"inputs": ["drive", "gain"]}, "expected a tuple of names"),
        ({"inputs": "drive"}, "expected a tuple of names"),
        ({"inputs": ("drive", 3)}, "expected a tuple of names"),
        ({"inputs": ("drive", "gain", "gain")}, "expected each name once; leave one out"),
        ({"variables": RATE_VARIABLES}, r"input 'gain' is none of their variables \(drive, activation, rate\): expected all inputs "
         "there; add it"),
        ({"inputs": ("drive", "rate")}, "input 'rate': expected a name such as 'gain' that no state and nothing else"),
        ({"inputs": ("drive", "error")}, "input 'error': expected a name"),
        ({"inputs": ("drive", "a b")}, "input 'a b': expected a name"),
        ({"state": lambda self: {"gain": 0.0}}, "input 'gain': expected a name such as 'gain' that no state"),
        ({"advance": lambda self, backend, activation, state, draws, stream: (activation, {})},
         "advance does not take their inputs .*'gain'.*: expected advance\\(..., stream, \\*, gain\\); change it"),
    ],
)  # fmt: skip
def test_neurons_whose_inputs_are_not_what_they_declare(attributes, said):
    with pytest.raises(InputError, match=f"^population 'hidden': neurons 'declared'.*{said}") as caught:
        Network([Population("x", 4), Population("hidden", 3, neurons=declared(**attributes))], [Projection("x", "hidden")])
    assert "\n" not in str(caught.value)


def test_an_input_that_is_called_as_the_normalisation_s_gain():
    said = "population 'hidden': neurons 'gated' have an input 'gain', as its normalisation has: expected another name; rename it"
    with pytest.raises(InputError, match=said):
        gated(normalisation=BatchNormalisation())


@pytest.mark.parametrize("on_inputs", [(), ({},), ({"gian": 0.0},), ({"gain": 0.0, "drive": 0.0},)])
def test_neurons_that_return_no_error_on_an_input(on_inputs):
    neurons = declared(errors_back=lambda self, *_: (np.zeros((7, 3)), {}, *on_inputs))
    network = gated(neurons=neurons)
    sweep = network.sweep(X)
    said = "population 'hidden': neurons 'declared': errors_back returns errors on these inputs: .*: expected 'gain'; return"
    with pytest.raises(InputError, match=said):
        network.populations["hidden"].teach(np.ones((7, 3)), sweep["hidden"])


@pytest.mark.parametrize(("name", "into"), [("hidden", "gian"), ("hidden", "drive"), ("output", "gain")])
def test_a_teaching_of_an_input_that_is_not_there(name, into):
    network, error = gated(), np.ones((7, 3))
    known = "gain" if name == "hidden" else r"\(none\)"
    said = f"^teaching of population '{name}': input other than the drive '{into}' is unknown: expected one of {known}"
    with pytest.raises(UnknownNameError, match=said):
        network.propose(network.sweep(X), {name: Teaching(error, inputs={into: error})})


def test_a_rule_that_solves_for_the_weights_of_a_drive():
    with pytest.raises(InputError, match="projection 'gate': rule .* solves for the weights of a drive: into 'gain': expected"):
        gated(gate_rule=CoActivationMemory())
    with pytest.raises(InputError, match="solves for the weights of a drive: into 'gain'"):
        gated().projections["gate"].rule = CoActivationMemory()


def test_a_rule_that_reads_an_input_that_its_population_has_not():
    with pytest.raises(EquationError, match="gain_pre is no variable of population 'x'"):
        gated(rule=PlasticityRule("dw = gain_pre * rate_post"))


class GatedTanh(Tanh):
    """A curve with another input."""

    inputs, variables = Gated.inputs, Gated.variables
    advance, errors_back = Gated.advance, Gated.errors_back


@pytest.mark.parametrize("name", ["alternating_minimization", "difference_target_propagation", "synthetic_gradients"])
def test_schemes_of_chains_refuse_another_input(name):
    """Even where each two populations are joined by one projection."""
    populations = [Population("x", 4), Population("hidden", 3, transfer=GatedTanh()), Population("output", 2, transfer="softmax")]
    network = Network(populations, [Projection("x", "hidden", into="gain"), Projection("hidden", "output")])
    said = f"^scheme '{name}': projection 'x__hidden' adds into 'gain': expected all to add into the drive, as this scheme"
    with pytest.raises(ShapeError, match=said):
        pathway(name).attach(network, Classification(2), seed=0)


def test_neurons_that_are_no_curve_are_told_as_what_they_are():
    said = "population 'hidden': made of neurons 'gated', which keep a state: expected rate neurons without one"
    with pytest.raises(InputError, match=said):
        gated().populations["hidden"].transfer  # noqa: B018


def test_a_task_that_has_no_error_on_an_input_of_the_output():
    populations = [Population("x", 4), Population("hidden", 3, transfer="tanh"), Population("output", 2, neurons=Gated())]
    links = [Projection("x", "hidden"), Projection("hidden", "output"), Projection("hidden", "output", name="gate", into="gain")]
    network = Network(populations, links, dtype="float64")
    for name in ("backprop", "feedback_alignment", "direct_feedback_alignment", "frozen", "local_errors"):
        scheme = pathway(name, **({"loss": "pred"} if name == "local_errors" else {}))
        scheme.attach(network, Regression(2), seed=0)
        said = "^task 'regression': output population 'output' has an input 'gain', of which it has no error: expected projections"
        with pytest.raises(InputError, match=said):
            scheme.teach(network.sweep(X), X[:, :2], network.backend.draws(0, 0))
