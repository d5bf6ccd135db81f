"""What a run writes: every kind of variable, at its moments, as the network has it; alignment; checkpoints; from Python too."""

import copy
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import neurosim
from neurosim import Network, Trainer, datasets, pathway
from neurosim.datasets import Split
from neurosim.errors import DivergedError, InputError, RunFileError, UnknownNameError
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.schema import Record
from neurosim.plasticity import SGD, Adam
from neurosim.recording.plan import RecordingPlan
from neurosim.recording.recorder import Recorder
from neurosim.recording.variables import recordable, signals
from neurosim.runfile import Interval, Run, RunFile, problems
from neurosim.tasks import one_hot
from neurosim.training import Observer
from neurosim.training.alignment import alignments

CASES = [
    pytest.param(name, dict(options), marks=[pytest.mark.slow] if k else [])
    for name, scheme in pathways().items()
    for k, options in enumerate(scheme.variants)
]


def job(contents, **record):
    return prepare(ModelFile.of("small", copy.deepcopy(contents) | {"record": {"samples": 5} | record}))


class Interruption(Observer):
    """Raises KeyboardInterrupt after one step."""

    def __init__(self, step):
        self.step = step

    def on_step(self, trainer):
        if trainer.steps == self.step:
            raise KeyboardInterrupt


class Onlooker(Observer):
    """Keeps what a recorder should have written: the network's own values at the same moments."""

    def __init__(self, take):
        self.take, self.steps, self.epochs = take, {}, {}

    def on_step(self, trainer):
        self.steps[trainer.steps] = self.take(trainer)

    def on_epoch(self, trainer, metrics):
        self.epochs[trainer.epoch] = self.take(trainer)
        self.steps.setdefault(trainer.steps, self.take(trainer))


def test_every_step_and_every_epoch_as_the_network_has_it(small, tmp_path):
    prepared = job(small(), variables=["hidden2.rate", "hidden1.drive every 3 steps start 2 stop 8", "x__hidden1.w every 2 steps"])
    probe = prepared.data.test.x[:5]

    def take(trainer):
        sweep = trainer.network.sweep(probe)
        return sweep.rate["hidden2"], sweep.drive["hidden1"], trainer.network.parameters()["x__hidden1.w"].copy()

    seen = Onlooker(take)
    with run(prepared, tmp_path / "run.h5", seen) as said:
        rates, drives, weights = (said.recording(name) for name in ("hidden2.rate", "hidden1.drive", "x__hidden1.w"))
        assert rates.epoch.values.tolist() == [0, 1, 2, 3] and rates.step.values.tolist() == [0, 4, 8, 12]
        assert drives.step.values.tolist() == [2, 5, 8]
        assert weights.step.values.tolist() == [0, 2, 4, 6, 8, 10, 12]
        for k, epoch in enumerate(rates.epoch.values):
            np.testing.assert_array_equal(rates[k], seen.epochs[epoch][0])
        for k, step in enumerate(drives.step.values):
            np.testing.assert_array_equal(drives[k], seen.steps[step][1])
        for k, step in enumerate(weights.step.values):
            np.testing.assert_array_equal(weights[k], seen.steps[step][2])
        assert (weights[0] != weights[-1]).any()


def test_what_a_rule_remembers_is_recorded(small, tmp_path):
    """States of both sides and of the synapse, as the network has them, along the axes of their side."""
    rule = {
        "equation": "dw = 0.01 * trace * (rate_pre - mean_pre) * (rate_post - mean_post)",
        "pre": {"mean": ["dmean/dt = 0.1 * (rate_pre - mean)", 0.25]},
        "post": {"mean": "dmean/dt = 0.1 * (rate_post - mean)"},
        "synapse": {"trace": "dtrace/dt = rate_pre * rate_post - 0.1 * trace"},
    }
    contents = small()
    contents["network"]["layer"]["rule"] = rule
    names = [f"hidden1__hidden2.{name}" for name in ("mean_pre", "mean_post", "trace")]
    prepared = job(contents, variables=[f"{name} every 2 steps" for name in names])
    seen = Onlooker(lambda trainer: {name: trainer.network.memory()[name].copy() for name in names})
    with run(prepared, tmp_path / "run.h5", seen) as said:
        for name, dims in zip(names, [("pre",), ("post",), ("pre", "post")], strict=True):
            found = said.recording(name)
            assert found.dims == ("recording", *dims) and len(found) > 4
            for step, values in zip(found.step.values, found.values, strict=True):
                np.testing.assert_array_equal(values, seen.steps[step][name])
            assert not np.array_equal(found.values[0], found.values[-1])


