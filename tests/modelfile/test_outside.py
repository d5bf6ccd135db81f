"""A user's own classes in model files: each kind, only of modules that were named, and one line where something does not fit."""

import re

import numpy as np
import pytest

from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.connectivity import Dense
from neurosim.errors import InputError
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.modelfile.description import describe
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import override

GRAPH = {
    "populations": [
        {"name": "x"},
        {"name": "hidden1", "shape": 8, "transfer": {"name": "a_users_own:Softplus", "sharpness": 0.5}},
        {"name": "output", "transfer": "softmax"},
    ],
    "projections": [
        {"pre": "x", "post": "hidden1", "connectivity": "a_users_own:MyDense", "rule": "a_users_own:Averaging"},
        {"pre": "hidden1", "post": "output", "rule": {"name": "a_users_own:instar", "eta": 0.1}},
    ],
}


@pytest.fixture
def imports(users_classes):
    return Imports([users_classes])


@pytest.fixture
def outside(small):
    """The contents of a model file in which everything that can be is a user's own."""
    stage = {"scheme": "a_users_own:SignSymmetry", "options": {"scale": 0.5}, "epochs": 2}
    contents = small(optimiser=[{"name": "decay", "rate": 1e-4}, {"name": "a_users_own:Signs", "size": 0.01}], **stage)
    data = {"name": "a_users_own:blobs", "options": {"n": 300}, "validation": 0.1, "limit": 170}
    return contents | {"data": data, "network": GRAPH}


KINDS = {
    "scheme": ("stages.0.scheme", "SignSymmetry"),
    "transfer": ("network.layer.transfer", "Softplus"),
    "neurons": ("network.layer.neurons", "Fast"),
    "rule": ("network.layer.rule", "Averaging"),
    "optimiser": ("stages.0.optimiser", "Signs"),
    "data set": ("data.name", "blobs"),
}


def test_a_model_of_a_users_own_trains_and_goes_on_bit_for_bit(outside, imports, tmp_path, same_content):
    model = ModelFile.of("mine", outside, imports)
    job = prepare(model)
    assert job.data.shape == (6,) and (len(job.data.train), len(job.data.validation), len(job.data.test)) == (170, 20, 100)
    network = job.network
    assert type(network.populations["hidden1"].neurons).__name__ == "Softplus"
    assert network.populations["hidden1"].neurons.sharpness == 0.5
    assert type(network.projections["x__hidden1"].connectivity).__mro__[1] is Dense
    before = network.projections["x__hidden1"].w.copy()
    whole = run(job, tmp_path / "whole.h5")
    assert (network.projections["x__hidden1"].w != before).any() and whole.status == "complete"
    assert model.contents["modules"].keys() == {"a_users_own"} and '"a_users_own:SignSymmetry"' in whole.model

    class Stop:
        def on_step(self, trainer):
            if trainer.steps == 4:
                raise KeyboardInterrupt

        def on_epoch(self, trainer, metrics): ...

    with pytest.raises(KeyboardInterrupt):
        run(prepare(model), tmp_path / "parts.h5", Stop())
    with pytest.raises(InputError, match="needs module 'a_users_own', which was not named"):
        reopen(tmp_path / "parts.h5")
    resume(reopen(tmp_path / "parts.h5", imports=imports), tmp_path / "parts.h5")
    same_content(tmp_path / "whole.h5", tmp_path / "parts.h5")


def test_open_run_gives_the_network_back_where_its_module_is_named(outside, users_classes, tmp_path):
    import neurosim

    result = run(prepare(ModelFile.of("mine", outside, Imports([users_classes]))), tmp_path / "run.h5")
    result.close()
    with neurosim.open_run(tmp_path / "run.h5") as opened, pytest.raises(InputError, match="needs module 'a_users_own'"):
        opened.network()
    with neurosim.open_run(tmp_path / "run.h5", imports=[users_classes]) as opened:
        network = opened.network()
        assert network.populations["x"].shape == (6,) and network.populations["output"].shape == (3,)
        np.testing.assert_array_equal(network.projections["x__hidden1"].w, opened.weights()["x__hidden1.w"])
        assert opened.refresh().network().summary() == network.summary()


