"""The head of a report: what was trained on what, and how; where runs differ in it, which ones do."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w

from neurosim.analysis.facts import LABELS, facts, transfer_name
from neurosim.analysis.grouping import grouped
from neurosim.analysis.report import page

MLP = {"hidden": [12, 8]}
ADAM = {"name": "adam", "learning_rate": 0.003}
SAID = {
    "seed": 1, "neurosim_version": "0.1.0", "data_samples": "1200 97 500", "data_shape": "1 8 8", "score": "wrong answers",
}  # fmt: skip


def with_model(name="backprop", seed=1, said=SAID, **tables):
    """What a report's head reads of a run: its attributes, and its model with some tables."""
    model = {"data": {"name": "digits"}, "network": MLP, "stages": [stage()]} | tables
    attributes = said | {"model_name": name, "seed": seed}
    return SimpleNamespace(path=Path(f"{name}.h5"), attributes=attributes, model=tomli_w.dumps(model), status="complete")


def stage(**keys):
    return {"scheme": "backprop", "epochs": 4, "batch": 50, "optimiser": ADAM} | keys


def said(*runs):
    return facts(grouped(runs), runs)


def test_the_head_says_what_was_trained_on_what_and_how():
    assert said(with_model()) == {
        "runs": "1", "seeds": "1", "data": "digits, 1,200 training, 97 validation and 500 test images",
        "task": "classification, error: wrong answers (%)", "network": "hidden 12, 8", "transfer": "tanh",
        "optimiser": "adam (learning rate 0.003)", "batch": "50", "epochs": "4", "neurosim": "0.1.0",
    }  # fmt: skip


def test_the_page_has_it(make_run):
    run = make_run()
    found = said(run)
    assert found["data"].startswith("digits, 1,200 training") and found["batch"] == "50"
    assert all(f"<dt>{name}</dt><dd>{words}</dd>" in page([run]) for name, words in found.items())


def test_stages_are_told_one_after_the_other_and_what_they_share_once():
    other = stage(epochs=6, optimiser={"name": "sgd", "learning_rate": 0.1}, feedback_optimiser=ADAM)
    found = said(with_model(stages=[stage(), other]))
    assert (found["batch"], found["epochs"]) == ("50", "4, then 6")
    assert found["optimiser"] == "adam (learning rate 0.003), then sgd (learning rate 0.1), feedback by adam (learning rate 0.003)"


def test_a_chain_of_optimisers_and_those_of_single_projections():
    clipped = [{"name": "clip", "norm": 1.0}, ADAM]
    layer = {"optimiser": {"name": "sgd", "learning_rate": 1.0}}
    found = said(with_model(network=MLP | {"layer": layer}, stages=[stage(optimiser=clipped)]))
    assert found["optimiser"] == "clip (norm 1), then adam (learning rate 0.003), another for some projections"


GRAPH = {
    "populations": [
        {"name": "x"}, {"name": "a", "shape": 4, "transfer": "relu"}, {"name": "b", "shape": 4},
        {"name": "c", "shape": 4, "neurons": {"name": "lif", "tau": 20.0}}, {"name": "output", "transfer": "softmax"},
    ],
    "projections": [{"pre": pre, "post": post} for pre, post in ("xa", "ab", "bc")] + [{"pre": "c", "post": "output"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (MLP, "tanh"),
        (MLP | {"layer": {"transfer": "relu"}}, "relu"),
        (MLP | {"layer": {"transfer": {"name": "leaky_relu", "slope": 0.1}}}, "leaky relu (slope 0.1)"),
        (MLP | {"layer": {"neurons": "adaptive"}}, "adaptive neurons"),
        ({"hidden": []}, ""),
        (GRAPH, "relu, linear, lif (tau 20) neurons"),
        ({"hidden": 3}, ""),
        ({"hidden": [3], "layer": 5}, ""),
        ({"populations": 3, "projections": 4}, ""),
        ({"populations": [7], "projections": [{"pre": 3}]}, ""),
    ],
)
def test_the_transfer_is_that_of_the_hidden_populations(network, expected):
    (group,) = grouped([with_model(network=network)])
    assert transfer_name(group) == expected


@pytest.mark.parametrize(
    ("task", "expected"),
    [({"name": "reward", "baseline": 0.5}, "reward, error: wrong answers (%)"), ("mine", "mine, error: wrong answers (%)")],
)
def test_a_task_that_is_stated(task, expected):
    assert said(with_model(task=task))["task"] == expected


@pytest.mark.parametrize("attribute", ["data_samples", "score"])
@pytest.mark.parametrize("value", [None, "", "1 2", "a b c", "-1 2 3", "<b>", "0 0 0"])
def test_an_older_file_and_a_strangers_say_less(attribute, value):
    attributes = {key: text for key, text in SAID.items() if key != attribute} | ({} if value is None else {attribute: value})
    found = said(with_model(said=attributes))
    assert found["data"] == "digits" if attribute == "data_samples" else "task" not in found


def test_samples_that_are_no_images_are_called_so():
    assert said(with_model(said=SAID | {"data_shape": "5"}))["data"].endswith("500 test samples")
    assert said(with_model(said=SAID | {"data_samples": "1200 0 500"}))["data"] == "digits, 1,200 training and 500 test images"


def test_where_runs_differ_it_is_said_which():
    usual = [with_model(scheme, stages=[stage(scheme=scheme)]) for scheme in ("backprop", "frozen", "local_errors")]
    slow = with_model("oja", stages=[stage(optimiser={"name": "sgd", "learning_rate": 0.1}, batch=7)])
    found = said(*usual, slow)
    assert found["optimiser"] == "adam (learning rate 0.003) (backprop, frozen, local errors); sgd (learning rate 0.1) (oja)"
    assert found["batch"] == "50 (backprop, frozen, local errors); 7 (oja)" and found["epochs"] == "4"


def test_many_that_are_alike_are_called_the_others_and_many_that_differ_are_counted():
    alike = [with_model(f"s{k}", stages=[stage(batch=50)]) for k in range(LABELS + 1)]
    assert said(*alike, with_model("oja", stages=[stage(batch=7)]))["batch"] == "50 (the 5 others); 7 (oja)"
    different = [with_model(f"d{k}", stages=[stage(batch=k)]) for k in range(1, 6)]
    assert said(*different)["batch"] == "5 different ones; the model files below have them"


def test_many_seeds_are_a_range():
    assert said(*[with_model(seed=seed) for seed in range(1, 12)])["seeds"] == "11 from 1 to 11"
