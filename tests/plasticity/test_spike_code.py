"""The translation of rules into Brian2's language: what is worked out when, in which order, in which units, under which names."""

import brian2 as b2
import pytest
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_UNITS

from neurosim.equations import Quantity
from neurosim.errors import EquationError, InputError
from neurosim.plasticity import (
    CoActivationMemory,
    PlasticityRule,
    TsodyksMarkram,
    additive_stdp,
    reward_stdp,
    spike_code,
    triplet_stdp,
)
from neurosim.plasticity.spike_code import _free

TAU = {"tau": "20*ms"}


def of(equation, **options):
    return spike_code(PlasticityRule(equation, **options))


def test_pairs_of_spikes_are_written_as_one_writes_them_by_hand():
    code = spike_code(additive_stdp(), bounds=(0, 1), into="I_post")
    assert code.model.splitlines() == [
        "w : 1",
        "dpre_trace/dt = -pre_trace/tau_plus : 1 (event-driven)",
        "dpost_trace/dt = -post_trace/tau_minus : 1 (event-driven)",
    ]
    assert code.on_pre.splitlines() == ["I_post += w", "pre_trace += 1", "w = clip(w - A_minus*post_trace, w_min, w_max)"]
    assert code.on_post.splitlines() == ["post_trace += 1", "w = clip(w + A_plus*pre_trace, w_min, w_max)"]
    assert code.names == {"trace_pre": "pre_trace", "trace_post": "post_trace"} and code.method is None and code.amplitude == "w"
    assert code.constants["tau_plus"] == Quantity(0.02, (0, 0, 1, 0, 0, 0, 0), "20*ms") and code.constants["w_max"] == 1


def test_a_rate_of_a_spiking_population_is_its_spikes():
    rate, spike = (
        of(f"dw = t_pre * {name}_post", pre={"t": f"dt/dt = {name}_pre - t / tau"}, tau="20*ms") for name in ("rate", "spike")
    )
    assert rate == spike


def test_a_state_that_the_rest_reads_is_worked_out_in_every_tick():
    code = spike_code(reward_stdp())
    assert "dw/dt = eligibility*eta*reward : 1 (clock-driven)" in code.model and code.method == "euler"
    assert "deligibility/dt = -eligibility/tau_e : 1 (clock-driven)" in code.model
    assert "dpre_trace/dt = -pre_trace/tau_plus : 1 (event-driven)" in code.model, "only spikes read it"
    assert code.modulators == {"reward": "reward"} and "reward : 1 (shared)" in code.model
    timed = spike_code(reward_stdp(), timed=["reward"])
    assert "dw/dt = eligibility*eta*reward(t) : 1" in timed.model and "(shared)" not in timed.model


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("spike_pre - a / tau", "event"), ("spike_pre + (0.5 - a) / tau", "event"), ("spike_pre - a**2 / tau", "clock"),
        ("spike_pre - tanh(a) / tau", "clock"), ("spike_pre - a * gain_pre / tau", "clock"), ("(c - a) / tau", "clock"),
        ("spike_pre", None), ("(1 - a) * spike_pre", None),
    ],
)  # fmt: skip
def test_event_driven_is_what_decays_linearly_by_itself(state, kind):
    code = of("dw = a_pre * spike_post", pre={"a": f"da/dt = {state}", "c": "dc/dt = spike_pre"}, **(TAU if "tau" in state else {}))
    (line,) = (line for line in code.model.splitlines() if "pre_a" in line.partition("=")[0].partition(":")[0])
    assert line.endswith(f"({kind}-driven)") if kind else line == "pre_a : 1"


def test_states_take_their_increments_from_the_values_before():
    """b reads a, so it goes first; two that read each other are both worked out before either is changed."""
    code = of("dw = c_pre * spike_post", pre={"a": "da/dt = spike_pre", "c": "dc/dt = a * spike_pre"})
    assert code.on_pre.splitlines() == ["pre_c += pre_a", "pre_a += 1"]
    both = of("dw = c_pre * spike_post", pre={"a": "da/dt = c * spike_pre", "c": "dc/dt = 2 * a * spike_pre"})
    lines = ["added_pre_a = pre_c", "added_pre_c = 2*pre_a", "pre_a += added_pre_a", "pre_c += added_pre_c"]
    assert both.on_pre.splitlines() == lines


def test_a_spike_times_itself_is_a_spike():
    code = of("dw = (a_post - spike_post) * spike_post * d_pre", post={"a": "da/dt = spike_post"}, pre={"d": "dd/dt = spike_pre"})
    assert code.on_post.splitlines() == ["post_a += 1", "w += pre_d*(post_a - 1)"]
    square = of("dw = (spike_pre + 0.5)**2 - 0.25")  # 2.25 with a spike, and 0.25 without: 2 more
    assert square.on_pre == "w += 2.0" and square.model == "w : 1"


def test_short_term_plasticity_comes_before_the_weight_is_sent_and_changed():
    code = spike_code(additive_stdp(), into="g_post", short_term=TsodyksMarkram(0.2, "200*ms", "50*ms"))
    assert code.on_pre.splitlines() == [
        "u += U * (1 - u)", "released = u * R", "R -= released", "g_post += w * released", "pre_trace += 1",
        "w -= A_minus*post_trace",
    ]  # fmt: skip
    assert code.starts == {"R": 1.0} and {"U", "tau_d", "tau_f", "A_plus"} <= code.constants.keys()
    clash = PlasticityRule("dw = R * spike_pre * u", R=2.0, u=3.0)
    found = spike_code(clash, short_term=TsodyksMarkram(0.2, "200*ms", "50*ms"))
    assert "w += R_1*u_1" in found.on_pre and found.constants["R_1"] == 2.0


