"""Run files: what is written is read back, nothing is overwritten, interruptions leave a whole checkpoint, damage is told."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim.recording
from neurosim.errors import RunFileError
from neurosim.recording import RunFile, read
from neurosim.recording.run_file import SCHEMA_VERSION, escaped

STATE = {"network|x__hidden1.w": np.arange(6.0).reshape(2, 3), "pathway|inverse/a__b.w": np.ones(4), "position|epoch": np.int64(3)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "run.h5"


def create(path, **options):
    return RunFile.create(path, model='title = "é"\n', attributes={"seed": 4}, **options)


def written(path):
    """A file with three evaluations and a checkpoint after each."""
    with create(path) as file:
        for epoch in range(3):
            file.append("metrics/test", {"epoch": epoch, "loss": 0.5**epoch, "error": 9.0})
            file.append("populations/hidden1", {"epoch": epoch, "rate": np.full((2, 3), epoch, np.float32)})
            file.checkpoint(STATE | {"position|epoch": np.int64(epoch)})
    return path


def test_what_is_written_is_read_back(path):
    with create(path) as file:
        file.append("metrics/test", {"epoch": 0, "loss": 0.5})
        file.append("metrics/test", {"epoch": 1, "loss": 0.25})
        file.set_status("complete")
    run = read(path)
    assert (run.status, run.model, run.attributes["seed"]) == ("complete", 'title = "é"\n', 4)
    assert run.metrics["test"]["loss"].tolist() == [0.5, 0.25]
    assert run.metrics["test"]["epoch"].tolist() == [0, 1]


def test_everything_that_grows_is_chunked_and_checked(path):
    with h5py.File(written(path)) as file:
        for name in ("metrics/test/loss", "populations/hidden1/rate", "checkpoint/network/x__hidden1.w"):
            assert file[name].fletcher32 and file[name].chunks, name
        assert file["populations/hidden1/rate"].compression == "gzip"
        assert file["populations/hidden1/rate"].maxshape == (None, 2, 3)


def test_a_checkpoint_comes_back_as_it_was(path):
    with RunFile.reopen(written(path)) as file:
        state = file.last_checkpoint()
    assert state.keys() == STATE.keys()
    for name in ("network|x__hidden1.w", "pathway|inverse/a__b.w"):
        np.testing.assert_array_equal(state[name], STATE[name])
    assert state["position|epoch"] == 2


def test_checkpoints_replace_each_other_without_the_file_growing(path):
    state = {"network|w": np.random.default_rng(0).normal(size=20_000)}
    with create(path) as file:
        for _ in range(30):
            file.checkpoint(state)
    assert path.stat().st_size < 4 * state["network|w"].nbytes


@pytest.mark.parametrize("moment", range(1, 5))
def test_an_interruption_within_a_checkpoint_leaves_a_whole_one(path, monkeypatch, moment):
    """Every change of the file's structure is a moment at which an interruption may come."""
    calls = 0

    def interrupted(original):
        def call(*arguments):
            nonlocal calls
            calls += 1
            if calls == moment:
                raise KeyboardInterrupt
            return original(*arguments)

        return call

    with RunFile.reopen(written(path)) as file, monkeypatch.context() as patch:
        patch.setattr(h5py.Group, "move", interrupted(h5py.Group.move))
        patch.setattr(h5py.Group, "__delitem__", interrupted(h5py.Group.__delitem__))
        patch.setattr(h5py.File, "flush", interrupted(h5py.File.flush))
        with pytest.raises(KeyboardInterrupt):
            file.checkpoint(STATE | {"position|epoch": np.int64(7)})
    with RunFile.reopen(path) as file:
        state = file.last_checkpoint()
    assert state.keys() == STATE.keys()
    assert state["position|epoch"] in (2, 7)


def test_rewind_drops_what_came_after_the_checkpoint(path):
    with RunFile.reopen(written(path)) as file:
        file.rewind(1)
        file.append("metrics/test", {"epoch": 2, "loss": 7.0, "error": 9.0})
    with h5py.File(path) as file:
        assert file["metrics/test/epoch"][()].tolist() == [0, 1, 2]
        assert file["metrics/test/loss"][()].tolist() == [1.0, 0.5, 7.0]
        assert file["populations/hidden1/rate"].shape == (2, 2, 3)


def test_a_half_written_row_is_not_read(path):
    with RunFile.reopen(written(path)) as file:
        file.append("metrics/test", {"epoch": 3})
    assert read(path).metrics["test"]["epoch"].tolist() == [0, 1, 2]


# ---------------------------------------------------------------------- refusals


def test_an_existing_file_is_kept(path):
    before = written(path).read_bytes()
    with pytest.raises(RunFileError, match="exists already.*--overwrite"):
        create(path)
    assert path.read_bytes() == before
    create(path, overwrite=True).__exit__(None, None, None)
    assert read(path).metrics == {}


def test_a_folder_is_no_run_file(tmp_path):
    with pytest.raises(RunFileError, match="is a folder"):
        create(tmp_path, overwrite=True)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFileError, match="cannot be written"):
        create(tmp_path / "file" / "run.h5")


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(RunFileError, match="no such file"):
        read(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(RunFileError, match="not an HDF5 file"):
        read(tmp_path / "text.h5")
    h5py.File(tmp_path / "foreign.h5", "w").close()
    with pytest.raises(RunFileError, match="no run file of neurosim"):
        read(tmp_path / "foreign.h5")


def test_a_newer_schema_is_told(path):
    with h5py.File(written(path), "r+") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(RunFileError, match=f"schema version {SCHEMA_VERSION + 1}.*update neurosim"):
        read(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_damaged(path, share):
    content = written(path).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunFileError, match="damaged"):
        read(path)


@pytest.mark.parametrize("name", ["metrics/test/loss", "checkpoint/network/x__hidden1.w"])
def test_a_flipped_byte_is_found(path, name):
    with h5py.File(written(path)) as file:
        place = file[name].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunFileError, match="damaged"):
        read(path)
        with RunFile.reopen(path) as file:
            file.last_checkpoint()


def test_a_file_that_is_being_written_is_told(path):
    code = f"from neurosim.recording import RunFile; from pathlib import Path; RunFile.reopen(Path({str(path)!r}))"
    with create(path):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another process is writing it" in other.stderr


@given(st.text(min_size=1).filter(lambda text: text.isprintable() or "\0" in text))
def test_names_stay_within_their_group(name):
    link = escaped(name)
    assert "/" not in link and "\0" not in link and link not in (".", "")
    assert unquote(link) == name


def test_nothing_is_pickled():
    for file in Path(neurosim.recording.__file__).parent.glob("*.py"):
        code = re.sub(r'"""[\s\S]*?"""', "", file.read_text(encoding="utf-8"))
        assert not re.search(r"pickle|marshal|\beval\b|\bexec\b", code), file
