"""Run files being read: frames, labelled lazy arrays, checkpoints, older schemas, files that were left open."""

import shutil
import subprocess
import sys
from pathlib import Path

import dask.array
import h5py
import numpy as np
import pytest

from neurosim.errors import RunFileError, UnknownNameError
from neurosim.runfile import Run, problems

OLD = Path(__file__).parent / "files" / "schema-1.h5"


def test_metrics_are_a_frame_by_split_and_epoch(made_up):
    with Run(made_up) as run, h5py.File(made_up) as file:
        assert run.metrics.index.names == ["split", "epoch"]
        assert list(run.metrics.columns) == ["step", "loss", "error", "seconds"]
        np.testing.assert_array_equal(run.metrics.loc["test"]["loss"], file["metrics/test/loss"])
        assert run.metrics.loc[("train", 3), "step"] == 30
        assert run.metrics.loc["test"]["seconds"].isna().all() and (run.metrics.loc["train"]["seconds"] == 0.5).all()


def test_alignment_is_a_frame_by_projection_and_step(made_up):
    with Run(made_up) as run, h5py.File(made_up) as file:
        assert list(run.alignment.columns) == ["epoch", "angle", "cosine", "norm_ratio"]
        np.testing.assert_array_equal(run.alignment.loc["x__hidden1"]["angle"], file["alignment/x__hidden1/angle"])
        assert run.alignment.loc[("hidden2__output", 20), "epoch"] == 2


def test_recordings_are_labelled_and_lazy(made_up):
    with Run(made_up) as run, h5py.File(made_up) as file:
        rate = run.recording("hidden1.rate")
        assert isinstance(rate.data, dask.array.Array)
        assert rate.dims == ("recording", "sample", "neuron") and rate.attrs["units"] == "1"
        assert rate.epoch.values.tolist() == [0, 1, 2, 3, 4] and rate.step.values.tolist() == [0, 10, 20, 30, 40]
        assert rate.sel(sample=3).label == 3
        np.testing.assert_array_equal(rate, file["populations/hidden1/rate"])
        assert run.recording("x__hidden1.w").dims == ("recording", "pre", "post")
        assert set(run.recordings) == {"hidden1.rate", "hidden2.rate", "output.rate", "x__hidden1.w"}
        with pytest.raises(UnknownNameError, match="'hidden1.rat' is unknown.*did you mean 'hidden1.rate'"):
            run.recording("hidden1.rat")


def test_spikes_are_a_frame_by_population(made_up):
    with Run(made_up) as run:
        spikes = run.spikes["hidden1"]
        assert list(spikes.columns) == ["index", "step", "time", "trial"] and len(spikes) == 250
        assert spikes.attrs["neurons"] == 12 and spikes["index"].max() < 12


def test_a_run_tells_itself_and_its_checkpoints(made_up):
    with Run(made_up) as run:
        assert "backprop seed 1, complete" in repr(run)
        assert run.checkpoints == [3, 4]
        with h5py.File(made_up) as file:
            np.testing.assert_array_equal(run.weights(3)["x__hidden1.w"], file["projections/x__hidden1/w"][3])
        assert run.refresh().status == "complete"


def test_a_file_without_rows_has_empty_frames(synthetic, tmp_path):
    path = synthetic.synthetic_run(tmp_path / "none.h5", epochs=-1)
    with Run(path) as run:
        assert len(run.metrics) == len(run.alignment) == 0
        assert {"loss", "error"} <= set(run.metrics.columns)
        assert run.checkpoints == [] and run.recording("hidden1.rate").shape == (0, 20, 12)
        with pytest.raises(RunFileError, match="no checkpoint yet"):
            run.weights()


def test_half_a_row_is_not_read(made_up):
    with h5py.File(made_up, "r+") as file:
        for name in ("populations/hidden1/rate", "metrics/test/loss"):
            file[name].resize(6, axis=0)
    with Run(made_up) as run:
        assert len(run.metrics.loc["test"]) == 5 and run.recording("hidden1.rate").shape == (5, 20, 12)


