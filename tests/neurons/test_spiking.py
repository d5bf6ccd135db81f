"""Neurons of the field do what their papers say."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.network import Population
from neurosim.neurons import neurons
from neurosim.neurons.adex import PATTERNS, AdEx


def spikes(made, current, seconds, dt=1e-4, arriving=None):
    """Return the times of spikes, in ms, of one neuron under a constant current."""
    cell, state, found = Population("p", (1,), neurons=made), None, []
    cell.build(NumpyBackend(), np.float64, dt)
    drive, inputs = np.full((1, 1), current), {name: np.full((1, 1), value) for name, value in (arriving or {}).items()}
    for tick in range(round(seconds / dt)):
        activity = cell.respond(drive, state, inputs=inputs)
        state = activity.state
        if activity.rate.item():
            found.append(tick * dt * 1e3)
    return np.array(found)


@pytest.mark.parametrize("current", [2.5e-10, 5e-10])
def test_a_leaky_neuron_fires_at_the_rate_of_the_closed_form(current):
    """1 / f = refractory + tau ln((E + RI - V_r) / (E + RI - V_t)), to within a tick."""
    end = -70e-3 + 1e8 * current
    expected = 2 + 20 * np.log((end + 60e-3) / (end + 50e-3))
    intervals = np.diff(spikes(neurons("lif_current"), current, 0.25))
    assert len(intervals) > 4 and np.all(np.abs(intervals - expected) <= 0.1 + 1e-9)


@pytest.mark.parametrize("pattern", [one if one == "adaptation" else pytest.param(one, marks=pytest.mark.slow) for one in PATTERNS])
def test_patterns_of_adex(pattern):
    """As figure 4 of Naud et al. 2008 shows them, for a step of 500 ms."""
    times = spikes(AdEx(pattern=pattern), AdEx.current(pattern), 0.5)
    intervals = np.diff(times)
    if pattern == "tonic":
        assert len(times) > 40 and np.ptp(intervals[-20:]) < 0.2
    elif pattern == "adaptation":
        assert np.all(np.diff(intervals) > -0.2) and intervals[-1] > 4 * intervals[0]
    elif pattern == "initial_burst":
        assert np.all(intervals[:2] < 10) and np.all(intervals[2:] > 50) and len(intervals) > 5
    elif pattern == "regular_bursting":
        assert np.all(intervals[2::2] > 100) and np.all(intervals[3::2] < 10) and len(intervals) > 5
    elif pattern == "delayed_accelerating":
        assert times[0] > 25 and np.all(np.diff(intervals) < 0.2) and intervals[-1] < intervals[0] / 1.5
    elif pattern == "delayed_regular_bursting":
        assert times[0] > 50 and np.sum(intervals > 50) >= 3 and np.sum(intervals < 10) >= 9
    elif pattern == "transient":
        assert 1 <= len(times) <= 3 and times[-1] < 100
    else:
        assert np.std(intervals) / np.mean(intervals) > 0.3


@pytest.mark.slow
def test_a_dendrite_makes_bursts_of_single_spikes():
    """Intervals below 16 ms make a burst (Payeur et al. 2021)."""
    alone = np.diff(spikes(neurons("pyramidal"), 7e-10, 1.0))
    together = np.diff(spikes(neurons("pyramidal"), 7e-10, 1.0, arriving={"I_d": 4e-10 * 0.1 / 5}))
    silent = spikes(neurons("pyramidal"), 3e-10, 0.5, arriving={"I_d": 4e-10 * 0.1 / 5})
    assert len(alone) > 5 and not np.any(alone < 16)
    assert np.mean(together < 16) > 0.5 and np.any(together > 50) and not len(silent)


@pytest.mark.parametrize(
    ("kind", "single", "bursts"), [("regular_spiking", 15, 0), ("fast_spiking", 60, 0), ("chattering", 15, 10)]
)
def test_kinds_of_izhikevich(kind, single, bursts):
    intervals = np.diff(spikes(neurons("izhikevich", kind=kind), 10.0, 1.0, 1e-3))
    assert len(intervals) > single and np.sum(intervals < 7) >= bursts and (bursts or not np.any(intervals < 7))