def test_chosen_neurons_and_samples(small, tmp_path):
    prepared = job(
        small(),
        variables=[
            "hidden1.rate[1:8:3]",
            {"variable": "x__hidden1.w", "neurons": [2, 5]},
            {"variable": "output.rate", "neurons": True},
            "x.rate[random 4 seed 7]",
            "hidden2.rate",
        ],
        samples=[3, 1, 7],
        split="train",
    )
    with run(prepared, tmp_path / "run.h5") as said:
        now = prepared.network.sweep(prepared.data.train.x[[3, 1, 7]])
        rate = said.recording("hidden1.rate")
        assert rate.neuron.values.tolist() == [1, 4, 7] and rate.sample.values.tolist() == [3, 1, 7]
        np.testing.assert_array_equal(rate.label, prepared.data.train.y[[3, 1, 7]])
        np.testing.assert_array_equal(rate[-1], now.rate["hidden1"][:, [1, 4, 7]])
        np.testing.assert_array_equal(said.recording("hidden2.rate")[-1], now.rate["hidden2"])
        np.testing.assert_array_equal(said.recording("output.rate")[-1], now.rate["output"])
        np.testing.assert_array_equal(said.recording("x__hidden1.w")[-1], prepared.network.projections["x__hidden1"].w[:, [2, 5]])
        pixels = said.recording("x.rate")
        assert pixels.shape == (4, 3, 4)
        flat = prepared.data.train.x[[3, 1, 7]].reshape(3, -1)
        np.testing.assert_array_equal(pixels[0], flat[:, pixels.neuron.values])


@pytest.mark.parametrize(("scheme", "options"), CASES, ids=str)
def test_everything_recordable_of_every_scheme_is_recorded(scheme, options, small, tmp_path):
    """Whatever is listed has rows of the listed shape that hold what the network and the pathway have at the end."""
    prepared = job(small(scheme=scheme, options=options, epochs=1), variables=["*"])
    trainer = prepared.trainers[0]
    known = recordable(prepared.network, [trainer.pathway])
    with run(prepared, tmp_path / "run.h5") as said:
        assert set(said.recordings) == set(known)
        arrays = prepared.network.parameters() | prepared.network.memory() | trainer.pathway.parameters() | trainer.pathway.memory()
        network, data = prepared.network, prepared.data
        sweep, target = network.sweep(data.test.x[:5]), one_hot(data.test.y[:5], 10)
        told = signals(network, trainer.pathway, sweep, target, trainer.seed, trainer.steps)
        for name, variable in known.items():
            values = said.recording(name)
            assert values.shape[1:] == ((5, *variable.shape) if variable.shown else variable.shape)
            assert {"units", "description", "request"} <= set(values.attrs)
            if name in arrays:
                np.testing.assert_array_equal(values[-1], arrays[name], err_msg=name)
            elif name in told and len(values):
                np.testing.assert_array_equal(values[-1], told[name], err_msg=name)
    inner = {
        "difference_target_propagation": "target",
        "alternating_minimization": "code",
        "synthetic_gradients": "synthetic_gradient",
    }
    assert scheme not in inner or any(name.endswith(f".{inner[scheme]}") for name in known)


RELATIONS = {  # the error on the drive, from the signal, the rate, the drive and the transfer's slope
    "difference_target_propagation": lambda inner, h, a, slope: 2 * (inner["target"] - h) * slope,
    "alternating_minimization": lambda inner, h, a, slope: 2 / 7 * (inner["code"] - a),
    "synthetic_gradients": lambda inner, h, a, slope: inner["synthetic_gradient"] * slope,
}


