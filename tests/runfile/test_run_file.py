"""Run files being written: nothing is overwritten, others may read, interruptions leave a whole checkpoint, damage is told."""

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

import neurosim
from neurosim.errors import RunFileError
from neurosim.runfile import Layout, Run, RunFile, Series, being_written
from neurosim.runfile.checkpoints import escaped
from neurosim.runfile.opening import SCHEMA_VERSION

FLOAT, SMALL, WHOLE = np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.int64)
STATE = {
    "network|x__hidden1.w": np.arange(6.0).reshape(2, 3),
    "pathway|inverse/a__b.w": np.ones(4),
    "position|epoch": np.int64(3),
}
LAYOUT = {name: (value.shape, value.dtype) for name, value in STATE.items()} | {"optimiser|x__hidden1.w:0.m": ((2, 3), FLOAT)}
COLUMNS = {"loss": FLOAT, "error": FLOAT, "epoch": WHOLE, "step": WHOLE}
SERIES = [
    *(Series(f"metrics/test/{name}", (), dtype) for name, dtype in COLUMNS.items()),
    Series("populations/hidden1/rate", (2, 3), SMALL, {"dims": "recording sample neuron"}),
    *(Series(f"populations/hidden1/rate.{clock}", (), WHOLE) for clock in ("epoch", "step")),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "run.h5"


def create(path, keep=1, **options):
    layout = Layout({0: LAYOUT}, keep)
    return RunFile.create(path, model='title = "é"\n', attributes={"seed": 4}, series=SERIES, checkpoint=layout, **options)


def row(file, epoch):
    file.append("metrics/test", {"epoch": epoch, "step": 10 * epoch, "loss": 0.5**epoch, "error": 9.0})
    values = np.full((2, 3), epoch, np.float32)
    file.append("populations/hidden1", {"rate": values, "rate.epoch": epoch, "rate.step": 10 * epoch})


def state(epoch):
    return STATE | {"position|epoch": np.int64(epoch), "network|x__hidden1.w": np.full((2, 3), float(epoch))}


def written(path, epochs=3, status="complete", **options):
    """A file with evaluations, and a checkpoint after each."""
    with create(path, **options) as file:
        for epoch in range(epochs):
            row(file, epoch)
            file.checkpoint(0, epoch, 10 * epoch, state(epoch))
        file.set_status(status)
    return path


# ---------------------------------------------------------------------- rows


def test_everything_that_grows_is_chunked_and_checked(path):
    with h5py.File(written(path)) as file:
        for name in ("metrics/test/loss", "populations/hidden1/rate", "checkpoints/0/network/x__hidden1.w"):
            assert file[name].fletcher32 and file[name].chunks, name
        rate = file["populations/hidden1/rate"]
        assert rate.compression == "gzip" and rate.maxshape == (None, 2, 3) and rate.attrs["dims"] == "recording sample neuron"
        assert rate[:, 0, 0].tolist() == [0, 1, 2]


def test_many_rows_at_once(path):
    with create(path) as file:
        file.extend("metrics/test", {name: np.arange(5) for name in COLUMNS})
    assert Run(path).metrics.loc["test"]["loss"].tolist() == [0, 1, 2, 3, 4]


def test_many_recordings_between_two_flushes_are_packed_together(path):
    """Chunks that were written row by row would take several times the room: a compressed chunk that grows is written elsewhere."""
    draw = np.random.default_rng(0)
    one = Series("populations/h/rate", (20, 16), SMALL, rows=100)
    assert one.chunks == (50, 20, 16)
    with RunFile.create(path, model="", attributes={}, series=[one]) as file:
        file.flush()
        empty = path.stat().st_size
        for _ in range(10):
            for _ in range(100):
                file.append("populations/h", {"rate": draw.normal(size=(20, 16))})
            file.flush()
    assert path.stat().st_size - empty < 1.1 * 1000 * one.nbytes


def test_it_can_be_read_while_it_is_written(path):
    """By another process: within one, HDF5 shares what is open."""
    code = f"from neurosim.runfile import Run; from pathlib import Path; run = Run(Path({str(path)!r}))\n"
    code += "print(run.status, run.metrics.loc['test']['loss'].tolist(), run.checkpoints, run.weights()['x__hidden1.w'][0, 0])"
    with create(path) as file:
        for epoch in range(3):
            row(file, epoch)
            file.checkpoint(0, epoch, 10 * epoch, state(epoch))
            seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            losses = [0.5**k for k in range(epoch + 1)]
            assert seen.stdout.strip() == f"running {losses} {[epoch]} {epoch}.0", seen.stderr


def test_who_writes_is_known(path):
    with create(path):
        assert being_written(path)
        assert Path(f"{path}.lock").exists()
    assert not being_written(path)
    assert [item.name for item in path.parent.iterdir()] == ["run.h5"]


# ---------------------------------------------------------------------- checkpoints


def test_a_checkpoint_comes_back_as_it_was_and_what_it_lacks_is_zero(path):
    with RunFile.resume(written(path)) as file:
        found = file.last_checkpoint()
    assert found.keys() == LAYOUT.keys() | {"position|stage"}
    for name, value in state(2).items():
        np.testing.assert_array_equal(found[name], value)
    assert not found["optimiser|x__hidden1.w:0.m"].any()


def test_checkpoints_take_turns_and_the_file_does_not_grow(path):
    sizes = []
    with create(path) as file:
        for epoch in range(30):
            file.checkpoint(0, epoch, epoch, state(epoch))
            sizes.append(path.stat().st_size)
    assert sizes[-1] == sizes[3]
    assert Run(path).checkpoints == [29]


@pytest.mark.parametrize(("keep", "expected"), [(1, [6]), (3, [4, 5, 6]), (9, [*range(7)]), (None, [*range(7)])])
def test_as_many_checkpoints_stay_as_asked_for(path, keep, expected):
    run = Run(written(path, epochs=7, keep=keep))
    assert run.checkpoints == expected
    for epoch in expected:
        assert run.weights(epoch)["x__hidden1.w"][0, 0] == epoch
    with pytest.raises(RunFileError, match=f"no checkpoint of epoch 9: expected one of {', '.join(map(str, expected))}"):
        run.weights(9)


def test_a_slot_that_is_being_made_is_no_checkpoint_yet(path):
    """Its columns grow one after the other, and a reader may come in between."""
    with h5py.File(written(path, keep=4), "r+") as file:
        file["checkpoints/0/written"].resize(4, axis=0)
        file["checkpoints/0/epoch"].resize(4, axis=0)
    with Run(path) as run:
        assert (run.checkpoints, run.checkpoint_steps, run.done) == ([0, 1, 2], [0, 10, 20], 2)


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("moment", range(1, 25))
def test_an_interruption_within_a_checkpoint_leaves_a_whole_one(path, monkeypatch, moment):
    """Every write of an array, every change of a size and every flush is a moment at which an interruption may come."""
    calls = 0

    def interrupted(original):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == moment:
                raise Interruption
            return original(*arguments, **options)

        return call

    with create(path) as file:
        for epoch in range(2):
            row(file, epoch)
            file.checkpoint(0, epoch, 10 * epoch, state(epoch))
        with monkeypatch.context() as patch:
            patch.setattr(h5py.Dataset, "__setitem__", interrupted(h5py.Dataset.__setitem__))
            patch.setattr(h5py.Dataset, "resize", interrupted(h5py.Dataset.resize))
            patch.setattr(h5py.File, "flush", interrupted(h5py.File.flush))
            try:
                file.checkpoint(0, 2, 20, state(2))
            except Interruption:
                pass
            else:
                assert calls < moment  # there are no more moments than that
    with RunFile.resume(path) as file:
        found = file.last_checkpoint()
    epoch = int(found["position|epoch"])
    assert epoch in (1, 2)
    for name, value in state(epoch).items():
        np.testing.assert_array_equal(found[name], value)


# ---------------------------------------------------------------------- going on


def test_a_resumed_file_drops_what_came_after_the_checkpoint(path):
    with create(path) as file:
        for epoch in range(3):
            row(file, epoch)
            if epoch < 2:
                file.checkpoint(0, epoch, 10 * epoch, state(epoch))
        file.append("metrics/test", {"epoch": 3})  # half a row
    with RunFile.resume(path) as file:
        row(file, 7)
    with h5py.File(path) as file:
        assert file["metrics/test/epoch"][()].tolist() == [0, 1, 7]
        assert file["metrics/test/loss"][()].tolist() == [1.0, 0.5, 0.5**7]
        assert file["populations/hidden1/rate"][:, 0, 0].tolist() == [0, 1, 7]
        assert file["model"].asstr()[()] == 'title = "é"\n'
    assert Run(path).status == "running"


def test_a_resumed_file_without_a_checkpoint_starts_again(path):
    with create(path) as file:
        row(file, 0)
    with RunFile.resume(path) as file:
        assert file.last_checkpoint() == {}
    assert len(Run(path).metrics) == 0


def test_an_interruption_while_it_is_copied_leaves_the_file(path, monkeypatch):
    before = written(path).read_bytes()

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("neurosim.runfile.copying._copy_chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RunFile.resume(path)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["run.h5"]


def test_no_room_for_the_copy(path, monkeypatch):
    written(path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(OSError, match="not enough room on the disk for a copy"):
        RunFile.resume(path)
    assert Run(path).status == "complete" and not being_written(path)


def test_an_older_schema_is_read_but_not_resumed(tmp_path):
    old = tmp_path / "old.h5"
    old.write_bytes((Path(__file__).parent / "files" / "schema-1.h5").read_bytes())
    with pytest.raises(RunFileError, match="schema version 1, which can be read but not resumed"):
        RunFile.resume(old)


# ---------------------------------------------------------------------- refusals


def test_an_existing_file_is_kept(path):
    before = written(path).read_bytes()
    with pytest.raises(RunFileError, match="exists already.*--overwrite"):
        create(path)
    assert path.read_bytes() == before
    create(path, overwrite=True).close()
    assert len(Run(path).metrics) == 0


def test_a_file_that_came_in_the_meantime_is_kept(path, monkeypatch):
    """Between the check and the file's taking its name, another process may have written one."""
    from neurosim.runfile import run_file

    lay_out = run_file._lay_out

    def meanwhile(*arguments):
        lay_out(*arguments)
        path.write_text("mine")

    monkeypatch.setattr(run_file, "_lay_out", meanwhile)
    with pytest.raises(RunFileError, match="exists already"):
        create(path)
    assert path.read_text() == "mine"
    assert [item.name for item in path.parent.iterdir()] == ["run.h5"]


def test_a_folder_is_no_run_file(tmp_path):
    with pytest.raises(RunFileError, match="is a folder"):
        create(tmp_path, overwrite=True)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFileError, match="cannot be written"):
        create(tmp_path / "file" / "run.h5")


def test_two_writers_are_one_too_many(path):
    code = f"from neurosim.runfile import RunFile; from pathlib import Path; RunFile.resume(Path({str(path)!r}))"
    with create(path):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another process is writing it" in other.stderr


def test_long_reasons_are_cut(path):
    with create(path) as file:
        file.set_status("failed", "é" * 5000)
    assert re.fullmatch("é{499,500}\ufffd?", Run(path).attributes["reason"])


def test_a_newer_schema_is_told(path):
    with h5py.File(written(path), "r+") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(RunFileError, match=f"schema version {SCHEMA_VERSION + 1}.*update neurosim"):
        Run(path)


@given(st.text(min_size=1).filter(lambda text: text.isprintable() or "\0" in text))
def test_names_stay_within_their_group(name):
    link = escaped(name)
    assert "/" not in link and "\0" not in link and link not in (".", "")
    assert unquote(link) == name


def test_nothing_is_pickled():
    """CIFAR's files are pickles; their reader refuses everything but arrays and lists (see tests/datasets).

    What ``Imports`` sends to worker processes, the user's own classes, is no file's: it is unpickled within an unpickling.
    """
    package = Path(neurosim.__file__).parent
    for file in set(package.rglob("*.py")) - {package / "catalogue.py"}:
        code = re.sub(r'"""[\s\S]*?"""', "", file.read_text(encoding="utf-8"))
        assert file.parent.name == "datasets" or not re.search(r"(?<!allow_)pickle|marshal|allow_pickle=True", code), file
        assert file.parent.name not in ("recording", "analysis") or not re.search(r"\beval\b|\bexec\b", code), file
