"""Runs of trainers made in Python: their files state what a model file would, give the network back, and go on."""

import re
from fractions import Fraction

import numpy as np
import pytest

import neurosim
from neurosim import Network, Population, Projection, Recorder, Trainer, datasets, open_run, pathway
from neurosim.analysis.grouping import grouped
from neurosim.cli import main
from neurosim.datasets import Augmentation, from_arrays
from neurosim.equations import parse
from neurosim.errors import InputError, RunFileError
from neurosim.experiments.run import prepare, run
from neurosim.feedback import pathways
from neurosim.feedback.backprop import Backprop
from neurosim.modelfile.description import describe
from neurosim.modelfile.model_file import ModelFile
from neurosim.neurons import BatchNormalisation, transfers
from neurosim.neurons.tanh import Tanh
from neurosim.plasticity import (
    SGD,
    Adam,
    CoActivationMemory,
    Decay,
    Milestones,
    NormaliseIncoming,
    OneSign,
    PlasticityRule,
    chain,
    updates,
)
from neurosim.training import Observer

SCHEMES = [(name, dict(options)) for name, scheme in pathways().items() for options in scheme.variants]


class StopAfter(Observer):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, trainer, metrics):
        if trainer.epoch == self.epoch:
            raise KeyboardInterrupt


def digits():
    return datasets.load("digits", limit=200, validation=100)


def own_arrays():
    x = np.random.default_rng(0).normal(size=(300, 12)).astype("f4")
    y = x[:, :3].argmax(1)
    return from_arrays(x[:200], y[:200], x[200:], y[200:], name="mine")


def trainer_on(data, *, seed=1, network_seed=None, epochs=3, scheme="backprop", options=None, hidden=(9,), rate=3e-3, **more):
    network = Network.layered(data.shape, list(hidden), data.classes, seed=seed if network_seed is None else network_seed)
    return Trainer(network, pathway(scheme, **(options or {})), Adam(rate), epochs=epochs, batch=50, seed=seed, **more)


def recorded(path, trainer, data, *observers):
    with Recorder.open(path, trainer, data, "hidden1.rate", samples=4) as recorder:
        trainer.fit(data, recorder, *observers)
    return path


@pytest.mark.parametrize(("scheme", "options"), SCHEMES, ids=str)
def test_the_described_model_trains_to_the_same_weights(scheme, options, tmp_path):
    """Every scheme in every variant: what the file states is what was run, so that running it again gives the same bits."""
    data = digits()
    trainer = trainer_on(data, scheme=scheme, options=options, epochs=1, hidden=(9, 10))
    contents = describe(trainer, data, {})
    assert "unstated" not in contents
    again = prepare(ModelFile.of("again", contents), data=data).trainers[0]
    trainer.fit(data)
    again.fit(data)
    for name, value in trainer.state().items():
        np.testing.assert_array_equal(value, again.state()[name], err_msg=name)


def test_a_network_with_everything_is_described(tmp_path):
    data = datasets.load("digits", limit=100, normalise=(0.3, 0.5), validation=50)
    decaying = PlasticityRule("dw = k * error_post * rate_pre - d * w", bias="db = k * error_post", k=2, d=1e-4)
    trace = {"trace": ("dtrace/dt = (rate_pre - trace) / tau", 0.5)}
    remembering = PlasticityRule(
        "dw = trace_pre * rate_post - level * w", pre=trace, synapse={"level": "dlevel/dt = w - level / tau"}, tau=7
    )
    network = Network(
        [
            Population("x", data.shape, noise=0.1),
            Population("a", (6,), transfer=transfers()["leaky_relu"](slope=0.2), normalisation=BatchNormalisation(affine=False)),
            Population("b", (6,), transfer="relu", normalisation=BatchNormalisation(momentum=0.3), dropout=0.2),
            Population("output", 10, transfer="softmax"),
        ],
        [
            Projection("x", "a", rule=decaying, optimiser=chain(SGD(1e-3), OneSign(), NormaliseIncoming(2.0, of="norm"))),
            Projection("a", "b", connectivity="one_to_one", initial=0.5, bias=False, rule=None),
            Projection("x", "b", initial="lecun", rule=remembering, optimiser=SGD(0.1)),
            Projection("b", "output", rule=CoActivationMemory(forgetting=0.1)),
        ],
        seed=5,
        dtype="float64",
    )
    optimiser = chain(Decay(1e-4), Adam(1e-3, beta1=0.8), Milestones([0.5], factor=0.25))
    augment = Augmentation(crop_pad=1, fill=data.black)
    how = {"feedback_optimiser": SGD(0.1), "epochs": 2, "batch": 25, "seed": 3, "shuffle": False, "augment": augment}
    trainer = Trainer(network, pathway("backprop"), optimiser, **how)
    contents = describe(trainer, data, {})
    assert "unstated" not in contents
    again = prepare(ModelFile.of("again", contents)).trainers[0]
    assert again.network.summary() == network.summary() and again.seed == 3 and not again.shuffle
    trainer.fit(data)
    again.fit(prepare(ModelFile.of("again", contents)).data)
    for name, value in trainer.state().items():
        np.testing.assert_array_equal(value, again.state()[name], err_msg=name)


