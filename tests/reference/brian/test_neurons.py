"""Neurons that are swept tick by tick have Brian2's spikes, all of them, and its state, bit for bit."""

import pytest

CASES = 22
FAST = ["lif", "adaptive_lif", "izhikevich regular_spiking", "adex adaptation"]


def test_a_thousand_ticks_of_some(results_of):
    found = results_of("equal_neurons.py", "1000", *FAST)
    assert [one["neurons"] for one in found] == FAST and min(one["spikes"] for one in found) > 50
    assert not [one for one in found if not one["equal"] or one["differ"]]


@pytest.mark.slow
def test_ten_thousand_ticks_of_all(results_of):
    found = results_of("equal_neurons.py", "10000")
    assert len(found) == CASES and sum(one["spikes"] for one in found) > 50_000
    assert min(one["spikes"] for one in found) > 10  # AdEx's transient pattern stops spiking
    assert not [one for one in found if not one["equal"] or one["differ"]]