# ---------------------------------------------------------------------- units


def test_without_units_a_rule_counts_in_ticks():
    rule = additive_stdp(tau_plus=200, tau_minus=200)
    with pytest.raises(EquationError, match="^rule .*: its constants have no units, so it counts in ticks: expected to know"):
        spike_code(rule)
    code = spike_code(rule, dt=1e-4)
    assert "dpre_trace/dt = (-pre_trace/tau_plus) / tick : 1 (event-driven)" in code.model
    assert code.constants["tick"].value == 1e-4
    assert spike_code(PlasticityRule("dw = A * spike_pre", A=0.1)).model == "w : 1", "no time in it, no need to know"


def test_a_state_has_the_unit_that_its_equation_gives_it():
    rule = PlasticityRule(
        "dw = A * spike_pre * u_post", A="1/mV", **TAU,
        post={"u": "du/dt = (v_post - u) / tau", "r": "dr/dt = (spike_post - r) / tau"},
    )
    model = spike_code(rule, units={"v_post": "volt"}).model
    assert "(clock-driven)" in model and "post_u/dt = (-post_u + v_post)/tau : volt" in model and "tau : hertz" in model
    assert "w : siemens" in spike_code(PlasticityRule("dw = A * spike_pre", A="1*nS"), units={"w": "siemens"}).model


@pytest.mark.parametrize(
    ("equation", "options", "said"),
    [
        ("dw = eta * a_pre", {"eta": 1.0, **TAU}, "a_pre\\*eta is without a unit: expected 1 / second, as a change of w; give"),
        ("dw = eta * spike_pre * a_pre", {"eta": "1*mV", **TAU}, "a_pre\\*eta is in volt: expected none, as a change of w"),
        ("dw = (a_pre + c) * spike_pre", {"c": "1*mV", **TAU}, "a_pre is without a unit and c in volt: expected one unit"),
        ("dw = exp(c) * spike_pre * a_pre", {"c": "1*mV", **TAU}, "c in exp.c. is in volt: expected a number without a unit"),
    ],
)
def test_units_that_do_not_fit_are_named_in_one_line(equation, options, said):
    rule = PlasticityRule(equation, pre={"a": "da/dt = spike_pre - a / tau"}, **options)
    with pytest.raises(EquationError, match=f"^rule '.*': {said}[^\n]*$"):
        spike_code(rule)


def test_bounds_are_in_the_unit_of_the_weight():
    rule = PlasticityRule("dw = A * spike_pre", A="1*nS")
    for bounds in ((0, 5e-9), ("0*nS", "5*nS"), (0, 5 * b2.nS)):
        code = spike_code(rule, bounds=bounds, units={"w": "siemens"})
        assert code.constants["w_max"].value == pytest.approx(5e-9)
        assert code.constants["w_min"].dimensions == (-2, -1, 3, 2, 0, 0, 0)
    with pytest.raises(EquationError, match="bound '5\\*mV' of w, which is in siemens: expected the same unit"):
        spike_code(rule, bounds=(0, "5*mV"), units={"w": "siemens"})


def test_a_quantity_of_brian2_s_is_taken_as_text_is():
    ours, theirs = (spike_code(additive_stdp(tau_plus=tau)) for tau in ("20*ms", 20 * b2.ms))
    assert ours.constants["tau_plus"].value == theirs.constants["tau_plus"].value and ours.model == theirs.model


# ---------------------------------------------------------------------- names, and what cannot be translated


def test_no_name_means_something_else_to_brian2():
    known = {*DEFAULT_UNITS, *DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS, "t", "dt", "xi", "i", "j", "N", "lastupdate", "delay", "e_"}
    for name in known:
        found = _free(name, {"taken"})
        assert found not in known and not found.endswith("_") and not found.startswith("_") and found.isidentifier()
    assert _free("eta", {"x"}) == "eta" and _free("taken", {"taken", "taken_1"}) == "taken_2" and _free("é", {"x"}) == "x_1"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (PlasticityRule("dw = 0.1 * spike_pre * spike_post + spike_pre"), "0.1\\*spike_post\\*spike_pre needs both spikes in one"),
        (PlasticityRule("dw = tanh(spike_pre - spike_post)", method="explicit"), "tanh.* needs both spikes in one tick: expected"),
        (PlasticityRule("dw = error_post * spike_pre"), "error_post comes from a feedback pathway, and there is none: expected"),
        (PlasticityRule("dw = spike_pre", bias="db = 0.1 * rate_post"), "it changes a bias: expected neurons without one"),
        (CoActivationMemory(), "is no equation: expected a PlasticityRule"),
    ],
)
def test_what_cannot_be_translated_is_quoted_in_one_line(rule, said):
    with pytest.raises(EquationError, match=said) as found:
        spike_code(rule)
    assert "\n" not in str(found.value) and str(found.value).startswith("rule '")


def test_a_fit_that_is_not_there_is_named():
    with pytest.raises(InputError, match="triplet_stdp: fit 'cortex' is unknown: expected one of hippocampus"):
        triplet_stdp(fit="cortex")
    with pytest.raises(InputError, match="pairing 'next': expected 'all_to_all' or 'nearest'"):
        additive_stdp(pairing="next")
