"""Networks in time from model files: built, run, killed, resumed, opened, pooled, compared; and what is refused."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import neurosim
from neurosim.analysis.grouping import Group, grouped, hidden_populations
from neurosim.cli import main
from neurosim.errors import InputError, NotCapturableError
from neurosim.experiments.estimate import drafted, memory
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.feedback import pathways
from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import Run
from neurosim.training import Observer
from neurosim.training.captured import CapturedStep

OF_CHAINS = {
    "alternating_minimization", "difference_target_propagation", "spiking_difference_target_propagation", "synthetic_gradients",
    "local_difference_reconstruction", "pepita", "forward_forward", "ddtp_linear",
    "deep_feedback_control", "dendritic_microcircuits", "burst_dependent",
    "contrastive_hebbian", "dual_propagation", "equilibrium_propagation", "predictive_coding",
    "weight_perturbation",
}  # fmt: skip
SCHEMES = [(name, dict(v)) for name, scheme in pathways().items() if name not in OF_CHAINS for v in scheme.variants[:2]]


def contents(scheme="backprop_through_time", options=None, **more):
    """Return a model that reads digits row by row: a loop, a skip that takes two ticks, leaky neurons, two ends."""
    errors = [] if scheme == "none" else ["answer.error"]  # there is nothing that it tells anybody
    stage = {"scheme": scheme, "options": options or {}, "optimiser": {"name": "adam", "learning_rate": 0.01}}
    return {
        "title": "rows",
        "data": {"name": "digits", "limit": 90, "validation": 0.1},
        "clock": {"ticks": 8, "asked": 2},
        "encoder": {"name": "sequence", "axis": 1},
        "network": {
            "output": "answer",
            "populations": [
                {"name": "x", "noise": 0.1},
                {"name": "hidden", "shape": 7, "neurons": {"name": "leaky", "tau": 2.0, "transfer": "sigmoid"}, "dropout": 0.1},
                {"name": "answer", "transfer": "softmax"},
                {"name": "aside", "shape": 2},
            ],
            "projections": [
                {"pre": "x", "post": "hidden"},
                {"pre": "hidden", "post": "hidden", "name": "loop", "delay": 1, "initial": "orthogonal", "bias": False},
                {"pre": "hidden", "post": "answer"},
                {"pre": "x", "post": "answer", "name": "skip", "delay": 2},
                {"pre": "hidden", "post": "aside"},
            ],
        },
        "stages": [stage | {"epochs": 2, "batch": 30}],
        "record": {"variables": ["hidden.rate every 1 step", "loop.w", *errors], "samples": 5, "alignment": "1 epoch"},
    } | more


def model(*args, **more):
    return ModelFile.of("rows", contents(*args, **more))


class Stop(Observer):
    """Ends a run at a step, by an interrupt or, as nobody can answer, by SIGKILL."""

    def __init__(self, step, kill=False):
        self.step, self.kill = step, kill

    def on_step(self, trainer):
        if trainer.steps == self.step:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("scheme", "options", "captured"),
    [
        pytest.param(*case, captured, marks=[] if captured and number % 3 == 0 else [pytest.mark.slow])
        for number, case in enumerate(SCHEMES)
        for captured in ((True, False) if number % 3 == 0 else (True,))
    ],
    ids=str,
)
def test_a_resumed_run_is_the_uninterrupted_one(scheme, options, captured, tmp_path, monkeypatch, same_content):
    """Every scheme that knows loops, stopped in the middle of an epoch."""
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    run(prepare(model(scheme, options)), tmp_path / "whole.h5").close()
    with pytest.raises(KeyboardInterrupt):
        run(prepare(model(scheme, options)), tmp_path / "run.h5", Stop(3))
    resume(reopen(tmp_path / "run.h5"), tmp_path / "run.h5").close()
    same_content(tmp_path / "whole.h5", tmp_path / "run.h5")


def with_traces(**more):
    """Return a model that learns by traces: one of the input, one of each synapse of the loop, and a state that lasts."""
    table = contents("backprop", **more)
    trace, eligibility = (link.copy() for link in table["network"]["projections"][:2])
    trace["rule"] = {
        "equation": "dw = error_post * (trace_pre - mean_pre)", "per_sample": ["trace_pre"],
        "pre": {"trace": ["dtrace/dt = rate_pre - trace / 2", 0.1], "mean": "dmean/dt = (trace - mean) / 9"},
    }  # fmt: skip
    eligibility["rule"] = {
        "equation": "dw = error_post * k", "synapse": {"k": "dk/dt = rate_pre * rate_post - k / 2"}, "per_sample": ["k"],
    }  # fmt: skip
    network = table["network"] | {"projections": [trace, eligibility, *table["network"]["projections"][2:]]}
    return ModelFile.of("rows", table | {"network": network})


@pytest.mark.parametrize("captured", [True, False])
def test_a_run_with_traces_is_resumed_without_them(captured, tmp_path, monkeypatch, same_content):
    """No checkpoint holds them, for they end with a trial; updates are compared with the gradient's all the same."""
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    job = prepare(with_traces())
    kept = {name for name in job.trainers[0].state() if ".k" in name or "trace" in name or "mean_pre" in name}
    assert kept == {"network|x__hidden.mean_pre"}
    run(job, tmp_path / "whole.h5").close()
    assert all((step.program is not None) == captured for step in job.trainers[0]._programs.values())
    with pytest.raises(KeyboardInterrupt):
        run(prepare(with_traces()), tmp_path / "run.h5", Stop(3))
    resume(reopen(tmp_path / "run.h5"), tmp_path / "run.h5").close()
    same_content(tmp_path / "whole.h5", tmp_path / "run.h5")
    with neurosim.open_run(tmp_path / "run.h5") as found:
        angles = found.alignment["angle"].groupby("projection").last()
        assert 1 < angles["x__hidden"] < 90 and angles["hidden__answer"] < 0.1
        assert "per sample, from 0.1" in found.network().summary()


