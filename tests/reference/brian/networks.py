"""Brian2 networks, each built from its published equations: name -> a function that returns the network and what to compare."""

import brian2 as b2
import numpy as np
from brian2 import Hz, Mohm, cm, ms, msiemens, mV, nA, nS, pA, pF, psiemens, second, siemens, ufarad, umetre, volt  # noqa: F401


def cuba():
    """Brette et al. 2007, benchmark 2: 4,000 cells, exact integration."""
    namespace = {"taum": 20 * ms, "taue": 5 * ms, "taui": 10 * ms, "Vt": -50 * mV, "Vr": -60 * mV, "El": -49 * mV}
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (ge + gi - (v - El)) / taum : volt (unless refractory)
        dge/dt = -ge / taue : volt
        dgi/dt = -gi / taui : volt""",
        threshold="v > Vt", reset="v = Vr", refractory=5 * ms, method="exact", name="cells", namespace=namespace,
    )  # fmt: skip
    cells.v = "Vr + rand() * (Vt - Vr)"
    excite = b2.Synapses(cells, cells, on_pre="ge += 1.62*mV", name="excite")
    inhibit = b2.Synapses(cells, cells, on_pre="gi -= 9*mV", name="inhibit")
    excite.connect("i < 3200", p=0.02)
    inhibit.connect("i >= 3200", p=0.02)
    return b2.Network(cells, excite, inhibit), {}, ["cells.v", "cells.ge"]


def coba():
    """Brette et al. 2007, benchmark 1 with a current: conductances, parts of a group, delays, exponential Euler."""
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v) + I) / (200*pF) : volt (unless refractory)
        dge/dt = -ge / (5*ms) : siemens
        dgi/dt = -gi / (10*ms) : siemens
        I : amp""",
        threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exponential_euler", name="cells",
    )  # fmt: skip
    cells.v = "-60*mV + rand() * 10*mV"
    cells.I = "0.1*nA + 0.1*nA*rand()"
    excite = b2.Synapses(cells[:3200], cells, on_pre="ge += 6*nS", delay=1 * ms, name="excite")
    inhibit = b2.Synapses(cells[3200:], cells, on_pre="gi += 67*nS", delay=2 * ms, name="inhibit")
    excite.connect(p=0.02)
    inhibit.connect(p=0.02)
    return b2.Network(cells, excite, inhibit), {}, ["cells.v", "cells.gi"]