@pytest.mark.parametrize("scheme", RELATIONS)
def test_signals_are_what_the_papers_call_them(scheme):
    """DTP's error is twice the way to the target, through the slope; AM's is the way to the code; DNI's is what M predicts."""
    network = Network.layered((9,), [7, 6], 4, dtype="float64", seed=3)
    draw = np.random.default_rng(1)
    x, target = draw.random((8, 9)), np.eye(4)[draw.integers(0, 4, 8)]
    sweep, draws = network.sweep(x), network.backend.draws(0, 0)
    p = pathway(scheme)
    p.attach(network, 4, 1)
    for array in p.parameters().values():
        array += 0.1 * draw.normal(size=array.shape)
    error, inner = p.teach(sweep, target, draws)["hidden1"].error, p.signals(sweep, target, draws)["hidden1"]
    h, a = sweep.rate["hidden1"], sweep.drive["hidden1"]
    np.testing.assert_allclose(error, RELATIONS[scheme](inner, h, a, 1 - h**2), rtol=1e-12, atol=1e-15)
    assert np.abs(error).max() > 0


def test_a_population_that_gets_no_error_this_time_has_no_number(small, tmp_path):
    contents = small(scheme="synthetic_gradients", options={"p_update": 0.5}, epochs=8)
    with run(job(contents, variables=["hidden1.error every 1 step"]), tmp_path / "run.h5") as said:
        resting = np.isnan(said.recording("hidden1.error").values)
        assert (resting.all(axis=(1, 2)) | ~resting.any(axis=(1, 2))).all()
        assert 4 < resting.all(axis=(1, 2)).sum() < len(resting) - 4


def test_recording_changes_nothing(small, tmp_path):
    contents = small(scheme="difference_target_propagation")
    with run(job(contents), tmp_path / "plain.h5") as plain:
        everything = job(contents, variables=["* every 2 steps"], alignment="every 1 step")
        with run(everything, tmp_path / "recorded.h5") as recorded:
            for name, value in plain.checkpoint().items():
                np.testing.assert_array_equal(value, recorded.checkpoint()[name], err_msg=name)


def test_stages_with_pathways_of_their_own(small, tmp_path):
    contents = small(epochs=1)
    contents["stages"] += [contents["stages"][0] | {"scheme": "difference_target_propagation"}]
    with run(job(contents, variables=["inverse/*.w", "hidden1.target", "hidden1.error"]), tmp_path / "run.h5") as said:
        assert said.recording("inverse/hidden2__hidden1.w").epoch.values.tolist() == [2]
        assert said.recording("hidden1.target").epoch.values.tolist() == [2]
        assert said.recording("hidden1.error").epoch.values.tolist() == [0, 1, 2]


# ---------------------------------------------------------------------- alignment


def test_alignment_is_that_of_the_step_that_comes_next(small, tmp_path):
    """What is compared at step k is what step k + 1 then commits: with plain SGD, the change of the weights."""
    contents = small(scheme="feedback_alignment", optimiser={"name": "sgd", "learning_rate": 0.5})
    prepared = job(contents, variables=["x__hidden1.w every 1 step"], alignment="every 1 step")
    with run(prepared, tmp_path / "run.h5") as said:
        weights = said.recording("x__hidden1.w").values
        fresh = job(contents)
        trainer, network = fresh.trainers[0], fresh.network
        rows = trainer.upcoming(len(fresh.data.train))
        x, target, draws = fresh.data.train.x[rows], one_hot(fresh.data.train.y[rows], 10), network.backend.draws(trainer.seed, 0)
        found = alignments(network, trainer.pathway, x, target, draws)
        assert said.alignment.loc[("x__hidden1", 0), "angle"] == pytest.approx(found["x__hidden1"].angle, rel=1e-6)
        sweep = network.sweep(x, training=True, draws=draws)
        proposed, _ = network.propose(sweep, trainer.pathway.teach(sweep, target, draws))
        np.testing.assert_allclose(weights[1] - weights[0], 0.5 * proposed["x__hidden1.w"], rtol=1e-3, atol=1e-7)
        assert said.alignment.loc["x__hidden1"].index.tolist() == list(range(13))


