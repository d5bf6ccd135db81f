"""From tables to networks: the chain and the graph are one thing, and what does not fit is told."""

import re
import tomllib

import numpy as np
import pytest
from pydantic import ValidationError

from neurosim.backends import NumpyBackend
from neurosim.errors import EquationError, InputError, ShapeError, UnknownNameError
from neurosim.experiments.opened import open_run
from neurosim.experiments.run import prepare, run
from neurosim.modelfile.building import build_network, initial_values, load_data
from neurosim.modelfile.description import describe
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.schema import Data, NetworkTable, make_rule
from neurosim.plasticity import Start, additive_stdp, spiking_rules

CHAIN = """
hidden = [5, 4]
input = { noise = 0.1 }
layer = { transfer = "relu", normalisation = "batch", dropout = 0.2, initial = "lecun", rule = "hebbian" }
output = { initial = "zeros", bias = false }
"""
GRAPH = """
populations = [
    { name = "x", noise = 0.1 },
    { name = "hidden1", shape = 5, transfer = "relu", normalisation = "batch", dropout = 0.2 },
    { name = "hidden2", shape = [4], transfer = "relu", normalisation = "batch", dropout = 0.2 },
    { name = "output", transfer = "softmax" },
]
projections = [
    { pre = "x", post = "hidden1", initial = "lecun", rule = "hebbian" },
    { pre = "hidden1", post = "hidden2", initial = "lecun", rule = "hebbian" },
    { pre = "hidden2", post = "output", initial = "zeros", bias = false },
]
"""


def build(text, shape=(1, 2, 3)):
    return build_network(NetworkTable.model_validate(tomllib.loads(text)), shape, 3, seed=1, backend=NumpyBackend())


def test_the_chain_is_short_for_the_graph():
    chain, graph = build(CHAIN), build(GRAPH)
    assert chain.summary() == graph.summary()
    assert chain.populations["x"].shape == (1, 2, 3) and chain.populations["output"].shape == (3,)
    assert chain.parameters().keys() == graph.parameters().keys()
    for name, value in chain.parameters().items():
        np.testing.assert_array_equal(value, graph.parameters()[name])


REMEMBERING = """
rule.equation = "dw = (rate_pre - m_pre) * (rate_post - m_post) - s / tau"
rule.pre.m = "dm/dt = (rate_pre - m) / tau"
rule.post.m = ["dm/dt = (rate_post - m) / tau", 0.5]
rule.synapse.s = "ds/dt = dopamine * rate_pre * rate_post - s / tau"
rule.modulators = ["dopamine"]
rule.tau = 9
optimiser = [{ name = "sgd", learning_rate = 1 }, { name = "one_sign" }]
"""


def test_a_layer_and_a_projection_take_states_of_a_rule_and_an_optimiser():
    chain = build(f"hidden = [5, 4]\n[layer]\n{REMEMBERING}")
    ends = [("x", "hidden1"), ("hidden1", "hidden2"), ("hidden2", "output")]
    hidden = [f'{{ name = "hidden{k}", shape = {n}, transfer = "tanh" }}' for k, n in ((1, 5), (2, 4))]
    populations = f'populations = [{{ name = "x" }}, {", ".join(hidden)}, {{ name = "output", transfer = "softmax" }}]'
    tables = [f'[[projections]]\npre = "{pre}"\npost = "{post}"\n' for pre, post in ends]
    tables[:2] = [table + REMEMBERING for table in tables[:2]]
    graph = build("\n".join([populations, *tables]))
    assert chain.summary() == graph.summary()
    assert [p.optimiser is None for p in chain.projections.values()] == [False, False, True]
    assert {name: value.shape for name, value in chain.memory().items() if name.startswith("x__")} == {
        "x__hidden1.m_pre": (1, 2, 3), "x__hidden1.m_post": (5,), "x__hidden1.s": (6, 5),
    }  # fmt: skip
    np.testing.assert_array_equal(chain.memory()["x__hidden1.m_post"], 0.5)


TRACED = '''
rule.equation = "dw = t_pre * rate_post + k"
rule.pre.t = ["dt/dt = rate_pre - t / 9", 0.5]
rule.synapse.k = "dk/dt = rate_pre * rate_post - k"
rule.per_sample = ["t_pre", "k"]
'''


