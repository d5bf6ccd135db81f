"""Evidence accumulation: which of two sides had more cues, asked long after the last one; spikes, drawn from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.targets import check_whole
from neurosim.errors import DataError, quoted, require

GROUPS = 4  # of inputs, as many in each: cues on the left, cues on the right, the signal to answer, background


def evidence_accumulation(
    *,
    train: int = 1024,
    validation: int = 0,
    test: int = 256,
    cues: int = 7,
    cue: int = 100,
    pause: int = 50,
    delay: int = 1050,
    recall: int = 150,
    inputs: int = 40,
    rate: float = 0.04,
    side: float = 0.7,
    seed: int = 0,
) -> DataSet:
    """Return trials of spikes, samples of shape (1, ticks, inputs), 0 or 1; the class is the side with more cues: 0 left, 1 right.

    A mouse runs down a corridor past cues on both sides, then on without any, and has to turn to the side that had more of them.
    With the values below and ticks of 1 ms, these are the trials of Bellec et al. 2020: 2,250 ticks.  Each has its cues, each
    followed by a pause, then the delay, and the time in which the answer is asked: cues * (cue + pause) + delay + recall ticks.

    train, validation, test : how many trials each
    cues : how many cues a trial has, an odd number
    cue, pause, delay, recall : ticks of a cue, of the pause after it, from there to the recall, and of the recall
    inputs : how many in all: a quarter each for cues on the left, for cues on the right, for the recall, and for background
    rate : the probability of a spike in a tick, of the inputs of a cue while it is shown, and of those of the recall; background
        inputs have a quarter of it, all the time
    side : the probability that a cue is on the side that its trial favours
    seed : decides all of it

    Raises
    ------
    DataError
        A number that is not whole or too small, an even number of cues, inputs that are no multiple of 4, or no probability.

    Morcos and Harvey (2016). History-dependent variability in population dynamics during evidence accumulation in cortex. Nature
    Neuroscience 19, 1672-1681.  Bellec et al. (2020). Nature Communications 11, 3625.
    """
    given = dict(locals())
    least = {"train": 1, "validation": 0, "test": 1, "cues": 1, "cue": 1, "pause": 0, "delay": 0, "recall": 1}
    for name, smallest in (least | {"inputs": GROUPS, "seed": 0}).items():
        check_whole(name, given[name])
        said = f"data set evidence_accumulation: {name} {quoted(given[name])}"
        require(given[name] >= smallest, f"{said}: expected {smallest} or more; raise it", DataError)
    said = f"data set evidence_accumulation: cues {cues}: expected an odd number, so that one side has more; add one"
    require(cues % 2 == 1, said, DataError)
    said = f"data set evidence_accumulation: inputs {inputs}: expected a multiple of {GROUPS}; give one such as 40"
    require(inputs % GROUPS == 0, said, DataError)
    for name in ("rate", "side"):
        said = f"data set evidence_accumulation: {name} {quoted(given[name])}: expected a probability, 0 to 1; change it"
        require(0 <= given[name] <= 1, said, DataError)
    ticks = cues * (cue + pause) + delay + recall

    def draw(stream: int, trials: int) -> Split:
        random = np.random.default_rng([seed, stream])
        favoured = random.integers(0, 2, trials)
        sides = np.where(random.random((trials, cues)) < side, favoured[:, None], 1 - favoured[:, None])  # (trials, cues)
        x = np.empty((trials, 1, ticks, inputs), np.float32)
        for trial in range(trials):  # one after the other, so that the random numbers need little memory
            x[trial, 0] = random.random((ticks, inputs), np.float32) < _chances(sides[trial])
        return Split(x, (sides.sum(axis=1) > cues // 2).astype(np.int64))

    def _chances(sides: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probability of a spike of each input in each tick, (ticks, inputs)."""
        chances, group = np.zeros((ticks, inputs), np.float32), inputs // GROUPS
        for k, at in enumerate(sides):
            start = k * (cue + pause)
            chances[start : start + cue, at * group : (at + 1) * group] = rate
        chances[ticks - recall :, 2 * group : 3 * group] = rate
        chances[:, 3 * group :] = rate / 4
        return chances

    shown, held_out, tested = (draw(stream, trials) for stream, trials in enumerate((train, validation, test)))
    options: dict[str, Any] = {"scale": "spikes, 0 or 1", "labels": ("left", "right")}
    return DataSet("evidence_accumulation", shown, held_out, tested, 2, (1, ticks, inputs), **options)