@pytest.mark.parametrize("name", sorted(updates()))
def test_every_optimiser_and_transform_remembers_its_options(name):
    given = {"learning_rate": 0.1, "rate": 0.1, "limit": 2.0, "w_min": -1.0, "w_max": 1.0, "at": [0.5], "factor": 0.3, "every": 2,
             "to": 2.0, "of": "norm"}  # fmt: skip
    import inspect

    needed = {key: value for key, value in given.items() if key in inspect.signature(updates()[name]).parameters}
    assert updates()[name](**needed).options() == needed


@pytest.mark.parametrize("data", [digits, own_arrays])
@pytest.mark.parametrize("scheme", ["backprop", "difference_target_propagation", "alternating_minimization"])
def test_an_interrupted_run_goes_on_from_python_bit_for_bit(data, scheme, tmp_path, same_content):
    data = data()
    whole = recorded(tmp_path / "whole.h5", trainer_on(data, scheme=scheme, network_seed=4), data)
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        recorded(path, trainer_on(data, scheme=scheme, network_seed=4), data, StopAfter(1))
    with open_run(path) as said:
        assert said.status == "interrupted"
    trainer = trainer_on(data, scheme=scheme, network_seed=4)
    with Recorder.resume(path, trainer, data) as recorder:
        trainer.fit(data, recorder)
    same_content(whole, path)


def test_it_goes_on_from_the_command_line(tmp_path, same_content):
    data = digits()
    whole = recorded(tmp_path / "whole.h5", trainer_on(data, network_seed=4), data)
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "run.h5", trainer_on(data, network_seed=4), data, StopAfter(1))
    assert main(["run", "--resume", "--out", str(tmp_path / "run.h5"), "--quiet"]) == 0
    same_content(whole, tmp_path / "run.h5")


def test_weights_set_by_hand_survive_a_kill_in_the_first_epoch(tmp_path, same_content):
    data = own_arrays()

    def trainer():
        made = trainer_on(data)
        made.network.projections["x__hidden1"].w[...] = 0.01
        return made

    whole = recorded(tmp_path / "whole.h5", trainer(), data)
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        recorded(path, trainer(), data, StopAfter(0))
    on = trainer_on(data)  # without the weights
    with Recorder.resume(path, on, data) as recorder:
        on.fit(data, recorder)
    same_content(whole, path)


def test_own_arrays_are_said_where_only_python_can_go_on(tmp_path, capsys):
    data = own_arrays()
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "run.h5", trainer_on(data), data, StopAfter(1))
    assert main(["run", "--resume", "--out", str(tmp_path / "run.h5"), "--quiet"]) == 2
    assert "'mine': arrays given in Python; continue there, with neurosim.Recorder.resume" in capsys.readouterr().err
    with open_run(tmp_path / "run.h5") as said:
        assert said.network().populations["x"].shape == (12,) and said.attributes["data_digest"] == data.digest()
        assert said.attributes["data_samples"].split() == [str(len(part)) for part in (data.train, data.validation, data.test)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate": 0.1}, "stages.0.optimiser.0.learning_rate was 0.003 and is 0.1 in this trainer"),
        ({"hidden": (10,)}, "network.populations.1.shape.0 was 9 and is 10"),
        ({"scheme": "frozen"}, "stages.0.scheme was 'backprop' and is 'frozen'"),
        ({"epochs": 9}, "stages.0.epochs was 3 and is 9"),
        ({"seed": 2, "network_seed": 1}, "seed was 1 and is 2"),
    ],
)
def test_another_trainer_does_not_go_on(change, said, tmp_path):
    data = digits()
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "run.h5", trainer_on(data), data, StopAfter(1))
    before = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(RunFileError, match=said):
        Recorder.resume(tmp_path / "run.h5", trainer_on(data, **change), data)
    assert (tmp_path / "run.h5").read_bytes() == before