def test_a_layer_takes_states_of_each_sample():
    chain = build(f"hidden = [5, 4]\n[layer]\n{TRACED}")
    assert chain.projections["x__hidden1"].starts == {
        "t_pre": Start((1, 2, 3), 0.5, per_sample=True), "k": Start((6, 5), 0.0, per_sample=True),
    }  # fmt: skip
    assert not any(name.startswith("x__") for name in chain.memory())
    named = build('hidden = [5]\n[layer]\nrule = { name = "three_factor", per_sample = true }')
    assert named.projections["x__hidden1"].starts == {"eligibility": Start((6, 5), 0.0, per_sample=True)}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('rule = { equation = "dw = rate_pre", per_sample = "t_pre" }', "rule 'equation': per_sample 't_pre': expected a list"),
        ('rule = { equation = "dw = rate_pre", per_sample = ["t_pre"] }', "per_sample 't_pre': expected one of the rule's states"),
        ('rule = { name = "three_factor", per_sample = 1 }', "per_sample 1: expected true or false"),
        ('rule = { equation = "dw = m_post", post = { m = "dm = 1" } }', "expected 'dm/dt = ...'"),
        ('rule = { equation = "dw = m_post", post = { m = ["dm/dt = 1"] } }', "rule 'equation': post"),
        ('rule = { equation = "dw = m_post", post = { m = ["dm/dt = 1", "0"] } }', "rule post state 'm': ['dm/dt = 1', '0']"),
        ('rule = { equation = "dw = m_post", post = "dm/dt = 1" }', "rule 'equation': post 'dm/dt = 1': expected a table"),
        ('optimiser = [{ name = "one_sgn" }]', "did you mean 'one_sign'"),
        ('optimiser = [{ name = "normalise_incoming", to = 1, of = "max" }]', "of 'max' is not 'sum' or 'norm'"),
    ],
)
def test_what_is_wrong_with_them_is_said_in_one_line(rule, said):
    with pytest.raises((InputError, ValueError), match=re.escape(said)):
        build(f"hidden = [5]\n[layer]\n{rule}")


@pytest.mark.parametrize(
    ("before", "after", "error", "said"),
    [
        ("shape = 5, ", "", InputError, "population 'hidden1': shape is missing"),
        ('post = "hidden1"', 'post = "hiden1"', UnknownNameError, "did you mean 'hidden1'"),
        ("shape = 5", "shape = -5", InputError, r"population 'hidden1': shape \[-5\]"),
        ("dropout = 0.2", "dropout = 1.5", InputError, "population 'hidden1': dropout 1.5"),
        ('"lecun"', '"leun"', UnknownNameError, "did you mean 'lecun'"),
        ('pre = "hidden1", post = "hidden2"', 'pre = "hidden1", post = "hidden1"', InputError, "cycle"),
        ('initial = "zeros"', 'connectivity = "one_to_one"', ShapeError, r"one_to_one: shapes \(4,\) and \(3,\) differ"),
    ],
)
def test_graphs_that_do_not_fit(before, after, error, said):
    with pytest.raises(error, match=said):
        build(GRAPH.replace(before, after, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {"name": "digts"}}, "data set 'digts' is unknown.*did you mean 'digits'"),
        ({"data": {"name": "digits", "normalise": "standart"}}, "did you mean 'standard'"),
        ({"data": {"name": "digits", "limit": 0}}, "limit 0"),
        ({"data": {"name": "digits", "augment": {"crop_pad": -1}}}, "crop_pad -1"),
        ({"network": {"hidden": [5], "dtype": "float16"}}, "dtype 'float16'"),
        ({"network": {"hidden": [0]}}, "population 'hidden1'"),
        ({"network": {"hidden": [5], "output": {"transfer": "relu"}}}, "output population 'output' has transfer 'relu'"),
    ],
)
def test_what_the_classes_refuse_reaches_the_user(change, said, small):
    with pytest.raises(InputError, match=said):
        prepare(ModelFile.of("m", small() | change))


@pytest.mark.parametrize(("key", "value", "said"), [("batch", 0, "h 0"), ("epochs", 0, "epochs 0"), ("batch", 999, "h 999")])
def test_counts_that_do_not_fit(key, value, said, small):
    with pytest.raises(InputError, match=said):
        prepare(ModelFile.of("m", small(**{key: value})))


def test_labels_outside_the_output_population(small):
    graph = GRAPH.replace('{ name = "output", transfer', '{ name = "output", shape = 7, transfer')
    with pytest.raises(InputError, match="'output' has 7 neurons: expected one for each of the 10 classes"):
        prepare(ModelFile.of("m", small() | {"network": tomllib.loads(graph), "record": {}}))


def test_the_share_held_out_is_rounded_to_images():
    data = load_data(Data(name="digits", validation=0.1, limit=50))
    assert (len(data.train), len(data.validation), len(data.test)) == (50, 130, 500)


def test_a_validation_share_is_one_of_the_images_in_the_folder(tmp_path):
    x, y = np.full((60, 28, 28), 255, np.uint8), np.arange(60) % 10
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    data = load_data(Data(name="mnist", validation=1 / 6), tmp_path)
    assert (len(data.train), len(data.validation)) == (50, 10)
    assert data.validation.y.tolist() == y[50:].tolist()


