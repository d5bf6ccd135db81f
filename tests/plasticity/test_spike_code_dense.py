"""Random rules of the language: their events give what a simulation gives that works out everything in every tick."""

import functools
import math
import re

import brian2 as b2
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import neurosim.brian
from neurosim.equations import FUNCTIONS
from neurosim.plasticity import PlasticityRule, spike_code

TICKS, N_PRE, N_POST, DT = 80, 3, 2, 1e-3
DRAW = np.random.default_rng(5)
SPIKES = {"pre": DRAW.random((TICKS, N_PRE)) < 0.15, "post": DRAW.random((TICKS, N_POST)) < 0.15}
TIMES = {"tau": 0.007, "tau_c": 0.02, "tau_w": 0.3}
CONSTANTS = {"A": 0.3, "B": -0.2, "N": 1.5, "ms": 0.4}  # of which two are Brian2's own names
BOUNDS = (-0.4, 0.7)


pytestmark = pytest.mark.usefixtures("numpy_target")


# ---------------------------------------------------------------------- random rules

OF_PRE = st.sampled_from(["a_pre", "d_pre", "(a_pre - spike_pre)", "(1 - d_pre)", "tanh(a_pre)", "A"])
OF_POST = st.sampled_from(["c_post", "(c_post - spike_post)", "(B - c_post)", "int(c_post > 0.5)", "N"])
OF_SYNAPSE = st.sampled_from(["e", "w", "(1 - w)", "sin(e + a_pre)", "ms", "0.5", "a_pre * c_post", "(w - e)**2"])
FACTORS = {"pre": st.one_of(OF_POST, OF_SYNAPSE, OF_PRE), "post": st.one_of(OF_PRE, OF_SYNAPSE, OF_POST)}
LOCAL = {"pre": st.one_of(st.sampled_from(["1", "A", "(1 - a)", "(1 - d)", "d", "(a + 0.1)"])),
         "post": st.one_of(st.sampled_from(["1", "N", "(1 - c)", "0.5 * c"]))}  # fmt: skip


def event(side, factors):
    """Return a term with a spike of ``side``; nothing in it may read the other side's spike."""
    other = "post" if side == "pre" else "pre"
    wanted = factors.filter(lambda text: f"spike_{other}" not in text)
    return st.lists(wanted, max_size=2).map(lambda parts: " * ".join([f"spike_{side}", *parts]))


def steady(factors, time):
    wanted = factors.filter(lambda text: "spike" not in text)
    return st.lists(wanted, min_size=1, max_size=2).map(lambda parts: f"{' * '.join(parts)} / {time}")


def summed(*terms):
    return st.tuples(st.lists(st.one_of(*terms), min_size=1, max_size=3), st.sampled_from(["0.1 * ", "-0.2 * "])).map(
        lambda drawn: " + ".join(drawn[1] + term for term in drawn[0])
    )


EITHER = st.one_of(FACTORS["pre"], FACTORS["post"])
EVENTS = event("pre", FACTORS["pre"]), event("post", FACTORS["post"])
RULES = st.fixed_dictionaries(
    {
        "dw": st.one_of(summed(*EVENTS), summed(*EVENTS, steady(EITHER, "tau_w"))),
        "a": event("pre", LOCAL["pre"]), "d": event("pre", LOCAL["pre"]), "c": event("post", LOCAL["post"]),
        "e": summed(*EVENTS), "decay": st.sampled_from(["tau", "tau_c"]), "bounded": st.booleans(),
        "more": st.sampled_from(["", " + a / tau_c", " - tanh(d) / tau", " + 0.1 / tau"]),
    }
)  # fmt: skip


def made(drawn):
    """Return the texts of a rule: w's and the states', by the names with which equations write them."""
    return {
        "w": drawn["dw"],
        "a_pre": f"{drawn['a']} - a / tau",
        "d_pre": f"{drawn['d']} - d / {drawn['decay']}{drawn['more']}",
        "c_post": f"{drawn['c']} - c / {drawn['decay']}",
        "e": f"{drawn['e']} - e / tau_c",
    }


def rule_of(texts):
    used = {name for text in texts.values() for name in re.findall(r"\w+", text)}
    constants = {name: f"{value!r}*second" for name, value in TIMES.items()} | CONSTANTS
    states = {
        side: {name: (f"d{name}/dt = {texts[full]}", 0.2) for name, full in names.items()}
        for side, names in {"pre": {"a": "a_pre", "d": "d_pre"}, "post": {"c": "c_post"}, "synapse": {"e": "e"}}.items()
    }
    return PlasticityRule(
        f"dw = {texts['w']}", method="explicit", **states, **{name: constants[name] for name in constants.keys() & used}
    )


def functions():
    found = {name: functools.partial(function.array, np) for name, function in FUNCTIONS.items()}
    return found | {"int": lambda value: np.asarray(value, float)}


@functools.cache
def compiled(text):
    return compile(text.strip(), "<equation>", "eval")


# ---------------------------------------------------------------------- every tick, every synapse


