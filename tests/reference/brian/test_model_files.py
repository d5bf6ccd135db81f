"""Simulations that come with the package, made small: neurosim's simulator and Brian2 have the same spikes."""

import pytest

NAMES = ("cuba", "cobahh", "brunel-ai", "song-miller-abbott", "vogels-sprekeler", "izhikevich-2003")


@pytest.mark.slow
def test_model_files_have_the_same_spikes_in_both_simulators(results_of):
    found = results_of("model_files.py", *NAMES)
    assert [one["model"] for one in found] == list(NAMES)
    assert not [one for one in found if not all(one["equal"].values())]
    assert all(count > 10 for one in found for count in one["spikes"].values()), found