def test_other_data_and_a_complete_run_do_not_go_on(tmp_path):
    data = own_arrays()
    path = recorded(tmp_path / "run.h5", trainer_on(data), data)
    with pytest.raises(RunFileError, match="it is complete: there is nothing left to train"):
        Recorder.resume(path, trainer_on(data), data)
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "stopped.h5", trainer_on(data), data, StopAfter(3))
    with pytest.raises(RunFileError, match="it is complete: there is nothing left to train"):
        Recorder.resume(tmp_path / "stopped.h5", trainer_on(data), data)
    with open_run(tmp_path / "stopped.h5") as said:
        assert said.status == "complete"
    other = from_arrays(data.train.x + 1, data.train.y, data.test.x, data.test.y, name="mine")
    with pytest.raises(RunFileError, match="the data are not those"):
        Recorder.resume(path, trainer_on(other), other)


# ---------------------------------------------------------------------- what no model file can hold


class MyPathway(Backprop):
    name = "mine"


def local():
    class MyTanh(Tanh):
        """A class that cannot be imported, since it lies within a function."""

    return MyTanh()


AMBIGUOUS = PlasticityRule("dw = equation * error_post * rate_pre", equation=0.5)  # a model file has another use for the name


def changed(attribute):
    def change(trainer):
        owner, _, name = attribute.rpartition(".")
        target = trainer
        for part in owner.split("."):
            target = target[int(part)] if part.isdecimal() else target[part] if isinstance(target, dict) else getattr(target, part)
        setattr(target, name, 0.25)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("commit.chain.links.0.learning_rate"), "optimiser: learning_rate is not as it was made"),
        (changed("pathway.step"), "scheme: step is not as it was made"),
        (lambda t: t.network.projections["x__hidden1"].w.fill(0), "network: x__hidden1.w is not as its seed makes it"),
        (lambda t: setattr(t, "augment", lambda x, generator: x), "data.augment"),
        (lambda t: setattr(t.network.populations["hidden1"], "neurons", local()), "population hidden1: transfer: .*MyTanh"),
        (lambda t: setattr(t.network.projections["x__hidden1"], "rule", AMBIGUOUS), "x__hidden1: rule: .* does not make it again"),
    ],
)
def test_what_is_unstated_is_named_and_never_pooled(change, said, tmp_path):
    data = digits()
    paths = []
    for seed in (1, 2):
        trainer = trainer_on(data, scheme="difference_target_propagation", hidden=(9, 9), seed=seed, epochs=1)
        change(trainer)
        unstated = describe(trainer, data, {})["unstated"]
        assert any(re.search(said, one) for one in unstated), unstated
        paths.append(recorded(tmp_path / f"{seed}.h5", trainer, data))
    with open_run(paths[0]) as one, open_run(paths[1]) as other:
        assert len(grouped([one, other])) == 2
        with pytest.raises(InputError):
            prepare(one.model_file())


def test_a_strangers_scheme_goes_on_from_python(tmp_path, same_content):
    data = digits()

    def trainer():
        made = trainer_on(data)
        made.pathway = MyPathway()
        return made

    whole = recorded(tmp_path / "whole.h5", trainer(), data)
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "run.h5", trainer(), data, StopAfter(2))
    on = trainer()
    with Recorder.resume(tmp_path / "run.h5", on, data) as recorder:
        on.fit(data, recorder)
    same_content(whole, tmp_path / "run.h5")
    with open_run(whole) as said:
        np.testing.assert_array_equal(said.network().projections["x__hidden1"].w, on.network.projections["x__hidden1"].w)


# ---------------------------------------------------------------------- pooled in the report


def test_unrelated_runs_are_no_seeds_of_each_other(tmp_path):
    """Three runs that differ in data, network and rate were one row; seeds of one setting still are."""
    mine, other = own_arrays(), digits()
    cases = [(mine, (32,), 3e-3, 0), (mine, (64, 64), 1e-1, 1), (other, (16,), 1e-4, 2), (other, (16,), 1e-4, 3)]
    runs = []
    for k, (data, hidden, rate, seed) in enumerate(cases):
        trainer = trainer_on(data, hidden=hidden, rate=rate, seed=seed, epochs=1)
        runs.append(neurosim.open_run(recorded(tmp_path / f"{k}.h5", trainer, data)))
    groups = grouped(runs)
    assert [len(group.runs) for group in groups] == [1, 1, 2]
    for one in runs:
        one.close()