def test_the_run_file_keeps_the_folder_of_the_environment_and_what_was_in_it(tmp_path, monkeypatch):
    x, y = np.full((60, 28, 28), 1, np.uint8), np.arange(60) % 10
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    monkeypatch.setenv("NEUROSIM_DATA", str(tmp_path))
    model = ModelFile.load("backprop-dtp-mnist", ["network.hidden=[4]", "stages.0.batch=10"])
    attributes = prepare(model, backend="numpy").attributes()
    assert attributes["data_dir"] == str(tmp_path)
    assert attributes["data_scale"] == "0 and 1, as they are"
    assert (attributes["data_samples"], attributes["data_shape"]) == ("50 10 60", "1 28 28")
    assert attributes["data_content"] == "not as published: 60 training images, not 60,000; 60 test images, not 10,000"


def test_augmentation_fills_with_black(small):
    contents = small() | {"data": {"name": "digits", "normalise": [0.5, 0.25], "augment": {"crop_pad": 1}}}
    assert prepare(ModelFile.of("m", contents)).trainers[0].augment.fill == (-2.0,)


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_held_out_images_are_not_trained_on(share):
    """Training and validation images together are the training file's, each once."""
    whole, parted = load_data(Data(name="digits")), load_data(Data(name="digits", validation=share))
    assert len(parted.validation) == round(share * len(whole.train))
    images = lambda *splits: sorted(image.tobytes() for split in splits for image in split.x)  # noqa: E731
    assert images(parted.train, parted.validation) == images(whole.train)
    assert images(parted.test) == images(whole.test)


@pytest.mark.parametrize(
    ("task", "transfer"),
    [("classification", "softmax"), ("reconstruction", "linear"), ("reward", "softmax"), ("unsupervised", "softmax")],
)
def test_the_output_of_a_chain_is_what_its_task_reads_out_with(task, transfer, small, tmp_path):
    scheme = "none" if task == "unsupervised" else "backprop"
    model = ModelFile.of("m", small(epochs=1, scheme=scheme) | {"task": task, "record": {}})
    job = prepare(model)
    assert job.network.populations["output"].neurons.name == transfer
    run(job, tmp_path / "run.h5").close()
    with open_run(tmp_path / "run.h5") as opened:
        assert opened.network().summary() == job.network.summary()


SPIKING = """
title = "spiking"
[data]
name = "digits"
limit = 60
[clock]
ticks = 4
[encoder]
name = "poisson"
scale = 0.5
[network]
dt = "1*ms"
populations = [
    { name = "x" },
    { name = "a", shape = 6, neurons = { name = "lif", tau = "5*ms", surrogate = { name = "triangle", gamma = 0.5 } } },
    { name = "b", shape = 5, neurons = { name = "equations", equations = "dv/dt = (drive - v) / tau : 1", threshold = "v > th", reset = "v = 0", tau = "4*ms", th = 0.5, start = { v = 0.1 } } },
    { name = "output", transfer = "softmax" },
]
projections = [{ pre = "x", post = "a" }, { pre = "a", post = "b" }, { pre = "b", post = "output" }]
[[stages]]
scheme = "backprop_through_time"
epochs = 1
batch = 20
optimiser = { name = "adam", learning_rate = 0.01 }
"""  # noqa: E501 a table on one line


def test_spiking_populations_come_from_a_file_and_go_into_one(tmp_path):
    (tmp_path / "spiking.toml").write_text(SPIKING)
    model = ModelFile.load(tmp_path / "spiking.toml")
    run = prepare(model)
    network = run.trainers[0].network
    a, b = (network.populations[name].neurons for name in "ab")
    assert network.dt == 1e-3 and a.surrogate.gamma == 0.5 and b.start == {"v": 0.1} and b.constants["th"] == 0.5
    described = describe(run.trainers[0], run.data, {})
    assert "unstated" not in described, described["unstated"]
    assert described["network"]["dt"] == 1e-3
    table = described["network"]["populations"][1]["neurons"]
    assert table == {"name": "lif", "tau": "5*ms", "surrogate": {"name": "triangle", "gamma": 0.5}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('dt = "1*ms"', "", "expected a network that says how long a tick is"),
        ('dt = "1*ms"', 'dt = "1*mV"', "no time"),
        ("drive - v", "__import__('os').getcwd()", "has no place in an equation"),
        ('"v > th"', '"v > th.real"', "has no place in an equation"),
        ('name = "triangle"', 'name = "triangel"', "surrogate 'triangel' is unknown"),
        ("gamma = 0.5", "gama = 0.5", "option 'gama' is unknown"),
        ("scale = 0.5", "scale = 2.0", "expected a probability"),
    ],
)
def test_spiking_populations_that_cannot_be(old, new, said, tmp_path):
    (tmp_path / "spiking.toml").write_text(SPIKING.replace(old, new))
    with pytest.raises(InputError, match=said) as caught:
        prepare(ModelFile.load(tmp_path / "spiking.toml"))
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------- spiking networks