def dense(texts, clocked, bounds):
    """Return w and the states after TICKS: (n_pre, n_post) each, with Python's own evaluation of the texts."""
    scope = functions()
    values = {name: np.full((N_PRE, N_POST), 0.2) for name in texts}
    ranges = bounds or (-math.inf, math.inf)

    def change(name, pre=0.0, post=0.0, **instead):
        now = values | instead
        bare = {full.partition("_")[0]: value for full, value in now.items()}
        spikes = {"spike_pre": pre, "spike_post": post}
        return np.broadcast_to(eval(compiled(texts[name]), scope | TIMES | CONSTANTS | bare | now | spikes), (N_PRE, N_POST))

    for tick in range(TICKS):
        stepped = {name: values[name] + DT * change(name) for name in clocked}
        if "w" in stepped:
            stepped["w"] = np.clip(stepped["w"], *ranges)
        values |= stepped
        for name in values.keys() - set(clocked) - {"w"} if tick else ():  # linear in itself: exactly
            offset = change(name, **{name: np.zeros((N_PRE, N_POST))})
            slope = change(name, **{name: np.ones((N_PRE, N_POST))}) - offset
            values[name] = values[name] * np.exp(DT * slope) + offset / slope * (np.exp(DT * slope) - 1)
        for side in ("pre", "post"):
            spiked = SPIKES["pre"][tick][:, None] if side == "pre" else SPIKES["post"][tick][None, :]
            added = {name: change(name, **{side: 1.0}) - change(name) for name in values if name != "w"}
            values |= {name: np.where(spiked, values[name] + added[name], values[name]) for name in added}
            w = np.clip(values["w"] + change("w", **{side: 1.0}) - change("w"), *ranges)
            values["w"] = np.where(spiked, w, values["w"])
    return values


def in_brian2(code):
    """Return the variables of the code after TICKS, by name, and when each synapse was last worked out, as Brian2 has them."""
    groups = []
    for side, size in (("pre", N_PRE), ("post", N_POST)):
        when, which = np.nonzero(SPIKES[side])
        groups.append(b2.SpikeGeneratorGroup(size, which, when * DT * b2.second, dt=DT * b2.second))
    synapses = neurosim.brian.plastic_synapses(code, *groups, dt=DT * b2.second)
    synapses.w = 0.2
    b2.Network(*groups, synapses).run(TICKS * DT * b2.second, namespace={})
    found = {name: np.asarray(getattr(synapses, name)).reshape(N_PRE, N_POST) for name in ["w", *code.names.values()]}
    return found, np.asarray(synapses.lastupdate).reshape(N_PRE, N_POST) / DT


def by_hand(code):
    """Do as Brian2 does with the code's text, in a few lines: a test of many rules takes seconds in place of minutes."""
    scope = functions()
    scope |= {name: getattr(value, "value", value) for name, value in code.constants.items()} | {"dt": DT}
    found = {name: np.full((N_PRE, N_POST), 0.2) for name in ["w", *code.names.values()]}
    equations = re.findall(r"d(\w+)/dt = (.*) : 1 \((\w+)-driven\)", code.model)
    last = np.zeros((N_PRE, N_POST))
    for tick in range(TICKS):
        steps = {name: found[name] + DT * eval(compiled(text), scope | found) for name, text, kind in equations if kind == "clock"}
        found |= steps
        for side, statements in (("pre", code.on_pre), ("post", code.on_post)):
            spiked = np.broadcast_to(SPIKES["pre"][tick][:, None] if side == "pre" else SPIKES["post"][tick], (N_PRE, N_POST))
            now = found | {name: late(found[name], text, name, scope, (tick - last) * DT) for name, text, kind in equations
                           if kind == "event"}  # fmt: skip
            for line in statements.splitlines():
                name, operator, text = line.split(" ", 2)
                value = eval(compiled(text), scope | now)
                now[name] = {"=": value, "+=": now.get(name, 0) + value, "-=": now.get(name, 0) - value}[operator]
            found = {name: np.where(spiked, now[name], value) for name, value in found.items()}
            last = np.where(spiked, tick, last)
    return found, last


def late(value, text, name, scope, time):
    """Return a linear equation's value after some time."""
    offset = eval(compiled(text), scope | {name: 0.0})
    slope = eval(compiled(text), scope | {name: 1.0}) - offset
    return value * np.exp(slope * time) + offset / slope * (np.exp(slope * time) - 1)


def compare(drawn, run):
    texts = made(drawn)
    bounds = BOUNDS if drawn["bounded"] else None
    code = spike_code(rule_of(texts), bounds=bounds)
    flags = dict(re.findall(r"d(\w+)/dt = .* \((event|clock)-driven\)", code.model))
    clocked = [name for name in texts if flags.get("w" if name == "w" else code.names[name]) == "clock"]
    with np.errstate(all="ignore"):
        expected = dense(texts, clocked, bounds)
        if not all(np.abs(value).max() < 1e6 for value in expected.values()):  # NaN, and what exploded
            return
        found, last = run(code)
    for name, value in expected.items():
        called = "w" if name == "w" else code.names[name]
        mine = found[called]
        if flags.get(called) == "event":  # it was last worked out at a spike
            rate = -1 / TIMES["tau" if name == "a_pre" else "tau_c" if name == "e" else drawn["decay"]]
            drift = 0.1 / TIMES["tau"] if name == "d_pre" and "0.1" in drawn["more"] else 0.0
            grown = np.exp(rate * (TICKS - 1 - last) * DT)
            mine = mine * grown + drift / rate * (grown - 1)
        np.testing.assert_allclose(mine, value, rtol=1e-9, atol=1e-9, err_msg=f"{name}\n{texts}\n{code.model}\n{code.on_pre}")


QUIET = {
    "deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "phases": [Phase.explicit, Phase.generate],
}  # fmt: skip


@settings(max_examples=20, **QUIET)
@given(RULES)
def test_events_give_what_every_tick_gives(drawn):
    compare(drawn, by_hand)


@pytest.mark.slow
@settings(max_examples=100, **QUIET)
@given(RULES)
def test_events_give_what_every_tick_gives_in_many_rules(drawn):
    compare(drawn, by_hand)


@pytest.mark.slow
@settings(max_examples=15, **QUIET)
@given(RULES)
def test_brian2_gives_what_every_tick_gives(drawn):
    compare(drawn, in_brian2)