def test_memory_counts_traces(monkeypatch):
    """Fused, they need no array; where a step is not captured, some of the weights' size for each sample."""
    table, samples = with_traces(clock={"ticks": 8, "asked": 8}).table, 30
    network, (trainer,) = drafted(table)
    sizes = 8 + 7 * 7  # of the input's trace, and of the loop's synapses
    assert network.trace_bytes(trainer.batch) == 4 * samples * sizes
    captured = memory(table)

    def refuse(*_):
        raise NotCapturableError("by this test")

    monkeypatch.setattr(type(trainer), "recorded", refuse)
    plain = memory(table)
    activity = samples * (8 * (64 // 8 + 7 + 10 + 2) + 8 * 2 + 7 * 1) * 4
    assert plain.buffers == 8 * activity + 4 * 4 * samples * sizes
    assert captured.weights == plain.weights


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_killed_run_goes_on(tmp_path, same_content):
    run(prepare(model()), tmp_path / "whole.h5").close()
    child = os.fork()
    if child == 0:
        run(prepare(model()), tmp_path / "run.h5", Stop(3, kill=True))
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    resume(reopen(tmp_path / "run.h5"), tmp_path / "run.h5").close()
    same_content(tmp_path / "whole.h5", tmp_path / "run.h5")


def test_a_run_file_gives_its_network_back(tmp_path):
    """With its names, delays, neurons and output, and what it answers; what is recorded is the last tick."""
    job = prepare(model())
    with run(job, tmp_path / "run.h5"):
        pass
    with neurosim.open_run(tmp_path / "run.h5") as found:
        network = found.network()
        assert network.output == "answer" and network.projections["loop"].delay == 1 and network.projections["skip"].delay == 2
        for name, value in job.network.parameters().items():
            np.testing.assert_array_equal(network.parameters()[name], value)
        x = job.data.test.x[:5]
        last = job.trainers[0].trial.sweeps(network, x)[-1]
        np.testing.assert_allclose(found.recording("hidden.rate")[-1], last.rate["hidden"], rtol=1e-5, atol=1e-7)
        target = job.trainers[0].targets(job.data.test)[:5]
        np.testing.assert_allclose(found.recording("answer.error")[-1], target - last.rate["answer"], rtol=1e-5, atol=1e-6)
        angles = found.alignment["angle"].groupby("projection").last()
        assert angles[["x__hidden", "loop", "hidden__answer", "skip"]].max() < 0.1


def test_the_model_is_read_as_it_was_written(tmp_path):
    network, trainers = drafted(model().table)
    assert network.populations["x"].shape == (1, 8) and network.output == "answer"
    assert "loop: hidden -> hidden all_to_all, delay 1" in network.summary()
    assert trainers[0].trial.clock.ticks == 8 and trainers[0].sample == (1, 8, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock": {"ticks": 0}}, "clock: clock: ticks 0: expected 1 to 10,000"),
        ({"clock": {"ticks": 7}}, "have 8 entries along axis 1: expected 7, as the trial has ticks"),
        ({"clock": {"tick": 7}}, "key 'tick' is unknown.*did you mean 'ticks'"),
        ({"encoder": "sequense"}, "encoder 'sequense' is unknown.*did you mean 'sequence'"),
        ({"encoder": {"name": "sequence", "axis": "1"}}, "encoder 'sequence': axis '1': expected a whole number"),
        ({"network": {"hidden": [5], "output": "answer"}}, "output 'answer': expected a table where the network is a chain"),
    ],
)
def test_what_does_not_fit_is_one_line(change, message):
    with pytest.raises(InputError, match=message) as found:
        prepare(ModelFile.of("rows", contents() | change))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("projections", {"pre": "hidden", "post": "hidden", "name": "again"}, "expected a delay in every cycle"),
        ("projections", {"pre": "x", "post": "hidden", "name": "a b"}, "projection 'a b': expected a name like 'skip'"),
        ("projections", {"pre": "x", "post": "hidden", "delay": -1, "name": "b"}, "delay -1: expected 0 to 1,000 ticks"),
        ("projections", {"pre": "x", "post": "hidden"}, "projection 'x__hidden' is there twice"),
        ("populations", {"name": "b", "shape": 2, "neurons": "leaky", "transfer": "tanh"}, "neurons and transfer"),
    ],
)
def test_graphs_that_do_not_fit_are_one_line(place, change, message):
    table = contents()
    table["network"] = table["network"] | {place: [*table["network"][place], change]}
    with pytest.raises(InputError, match=message):
        prepare(ModelFile.of("rows", table))