IN_TIME = """
dt = "0.1*ms"
dtype = "float64"
projections = [{ pre = "x", post = "e", into = "v", initial = "0.3*mV*rand()", bias = false, RULE }]

[[populations]]
name = "x"
shape = 3
neurons = { name = "poisson_spikes", rate = "10*Hz" }

[[populations]]
name = "e"
shape = 4

[populations.neurons]
name = "equations"
equations = "dv/dt = (El - v) / tau : volt"
threshold = "v > -50*mV"
reset = "v = El"
method = "exact"
El = "-60*mV"
tau = "20*ms"
"""


def in_time(rule):
    return build(IN_TIME.replace("RULE", rule))


@pytest.mark.parametrize("name", sorted(spiking_rules()))
def test_rules_for_spikes_have_names(name):
    """The rule that a name makes is the one that Python makes; what its neurons lack is told as it is there."""
    assert make_rule({"name": name}).describe() == spiking_rules()[name]().describe()
    assert make_rule(name).describe() == make_rule({"name": name}).describe()


def test_a_projection_takes_a_rule_for_spikes_with_options_and_short_term_plasticity():
    rule = '{ name = "additive_stdp", A_plus = "0.002*mV" }'
    short_term = '{ name = "tsodyks_markram", U = 0.1, tau_f = "1*second" }'
    made = in_time(f"rule = {rule}, short_term = {short_term}")
    p = made.projections["x__e"]
    assert p.rule.describe() == additive_stdp(A_plus="0.002*mV").describe() and p.rule.constants["A_plus"].value == 2e-6
    assert (p.short_term.U, p.short_term.tau_f.value, p.short_term.tau_d.value) == (0.1, 1.0, 0.8)
    assert in_time('rule = "fixed", short_term = "tsodyks_markram"').projections["x__e"].short_term.U == 0.5


def test_drawn_weights_are_one_for_each_synapse_and_the_seeds():
    w, again = (in_time('rule = "fixed"').projections["x__e"].weights() for _ in range(2))
    np.testing.assert_array_equal(w, again)
    assert len(set(w)) == 12 and 0 < w.min() < w.max() < 3e-4
    some = IN_TIME.replace("RULE", 'rule = "fixed", connectivity = { name = "fixed_in_degree", degree = 2 }')
    listed = build(some).projections["x__e"]
    assert len(set(listed.weights())) == 8
    np.testing.assert_array_equal(np.sort(listed.weights()), np.sort(listed.w[listed.w != 0]))  # spread, they are the same


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ('rule = "additiv_stdp"', "rule 'additiv_stdp' is unknown: .* did you mean 'additive_stdp'"),
        ('rule = { name = "additive_stdp", A = 1 }', "rule 'additive_stdp': option 'A' is unknown"),
        ('rule = "fixed", short_term = "tm"', "short-term plasticity 'tm' is unknown: expected one of tsodyks_markram"),
        ('rule = "fixed", short_term = { name = "tsodyks_markram", U = 2 }', "U 2: expected a share above 0"),
        ('rule = "fixed", initial = "3*nA*rand()"', "initial weights of another unit than 'v', which is in volt"),
        ('rule = "fixed", initial = "3*mV*foo()*rand()"', r"'foo\(\)': expected rand\(\) or randn\(\)"),
    ],
)
def test_what_is_none_of_these_is_told(rule, why):
    text = IN_TIME.replace('initial = "0.3*mV*rand()", ', "") if "initial" in rule else IN_TIME
    with pytest.raises((InputError, ValidationError), match=why):
        build(text.replace("RULE", rule))


def test_a_rule_for_spikes_between_rates_is_told_in_one_line():
    why = r"^projection 'x__hidden1': rule .* reads spikes, but population 'x' sends rates: expected neurons that spike[^\n]*$"
    with pytest.raises(EquationError, match=why):
        build('hidden = [5]\nlayer = { rule = "additive_stdp" }')


def test_start_values_may_name_constants_and_what_stands_before():
    network = in_time('rule = "fixed"')
    values = initial_values(network, {"e.v": "El + 10*mV*rand()"})["e.v"]
    assert values.shape == (4,) and len(set(values)) == 4 and -0.06 <= values.min() < values.max() <= -0.05
    np.testing.assert_array_equal(values, initial_values(network, {"e.v": "El + 10*mV*rand()"})["e.v"])
    assert (initial_values(network, {"e.v": 0})["e.v"] == 0).all()
    wrong = [("e.w", 1, "variable 'e.w' is unknown"), ("e.v", "3*ms", "expected it in volt"), ("e.v", "x", "no unit")]
    for name, value, why in wrong:
        with pytest.raises(InputError, match=why):
            initial_values(network, {name: value})
