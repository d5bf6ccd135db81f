"""Networks of neurosim's own: run here, exported to Brian2, and written by hand for Brian2, they have the same spikes."""

import pytest


def compare(results_of, cells, ticks, *names):
    found = results_of("own_equal.py", cells, ticks, *names)
    assert [network["network"] for network in found] == list(names) and min(network["spikes"] for network in found) > 500
    assert not [network for network in found if not (network["exported"] and network["by_hand"])]
    assert not [network for network in found if network["weights that differ"]]
    assert all(network["weights that moved"] > 100 for network in found if network["network"] == "plastic")


def test_small_networks_are_equal(results_of):
    compare(results_of, 400, 10_000, "brunel", "plastic")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cells"), [("cuba", 4000), ("cobahh", 4000), ("brunel", 4000), ("several", 400)])
def test_networks_are_equal(results_of, name, cells):
    """Each a test, so that they go side by side."""
    compare(results_of, cells, 10_000, name)