def test_rows_that_come_next_in_every_pass(small):
    prepared = job(small(scheme="difference_target_propagation", epochs=2))
    trainer, told, shown = prepared.trainers[0], [], []

    class Expecting(Observer):
        def on_epoch(self, trainer, metrics):
            told.append(trainer.upcoming(len(prepared.data.train)))

        def on_step(self, trainer):
            told.append(trainer.upcoming(len(prepared.data.train)))

    batches = trainer._batches

    def noted(size):
        for rows in batches(size):
            shown.append(rows)
            yield rows

    trainer._batches = noted
    trainer.fit(prepared.data, Expecting())
    size = len(shown) // 2
    expected = told[: size + 1][:size] + told[size + 1 :][:size]  # an epoch's last step and its evaluation tell of the same batch
    for rows, wanted in zip(shown[:size], expected[:size], strict=True):
        np.testing.assert_array_equal(rows, wanted)


def test_backprop_is_aligned_with_itself_and_its_cost_is_told(small, tmp_path):
    with run(job(small(), alignment="1 epoch"), tmp_path / "run.h5") as said:
        assert said.alignment["angle"].max() < 0.1 and (abs(said.alignment["norm_ratio"] - 1) < 1e-4).all()
        assert said.alignment.loc["x__hidden1"]["epoch"].tolist() == [0, 1, 2, 3]
        assert said.metrics.loc["train"]["alignment_seconds"].sum() > 0
    with run(job(small()), tmp_path / "off.h5") as said:
        assert len(said.alignment) == 0 and "alignment_seconds" not in said.metrics


LOOKED = {"alignment": "every 3 steps", "gauss_newton": "every 2 steps", "step_effect": "every 1 step"}


@pytest.mark.parametrize("scheme", ["difference_target_propagation", "weight_mirror"])  # own synapses, own phases, own state
def test_looking_at_steps_changes_nothing_and_is_resumed(scheme, small, tmp_path, same_content):
    contents = small(scheme=scheme, epochs=2)
    with run(job(contents), tmp_path / "plain.h5") as plain, run(job(contents, **LOOKED), tmp_path / "whole.h5") as whole:
        for name, value in plain.checkpoint().items():
            np.testing.assert_array_equal(value, whole.checkpoint()[name], err_msg=name)
        assert np.isfinite(whole.gauss_newton["angle"]).all() and len(whole.step_effect) == whole.checkpoint_steps[-1] + 1
    with pytest.raises(KeyboardInterrupt):
        run(job(contents, **LOOKED), tmp_path / "parts.h5", Interruption(5))  # within an epoch
    resume(reopen(tmp_path / "parts.h5"), tmp_path / "parts.h5")
    same_content(tmp_path / "whole.h5", tmp_path / "parts.h5")


class Counting(FeedbackPathway):
    """A stranger's: it teaches the output, by what it has counted of its own steps."""

    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False)
    steps = 0

    def build(self, seed):
        self.counted = np.zeros(1)

    def teach(self, sweep, target, draws):
        self.steps += 1
        self.counted += self.steps
        taught = self.output_teaching(sweep, target)
        return {self.network.output: replace(taught, error=taught.error * (1 + self.counted[0] % 3))}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [*pathways().values(), Counting], ids=lambda scheme: scheme.__name__)
def test_no_scheme_learns_otherwise_where_its_steps_are_looked_at(scheme, tmp_path):
    data, learned = datasets.load("digits", limit=120), []
    for options in ({}, LOOKED):
        network = Network.layered(data.shape, [8, 6], data.classes, seed=1)
        trainer = Trainer(network, scheme(), Adam(3e-3), epochs=2, batch=40, seed=1)
        told = ["*.error every 1 step"] if options and scheme.name != "none" else []
        with neurosim.Recorder.open(tmp_path / f"{len(options)}.h5", trainer, data, *told, **options) as recorder:
            trainer.fit(data, recorder)
        learned.append({**network.parameters(), **trainer.pathway.parameters(), "steps": getattr(trainer.pathway, "steps", None)})
    for name, value in learned[0].items():
        np.testing.assert_array_equal(value, learned[1][name], err_msg=name)


