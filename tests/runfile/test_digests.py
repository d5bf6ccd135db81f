"""No byte of a run file flips unseen: what is read is what was written, or an error."""

import json
import random

import h5py
import numpy as np
import pytest

from neurosim.errors import NeurosimError, RunFileError
from neurosim.runfile import Run, digests, problems
from neurosim.runfile.run_file import TEXTS
from neurosim.runfile.survey import trust


def flipped(path, text):
    """Flip a bit of a text in the file."""
    content = bytearray(path.read_bytes())
    content[content.index(text) + len(text) // 2] ^= 1
    path.write_bytes(content)
    trust(path)


@pytest.mark.parametrize("text", [b"2026-11-24T12:00:00+00:00", b"0" * 32, b"title"])
def test_a_flipped_bit_in_a_text(made_up, text):
    flipped(made_up, text)
    assert any("has changed since it was written" in problem for problem in problems(made_up))
    with pytest.raises(RunFileError, match="has changed since it was written"):
        Run(made_up).model  # noqa: B018


def test_a_flipped_bit_in_a_dataset_s_text(made_up):
    flipped(made_up, b"output activity")
    assert any("'description' has changed" in problem for problem in problems(made_up))
    with Run(made_up) as run, pytest.raises(RunFileError, match="'description' has changed"):
        run.recordings  # noqa: B018


def test_what_was_added_and_files_without_digests_are_read(made_up):
    with h5py.File(made_up, "r+") as file:
        file.attrs["comment"] = "mine"
        file["populations/hidden1/rate"].attrs["comment"] = "mine"
    assert problems(made_up) == [] and Run(made_up).attributes["comment"] == "mine"
    with h5py.File(made_up, "r+") as file:
        del file.attrs[digests.NAME]
        file.attrs["device"] = "another"
    assert problems(made_up) == [] and Run(made_up).model


def test_an_attribute_that_was_taken_away_or_digests_that_are_none(made_up):
    with h5py.File(made_up, "r+") as file:
        del file.attrs["device"]
    assert any("'device' has changed" in problem for problem in problems(made_up))
    for wrong in (b"[1]", b"{", b"\xff"):
        with h5py.File(made_up, "r+") as file:
            file.attrs[digests.NAME] = np.bytes_(wrong)
        with pytest.raises(RunFileError):
            Run(made_up)


def test_the_digests_name_everything_that_does_not_change(made_up):
    with h5py.File(made_up) as file:
        named = json.loads(file.attrs[digests.NAME])
        assert named.keys() == set(file.attrs) - {*TEXTS, digests.NAME} | {digests.MODEL}


def values(path):
    """Return everything that is in the file, as text."""
    with Run(path) as run:
        found = [sorted(run.attributes.items()), run.model, run.metrics.to_csv(), run.alignment.to_csv(), sorted(run.probe)]
        found += [table.to_csv() for table in run.spikes.values()] + [array.tolist() for array in run.probe.values()]
        for name, array in run.recordings.items():
            found += [name, array.values.tolist(), sorted(array.attrs.items()), sorted(map(str, array.coords))]
        found += [[(name, array.tolist()) for name, array in run.checkpoint(epoch).items()] for epoch in run.checkpoints]
        return repr(found)


@pytest.mark.parametrize("seed", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_bits_that_flip_anywhere(made_up, seed, monkeypatch):
    """Every one is found, or changes nothing that is read; a child looks first, as HDF5 may hang on any of them."""
    from neurosim.runfile import survey

    monkeypatch.setattr(survey, "SECONDS", 1)
    fresh, count = (seed, 12) if seed else (random.randrange(2**32), 150)
    print("seed", fresh)
    draw, good = random.Random(fresh), made_up.read_bytes()
    expected, found = values(made_up), 0
    for _ in range(count):
        place, bit = draw.randrange(len(good)), 1 << draw.randrange(8)
        content = bytearray(good)
        content[place] ^= bit
        made_up.write_bytes(content)
        try:
            same = values(made_up) == expected
            told = bool(problems(made_up))
        except NeurosimError:
            same, told = True, True
        found += told
        assert same or told, (place, bit)
    assert found
