"""Synapses that learn in several phases of a step."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.network import Network, Teaching
from neurosim.plasticity import PlasticityRule


def taught(seed=0):
    """Return a network, its sweep, and two phases with errors and rates of their own."""
    network, draw = Network.layered((4,), [3], 2, dtype="float64"), np.random.default_rng(seed)
    phases = []
    for _ in range(2):
        hidden = Teaching(draw.normal(size=(5, 3)), draw.normal(size=(5, 3)), rate=draw.normal(size=(5, 3)))
        phases.append({"hidden1": hidden, "output": Teaching(*draw.normal(size=(2, 5, 2)))})
    teaching = {name: Teaching.of([phase[name] for phase in phases]) for name in phases[0]}
    return network, network.sweep(draw.normal(size=(5, 4))), phases, teaching


def test_changes_of_all_phases_are_summed():
    network, sweep, phases, teaching = taught()
    found = network.propose(sweep, teaching)[0]
    at_output = sum(phase["hidden1"].rate.T @ phase["output"].error for phase in phases) / 5
    np.testing.assert_allclose(found["hidden1__output.w"], at_output, rtol=1e-12)
    below = sweep.rate["x"].T @ (phases[0]["hidden1"].error + phases[1]["hidden1"].error) / 5
    np.testing.assert_allclose(found["x__hidden1.w"], below, rtol=1e-12)
    np.testing.assert_allclose(found["x__hidden1.b"], teaching["hidden1"].error.mean(axis=0), rtol=1e-12)


def test_what_a_rule_remembers_goes_on_from_phase_to_phase():
    network, sweep, phases, teaching = taught()
    rule = PlasticityRule("dw = error_post * trace_pre", pre={"trace": "dtrace/dt = rate_pre - trace / 2"})
    network.projections["hidden1__output"].rule = rule
    found, after = network.propose(sweep, teaching)
    first, second = (phase["hidden1"].rate.mean(axis=0) for phase in phases)
    np.testing.assert_allclose(after["hidden1__output.trace_pre"], first / 2 + second, rtol=1e-12)
    traces = zip((first, first / 2 + second), phases, strict=True)
    in_order = [np.outer(trace, phase["output"].error.mean(axis=0)) for trace, phase in traces]
    np.testing.assert_allclose(found["hidden1__output.w"], sum(in_order), rtol=1e-12)


def test_all_that_are_taught_have_as_many_phases():
    network, sweep, phases, teaching = taught()
    teaching["output"] = phases[0]["output"]
    said = r"^teaching: phases of each population: \{'hidden1': 2, 'output': 0\}: expected as many of all"
    with pytest.raises(InputError, match=said):
        network.propose(sweep, teaching)
