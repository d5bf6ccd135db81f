"""The engine: stages in sequence, run files, and a resumed run that is bit-identical for every scheme."""

import copy

import h5py
import numpy as np
import pandas as pd
import pytest

from neurosim.errors import DivergedError, InputError, RunFileError, UnknownNameError
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.feedback import pathways
from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import Run
from neurosim.training import Observer

FIRST = [(name, dict(scheme.variants[0])) for name, scheme in pathways().items()]
OTHERS = [(name, dict(options)) for name, scheme in pathways().items() for options in scheme.variants[1:]]
ALL = [*FIRST[::3], *(pytest.param(*case, marks=pytest.mark.slow) for case in [*FIRST[1::3], *FIRST[2::3], *OTHERS])]


class Interruption(Observer):
    """Raises KeyboardInterrupt at one step, counted over the whole run."""

    def __init__(self, step):
        self.step = step

    def on_step(self, trainer):
        if trainer.steps == self.step:
            raise KeyboardInterrupt


def job(contents, **options):
    return prepare(ModelFile.of("small", copy.deepcopy(contents)), **options)


def interrupted(contents, path, step, **options):
    with pytest.raises(KeyboardInterrupt):
        run(job(contents, **options), path, Interruption(step))
    return path


# with the default recordings, and checkpoints at the ends of epochs; what follows asks more, of every scheme
@pytest.mark.parametrize(("scheme", "options"), FIRST[::5], ids=str)
def test_a_resumed_run_is_bit_identical(scheme, options, small, tmp_path, same_content):
    contents = small(scheme=scheme, options=options)
    whole = run(job(contents, seed=5), tmp_path / "whole.h5")
    path = interrupted(contents, tmp_path / "parts.h5", step=int(0.6 * whole.metrics.loc["test"]["step"].iloc[-1]), seed=5)
    assert Run(path).status == "interrupted"
    assert 2 <= len(Run(path).metrics.loc["test"]) < 4
    resume(reopen(path), path)
    assert Run(path).status == "complete"
    same_content(tmp_path / "whole.h5", path)


@pytest.mark.parametrize(("scheme", "options"), ALL, ids=str)
def test_a_run_goes_on_within_an_epoch_and_beyond_its_end(scheme, options, small, tmp_path, same_content):
    """Stopped between two checkpoints within an epoch, resumed to its end, and then given an epoch more."""
    record = {"checkpoint": "3 steps", "keep": 2, "variables": ["hidden1.rate every 2 steps", "*.w"], "samples": 5}

    def contents(epochs):
        made = small(scheme=scheme, options=options, epochs=epochs) | {"record": record}
        made["data"]["augment"] = {"crop_pad": 1}
        return made

    whole = run(job(contents(3), seed=5), tmp_path / "whole.h5")
    an_epoch = int(whole.metrics.loc["test"]["step"].iloc[1])
    path = interrupted(contents(2), tmp_path / "parts.h5", step=an_epoch + 3, seed=5)
    with Run(path) as said:
        assert an_epoch < said.checkpoint_steps[-1] <= an_epoch + 3 and said.within_epoch
    resume(reopen(path), path)
    with Run(path) as said:
        assert said.status == "complete" and said.checkpoint_steps[-1] == 2 * an_epoch
    resume(reopen(path, epochs=3), path)
    same_content(tmp_path / "whole.h5", path)
    with Run(path) as said:
        assert said.status == "complete" and said.model == whole.model and len(said.checkpoint_steps) == 2