def test_two_ends_need_a_name():
    table = contents()
    del table["network"]["output"]
    with pytest.raises(InputError, match="expected one, or the name of the one that does the task"):
        prepare(ModelFile.of("rows", table))


def test_every_tick_of_a_trial_is_asked_for_in_vain():
    with pytest.raises(InputError, match="expected steps or epochs, as of a trial the last tick is recorded"):
        model(record={"variables": ["hidden.rate every 1 tick"]})


def test_memory_grows_with_the_trial():
    """Activity of an evaluation is kept of every tick; weights are the same."""
    short, long = (memory(model(clock={"ticks": n}, encoder={"name": "constant"}).table) for n in (1, 8))
    neurons, delayed, images = 64 + 7 + 10 + 2, 7 * 1 + 64 * 2, 1000
    assert long.weights == short.weights and long.buffers > 2 * short.buffers
    for found, ticks in ((short, 1), (long, 8)):
        assert found.evaluation == 3 * 4 * images * (ticks * neurons + delayed)


def test_runs_in_time_are_pooled_only_with_their_like(tmp_path):
    """Seeds together; another clock, encoder, task or delay apart."""
    changes = {
        "a": {}, "b": {}, "clock": {"clock": {"ticks": 8}}, "encoder": {"encoder": "constant"},
        "task": {"task": {"name": "reward", "baseline": 0.5}},
    }  # fmt: skip
    for number, (name, change) in enumerate(changes.items()):
        table = contents() | change | {"record": {}}
        run(prepare(ModelFile.of("rows", table), seed=1 + number), tmp_path / f"{name}.h5").close()
    runs = [Run(tmp_path / f"{name}.h5") for name in changes]
    assert sorted(len(group.runs) for group in grouped(runs)) == [1, 1, 1, 2]
    assert hidden_populations(contents()) == ["hidden"]
    assert Group("rows", (runs[0],)).claims is not None


def test_rows_of_a_comparison_share_task_clock_and_encoder(tmp_path, capsys):
    text = '''title = "rows"
encoder = { name = "sequence", axis = 1 }
task = { name = "reward", baseline = 0.5 }
data = { name = "digits", limit = 100 }
clock = { ticks = 8 }
training = { epochs = 1, batch = 25 }
[network]
populations = [{ name = "x" }, { name = "hidden", shape = 5, transfer = "tanh" }, { name = "output", transfer = "softmax" }]
projections = [
    { pre = "x", post = "hidden" },
    { pre = "hidden", post = "hidden", name = "loop", delay = 1 },
    { pre = "hidden", post = "output" },
]
[rows.backprop]
scheme = "backprop"
optimiser = "sgd"
[rows.bptt]
scheme = "backprop_through_time"
optimiser = "sgd"
'''.replace('"sgd"', '{ name = "sgd", learning_rate = 0.1 }')
    Path(tmp_path / "rows.toml").write_text(text)
    assert main(["compare", "--file", str(tmp_path / "rows.toml"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert "missed reward" in capsys.readouterr().out
    for row in ("backprop", "bptt"):
        with neurosim.open_run(tmp_path / "out" / f"{row}-seed1.h5") as found:
            table = found.model_file().table
            assert (table.clock.ticks, table.encoder.axis, table.task.name) == (8, 1, "reward")
            assert found.error_name == "missed reward"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Test: 100 - missed reward (%)" in page and "Test missed reward after every epoch" in page


def test_the_error_is_called_what_the_task_says(tmp_path, capsys):
    """In `run` and `watch`; a classification's is the error."""
    table = contents() | {"record": {}, "clock": {"ticks": 8}}
    for task, word in (("reward", "missed reward"), ("classification", "error")):
        with run(prepare(ModelFile.of("rows", table | {"task": task})), tmp_path / f"{task}.h5") as found:
            assert found.error_name == word
        assert main(["watch", str(tmp_path / f"{task}.h5")]) == 0
        assert f"  test {word} " in capsys.readouterr().out
