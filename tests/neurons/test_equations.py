"""Neurons as equations: the order within a tick, refractoriness, errors sent back beside finite differences, and faults of dt."""

import brian2
import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.errors import EquationError, InputError
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Equations, neurons
from neurosim.neurons.surrogates import Logistic
from neurosim.plasticity import PlasticityRule

BACKEND = NumpyBackend()
BETA = 3.0
SMOOTH = Logistic(beta=BETA)
LEAK = "dv/dt = (drive - v) / tau : 1"
BOUND = {"threshold": "v > 1", "reset": "v = 0", "tau": "10*ms"}


def population(made, dt=1e-3, n=1):
    found = Population("p", (n,), neurons=made)
    found.build(BACKEND, np.float64, dt)
    return found


def run(made, drives, arriving=None, dt=1e-3):
    """Return the activity of each tick; drives : (ticks, batch, n)."""
    cells, state, found = population(made, dt, drives.shape[-1]), None, []
    for tick, drive in enumerate(drives):
        inputs = {name: values[tick] for name, values in (arriving or {}).items()}
        found.append(cells.respond(drive, state, inputs=inputs))
        state = found[-1].state
    return cells, found


# ---------------------------------------------------------------------- one tick


def test_what_arrives_is_added_then_integrated_then_compared_then_reset():
    _, (first, second) = run(Equations(LEAK, method="euler", **BOUND), np.zeros((2, 1, 1)), {"v": np.full((2, 1, 1), 1.12)})
    assert first.rate == 1 and first.state["v"] == 0  # 1.12 * 0.9 = 1.008, above 1
    assert second.rate == 1
    _, (below,) = run(Equations(LEAK, method="euler", **BOUND), np.zeros((1, 1, 1)), {"v": np.full((1, 1, 1), 1.1)})
    assert below.rate == 0 and below.state["v"] == pytest.approx(0.99)
    assert below.value("v") is below.state["v"] and below.value("spike") is below.rate


@pytest.mark.parametrize("still", [True, False])
def test_a_refractory_neuron_does_not_spike_and_may_stand_still(still):
    text = f"{LEAK}{' (unless refractory)' if still else ''}"
    made = Equations(text, method="euler", refractory="3*ms", **BOUND)
    arriving = np.zeros((8, 1, 1))
    arriving[2] = 0.5
    _, found = run(made, np.full((8, 1, 1), 20.0), {"v": arriving})  # 20 / 10 lifts v above 1 in one tick
    assert [int(a.rate.item()) for a in found] == [1, 0, 0, 1, 0, 0, 1, 0]
    assert [a.state["v"].item() == 0 for a in found[:3]] == [True, still, still]
    assert [a.passing["slope"].item() == 0 for a in found] == [False, True, True, False, True, True, False, True]


def test_a_condition_for_refractoriness():
    made = Equations("dv/dt = (drive - v) / tau : 1", refractory="v > 0.5", method="euler", threshold="v > 1", tau="10*ms")
    drives = np.array([20.0, 20.0, 0, 0, 0, 0, 0, -30.0, 20.0, 20.0]).reshape(-1, 1, 1)
    _, found = run(made, drives)
    assert [int(a.rate.item()) for a in found] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_constants_as_text_as_quantities_and_as_numbers_are_the_same():
    text = "dv/dt = (E - v + R * drive) / tau : volt\ndrive : amp"
    options = {"threshold": "v > E + 10*mV", "reset": "v = E", "start": {"v": "E"}}
    texts = Equations(text, E="-65*mV", R="100*Mohm", tau="10*ms", **options)
    quantities = Equations(text, E=-65 * brian2.mV, R=100 * brian2.Mohm, tau=10 * brian2.ms, **options)
    assert texts.constants == quantities.constants and quantities.options() != texts.options()
    assert Equations(**quantities.options()).constants == texts.constants
    assert texts.constants["tau"] == 10 * brian2.ms and texts.integrator == "exact"
    drives = np.random.default_rng(0).normal(2e-10, 1e-10, (50, 1, 4))
    for one, other in zip(run(texts, drives)[1], run(quantities, drives)[1], strict=True):
        np.testing.assert_array_equal(one.state["v"], other.state["v"])
    assert population(texts).neurons.state() == {"v": -0.065}


# ---------------------------------------------------------------------- errors