def test_what_a_step_is_said_to_do_is_what_it_does(small, tmp_path):
    prepared, reached = job(small(), step_effect="every 1 step"), []
    data = prepared.data.train

    class Looking(Observer):
        rows = prepared.trainers[0].upcoming(len(data))

        def on_step(self, trainer):
            reached.append(trainer.evaluate(Split(data.x[self.rows], data.y[self.rows])).loss)
            self.rows = trainer.upcoming(len(data))

        def on_epoch(self, trainer, metrics):
            self.rows = trainer.upcoming(len(data))

    with run(prepared, tmp_path / "run.h5", Looking()) as said:
        np.testing.assert_allclose(said.step_effect["after"].iloc[:-1], reached, rtol=1e-5)
        np.testing.assert_allclose(said.step_effect["decrease"], said.step_effect["before"] - said.step_effect["after"])
        assert (said.step_effect["decrease"] > 0).mean() > 0.9 and said.step_effect["epoch"].tolist()[:1] == [0]
        assert said.metrics.loc["train"]["step_effect_seconds"].sum() > 0


def test_gauss_and_newtons_direction_is_refused_before_anything_runs(small):
    normalised, large = small(), small(batch=450)
    normalised["network"]["layer"]["normalisation"] = "batch"
    large["data"]["limit"] = 600
    for contents, said in ((normalised, "population 'hidden1' has batch normalisation"), (large, "450 samples times 10 outputs")):
        with pytest.raises(InputError, match=f"record: gauss_newton: {said}: expected .* leave it out"):
            job(contents, gauss_newton="1 epoch")


def test_feedback_alignment_falls_from_ninety_degrees():
    """Lillicrap et al. (2016), figure 2c: the angle of a hidden layer's update falls as the forward weights align."""
    data = datasets.load("digits")
    network = Network.layered(data.shape, [64], data.classes, seed=1)
    trainer = Trainer(network, pathway("feedback_alignment"), SGD(0.05), epochs=15, batch=32, seed=1)
    angles = []

    class Angle(Observer):
        def on_epoch(self, trainer, metrics):
            draws = network.backend.draws(0, 0)
            x, target = data.train.x[:200], one_hot(data.train.y[:200], 10)
            angles.append(alignments(network, trainer.pathway, x, target, draws)["x__hidden1"].angle)

    trainer.fit(data, Angle())
    assert 75 < angles[0] < 105
    assert angles[-1] < angles[0] - 20 and angles[-1] < 60


def test_what_has_no_cross_entropy_has_no_alignment(small):
    contents = small(scheme="hsic_bottleneck", options={"output": "units"})
    contents["network"]["output"] = {"transfer": "relu"}
    with pytest.raises(InputError, match="expected a plain 'softmax'"):
        job(contents, alignment="1 epoch")


# ---------------------------------------------------------------------- checkpoints, networks


def test_checkpoints_at_their_interval_and_after_the_last_epoch(small, tmp_path):
    with run(job(small(epochs=5), checkpoint=2, keep=0), tmp_path / "run.h5") as said:
        assert said.checkpoints == [2, 4, 5]


def test_the_network_comes_back_as_it_was_at_any_checkpoint(small, tmp_path):
    prepared = job(small(), keep=0, variables=["output.rate"])
    prepared_network = prepared.network
    run(prepared, tmp_path / "run.h5").close()
    with neurosim.open_run(tmp_path / "run.h5") as said:
        for k, epoch in enumerate(said.checkpoints, start=1):
            network = said.network(epoch)
            found = network.sweep(prepared.data.test.x[:5]).rate["output"]
            np.testing.assert_allclose(found, said.recording("output.rate")[k], rtol=1e-6)
        for name, value in prepared_network.parameters().items():
            np.testing.assert_array_equal(said.network().parameters()[name], value)
        assert said.model_file().table.stages[0].epochs == 3


