"""A user's own file in a model file: run, resumed from elsewhere, refused when it has changed, and never opened for a stranger."""

import copy

import numpy as np
import pytest

from neurosim.errors import DataError, RunFileError
from neurosim.experiments import estimate
from neurosim.experiments.compare import compare
from neurosim.experiments.opened import open_run
from neurosim.experiments.run import Job, prepare, reopen, resume, run
from neurosim.modelfile.model_file import ModelFile
from neurosim.recording.recorder import Recorder
from neurosim.runfile import Run
from neurosim.training import Observer

WORDS = np.array(["north", "east", "south"])


class Interruption(Observer):
    def on_step(self, trainer):
        if trainer.steps == 7:
            raise KeyboardInterrupt


def model(contents, name="small", **data):
    changed = copy.deepcopy(contents)
    changed["data"] = {"name": "sub/mine.npz", "normalise": "standard", "validation": 0.1, **data}
    for stage in changed["stages"]:
        stage |= {"batch": 20, "epochs": 8, "optimiser": {"name": "adam", "learning_rate": 0.02}}
    return ModelFile.of(name, changed)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return the path of a data set in tmp_path, the working directory: 120 samples of 6 features in three classes."""
    draw = np.random.default_rng(4)
    y = np.arange(120) % 3
    (tmp_path / "sub").mkdir()
    np.savez(tmp_path / "sub" / "mine.npz", x=draw.normal(size=(120, 6)) + 2 * np.eye(6)[y], y=WORDS[y])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sub" / "mine.npz"


def test_a_run_on_a_users_file_learns_and_is_resumed_from_anywhere(file, small, tmp_path, monkeypatch, same_content):
    whole = run(prepare(model(small())), tmp_path / "whole.h5")
    errors = whole.metrics.loc["test"]["error"]
    assert errors.iloc[-1] < 30 < errors.iloc[0]
    path = tmp_path / "parts.h5"
    with pytest.raises(KeyboardInterrupt):
        run(prepare(model(small())), path, Interruption())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resume(reopen(path), path)
    same_content(tmp_path / "whole.h5", path)
    assert Run(path).attributes["data_dir"] == str(tmp_path)
    assert "blake2b" in Run(path).attributes["data_content"]


def test_a_file_that_has_moved_is_found_and_one_that_has_changed_is_refused(file, small, tmp_path):
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        run(prepare(model(small())), path, Interruption())
    moved = file.rename(tmp_path / "mine.npz")
    assert reopen(path).data.folder == str(tmp_path)
    moved.rename(tmp_path / "sub" / "other.npz")
    with pytest.raises(DataError, match="'sub/mine.npz': no such file or folder in"):
        reopen(path)
    with np.load(tmp_path / "sub" / "other.npz") as arrays:
        np.savez(file, x=arrays["x"] + np.eye(120, 6) * 1e-3, y=arrays["y"])
    with pytest.raises(RunFileError, match="its data set 'sub/mine.npz' has changed since; give the same files"):
        reopen(path)


def test_a_run_file_gives_its_network_back_without_the_data(file, small, tmp_path):
    job = prepare(model(small()))
    run(job, tmp_path / "run.h5").close()
    file.unlink()
    with open_run(tmp_path / "run.h5") as opened:
        for name, array in opened.network().parameters().items():
            assert np.array_equal(array, job.network.parameters()[name])


@pytest.mark.parametrize("noted", ["", "-3", "6 x", "9" * 10, "1 1 1 1 1", "7"])
def test_a_strangers_file_is_refused_without_a_look_at_the_path_it_names(noted, file, small, tmp_path, monkeypatch):
    noted_shape = {"data_shape": noted}
    attributes = Job.attributes
    monkeypatch.setattr(Job, "attributes", lambda self: attributes(self) | noted_shape)
    run(prepare(model(small())), tmp_path / "run.h5").close()
    monkeypatch.setattr("neurosim.datasets.loading.find_user_file", lambda *_: pytest.fail("looked at"))
    with open_run(tmp_path / "run.h5") as opened, pytest.raises(RunFileError) as caught:
        opened.network()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/zero/x.npz", "/proc/self/mem"])
def test_a_path_that_is_no_data_set_is_never_opened_by_a_resumed_run(path, file, small, tmp_path):
    job = prepare(model(small()))
    table = job.model.contents | {"data": job.model.contents["data"] | {"name": path}}
    job.model = ModelFile.of("small", table)
    run(job, tmp_path / "run.h5").close()
    with pytest.raises(DataError, match="a file of kind|no such file or folder"):
        reopen(tmp_path / "run.h5")


def test_what_it_takes_is_known_before_it_is_loaded(file, small, tmp_path, monkeypatch):
    table = model(small()).table
    assert estimate.batches(estimate.describe_data(table.data), table, 20) == 4  # 96 training samples, 10 of them held out
    assert len(prepare(model(small())).data.train) == 86
    assert estimate.memory(table).data < 2**20
    monkeypatch.chdir("/")
    assert len(prepare(model(small()), data_dir=tmp_path).data.train) == 86
    assert len(prepare(model(small(), test=0.5), data_dir=tmp_path / "sub").data.test) == 60


def test_the_environments_folder_is_that_of_named_data_sets(file, small, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIM_DATA", str(tmp_path / "nowhere"))
    assert prepare(model(small())).data.folder == str(tmp_path)


def test_schemes_are_compared_on_a_users_file(file, small, tmp_path):
    found = compare(file, {"feedback_alignment": {}}, epochs=30, out=tmp_path / "out", quiet=True)
    assert [result.scheme for result in found.results] == ["backprop", "feedback_alignment"]
    assert all(result.test_accuracy > 60 for result in found.results)


def test_a_trainer_made_in_python_notes_the_path(file, small, tmp_path):
    job = prepare(model(small()))
    with Recorder.open(tmp_path / "run.h5", job.trainers[0], job.data) as recorder:
        job.trainers[0].fit(job.data, recorder)
    known = Run(tmp_path / "run.h5")
    assert 'name = "sub/mine.npz"' in known.model
    assert known.attributes["data_dir"] == str(tmp_path)
    with open_run(tmp_path / "run.h5") as opened:
        assert opened.network().populations["x"].shape == (6,)


def test_real_targets_are_learned_recorded_and_noted(file, small, tmp_path):
    """The targets are a linear function of the features, so that a network that learns leaves little unexplained."""
    draw = np.random.default_rng(5)
    x = draw.normal(size=(200, 6))
    np.savez(file, x=x, y=(x @ draw.normal(size=(6, 2))).astype(np.float32))
    contents = small() | {"network": {"hidden": [12], "layer": {"transfer": "linear"}, "output": {"transfer": "linear"}}}
    result = run(prepare(model(contents)), tmp_path / "run.h5")
    errors = result.metrics.loc["test"]["error"]
    assert errors.iloc[-1] < 10 < 50 < errors.iloc[0]
    with open_run(tmp_path / "run.h5") as opened:
        assert opened.network().populations["output"].shape == (2,)
        assert opened.probe["target"].shape == (5, 2)
        assert list(opened.recordings["hidden1.rate"].coords) == ["step", "epoch", "sample"]
    resume(reopen(tmp_path / "run.h5"), tmp_path / "run.h5")