def test_a_run_from_python_and_its_model_file_pool(tmp_path, small):
    data = digits()
    trainer = trainer_on(data, epochs=1)
    path = recorded(tmp_path / "python.h5", trainer, data)
    with open_run(path) as said:
        job = prepare(said.model_file(), seed=2)
        with run(job, tmp_path / "model.h5") as other:
            assert [len(group.runs) for group in grouped([said, other])] in ([2], [1, 1])
            assert said.model == other.model


# ---------------------------------------------------------------------- strangers' ways


class OrderedTrainer(Trainer):
    pass


class NoisyProjection(Projection):
    pass


def replaced_method(trainer):
    teach = trainer.pathway.teach
    trainer.pathway.teach = lambda *given: teach(*given)


def feedback_by_hand(trainer):
    for weights in trainer.pathway.memory().values():
        weights *= 2


def codes_by_hand(trainer):
    trainer.pathway.memory()["label/hidden1/target__code.w"][...] *= 2


def used_optimiser(trainer):
    name = "x__hidden1.w"
    trainer.commit._memory(name, trainer.network.parameters()[name], trainer.commit.chain_of(name))


def as_class(attribute, kind):
    def change(trainer):
        owner = trainer
        for part in attribute.split(".") if attribute else ():
            owner = owner[part] if isinstance(owner, dict) else getattr(owner, part)
        owner.__class__ = kind

    return change


ODD = [
    ("backprop", as_class("", OrderedTrainer), "trainer: .*OrderedTrainer"),
    ("backprop", as_class("network.projections.x__hidden1", NoisyProjection), "projection x__hidden1: .*NoisyProjection"),
    ("backprop", replaced_method, "scheme: teach is not its class's own"),
    ("backprop", lambda t: setattr(t.pathway, "training_sweep", False), "scheme: training_sweep is not its class's own"),
    ("backprop", lambda t: setattr(t.network, "sweep", t.network.sweep), "network: sweep is not its class's own"),
    ("backprop", lambda t: setattr(t, "steps", 1000), "training: at epoch 0, step 1000"),
    ("backprop", used_optimiser, "training: at epoch 0"),
    ("direct_feedback_alignment", feedback_by_hand, "scheme: feedback/hidden1/output__hidden1.w is not as its seed makes it"),
    ("local_errors", codes_by_hand, "scheme: label/hidden1/target__code.w is not as its seed makes it"),
    ("backprop", lambda t: setattr(t, "augment", Augmentation(fill=0.5)), "data.augment: .*Augmentation"),
]


@pytest.mark.parametrize(("scheme", "change", "said"), ODD, ids=[said for _, _, said in ODD])
def test_what_a_stranger_changed_is_stated(scheme, change, said, tmp_path):
    data = digits()
    trainer = trainer_on(data, scheme=scheme, options={"loss": "pred", "backprop_free": True} if scheme == "local_errors" else None)
    trainer.check(data)
    change(trainer)
    (told,) = describe(trainer, data, {})["unstated"]
    assert re.search(said, told)


def test_a_rule_and_an_optimiser_that_were_used_before_are_stated(tmp_path):
    data, rule, optimiser = digits(), PlasticityRule("dw = error_post * rate_pre"), Adam(1e-3)

    def trainer():
        network = Network(
            [Population("x", data.shape), Population("output", data.classes, transfer="softmax")],
            [Projection("x", "output", rule=rule)],
        )
        return Trainer(network, pathway("backprop"), optimiser, epochs=1, batch=50)

    trainer().fit(data)
    second = trainer()
    second.check(data)
    assert "unstated" not in describe(second, data, {})


def test_an_equation_that_was_exchanged_is_stated():
    rule = PlasticityRule("dw = error_post * rate_pre", method="explicit")
    rule.equation = parse("dw = 0.5 * error_post * rate_pre")
    trainer = trainer_on(digits())
    trainer.network.projections["x__hidden1"].rule = rule
    trainer.check(digits())
    assert any("rule: equation is not as it was made" in one for one in describe(trainer, digits(), {})["unstated"])


@pytest.mark.parametrize("number", [np.float32(0.003), Fraction(3, 1000), np.float64(0.003)])
def test_numbers_of_any_kind_are_stated(number, tmp_path):
    data = digits()
    network = Network.layered(data.shape, [9], data.classes, seed=1)
    how = {"epochs": np.int64(1), "batch": np.int32(50), "seed": np.int64(1), "shuffle": np.bool_(True)}
    path = recorded(tmp_path / "run.h5", Trainer(network, pathway("backprop"), Adam(number), **how), data)
    with open_run(path) as said:
        stage = said.model_file().contents["stages"][0]
    assert (stage["epochs"], stage["batch"], stage["shuffle"]) == (1, 50, True)
    assert stage["optimiser"][0]["learning_rate"] == pytest.approx(0.003)