def test_a_checkpoint_that_does_not_fit_its_model_is_told(small, tmp_path, altered):
    run(job(small()), tmp_path / "run.h5").close()
    with altered(tmp_path / "run.h5") as file:
        text = file["model"].asstr()[()].replace("12,", "11,", 1)
        del file["model"], file.attrs["digests"]
        file["model"] = text
    with neurosim.open_run(tmp_path / "run.h5") as said, pytest.raises(RunFileError, match=r"'x__hidden1.w' of shape \(64, 12\)"):
        said.network()


HOSTILE = "__import__('os').system('touch owned')"


@pytest.mark.parametrize(
    "change",
    [
        ('scheme = "backprop"', f'scheme = "{HOSTILE}"'),
        ("[network.layer]", f'[network.layer]\nrule = "dw = {HOSTILE} * rate_pre"'),
        ("[network.layer]", f'[network.layer]\ntransfer = "{HOSTILE}"'),
        ("title", "title = ["),
    ],
)
def test_a_hostile_model_runs_no_code(change, small, tmp_path, monkeypatch, altered):
    monkeypatch.chdir(tmp_path)
    run(job(small()), tmp_path / "run.h5").close()
    with altered(tmp_path / "run.h5") as file:
        text = file["model"].asstr()[()]
        assert change[0] in text
        del file["model"]
        file["model"] = text.replace(*change, 1)
    with neurosim.open_run(tmp_path / "run.h5") as said, pytest.raises(InputError):
        said.model_file()
        said.network()
    with pytest.raises(InputError):
        reopen(tmp_path / "run.h5")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["passwd", "../../etc/passwd", "/etc/passwd", "~/mine.npz"])
def test_data_that_a_stranger_s_file_names_are_not_looked_for(name, small, tmp_path, monkeypatch, altered):
    """The network comes from the shapes that are noted; going on needs the data, which are refused by their name or digest."""
    monkeypatch.chdir(tmp_path)
    run(job(small()), tmp_path / "run.h5").close()
    with altered(tmp_path / "run.h5") as file:
        text = file["model"].asstr()[()]
        del file["model"]
        file["model"] = text.replace('name = "digits"', f'name = "{name}"', 1)
    with neurosim.open_run(tmp_path / "run.h5") as said:
        assert said.network().input_shape == (1, 8, 8)
    with pytest.raises(InputError):
        reopen(tmp_path / "run.h5")


# ---------------------------------------------------------------------- from Python


def small_trainer(scheme="backprop", optimiser=None, epochs=2, transfer="tanh"):
    data = datasets.load("digits", limit=200)
    network = Network.layered(data.shape, [8], data.classes, seed=1, transfer=transfer)
    return data, Trainer(network, pathway(scheme), optimiser or Adam(3e-3), epochs=epochs, batch=50, seed=1)


def test_a_trainer_made_in_python_is_recorded(tmp_path):
    data, trainer = small_trainer("feedback_alignment")
    options = {"samples": 10, "alignment": "1 epoch"}
    with neurosim.Recorder.open(tmp_path / "run.h5", trainer, data, "hidden*.rate every 2 steps", **options) as recorder:
        trainer.fit(data, recorder)
    with neurosim.open_run(tmp_path / "run.h5") as said:
        assert said.status == "complete" and said.recording("hidden1.rate").shape == (5, 10, 8)
        np.testing.assert_array_equal(said.weights()["x__hidden1.w"], trainer.network.parameters()["x__hidden1.w"])
        assert len(said.alignment.loc["x__hidden1"]) == 3
        np.testing.assert_array_equal(said.network().projections["x__hidden1"].w, trainer.network.parameters()["x__hidden1.w"])


def test_how_it_ended_is_written(tmp_path):
    data, trainer = small_trainer(optimiser=SGD(1e30), transfer="relu")
    with pytest.raises(DivergedError), Recorder.open(tmp_path / "run.h5", trainer, data) as recorder:
        trainer.fit(data, recorder)
    with Run(tmp_path / "run.h5") as said:
        assert said.status == "failed" and "drive is" in said.attributes["reason"]