ADEX = {"pattern": "adaptation", "surrogate": SMOOTH}
CASES = {  # neurons, dt, size of the drive, variable that input arrives in and its size
    "lif": (lambda: neurons("lif", tau="5*ms", surrogate=SMOOTH), 1e-3, 1.0, "v", 0.1),
    "lif filtered": (
        lambda: neurons("lif", tau="5*ms", tau_syn="3*ms", subtract=False, refractory="2*ms", surrogate=SMOOTH),
        1e-3, 2.0, "I", 0.1,
    ),
    "adaptive_lif": (lambda: neurons("adaptive_lif", tau="5*ms", surrogate=SMOOTH), 1e-3, 1.5, "v", 0.1),
    "lif_current": (lambda: neurons("lif_current", surrogate=SMOOTH), 1e-3, 5e-10, "I", 1e-10),
    "lif_conductance": (lambda: neurons("lif_conductance", surrogate=SMOOTH), 1e-3, 5e-10, "g_e", 2e-9),
    "adex": (lambda: neurons("adex", **ADEX), 5e-4, 3e-9, "v", 1e-4),
    "izhikevich": (lambda: neurons("izhikevich", surrogate=SMOOTH), 1e-3, 30.0, "v", 1.0),
    "hodgkin_huxley": (lambda: neurons("hodgkin_huxley", surrogate=SMOOTH), 1e-4, 2e-9, "g_i", 1e-9),
    "pyramidal": (lambda: neurons("pyramidal", surrogate=SMOOTH), 1e-3, 2e-9, "I_d", 4e-10),
    "by Runge and Kutta": (
        lambda: Equations(
            "dv/dt = (drive - v + x**2 / (1 + x)) / tau : 1 (unless refractory)\ndx/dt = -x / tau : 1\nx2 = x * tanh(x) : 1",
            threshold="v > 1 + x2", reset="v *= 0.3; x += 0.2 * exp(-v)", refractory="2*ms", method="rk4", start={"x": 0.4},
            surrogate=SMOOTH, tau="10*ms",
        ), 1e-3, 2.0, "v", 0.1,
    ),
}  # fmt: skip
TICKS = 25


@pytest.mark.parametrize("case", CASES)
def test_errors_back_are_the_derivative_of_a_trial_with_smooth_spikes(case):
    """Where a spike is a logistic function of the distance to the threshold, and resets are those that were."""
    make, dt, size, variable, arriving = CASES[case]
    made, draw = make(), np.random.default_rng(1)
    drives = size * np.abs(draw.normal(1, 0.7, (TICKS, 2, 3)))
    inputs = {variable: arriving * np.abs(draw.normal(size=drives.shape))}
    weights = draw.normal(size=drives.shape)
    cells, found = run(made, drives, inputs, dt)
    spikes = [a.rate for a in found]
    assert 4 < sum(map(np.sum, spikes)) < 0.9 * drives.size

    unmoved = []  # the smooth spikes of each tick, from the first call on

    def loss(drives, inputs):
        state, total = {name: np.full(drives[0].shape, value) for name, value in cells.neurons.state().items()}, 0.0
        for tick, drive in enumerate(drives):
            values = cells.neurons._tick(drive, state, {variable: inputs[variable][tick]})
            x = cells.neurons._distance.run(values.here, np.float64)["distance"] / cells.neurons._scale
            smooth = 1 / (1 + np.exp(-BETA * x))
            unmoved.extend([smooth] if len(unmoved) == tick else [])
            total += np.sum(weights[tick] * (smooth if values.may_spike is None else smooth * values.may_spike))
            after = {name: np.where(spikes[tick] == 1, values.reset.get(name, one), one) for name, one in values.moved.items()}
            for name in cells.neurons.through_spike:
                after[name] = after[name] + (smooth - unmoved[tick]) * (values.reset[name] - values.moved[name])
            state = found[tick].state | after
        return total

    loss(drives, inputs)
    on_state, on_drive, on_input = {}, np.zeros_like(drives), np.zeros_like(drives)
    for tick in reversed(range(TICKS)):
        on_drive[tick], on_state, others = cells.errors_back(weights[tick], on_state, found[tick])
        on_input[tick] = others[variable]
    for values, errors, change in ((drives, on_drive, "drive"), (inputs[variable], on_input, variable)):
        assert np.count_nonzero(errors) > errors.size / 3
        for _ in range(12):
            direction = draw.normal(size=values.shape) * np.abs(values).mean()
            sides = []
            for sign in (1e-5, -1e-5):
                moved = values + sign * direction
                sides.append(loss(moved, inputs) if change == "drive" else loss(drives, {variable: moved}))
            expected = (sides[0] - sides[1]) / 2e-5
            parts = errors * direction
            np.testing.assert_allclose(np.sum(parts), expected, rtol=1e-5, atol=1e-7 * np.abs(parts).sum())