class Changing(Observer):
    def __init__(self, change):
        self.change = change

    def on_epoch(self, trainer, metrics):
        self.change(trainer)


CHANGES = [
    (lambda t: setattr(t.commit.chain.links[0], "learning_rate", 0.5), "unstated"),
    (lambda t: setattr(t.network.populations["hidden1"], "dropout", 0.5), "network.populations.1.dropout"),
    (lambda t: setattr(t.network.projections["x__hidden1"], "rule", None), "network.projections.0.rule"),
    (lambda t: setattr(t, "epochs", 3), "stages.0.epochs"),
    (lambda t: t.network.projections["x__hidden1"].w.fill(0.01), "weights (written by an observer: Changing"),
    (lambda t: t.network.projections["x__hidden1"].parameters.update(w=np.ones((64, 9))), "weights (written by an"),
]


@pytest.mark.parametrize(("change", "at"), CHANGES, ids=[at for _, at in CHANGES])
def test_what_changes_while_it_runs_is_noted_and_never_pooled(change, at, tmp_path, capsys):
    data = digits()
    plain = recorded(tmp_path / "plain.h5", trainer_on(data, seed=2, epochs=2), data)
    path = recorded(tmp_path / "run.h5", trainer_on(data, epochs=2), data, Changing(change))
    with open_run(plain) as one, open_run(path) as other:
        assert one.attributes["altered"] == "" and other.attributes["altered"].startswith(at)
        assert len(grouped([one, other])) == 2
    with pytest.raises(KeyboardInterrupt):
        recorded(path.with_name("on.h5"), trainer_on(data, epochs=2), data, Changing(change), StopAfter(1))
    assert main(["run", "--resume", "--out", str(tmp_path / "on.h5"), "--quiet"]) == 2
    assert "was changed from Python while it ran" in capsys.readouterr().err
    trainer = trainer_on(data, epochs=2)
    with Recorder.resume(tmp_path / "on.h5", trainer, data) as recorder:
        trainer.fit(data, recorder)
    with open_run(tmp_path / "on.h5") as on:
        assert on.status == "complete" and on.attributes["altered"].startswith(at)


class Stepping(Observer):
    """Writes after the third step, and only looks on after the others."""

    def __init__(self, writes):
        self.writes = writes

    def on_step(self, trainer):
        weights = trainer.network.projections["x__hidden1"].w
        if trainer.steps == 3 and self.writes:
            weights[...] = -weights
        assert weights.sum() != 0


@pytest.mark.parametrize(("writes", "said"), [(True, "weights (written by an observer: Stepping)"), (False, "")])
def test_weights_that_an_observer_writes_after_a_step_are_noted(writes, said, tmp_path):
    data = digits()
    path = recorded(tmp_path / "run.h5", trainer_on(data, epochs=1), data, Stepping(writes))
    with open_run(path) as run:
        assert run.attributes["altered"] == said


def test_weights_set_between_opening_and_training_are_noted(tmp_path):
    data, trainer = digits(), trainer_on(digits(), epochs=1)
    with Recorder.open(tmp_path / "run.h5", trainer, data) as recorder:
        trainer.network.projections["x__hidden1"].w[...] *= 2
        trainer.fit(data, recorder)
    with open_run(tmp_path / "run.h5") as run:
        assert run.attributes["altered"] == "weights (set before it began)"


class Gain:
    def __init__(self, gain):
        self.gain = gain

    def __call__(self, x, generator):
        return x * self.gain


def doubled(x, generator):
    return 2 * x


@pytest.mark.parametrize("augment", [Gain(0.5), doubled, None], ids=["a gain", "a function", "nothing"])
def test_another_augmentation_does_not_go_on(augment, tmp_path):
    data = digits()
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "run.h5", trainer_on(data, augment=Gain(1.0)), data, StopAfter(1))
    with pytest.raises(RunFileError, match="augment"):
        Recorder.resume(tmp_path / "run.h5", trainer_on(data, augment=augment), data)
    trainer = trainer_on(data, augment=Gain(1.0))
    with Recorder.resume(tmp_path / "run.h5", trainer, data) as recorder:
        trainer.fit(data, recorder)
