"""Every simulation that comes with the package: loads, is shown, and does what theory or its paper's own program says."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

from neurosim.backends import NumpyBackend
from neurosim.cli.simulating import shown
from neurosim.modelfile.building import build_network
from neurosim.modelfile.reading import simulations
from neurosim.modelfile.simulation import SimulationModel

MODELS = simulations()


@pytest.mark.parametrize("name", MODELS)
def test_loads_and_is_shown(name):
    model = SimulationModel.load(name)
    table = model.table
    assert table.paper.citation and table.paper.source and "checked" in table.paper.note
    text = "\n".join(shown(model))
    for said in (table.title, table.paper.citation, table.paper.note, "Hz, CV of intervals", "seed 1", "dv/dt = ", " -> "):
        assert said in text
    own = {one.name for one in table.network.populations}
    assert set(table.measured.populations) == own and all(f"{one} " in text for one in own)


BRUNEL = {"brunel-sr": (3, 20, 0.06), "brunel-ai": (5, 20, 0.04), "brunel-si-fast": (6, 40, 0.1), "brunel-si-slow": (4.5, 9, 0.3)}


def mean_field(g, external):
    """Return the rate in Hz at which Brunel's (2000) equations for uncorrelated input are consistent, of model A."""
    count, jump, tau, theta, reset, pause = 1000, 0.1, 0.02, 20.0, 10.0, 0.002

    def answer(rate):
        mean = count * jump * tau * (external + rate * (1 - g / 4))
        spread = jump * np.sqrt(count * tau * (external + rate * (1 + g**2 / 4)))
        waiting = quad(lambda u: erfcx(-u), (reset - mean) / spread, (theta - mean) / spread)[0]
        return 1 / (pause + tau * np.sqrt(np.pi) * waiting)

    return brentq(lambda rate: answer(rate) - rate, 1, 450)


@pytest.mark.parametrize("name", BRUNEL)
def test_brunels_states_fire_as_the_mean_field_says(name):
    """The looser ones are synchronous, which the equations leave out."""
    g, external, share = BRUNEL[name]
    model, expected = MODELS[name], mean_field(g, external)
    assert f"give {expected:.1f} Hz" in model["paper"]["note"]
    assert model["network"]["projections"][2]["initial"] == f"{-0.1 * g:g}*mV"
    assert {one["rate"] for one in model["simulation"]["poisson"]} == {f"{external}*Hz"}
    for of in model["measured"]["populations"].values():
        assert of["rate"] == pytest.approx(expected, rel=share)


def test_the_states_differ_as_they_are_called():
    of = {name: MODELS[name]["measured"]["populations"]["e"] for name in BRUNEL}
    assert of["brunel-sr"]["cv"] < 0.05 and of["brunel-si-fast"]["cv"] > 0.8
    assert of["brunel-ai"]["synchrony"] == min(one["synchrony"] for one in of.values())


def test_izhikevichs_network_steps_as_the_papers_program_does():
    """The program: spikes reset, then what arrives is added, then v in two half steps, then u with the new v."""
    smaller = [f"network.populations.{k}.shape={n}" for k, n in enumerate((40, 10))]
    table = SimulationModel.load("izhikevich-2003", smaller).table.network
    network = build_network(table, (), (), seed=3, backend=NumpyBackend())
    draw = np.random.default_rng(1)
    r, push = {"e": draw.random(40), "i": draw.random(10)}, {"e": 10 * draw.random(40), "i": 6 * draw.random(10)}
    start = {name: np.full(len(one), -65.0) for name, one in r.items()}
    b = np.r_[np.full(40, 0.2), 0.25 - 0.05 * r["i"]]
    initial = {f"{name}.{key}": of[name] for key, of in (("r", r), ("I", push), ("v", start)) for name in "ei"}
    u = b * -65
    initial |= {"e.u": u[:40], "i.u": u[40:]}
    run = network.run(0.3, initial=initial)
    a = np.r_[np.full(40, 0.02), 0.02 + 0.08 * r["i"]]
    c, d = np.r_[-65 + 15 * r["e"] ** 2, np.full(10, -65)], np.r_[8 - 6 * r["e"] ** 2, np.full(10, 2)]
    weights = np.zeros((50, 50))
    for p in network.projections.values():
        pre, post = p.synapses()
        weights[pre + 40 * (p.pre == "i"), post + 40 * (p.post == "i")] = p.weights()
    v, constant, fired = np.full(50, -65.0), np.r_[push["e"], push["i"]], []
    for tick in range(300):
        spiking = v >= 30
        fired += [(tick - 1, k) for k in np.flatnonzero(spiking)]  # found when the step before has ended
        v[spiking], u[spiking] = c[spiking], u[spiking] + d[spiking]
        current = constant + weights[spiking].sum(axis=0)
        for _ in range(2):
            v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u = u + a * (b * v - u)
    trains = {name: zip(run.spikes[name].tick, run.spikes[name].index, strict=True) for name in "ei"}
    ours = sorted((int(t), int(k) + 40 * (name == "i")) for name, train in trains.items() for t, k in train)
    assert len(fired) > 100 and [one for one in ours if one[0] < 299] == fired


def test_plasticity_brings_rates_near_where_they_are_known_to_go():
    """Of the numbers measured: the target of inhibitory plasticity is 3 Hz; competition leaves a cell irregular."""
    assert 2.9 < MODELS["vogels-sprekeler"]["measured"]["populations"]["e"]["rate"] < 6
    cell = MODELS["song-miller-abbott"]["measured"]["populations"]["cell"]
    assert 5 < cell["rate"] < 20 and 0.7 < cell["cv"] < 1.1
