"""The trials of evidence accumulation: their parts, their rates, their answers."""

import numpy as np
import pytest

from neurosim.datasets import evidence_accumulation
from neurosim.errors import DataError

SHORT = {"train": 400, "test": 3, "cues": 3, "cue": 20, "pause": 10, "delay": 15, "recall": 25, "inputs": 8, "rate": 0.4}


def test_the_trials_of_the_paper_are_as_long_as_they_were():
    data = evidence_accumulation(train=2, test=1)
    assert (data.shape, data.classes, data.labels, len(data.validation)) == ((1, 2250, 40), 2, ("left", "right"), 0)


def test_the_side_with_more_cues_is_the_answer():
    """Told from the spikes: 40 of 100 ticks in a cue, none of that side outside it."""
    data = evidence_accumulation(**SHORT)
    x = data.train.x[:, 0]
    assert set(np.unique(x)) == {0.0, 1.0}
    shown = np.stack([x[:, k * 30 : k * 30 + 20].reshape(400, 20, 4, 2).mean(axis=(1, 3))[:, :2] for k in range(3)], axis=1)
    side = shown.argmax(axis=2)  # (trials, cues)
    assert (shown.min(axis=2) == 0).all() and (shown.max(axis=2) > 0).all()
    np.testing.assert_array_equal(data.train.y, side.sum(axis=1) > 1)
    assert 0.4 < data.train.y.mean() < 0.6
    unanimous = (side == side[:, :1]).all(axis=1).mean()
    assert abs(unanimous - (0.7**3 + 0.3**3)) < 3 * np.sqrt(0.37 * 0.63 / 400)


def test_every_group_has_its_rate_at_its_time():
    x = evidence_accumulation(**SHORT).train.x[:, 0]
    cue_ticks = np.concatenate([np.arange(k * 30, k * 30 + 20) for k in range(3)])
    assert abs(x[:, cue_ticks, :4].mean() - 0.2) < 0.01  # one side of two has 0.4
    rest = np.setdiff1d(np.arange(x.shape[1]), cue_ticks)
    assert not x[:, rest, :4].any()
    assert abs(x[:, -25:, 4:6].mean() - 0.4) < 0.01 and not x[:, :-25, 4:6].any()
    assert abs(x[:, :, 6:].mean() - 0.1) < 0.01


def test_seed_and_split_decide_the_trials():
    one, same, other = (evidence_accumulation(**SHORT, validation=3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.train.x, same.train.x)
    assert not np.array_equal(one.train.x, other.train.x)
    assert not np.array_equal(one.test.x, one.validation.x)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cues": 2}, "cues 2: expected an odd number"),
        ({"inputs": 6}, "inputs 6: expected a multiple of 4"),
        ({"rate": 1.5}, "rate 1.5: expected a probability"),
        ({"delay": -1}, "delay -1: expected 0 or more"),
        ({"train": 0}, "train 0: expected 1 or more"),
        ({"cue": 2.5}, "cue 2.5: expected a whole number"),
    ],
)
def test_what_has_no_trials_is_refused_in_one_line(options, said):
    with pytest.raises(DataError, match=said):
        evidence_accumulation(**options)