def test_a_trainer_of_a_users_own_is_described_by_it(outside, imports):
    trainer = prepare(ModelFile.of("mine", outside, imports)).trainers[0]
    data = prepare(ModelFile.of("mine", outside, imports)).data
    contents = describe(trainer, data, {})
    assert "unstated" not in contents and list(contents["modules"]) == ["a_users_own"]
    again = prepare(ModelFile.of("again", contents, imports), data=data).trainers[0]
    trainer.fit(data)
    again.fit(data)
    for name, value in trainer.state().items():
        np.testing.assert_array_equal(value, again.state()[name], err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_imported_by_a_file_alone(kind, small, users_classes):
    at, name = KINDS[kind]
    contents = override(small(), [f"{at}='a_users_own:{name}'"])
    if kind == "optimiser":
        contents = override(small(), [f"{at}={{name = 'a_users_own:{name}', size = 0.1}}"])
    Imports([users_classes])  # that it is loaded changes nothing
    with pytest.raises(InputError, match="needs module 'a_users_own', which was not named") as caught:
        ModelFile.of("m", contents)
    assert "\n" not in str(caught.value)
    ModelFile.of("m", contents, Imports([users_classes]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["os:system", "builtins:exec", "neurosim.catalogue:Imports", "a_users_own:makedirs"])
def test_no_kind_takes_what_is_no_users(kind, name, small, imports):
    at, _ = KINDS[kind]
    value = f"{{name = '{name}'}}" if kind == "optimiser" else f"'{name}'"
    with pytest.raises(InputError, match="do not trust the file|has none of this name") as caught:
        ModelFile.of("m", override(small(), [f"{at}={value}"]), imports)
    assert "\n" not in str(caught.value)


def test_naming_a_module_lets_a_file_call_only_what_makes_a_part(small, imports, tmp_path, monkeypatch):
    """A function that does something else is not called, whatever options the file has for it."""
    monkeypatch.chdir(tmp_path)
    for at in (place for place, _ in KINDS.values()):
        part = at.rpartition(".")
        value = '{ name = "a_users_own:wipe", folder = "gone" }'
        settings = [f"{at}={value}"]
        if at == "stages.0.scheme":
            settings = [f"{at}='a_users_own:wipe'", "stages.0.options={folder = 'gone'}"]
        elif at == "data.name":
            settings = [f"{at}='a_users_own:wipe'", "data.options={folder = 'gone'}"]
        with pytest.raises(InputError):
            prepare(ModelFile.of("m", override(small(), settings), imports))
        assert not (tmp_path / "gone").exists(), part


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("stages.0.scheme=a_users_own:Softplus", "scheme 'a_users_own:Softplus': no FeedbackPathway: expected a class"),
        ("stages.0.scheme=a_users_own:Unfinished", "has no claims, teach: expected all that a FeedbackPathway needs"),
        ("stages.0.scheme=a_users_own:instar", "expected a class, or a function that says what it returns"),
        ("stages.0.options.scal=2", "option 'scal' is unknown.*did you mean 'scale'"),
        ("stages.0.options.scale=fast", "scale 'fast': expected a number"),
        ("network.layer.rule=a_users_own:unsaid", "def unsaid\\(\\) -> Rule"),
        ("data.name=a_users_own:unsaid", "def unsaid\\(\\) -> DataSet"),
        ("data.name=a_users_own:failing", "cannot be made .KeyError: "),
        ("data.name=a_users_own:wrong", "makes a int: expected a DataSet"),
        ("data.options.m=3", "option 'm' is unknown"),
        ("data.normalise=standard", "normalise 'standard': expected none"),
    ],
)
def test_what_does_not_fit_is_one_line(setting, said, small, imports):
    stage = {"scheme": "a_users_own:SignSymmetry", "options": {}}
    contents = small(**stage) | {"data": {"name": "a_users_own:blobs"}}
    with pytest.raises(InputError, match=said) as caught:
        prepare(ModelFile.of("m", override(contents, [setting]), imports))
    assert "\n" not in str(caught.value)


def test_options_of_a_data_set_with_a_name_are_refused(small):
    with pytest.raises(InputError, match=re.escape("options of data set 'digits': expected none; leave them out")):
        ModelFile.of("m", override(small(), ["data.options.n=3"]))


def test_neurons_and_a_transfer_are_one_choice(small, imports):
    model = ModelFile.of("m", override(small(), ["network.layer.neurons={name = 'a_users_own:Fast', tau = 2.0}"]), imports)
    assert prepare(model).network.populations["hidden2"].neurons.tau == 2.0
    both = ["network.layer.neurons=leaky", "network.layer.transfer=relu"]
    with pytest.raises(InputError, match="network.layer: neurons and transfer: expected only one of the two; leave one out"):
        ModelFile.of("m", override(small(), both))


def test_a_module_that_has_changed_since_is_said(outside, users_classes, caplog):
    noted = ModelFile.of("mine", outside, Imports([users_classes])).contents
    assert ModelFile.of("mine", noted, Imports([users_classes])).contents == noted and not caplog.records
    users_classes.write_text(users_classes.read_text() + "\n# another line\n")
    again = ModelFile.of("mine", noted, Imports([users_classes]))
    assert again.contents == noted  # what it began with
    assert "module 'a_users_own' has changed since the run was started" in caplog.text


def test_names_in_contents_decide_nothing(small, users_classes):
    """A file that lists modules as needed, or was made with them, names none."""
    contents = small(scheme="a_users_own:SignSymmetry") | {"modules": {"a_users_own": "", "os": ""}}
    with pytest.raises(InputError, match="was not named"):
        ModelFile.of("m", contents, NO_IMPORTS)
