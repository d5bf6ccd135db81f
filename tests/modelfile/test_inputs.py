"""Projections into another input than the drive, in model files and runs: built, stated, recorded, resumed, counted."""

import numpy as np
import pytest

from neurosim.catalogue import Imports
from neurosim.errors import InputError
from neurosim.experiments import estimate
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.modelfile.description import describe
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import override
from neurosim.recording.variables import described, recordable, signals
from neurosim.tasks import one_hot
from neurosim.training import EVALUATION_BATCH

POPULATIONS = [
    {"name": "x"},
    {"name": "below", "shape": 7, "transfer": "tanh", "dropout": 0.1},
    {"name": "hidden", "shape": 6, "neurons": "a_users_own:Gated", "noise": 0.1},
    {"name": "output", "transfer": "softmax"},
]
PROJECTIONS = [
    {"pre": "x", "post": "below"},
    {"pre": "below", "post": "hidden"},
    {"pre": "x", "post": "hidden", "into": "gate"},
    {"pre": "hidden", "post": "hidden", "name": "loop", "delay": 1, "into": "gate", "bias": False},
    {"pre": "hidden", "post": "output"},
]
VARIABLES = ["hidden.gate every 2 steps", "hidden.error_on_gate every 1 epoch", "hidden.error"]


@pytest.fixture
def imports(users_classes):
    return Imports([users_classes])


@pytest.fixture
def contents(small):
    own = {"network": {"populations": POPULATIONS, "projections": PROJECTIONS}, "clock": {"ticks": 3, "asked": 2}}
    return small(scheme="backprop_through_time") | own | {"record": {"variables": VARIABLES, "samples": 5}}


def test_into_is_a_key_and_what_a_trainer_is_described_by(contents, imports):
    job = prepare(ModelFile.of("gated", contents, imports))
    trainer, data = job.trainers[0], job.data
    assert {p.name: p.into for p in job.network.projections.values() if p.into != "drive"} == {"x__hidden": "gate", "loop": "gate"}
    stated = describe(trainer, data, {})
    assert "unstated" not in stated
    assert [table.get("into") for table in stated["network"]["projections"]] == [None, None, "gate", "gate", None]
    again = prepare(ModelFile.of("again", stated, imports), data=data)
    assert again.network.summary() == job.network.summary()
    before = trainer.state()
    trainer.fit(data)
    again.trainers[0].fit(data)
    for name in ("network|x__hidden.w", "network|loop.w"):
        assert not np.array_equal(trainer.state()[name], before[name])
    for name, value in trainer.state().items():
        np.testing.assert_array_equal(value, again.trainers[0].state()[name], err_msg=name)


def test_a_run_records_the_input_and_goes_on_bit_for_bit(contents, imports, tmp_path, same_content):
    model = ModelFile.of("gated", contents, imports)
    job = prepare(model)
    with run(job, tmp_path / "whole.h5") as whole:
        shown, labels = job.data.test.x[:5], job.data.test.y[:5]
        trainer = job.trainers[0]
        sweep = trainer.show(shown)
        told = signals(job.network, trainer.pathway, sweep, one_hot(labels, 10), trainer.seed, trainer.steps)
        np.testing.assert_array_equal(whole.recording("hidden.gate")[-1], sweep["hidden"].inputs["gate"])
        np.testing.assert_array_equal(whole.recording("hidden.error_on_gate")[-1], told["hidden.error_on_gate"])
        assert len(whole.recording("hidden.gate")) > len(whole.recording("hidden.error_on_gate")) > 2
        assert not np.allclose(told["hidden.error_on_gate"], told["hidden.error"])

    class Stop:
        def on_step(self, trainer):
            if trainer.steps == 4:
                raise KeyboardInterrupt

        def on_epoch(self, trainer, metrics): ...

    with pytest.raises(KeyboardInterrupt):
        run(prepare(model), tmp_path / "parts.h5", Stop())
    resume(reopen(tmp_path / "parts.h5", imports=imports), tmp_path / "parts.h5")
    same_content(tmp_path / "whole.h5", tmp_path / "parts.h5")


def test_what_can_be_recorded_is_told_in_words(contents, imports):
    job = prepare(ModelFile.of("gated", contents, imports))
    words = {name: text for name, _, text in described(recordable(job.network, [job.trainers[0].pathway]))}
    assert words["hidden.gate"] == "what the rate is multiplied by"
    assert words["hidden.error_on_gate"] == "where the input gate should go: the teaching signal on it"
    assert "below.error_on_gate" not in words


@pytest.mark.parametrize(
    ("into", "said"),
    [
        ("'gatr'", "projection 'x__hidden' into population 'hidden': input 'gatr' is unknown: expected one of drive, gate"),
        ("3", 'network.projections.*into'),
    ],
)
def test_an_input_that_is_not_there_is_one_line(into, said, contents, imports):
    with pytest.raises(InputError, match=said) as caught:
        prepare(ModelFile.of("gated", override(contents, [f"network.projections.2.into={into}"]), imports))
    assert "\n" not in str(caught.value)


def test_memory_counts_every_input(contents, imports):
    def evaluation(neurons, into):
        populations = [*POPULATIONS[:2], {"name": "hidden", "shape": 6, "neurons": neurons}, POPULATIONS[3]]
        links = [{**link, "into": into} if link.get("into") else link for link in PROJECTIONS]
        changed = contents | {"network": {"populations": populations, "projections": links}, "record": {}}
        return estimate.memory(ModelFile.of("gated", changed, imports).table).evaluation

    assert evaluation("a_users_own:Gated", "gate") - evaluation("leaky", "drive") == 3 * 4 * EVALUATION_BATCH * 3 * 6