@pytest.mark.parametrize("untils", [(1, 2), (2, 2, 3), (3, 1)])
def test_a_run_that_is_stopped_at_epochs_comes_to_what_it_would_have(untils, small, tmp_path):
    """Over two stages, of which the schedule of the first goes by its whole length, and with fewer checkpoints than stops."""
    contents = small(scheme="difference_target_propagation", epochs=2)
    contents["stages"][0]["optimiser"] = [{"name": "sgd", "learning_rate": 0.1}, {"name": "milestones", "at": [0.5], "factor": 0.1}]
    contents["stages"] += [contents["stages"][0] | {"scheme": "backprop"}]
    contents["record"] = contents.get("record", {}) | {"checkpoint": 4}
    run(job(contents), tmp_path / "whole.h5")
    path, seen = tmp_path / "parts.h5", []

    class Watching(Observer):
        def on_epoch(self, trainer, metrics):
            seen.append(trainer.epoch)

    run(job(contents), path, Watching(), until=untils[0])
    reached = untils[0]
    for until in untils[1:]:
        reached = max(reached, until)
        resume(reopen(path), path, Watching(), until=until)
        with Run(path) as known:
            assert known.status == "interrupted" and known.attributes["reason"] == f"after {reached} epochs, as asked"
            assert known.metrics.loc["test"].index.tolist() == list(range(reached + 1)) and known.checkpoints[-1] == reached
    resume(reopen(path), path, Watching(), until=9)
    assert Run(path).status == "complete" and len(seen) >= 5
    with Run(tmp_path / "whole.h5") as whole, Run(path) as parts:
        clocks = ["seconds"]
        pd.testing.assert_frame_equal(whole.metrics.drop(columns=clocks), parts.metrics.drop(columns=clocks))
        for name, value in whole.checkpoint().items():
            np.testing.assert_array_equal(parts.checkpoint()[name], value, err_msg=name)
        for name in whole.recordings:
            np.testing.assert_array_equal(parts.recording(name), whole.recording(name), err_msg=name)


NORMALISED = {"hidden": [12, 12], "layer": {"normalisation": "batch", "transfer": "relu"}}
REMEMBERING = {"hidden": [12, 12], "layer": {"rule": {"name": "co_activation_memory"}}}


@pytest.mark.parametrize(("scheme", "network"), [("backprop", NORMALISED), ("alternating_minimization", REMEMBERING)])
def test_running_statistics_and_synaptic_state_are_resumed(scheme, network, small, tmp_path, same_content):
    contents = small(scheme=scheme, shuffle=False) | {"network": network}
    run(job(contents), tmp_path / "whole.h5")
    path = interrupted(contents, tmp_path / "parts.h5", step=9)
    resume(reopen(path), path)
    same_content(tmp_path / "whole.h5", path)


@pytest.mark.parametrize("step", [1, 5, 9, 10])
def test_stages_are_resumed_where_they_stopped(step, small, tmp_path, same_content):
    contents = small(epochs=1)
    contents["data"]["augment"] = {"crop_pad": 1}
    contents["stages"] += [
        contents["stages"][0] | {"scheme": "difference_target_propagation", "epochs": 1},
        contents["stages"][0] | {"scheme": "frozen"},
    ]
    whole = run(job(contents), tmp_path / "whole.h5")
    assert whole.metrics.loc["test"].index.tolist() == [0, 1, 2, 3]
    assert whole.metrics.loc["test"]["step"].tolist() == [0, 4, 12, 16]
    path = interrupted(contents, tmp_path / "parts.h5", step=step)
    resume(reopen(path), path)
    same_content(tmp_path / "whole.h5", path)


def test_an_interruption_before_the_first_evaluation_starts_again(small, tmp_path, same_content):
    run(job(small()), tmp_path / "whole.h5")
    path = interrupted(small(), tmp_path / "parts.h5", step=1)
    resume(reopen(path), path)
    same_content(tmp_path / "whole.h5", path)


def test_a_run_that_is_stopped_before_it_is_recorded_goes_on(small, tmp_path, monkeypatch, same_content):
    def stop(*_):
        raise KeyboardInterrupt

    run(job(small()), tmp_path / "whole.h5")
    path = tmp_path / "parts.h5"
    with monkeypatch.context() as patched:
        patched.setattr("neurosim.experiments.run.Recorder", stop)
        with pytest.raises(KeyboardInterrupt):
            run(job(small()), path)
    assert Run(path).status == "interrupted" and [p.name for p in tmp_path.glob("parts*")] == ["parts.h5"]
    resume(reopen(path), path)
    same_content(tmp_path / "whole.h5", path)