def test_a_threshold_of_two_conditions_has_no_slope():
    cells, found = run(Equations(LEAK, **{**BOUND, "threshold": "v > 1 and v < 3"}), np.ones((1, 1, 1)))
    assert "slope" not in cells.neurons.variables
    with pytest.raises(InputError, match="has no slope: expected one comparison"):
        cells.errors_back(np.ones((1, 1)), {}, found[0])


# ---------------------------------------------------------------------- networks


def network(made, dt="1*ms", into="drive", rule="error_driven", delay=0):
    links = [Projection("x", "cells", into=into), Projection("cells", "output", rule=rule, delay=delay)]
    return Network([Population("x", 3), Population("cells", 4, neurons=made), Population("output", 2)], links, dt=dt)


def test_a_network_says_how_long_a_tick_is():
    assert "tick  1 ms" in network(neurons("lif")).summary()
    assert network(neurons("lif"), dt=1 * brian2.ms).dt == network(neurons("lif"), dt=1e-3).dt == 1e-3
    shared = neurons("lif")
    slow, fast = (network(shared, dt).populations["cells"].neurons for dt in ("2*ms", "0.5*ms"))
    drive, zero = np.ones((1, 1)), {"v": np.zeros((1, 1))}
    steps = [one.advance(BACKEND, drive, zero, None, "")[1]["v"].item() for one in (slow, fast)]
    np.testing.assert_allclose(steps, [1 - np.exp(-0.1), 1 - np.exp(-0.025)])


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        ("lif", {"dt": None}, r"population 'cells': neurons 'lif' are equations in time.*Network\(..., dt='0.1\*ms'\)"),
        ("lif", {"dt": "1*mV"}, "network: dt '1\\*mV': no time"),
        ("lif", {"dt": 0}, "network: dt 0: expected a positive time"),
        ("lif", {"into": "I"}, "input 'I' is unknown: expected one of drive, v"),
        (Equations(LEAK, method="euler", **BOUND), {"dt": "21*ms"}, "dt 21 ms is too large for 'v', whose time constant is 10 ms"),
        (Equations(LEAK, method="rk4", **BOUND), {"dt": "28*ms"}, "dt 28 ms is too large for 'v', whose time constant is 10 ms"),
        (
            Equations("dv/dt = (I - v) / tau : 1\ndI/dt = -I / tau_s : 1", method="euler", tau_s="0.4*ms", **BOUND),
            {"dt": "1*ms", "into": "I"},
            "too large for 'I', whose time constant is 0.4 ms",
        ),
        (
            Equations("dv/dt = (I - v) / tau : 1\ndI/dt = -I / tau_s : 1", tau_s="4*ms", **BOUND),
            {},
            "its equations do not name the drive: expected one of v, I",
        ),
        ("adex", {"dt": "20*ms"}, "neurons 'adex': dt 20 ms is too large for 'v'"),
        (
            Equations("dv/dt = (I - v) / tau : 1\ndI/dt = (drive - I) / tau_s : 1", method="exact", tau_s="10*ms", **BOUND),
            {},
            "divides by 0: expected time constants that differ",
        ),
    ],
)
def test_a_network_that_cannot_be(made, options, said):
    with pytest.raises(InputError, match=said) as caught:
        network(made, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dt", ["19*ms", "0.1*ms"])
def test_steps_that_decay_are_taken(dt):
    network(Equations(LEAK, method="euler", **BOUND), dt)


def test_rules_read_spikes_states_and_slopes():
    rule = PlasticityRule("dw = 0.1 * spike_pre * slope_pre * v_pre * rate_pre * error_post")
    made = network(neurons("lif"), rule=rule)
    assert set(made.populations["cells"].neurons.variables) == {"drive", "rate", "spike", "v", "slope"}
    network(neurons("lif"), rule=PlasticityRule("dw = 0.1 * spike_pre * error_post"), delay=2)
    with pytest.raises(EquationError, match="v_pre is no variable"):
        network(neurons("lif"), rule=PlasticityRule("dw = 0.1 * v_pre * error_post"), delay=2)