def test_a_disk_that_is_full_ends_the_run(tmp_path, monkeypatch):
    data, trainer = small_trainer(epochs=50)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), Recorder.open(tmp_path / "run.h5", trainer, data) as recorder:
        monkeypatch.setattr(recorder.file, "append", full)
        trainer.fit(data, recorder)
    assert trainer.epoch < 50
    with Run(tmp_path / "run.h5") as said:
        assert said.status == "failed" and "No space left" in said.attributes["reason"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"variables": ["hiden1.rate"]}, "'hiden1.rate' is unknown.*did you mean 'hidden1.rate'"),
        ({"variables": ["hidden1.rate[40]"]}, "record 'hidden1.rate': neurons \\[40\\]: expected numbers of neurons, each 0 to 7"),
        ({"variables": ["hidden1.target"]}, "'hidden1.target' is unknown"),
        ({"samples": [600]}, "samples of the test split, which has 500: \\[600\\]: expected numbers, each 0 to 499"),
        ({"split": "validation"}, "samples of the validation split, which has 0: expected another split"),
    ],
)
def test_what_cannot_be_recorded_is_told(record, said):
    data, trainer = small_trainer()
    trainer.check(data)
    with pytest.raises((InputError, UnknownNameError), match=said):
        RecordingPlan([trainer], data, Record(**record))


def test_chunks_hold_what_comes_between_two_flushes(small):
    series = {one.path: one for one in job(small(), variables=["hidden1.rate every 1 step", "hidden2.rate"]).plan.series()}
    assert series["populations/hidden1/rate"].chunks == (4, 5, 12)
    assert series["populations/hidden2/rate"].chunks == (1, 5, 12)


def test_intervals_of_alignment_are_read():
    asked = {"alignment": "every 20 steps", "step_effect": "1 epoch"}
    assert Record(**asked).comparisons() == {"alignment": Interval(20, "steps"), "step_effect": Interval(1, "epochs")}
    assert Record().comparisons() == {}


# ---------------------------------------------------------------------- interrupted while it ends


@pytest.fixture
def listening():
    """Ctrl-C is heard, also where the tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system sends no signals to threads")
@pytest.mark.parametrize("stopped", [False, True])
def test_ctrl_c_while_a_run_ends_cuts_nothing_short(stopped, small, tmp_path, monkeypatch, listening):
    """It comes in the middle of the last writing, whether the run has come to its end or is being stopped already."""
    say = RunFile.set_status

    def interrupted(self, *said):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.1)  # the main thread answers
        say(self, *said)

    class Stop(Observer):
        def on_step(self, trainer):
            if stopped and trainer.steps == 6:
                raise KeyboardInterrupt("by SIGTERM")

    path = tmp_path / "run.h5"
    prepared = job(small(), variables=["hidden1.rate"])
    close, closed = RunFile.close, []
    monkeypatch.setattr(RunFile, "set_status", interrupted)
    monkeypatch.setattr(RunFile, "close", lambda self: (close(self), closed.append(self.path)))
    with pytest.raises(KeyboardInterrupt):
        run(prepared, path, Stop())
    assert closed == [path]  # by now
    with Run(path) as said:
        assert said.status == ("interrupted" if stopped else "complete")
        assert said.attributes["reason"] == ("by SIGTERM" if stopped else "")
        assert len(said.metrics.loc["test"]) == (2 if stopped else 4)
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
    assert problems(path) == []


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_while_the_ending_begins_cuts_nothing_short(begun, small, tmp_path, monkeypatch):
    start, interrupted = threading.Thread.start, []

    def begin(thread):
        if thread.name == "neurosim-ending" and not interrupted:
            interrupted.append(thread)
            if begun:
                start(thread)
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    with pytest.raises(KeyboardInterrupt):
        run(job(small()), tmp_path / "run.h5")
    assert interrupted and problems(tmp_path / "run.h5") == []
    with Run(tmp_path / "run.h5") as said:
        assert said.status == "complete"


def test_a_run_that_cannot_be_ended_says_why(small, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunFile, "set_status", full)
    with pytest.raises(OSError, match="No space left"):
        run(job(small()), tmp_path / "run.h5")
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