def test_a_complete_run_is_left_as_it_is(small, tmp_path):
    path = tmp_path / "run.h5"
    run(job(small()), path)
    before = path.read_bytes()
    assert resume(reopen(path), path).status == "complete"
    assert path.read_bytes() == before


def test_the_seed_decides_everything(small, tmp_path, same_content):
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        run(job(small(), seed=seed), tmp_path / f"{name}.h5")
    same_content(tmp_path / "a.h5", tmp_path / "b.h5")
    with pytest.raises(AssertionError):
        same_content(tmp_path / "a.h5", tmp_path / "c.h5")


def test_what_was_asked_for_is_recorded(small, tmp_path):
    prepared = job(small())
    run(prepared, tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        rates, weights = file["populations/hidden1/rate"], file["projections/x__hidden1/w"]
        assert rates.shape == (4, 5, 12) and weights.shape == (4, 64, 12)
        now = prepared.network.sweep(prepared.data.test.x[:5]).rate["hidden1"]
        np.testing.assert_array_equal(rates[-1], now)
        np.testing.assert_array_equal(weights[-1], prepared.network.parameters()["x__hidden1.w"])
        assert (weights[0] != weights[-1]).any()


def test_the_file_says_what_was_run(small, tmp_path):
    said = run(job(small(), seed=8), tmp_path / "run.h5")
    assert {"seed": 8, "backend": "numpy", "status": "complete", "schema_version": 3}.items() <= dict(said.attributes).items()
    assert "hidden = [" in said.model and "limit = 200" in said.model


# ---------------------------------------------------------------------- failures


def test_divergence_leaves_a_file_that_says_so(small, tmp_path):
    contents = small(optimiser={"name": "sgd", "learning_rate": 1e30}, epochs=2)
    contents["network"]["layer"]["transfer"] = "relu"
    with pytest.raises(DivergedError, match=r"population 'hidden\d'.*at step \d"):
        run(job(contents), tmp_path / "run.h5")
    said = Run(tmp_path / "run.h5")
    assert said.status == "failed"
    assert "hidden" in said.attributes["reason"]
    assert said.metrics.loc["test"].index.tolist() == [0]


def test_divergence_in_the_last_step_is_found_by_the_evaluation(small, tmp_path):
    contents = small(optimiser={"name": "sgd", "learning_rate": 1e30}, epochs=1, batch=200)
    contents["network"]["layer"]["transfer"] = "relu"
    with pytest.raises(DivergedError, match="at step 1"):
        run(job(contents), tmp_path / "run.h5")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": ["stages.0.epochs=9"]}, "--set stages.0.epochs=9"),
        ({"settings": ["data.name=mnist"]}, "--set data.name=mnist"),
        ({"seed": 2}, "--seed 2"),
        ({"backend": "cupy"}, "--backend cupy"),
        ({"model": "dtp-mnist"}, "not of 'dtp-mnist'"),
    ],
)
def test_what_contradicts_the_file_is_refused(change, said, small, tmp_path):
    path = interrupted(small(), tmp_path / "run.h5", step=6)
    with pytest.raises(RunFileError, match=said):
        reopen(path, **change)
    reopen(path, settings=["stages.0.epochs=3"], seed=1, backend="numpy")  # what it was started with may be said again


def test_changed_data_are_refused(small, tmp_path, altered):
    path = interrupted(small(), tmp_path / "run.h5", step=6)
    with altered(path) as file:
        file.attrs["data_digest"] = "0" * 32
    with pytest.raises(RunFileError, match="'digits' has changed"):
        reopen(path)