def cobahh():
    """Brette et al. 2007, benchmark 3: Hodgkin-Huxley cells."""
    area = 20000 * umetre**2
    namespace = {
        "Cm": 1 * ufarad * cm**-2 * area, "gl": 5e-5 * siemens * cm**-2 * area, "El": -60 * mV, "EK": -90 * mV, "ENa": 50 * mV,
        "g_na": 100 * msiemens * cm**-2 * area, "g_kd": 30 * msiemens * cm**-2 * area, "VT": -63 * mV,
    }  # fmt: skip
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (gl*(El-v) + ge*(0*mV-v) + gi*(-80*mV-v) - g_na*m**3*h*(v-ENa) - g_kd*n**4*(v-EK)) / Cm : volt
        dm/dt = alpha_m*(1-m) - beta_m*m : 1
        dn/dt = alpha_n*(1-n) - beta_n*n : 1
        dh/dt = alpha_h*(1-h) - beta_h*h : 1
        dge/dt = -ge / (5*ms) : siemens
        dgi/dt = -gi / (10*ms) : siemens
        alpha_m = 0.32*4/exprel((13*mV - v + VT)/(4*mV))/ms : Hz
        beta_m = 0.28*5/exprel((v - VT - 40*mV)/(5*mV))/ms : Hz
        alpha_h = 0.128*exp((17*mV - v + VT)/(18*mV))/ms : Hz
        beta_h = 4.0/(1 + exp((40*mV - v + VT)/(5*mV)))/ms : Hz
        alpha_n = 0.032*5/exprel((15*mV - v + VT)/(5*mV))/ms : Hz
        beta_n = 0.5*exp((10*mV - v + VT)/(40*mV))/ms : Hz""",
        threshold="v > -20*mV", refractory=3 * ms, method="exponential_euler", name="cells", namespace=namespace,
    )  # fmt: skip
    cells.v = "El + (randn() * 5 - 5)*mV"
    cells.ge = "(randn() * 1.5 + 4) * 10*nS"
    cells.gi = "(randn() * 12 + 20) * 10*nS"
    excite = b2.Synapses(cells[:3200], cells, on_pre="ge += 6*nS", name="excite")
    inhibit = b2.Synapses(cells[3200:], cells, on_pre="gi += 67*nS", name="inhibit")
    excite.connect(p=0.02)
    inhibit.connect(p=0.02)
    return b2.Network(cells, excite, inhibit), {}, ["cells.v", "cells.m"]


def brunel():
    """Brunel 2000, model A, at 4,000 cells: delta synapses, a delay, and a current in place of the Poisson input."""
    cells = b2.NeuronGroup(
        4000, "dv/dt = (I - v) / (20*ms) : volt (unless refractory)\nI : volt",
        threshold="v > 20*mV", reset="v = 10*mV", refractory=2 * ms, method="exact", name="cells",
    )  # fmt: skip
    cells.v = "rand() * 20*mV"
    cells.I = "21*mV + 3*mV*rand()"
    excite = b2.Synapses(cells[:3200], cells, on_pre="v_post += 0.1*mV", delay=1.5 * ms, name="excite")
    inhibit = b2.Synapses(cells[3200:], cells, on_pre="v_post -= 0.5*mV", delay=1.5 * ms, name="inhibit")
    excite.connect(p=0.05)
    inhibit.connect(p=0.05)
    return b2.Network(cells, excite, inhibit), {}, ["cells.v"]


def stdp():
    """Song, Miller and Abbott 2000, ten cells: event-driven traces, bounds, and a delay of its own for each synapse."""
    shown = np.random.default_rng(0).random((10_000, 1000)) < 15e-4
    ticks, inputs = np.nonzero(shown)
    afferents = b2.SpikeGeneratorGroup(1000, inputs, ticks * 0.1 * ms, name="afferents")
    cells = b2.NeuronGroup(
        10, "dv/dt = (ge * (0*mV - v) + -74*mV - v) / (10*ms) : volt\ndge/dt = -ge / (5*ms) : 1",
        threshold="v > -54*mV", reset="v = -60*mV", method="euler", name="cells",
    )  # fmt: skip
    cells.v = "-60*mV - rand()*14*mV"
    synapses = b2.Synapses(
        afferents, cells,
        """w : 1
        dApre/dt = -Apre / (20*ms) : 1 (event-driven)
        dApost/dt = -Apost / (20*ms) : 1 (event-driven)""",
        on_pre="ge += w\nApre += 1e-4\nw = clip(w + Apost, 0, 0.01)",
        on_post="Apost -= 1.05e-4\nw = clip(w + Apre, 0, 0.01)", name="synapses",
    )  # fmt: skip
    synapses.connect()
    synapses.w = "rand() * 0.01"
    synapses.pre.delay = "rand() * 5*ms"
    return b2.Network(afferents, cells, synapses), {}, ["cells.v", "synapses.w", "synapses.Apost"]


def adaptive_exponential():
    """Brette and Gerstner 2005, fifty cells over their f-I curve."""
    cells = b2.NeuronGroup(
        50,
        """dv/dt = (30*nS*(-70.6*mV - v) + 30*nS*2*mV*exp((v + 50.4*mV)/(2*mV)) + I - w) / (281*pF) : volt
        dw/dt = (4*nS*(v + 70.6*mV) - w) / (144*ms) : amp
        I : amp""",
        threshold="v > -40.4*mV", reset="v = -70.6*mV; w += 0.0805*nA", method="euler", name="cells",
    )  # fmt: skip
    cells.v = -70.6 * mV
    cells.I = np.linspace(0.5, 2.5, 50) * nA
    return b2.Network(cells), {}, ["cells.v", "cells.w"]


def izhikevich():
    """Izhikevich 2003, regular spiking, in the published steps of 1 ms."""
    cells = b2.NeuronGroup(
        200, "dv/dt = (0.04*v**2 + 5*v + 140 - u + I)/ms : 1\ndu/dt = 0.02*(0.2*v - u)/ms : 1\nI : 1",
        threshold="v >= 30", reset="v = -65; u += 8", method="euler", dt=1 * ms, name="cells",
    )  # fmt: skip
    cells.v, cells.u, cells.I = -65, -13, "rand()*20"
    return b2.Network(cells), {}, ["cells.v", "cells.u"]


def clock_driven():
    """Synapses whose own equation goes on in every tick, and read what both neurons do."""
    cells = b2.NeuronGroup(
        20, "dv/dt = (1.2 + 0.005*i - v) / (10*ms) : 1", threshold="v > 1", reset="v = 0", method="exact", name="cells",
    )  # fmt: skip
    synapses = b2.Synapses(
        cells, cells, "dx/dt = (v_pre*v_post - x) / (5*ms) : 1 (clock-driven)\nw : 1",
        on_pre="x += w; v_post += 0.01*x", method="euler", name="synapses",
    )  # fmt: skip
    synapses.connect("i != j")
    synapses.w = "rand() * 0.1"
    return b2.Network(cells, synapses), {}, ["cells.v", "synapses.x"]


def arrays_in_time():
    """TimedArrays of one and of many values, whose steps are no whole number of ticks; runge-kutta 4."""
    draws = np.random.default_rng(1)
    namespace = {
        "one": b2.TimedArray(draws.random(50) * 2, dt=20 * ms), "many": b2.TimedArray(draws.random((30, 20)) * 2, dt=0.33 * ms)
    }  # fmt: skip
    cells = b2.NeuronGroup(
        20, "dv/dt = (0.3 + one(t) + many(t, i) - v) / (10*ms) : 1", threshold="v > 1", reset="v = 0", method="rk4", name="cells",
    )  # fmt: skip
    return b2.Network(cells), namespace, ["cells.v"]


def several_pathways():
    """Two pathways and one back, delays of each; a refractory condition, a shared value, whole numbers and truth values."""
    cells = b2.NeuronGroup(
        30,
        """dv/dt = (I + 0.1*n - v + wave) / (10*ms) : 1
        I : 1 (shared)
        wave = 0.1*sin(3*v) : 1
        n : integer
        hot : boolean""",
        threshold="v > 1 + 0.1*int(hot)", reset="v = 0; n = (n + 1) % 5; hot = not hot", refractory="v < 0.4", method="euler",
        name="cells",
    )  # fmt: skip
    cells.v, cells.I, cells.n = "rand()", 1.6, "int(rand()*4)"
    synapses = b2.Synapses(
        cells, cells, "w : 1\nu : 1", on_pre={"one": "v_post += w; u += 1", "two": "u *= 0.9; v_post -= 0.5*w"},
        on_post="w = clip(w + 0.001*u, 0, 0.2)", name="synapses",
    )  # fmt: skip
    synapses.connect(p=0.3, n=2)
    synapses.w = "0.05*rand()"
    synapses.one.delay, synapses.two.delay, synapses.post.delay = "rand()*3*ms", 1 * ms, 0.7 * ms
    return b2.Network(cells, synapses), {}, ["cells.v", "cells.n", "cells.hot", "synapses.w", "synapses.u"]


NETWORKS = [
    several_pathways, cuba, coba, cobahh, brunel, stdp, adaptive_exponential, izhikevich, clock_driven, arrays_in_time,
]  # fmt: skip
