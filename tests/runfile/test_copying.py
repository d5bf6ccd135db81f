"""A resumed file is made anew: nothing but guarded numbers and texts comes into it, and nothing is written outside."""

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.errors import NeurosimError, RunFileError
from neurosim.runfile import Layout, Run, RunFile, problems
from neurosim.runfile.survey import trust

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).parents[1] / "fuzz" / "hostile.py")
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)

WRITTEN = ["checkpoints/0/epoch", "checkpoints/0/network/x__hidden1.w", "metrics/test/epoch", "populations/hidden1/rate"]
OTHERS = ["checkpoints/0/position/epoch", "alignment/x__hidden1/angle", "probe/sample", "spikes/hidden1/index", "model"]


@pytest.fixture
def plan(synthetic):
    """What the made-up run writes on."""
    w = np.dtype(np.float32)
    state = {"network|x__hidden1.w": ((64, synthetic.SIZES["hidden1"]), w), "position|epoch": ((), np.dtype(np.int64))}
    return {"series": synthetic.series(spikes=True), "checkpoint": Layout({0: state}, 2)}


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_bytes(hostile.VICTIM)
    return path


KINDS = ["external", "virtual", "external link", "two names", "float", "rank 32", "ragged", "LZF", "bomb"]


@pytest.mark.parametrize(
    ("place", "kinds"),
    [
        *((place, KINDS) for place in WRITTEN),
        *(pytest.param(place, list(hostile.HOSTILE), marks=pytest.mark.slow) for place in (*WRITTEN, *OTHERS)),
    ],
)
def test_hostile_objects(made_up, plan, victim, place, kinds):
    """Without the child's look: what this process does itself is guarded too."""
    good = made_up.read_bytes()
    for kind in kinds:
        made_up.write_bytes(good)
        hostile.replace(made_up, place, kind, victim)
        before = made_up.read_bytes()
        trust(made_up)
        for read in (hostile.everything, problems):
            try:
                read(made_up)
            except NeurosimError as error:
                assert "\n" not in str(error) and len(str(error)) < 600, kind
        try:
            RunFile.resume(made_up, **plan).close()
        except RunFileError as error:
            assert "\n" not in str(error) and made_up.read_bytes() == before, kind
        else:
            assert place not in WRITTEN or kind in ("enormous", "negative", "fill value"), kind
        assert victim.read_bytes() == hostile.VICTIM, kind
        assert {item.name for item in made_up.parent.iterdir()} == {"run.h5", "victim"}, kind


def test_values_outside_are_not_written_when_no_checkpoint_counts(made_up, plan, victim):
    """Nothing of a stage is read then, and everything of it will be written."""
    with h5py.File(made_up, "r+", libver=hostile.LIBRARY) as file:
        file["checkpoints/0/written"][:] = 0
    hostile.replace(made_up, "checkpoints/0/epoch", "external", victim)
    with pytest.raises(RunFileError, match="checkpoints/0/epoch keeps its values in other files"):
        RunFile.resume(made_up, **plan)
    assert victim.read_bytes() == hostile.VICTIM


def test_what_a_user_added_is_kept(made_up, plan):
    with h5py.File(made_up, "r+") as file:
        file["notes/remark"] = "looks good"
        file.create_dataset("notes/table", data=np.arange(12.0).reshape(3, 4), chunks=(2, 2), fletcher32=True)
        file["notes/plain"] = np.arange(5)
        file["notes"].attrs["by"] = "me"
        file.attrs["comment"] = "mine"
    RunFile.resume(made_up, **plan).close()
    with h5py.File(made_up) as file:
        assert file["notes/remark"].asstr()[()] == "looks good" and file["notes"].attrs["by"] == "me"
        assert file["notes/table"][()].tolist() == np.arange(12.0).reshape(3, 4).tolist()
        assert file["notes/plain"][()].tolist() == [0, 1, 2, 3, 4] and file.attrs["comment"] == "mine"


def test_what_cannot_be_kept_is_not_lost(made_up, plan):
    with h5py.File(made_up, "r+") as file:
        file["notes"] = np.zeros(3, [("a", "f8")])
    before = made_up.read_bytes()
    with pytest.raises(RunFileError, match="/notes holds.*expected numbers"):
        RunFile.resume(made_up, **plan)
    assert made_up.read_bytes() == before


def test_a_user_block(made_up, plan, tmp_path):
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=512, libver=hostile.LIBRARY) as file, h5py.File(made_up) as old:
        file.attrs.update(old.attrs)
        for name in old:
            old.copy(name, file)
    with Run(tmp_path / "block.h5") as run:
        assert len(run.metrics)
    with pytest.raises(RunFileError, match="begins with 512 bytes of something else"):
        RunFile.resume(tmp_path / "block.h5", **plan)


def test_a_damaged_chunk_is_found_before_anything_is_replaced(made_up, plan):
    with h5py.File(made_up) as file:
        chunk = file["populations/hidden1/rate"].id.get_chunk_info(1)
    content = bytearray(made_up.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    made_up.write_bytes(content)
    with pytest.raises(RunFileError, match="populations/hidden1/rate: a checksum does not agree"):
        RunFile.resume(made_up, **plan)
    assert made_up.read_bytes() == bytes(content)
    with Run(made_up) as run:
        rate = run.recording("hidden1.rate")
        with pytest.raises(RunFileError, match="damaged"):
            rate.values  # noqa: B018
    with pytest.raises(RunFileError, match="closed by now"):
        rate.values  # noqa: B018