def test_a_checkpoint_of_another_network_is_refused(small, tmp_path):
    path = interrupted(small(), tmp_path / "run.h5", step=6)
    with h5py.File(path, "r+") as file:
        del file["checkpoints/0/network/x__hidden1.w"]
    with pytest.raises(InputError, match="network/x__hidden1.w' is nothing: expected float32 .* does not fit the model"):
        resume(reopen(path), path)


# ---------------------------------------------------------------------- data that lie elsewhere


def images(folder, seed=0):
    """Write a folder with a small MNIST of noise."""
    folder.mkdir(exist_ok=True)
    draw = np.random.default_rng(seed)
    arrays = {"x_train": draw.integers(0, 256, (100, 28, 28), np.uint8), "y_train": np.arange(100) % 10}
    arrays |= {"x_test": draw.integers(0, 256, (20, 28, 28), np.uint8), "y_test": np.arange(20) % 10}
    np.savez(folder / "mnist.npz", **arrays)
    return folder


@pytest.fixture
def started(small, tmp_path, monkeypatch):
    """A run that was interrupted, whose data lay in the folder that the environment named."""
    monkeypatch.setenv("NEUROSIM_DATA", str(images(tmp_path / "mnist")))
    contents = small() | {"data": {"name": "mnist", "limit": 100}}
    return interrupted(contents, tmp_path / "run.h5", step=3)


def test_the_folder_that_the_environment_names_is_noted(started, tmp_path, monkeypatch):
    assert Run(started).attributes["data_dir"] == str(tmp_path / "mnist")
    monkeypatch.delenv("NEUROSIM_DATA")
    assert resume(reopen(started), started).status == "complete"


def test_the_same_data_are_found_where_the_environment_says_now(started, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIM_DATA", str((tmp_path / "mnist").rename(tmp_path / "moved")))
    assert reopen(started).data_dir == str(tmp_path / "moved")
    images(tmp_path / "mnist", seed=1)  # something else has come to lie where they lay
    assert reopen(started).data_dir == str(tmp_path / "moved")


def test_other_data_in_the_environments_folder_change_nothing(started, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIM_DATA", str(images(tmp_path / "other", seed=1)))
    assert reopen(started).data_dir == str(tmp_path / "mnist")
    images(tmp_path / "mnist", seed=2)
    with pytest.raises(RunFileError, match="'mnist' has changed"):
        reopen(started)
    with pytest.raises(InputError, match="absent"):
        reopen(started, data_dir=tmp_path / "absent")


# ---------------------------------------------------------------------- another machine


def test_other_threads_or_another_blas_are_told_once(small, tmp_path, caplog, altered):
    path = interrupted(small(), tmp_path / "run.h5", step=6)
    threads = int(Run(path).attributes["threads"])
    assert not caplog.records
    with altered(path) as file:
        file.attrs["threads"], file.attrs["blas"] = threads + 3, "mkl 2026"
    now = Run(path).attributes
    assert resume(reopen(path), path).status == "complete"
    (record,) = caplog.records
    told = record.getMessage()
    assert f"threads was {threads + 3} and is {threads} now, blas was 'mkl 2026' and is " in told
    assert Run(path).attributes["blas"] == now["blas"]  # what it began with


def test_a_run_of_an_older_version_says_nothing_of_threads(small, tmp_path, caplog, altered):
    path = interrupted(small(), tmp_path / "run.h5", step=6)
    with altered(path) as file:
        del file.attrs["threads"], file.attrs["blas"]
    reopen(path)
    assert not caplog.records


# ---------------------------------------------------------------------- what cannot be run


@pytest.mark.parametrize(
    "record", [{"variables": [name]} for name in ("hiden1.rate", "hidden1.mask every 5 steps", "x__hidden1.v")]
)
def test_unknown_variables_name_the_nearest(record, small, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean"):
        job(small() | {"record": record})


def test_nothing_is_written_before_all_is_checked(small, tmp_path):
    with pytest.raises(InputError, match="batch 5000 exceeds"):
        run(job(small(batch=5000)), tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == []
