"""A network that is taken over has Brian2's spikes, all of them, and its state, bit for bit."""

import pytest

NETWORKS = 10


@pytest.mark.slow
def test_networks_are_equal_to_brian2s(results_of):
    """One test, so that the networks are run once, however many processes share the tests."""
    found = results_of("equal.py")
    assert len(found) == NETWORKS and min(network["spikes"] for network in found) > 500
    assert not [network for network in found if not network["equal"] or any(network["differ"].values())]
