"""Statistics of spike trains against closed forms, and against their definitions written out with matrices."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.analysis.spike_statistics import Trains, correlation, cv, fano, intervals, rate_in_time, rates, synchrony, table
from neurosim.errors import InputError


def trains_of(cells, duration, trials=1):
    """cells : (trial, neuron) -> times"""
    parts = [(np.asarray(time), np.full(len(time), cell), np.full(len(time), trial)) for (trial, cell), time in cells.items()]
    time, index, trial = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.argsort(time, kind="stable")
    return Trains(time[order], index[order], trial[order], max(cell for _, cell in cells) + 1, trials, duration)


def poisson(rate, cells, duration, trials=1, seed=0):
    rng = np.random.default_rng(seed)
    both = [(trial, cell) for trial in range(trials) for cell in range(cells)]
    return trains_of({one: np.sort(rng.random(rng.poisson(rate * duration)) * duration) for one in both}, duration, trials)


def test_a_poisson_process_has_cv_1_fano_1_and_no_correlation():
    trains = poisson(20, 400, 50.0, trials=2)
    assert rates(trains).mean() == pytest.approx(20, rel=0.01)
    assert np.nanmean(cv(trains)) == pytest.approx(1, abs=0.01)
    assert np.nanmean(fano(trains)) == pytest.approx(1, abs=0.01)
    assert abs(correlation(trains)) < 1e-3
    assert synchrony(trains) == pytest.approx(1 / np.sqrt(400), rel=0.05)
    # intervals are exponential: mean and median known
    assert intervals(trains).mean() == pytest.approx(1 / 20, rel=0.02)
    assert np.median(intervals(trains)) == pytest.approx(np.log(2) / 20, rel=0.03)


def test_clocks_have_cv_0_and_fano_0_and_together_they_are_synchronous():
    clock = np.arange(0.05, 10, 0.1)
    trains = trains_of({(0, cell): clock for cell in range(30)}, 10.0)
    assert np.abs(cv(trains)).max() < 1e-9 and np.abs(fano(trains, 0.1)).max() < 1e-9
    assert synchrony(trains) == pytest.approx(1) and correlation(trains) == pytest.approx(1)
    assert rates(trains).tolist() == [[10.0] * 30]


def test_a_gamma_process_of_order_k_has_cv_1_over_root_k():
    rng = np.random.default_rng(1)
    trains = trains_of({(0, cell): np.cumsum(rng.gamma(4, 0.05 / 4, 3000)) for cell in range(20)}, 200.0)
    assert np.nanmean(cv(trains)) == pytest.approx(0.5, abs=0.01)


def test_two_cells_that_share_half_their_spikes_correlate_by_one_half():
    rng = np.random.default_rng(2)
    shared, own = np.sort(rng.random(20_000) * 1000), [np.sort(rng.random(20_000) * 1000) for _ in range(2)]
    trains = trains_of({(0, cell): np.sort(np.concatenate([shared, own[cell]])) for cell in range(2)}, 1000.0)
    assert correlation(trains) == pytest.approx(0.5, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 999)), min_size=1, max_size=300, unique=True),
    st.sampled_from([0.005, 0.01, 0.1]),
)
def test_numbers_are_those_of_their_definitions(spikes, window):
    """Every spike is a tick of 0.1 ms; what is defined by a matrix of counts is computed with one here."""
    spikes = sorted(spikes, key=lambda one: one[2])
    trial, index, tick = (np.array([one[k] for one in spikes]) for k in range(3))
    trains = Trains(tick * 1e-4, index, trial, 5, 2, 0.1)
    wide, count = round(window / 1e-4), round(0.1 / window)
    counts = np.zeros((2, count, 5))
    np.add.at(counts, (trial, tick // wide, index), 1)
    assert rates(trains) == pytest.approx(counts.sum(axis=1) / 0.1)
    middle, found = rate_in_time(trains, window)
    assert found == pytest.approx(counts.mean(axis=2) / window) and middle[0] == pytest.approx(window / 2)
    flat = counts.reshape(-1, 5)
    with np.errstate(invalid="ignore"):
        expected = flat.var(axis=0) / flat.mean(axis=0)
    assert fano(trains, window) == pytest.approx(expected, nan_ok=True, abs=1e-9)
    if count > 1:
        chi = [np.sqrt(c.mean(axis=1).var() / c.var(axis=0).mean()) for c in counts if c.var() and c.var(axis=0).mean()]
        assert synchrony(trains, window) == pytest.approx(np.mean(chi) if chi else np.nan, nan_ok=True)
        pairs = []
        for one in counts:
            changing = one[:, one.std(axis=0) > 0]
            if changing.shape[1] > 1:
                matrix = np.corrcoef(changing.T)
                pairs.append(matrix[np.triu_indices(len(matrix), 1)].mean())
        assert correlation(trains, window) == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True, abs=1e-9)
    for t in range(2):
        for cell in range(5):
            gaps = np.diff(np.sort(tick[(trial == t) & (index == cell)])) * 1e-4
            one = gaps.std() / gaps.mean() if len(gaps) > 1 else np.nan
            assert cv(trains)[t, cell] == pytest.approx(one, nan_ok=True)


@pytest.mark.parametrize(("window", "said"), [(0.0, "more than 0"), (20.0, "longer than the 10 s")])
def test_a_window_that_is_none_is_told(window, said):
    with pytest.raises(InputError, match=said):
        rate_in_time(poisson(5, 3, 10.0), window)


def test_nothing_recorded_and_silent_cells():
    silent = Trains(np.zeros(0), np.zeros(0, int), np.zeros(0, int), 3, 2, 1.0)
    assert rates(silent).tolist() == [[0.0] * 3] * 2 and np.isnan(cv(silent)).all() and np.isnan(fano(silent)).all()
    assert np.isnan(synchrony(silent)) and np.isnan(correlation(silent)) and len(intervals(silent)) == 0


def test_what_is_left_out_of_the_beginning_is_not_counted():
    """A cell that fires at 10 Hz for a second, and then at 50 Hz."""
    times = np.r_[np.arange(0.05, 1, 0.1), np.arange(1.0, 3.0, 0.02)]

    class File:
        attributes, status, checkpoint_steps = {"duration": 3.0, "trials": 1}, "complete", ()
        spikes = {"e": pd.DataFrame({"time": times, "index": 0, "trial": 0})}

    File.spikes["e"].attrs["neurons"] = 1
    whole, late = table(File).loc["e"], table(File, 1.0).loc["e"]
    assert (whole["spikes"], late["spikes"]) == (110, 100) and late["rate"] == 50 and late["cv"] == pytest.approx(0, abs=1e-9)
    assert whole["rate"] == pytest.approx(110 / 3) and whole["cv"] > 0.5
