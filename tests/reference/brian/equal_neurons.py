"""Runs neurons in Brian2 and here, tick by tick with the same input, and prints a line of JSON for each: was all equal?

It is started as ``equal.py`` is, and for the same reason.  Arguments: how many ticks, and which neurons (default: all).
"""

import json
import sys

import brian2 as b2
import numpy as np

from neurosim.network import Network, Population, Projection
from neurosim.neurons import Equations, neurons
from neurosim.neurons.adex import PATTERNS, AdEx
from neurosim.neurons.izhikevich import KINDS

b2.prefs.codegen.target = "numpy"
np.set_printoptions(threshold=0, edgeitems=1)  # exprel of NumPy's target writes what it returns into a message that nobody reads
CELLS = 20
CASES = {  # neurons, dt, mean and deviation of the drive
    "lif": (lambda: neurons("lif"), "1*ms", 1.5, 1.5),
    "lif filtered": (lambda: neurons("lif", tau_syn="5*ms", subtract=False, refractory="2*ms"), "1*ms", 2, 3),
    "adaptive_lif": (lambda: neurons("adaptive_lif", refractory="5*ms"), "1*ms", 2, 3),
    "lif_current": (lambda: neurons("lif_current"), "0.1*ms", 3e-10, 3e-10),
    "lif_conductance": (lambda: neurons("lif_conductance"), "0.1*ms", 3e-10, 3e-10),
    "hodgkin_huxley": (lambda: neurons("hodgkin_huxley"), "0.1*ms", 3e-10, 3e-10),
    "pyramidal": (lambda: neurons("pyramidal"), "0.1*ms", 7e-10, 6e-10),
    "adex": (lambda: AdEx(), "0.1*ms", 1e-9, 5e-10),
    **{f"adex {p}": (lambda p=p: AdEx(pattern=p), "0.1*ms", AdEx.current(p), AdEx.current(p) / 2) for p in PATTERNS},
    **{f"izhikevich {k}": (lambda k=k: neurons("izhikevich", kind=k), "1*ms", 8, 4) for k in KINDS},
    "own, by Runge and Kutta": (
        lambda: Equations(
            "dv/dt = (drive - v + x**3 * tanh(x)) / tau : 1 (unless refractory)\ndx/dt = -x / tau2 : 1", threshold="v > 1",
            reset="v *= 0.3; x += 0.2 * exp(-v)", refractory="v > 0.6", method="rk4", start={"x": 0.4}, tau="10*ms", tau2="30*ms",
        ), "0.5*ms", 1.5, 3,
    ),
}  # fmt: skip


def ours(made, drives, dt):
    """Return (tick, neuron) of every spike, and the state at the end, of a network that is swept tick by tick."""
    links = [Projection("x", "cells", connectivity="one_to_one", initial=1.0, bias=False)]
    network = Network([Population("x", CELLS), Population("cells", CELLS, neurons=made)], links, dt=dt, dtype="float64")
    state, spikes = None, []
    for tick, drive in enumerate(drives):
        sweep = network.sweep(drive[None], state)
        state = sweep.state
        spikes += [(tick, int(neuron)) for neuron in np.flatnonzero(sweep["cells"].spike[0])]
    return spikes, {name: state[f"cells.{name}"][0] for name in made.states}, network.dt


def theirs(made, drives, dt):
    unit = {"A": b2.amp, "": 1}["A" if "drive : amp" in made.equations else ""]
    given = b2.TimedArray(drives * unit, dt=dt * b2.second)
    text = made.equations if "drive :" in made.equations else f"{made.equations}\ndrive : 1"
    cells = b2.NeuronGroup(
        CELLS, text, threshold=made.threshold, reset=made.reset, refractory=made.refractory or False, method=made.integrator,
        namespace={**made.constants, "given": given}, dt=dt * b2.second,
    )  # fmt: skip
    cells.run_regularly("drive = given(t, i)", when="start")
    for name in made.states:
        cells.variables[name].set_value(made.state()[name])
    monitor = b2.SpikeMonitor(cells)
    b2.Network(cells, monitor).run(len(drives) * dt * b2.second)
    ticks = np.round(np.asarray(monitor.t) / dt).astype(int)
    end = {name: np.asarray(cells.variables[name].get_value()) for name in made.states}
    return sorted(zip(ticks.tolist(), np.asarray(monitor.i).tolist(), strict=True)), end


for name in sys.argv[2:] or CASES:
    make, step, mean, deviation = CASES[name]
    drives = mean + deviation * np.random.default_rng(1).normal(size=(int(sys.argv[1]), CELLS))
    made = make()
    found, end, dt = ours(made, drives, step)
    expected, their_end = theirs(made, drives, dt)
    differ = [variable for variable in made.states if not np.array_equal(end[variable], their_end[variable])]
    print(json.dumps({"neurons": name, "spikes": len(expected), "equal": found == expected, "differ": differ}), flush=True)