# ---------------------------------------------------------------------- the first schema


def test_a_file_of_the_first_schema_opens():
    """Written on 2026-11-24 by the version that wrote it."""
    with Run(OLD) as run, h5py.File(OLD) as file:
        assert run.attributes["schema_version"] == 1 and run.status == "complete" and run.attributes["seed"] == 3
        np.testing.assert_array_equal(run.metrics.loc["validation"]["error"], file["metrics/validation/error"])
        assert set(run.recordings) == {"hidden1.rate", "hidden2.drive", "x__hidden1.w"}
        assert run.recording("hidden1.rate").dims == ("recording", "sample", "neuron")
        np.testing.assert_array_equal(run.recording("x__hidden1.w"), file["projections/x__hidden1/w"])
        assert run.checkpoints == [2]
        np.testing.assert_array_equal(run.weights()["hidden1__hidden2.w"], file["checkpoint/network/hidden1__hidden2.w"])
        assert "8, 6" in run.model.replace("\n", "").replace("    ", " ") or "hidden" in run.model
    assert problems(OLD) == []


# ---------------------------------------------------------------------- damage


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(RunFileError, match="no such file"):
        Run(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(RunFileError, match="not an HDF5 file"):
        Run(tmp_path / "text.h5")
    h5py.File(tmp_path / "foreign.h5", "w").close()
    with pytest.raises(RunFileError, match="no run file of neurosim"):
        Run(tmp_path / "foreign.h5")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_damaged(made_up, share):
    content = made_up.read_bytes()
    made_up.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunFileError, match="damaged"):
        Run(made_up)


NAMES = ["metrics/test/loss", "populations/hidden1/rate", "checkpoints/0/network/x__hidden1.w", "alignment/x__hidden1/angle"]


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_byte_is_found_by_reading_and_by_checking(made_up, name):
    with h5py.File(made_up) as file:
        chunk = file[name].id.get_chunk_info(0)
    content = bytearray(made_up.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    made_up.write_bytes(content)
    assert [problem for problem in problems(made_up) if problem.startswith(f"{name}: cannot be read")]
    with Run(made_up) as run, pytest.raises((RunFileError, OSError)):
        for part in (run.metrics, run.alignment, *(values.values for values in run.recordings.values())):
            assert part is not None
        for epoch in run.checkpoints:
            run.weights(epoch)


def test_random_damage_is_an_error_or_harmless(made_up, tmp_path):
    """Wherever a byte flips, reading gives what was written or a RunFileError; the process survives."""
    code = f"""
import random, sys
from pathlib import Path
from neurosim.errors import NeurosimError
from neurosim.runfile import Run, problems
content = Path({str(made_up)!r}).read_bytes()
damaged = Path({str(tmp_path / "damaged.h5")!r})
random.seed(1)
told = 0
for _ in range(30):
    broken = bytearray(content)
    broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
    damaged.write_bytes(broken)
    try:
        told += bool(problems(damaged))
        with Run(damaged) as run:
            run.metrics, run.alignment, run.recordings, run.spikes, run.model, run.checkpoints
            for epoch in run.checkpoints:
                run.weights(epoch)
    except NeurosimError as error:
        assert "\\n" not in str(error)
        told += 1
print(told)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 4


def test_a_file_left_open_by_a_killed_process_opens(synthetic, tmp_path):
    path = tmp_path / "run.h5"
    code = f"""
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("synthetic", {synthetic.__file__!r})
synthetic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic)
from neurosim.runfile import RunFile
RunFile.set_status = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
synthetic.synthetic_run({str(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    with Run(path) as run:
        assert run.status == "running" and len(run.metrics.loc["test"]) == 5 and run.checkpoints == [3, 4]
    assert problems(path) == []
    copy = shutil.copy(path, tmp_path / "copy.h5")
    assert problems(Path(copy)) == []
