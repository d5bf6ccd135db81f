"""From a comparison file to model files: what a row leaves out, rules of rows, the baseline, the title."""

import pytest

from neurosim.catalogue import Imports
from neurosim.errors import InputError, UnknownNameError
from neurosim.experiments.comparison_plan import BASELINE, CONTROL, Plan
from neurosim.feedback import pathways
from neurosim.feedback.backprop import Backprop
from neurosim.modelfile.reading import contents, installed

ADAM = {"name": "adam", "learning_rate": 3e-3}


def rows(**given):
    return Plan.load(given=given).contents["rows"]


def stage(plan, row):
    return plan.models[row].contents["stages"][0]


def test_a_scheme_without_a_row_gets_the_defaults(monkeypatch):
    """A new scheme is one new file: nothing has to be added to ``models/compare.toml``."""

    class New(Backprop):
        name = "new_scheme"

    known = pathways() | {"new_scheme": New}
    for module in ("neurosim.experiments.comparison_plan", "neurosim.modelfile.schema"):
        monkeypatch.setattr(f"{module}.pathways", lambda: known)
    plan = Plan.load()
    made_for_rates = {name: scheme for name, scheme in known.items() if "rate" in scheme.made_for}
    assert set(plan.models) == {name for name, one in made_for_rates.items() if one.needs_error and one.answers == "tick"}
    assert stage(plan, "new_scheme") == {"scheme": "new_scheme", "optimiser": ADAM, "epochs": 40, "batch": 32}
    assert isinstance(plan.models["new_scheme"].table.stages[0].pathway(), New)


def test_what_a_row_leaves_out_is_that_of_its_scheme():
    found = rows(mine={"scheme": "difference_target_propagation", "options": {"alternate": False}})
    assert found["mine"]["options"] == {"step": 0.1, "noise": 0.1, "alternate": False}
    assert found["mine"]["optimiser"] == ADAM
    sgd = {"name": "sgd", "learning_rate": 1}
    found = rows(mine={"scheme": "difference_target_propagation", "options": {"step": 0.3}, "optimiser": sgd})
    assert found["mine"]["options"] == {"step": 0.3, "noise": 0.1} and found["mine"]["optimiser"] == sgd


def test_an_optimiser_without_a_name_changes_the_one_there_is():
    assert rows(frozen={"optimiser": {"learning_rate": 0.1}})["frozen"]["optimiser"] == ADAM | {"learning_rate": 0.1}
    plan = Plan.load(settings=["rows.backprop.optimiser.learning_rate=0.1"])
    assert stage(plan, "backprop")["optimiser"] == ADAM | {"learning_rate": 0.1} and stage(plan, "frozen")["optimiser"] == ADAM


def test_a_comparison_file_may_say_less_than_the_usual_one(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'data = { name = "digits" }\nnetwork = { hidden = [9] }\ntraining = { epochs = 2, batch = 10 }\n'
        'defaults = { optimiser = { name = "sgd", learning_rate = 0.2 } }\n[rows.hsic_bottleneck]\n[rows.a]\nrule = "hebbian"\n'
    )
    plan = Plan.load(path)
    assert list(plan.models) == ["hsic_bottleneck", "a"]  # the rows of the file and no others
    usual = contents(installed()["compare"])["rows"]["hsic_bottleneck"]["options"]
    assert stage(plan, "hsic_bottleneck")["options"] == usual
    assert stage(plan, "a")["optimiser"] == {"name": "sgd", "learning_rate": 0.2}


@pytest.mark.parametrize(
    ("row", "scheme"),
    [
        ({"rule": "dw = 0.01 * rate_post * rate_pre"}, CONTROL),
        ({"rule": {"equation": "dw = eta * error_post * rate_pre", "eta": 0.1}}, BASELINE),
        ({"rule": "oja"}, CONTROL),
        ({"rule": "error_driven"}, BASELINE),
        ({"rule": "fixed"}, CONTROL),
        ({"output_rule": "oja"}, BASELINE),
        ({"rule": "oja", "scheme": "local_errors"}, "local_errors"),
        ({"rule": "a_users_own:instar"}, CONTROL),
        ({"rule": "a_users_own:Averaging"}, BASELINE),
        ({"scheme": "a_users_own:SignSymmetry"}, "a_users_own:SignSymmetry"),
    ],
)
def test_the_scheme_of_a_row(row, scheme, users_classes):
    """A rule that reads no error gets the scheme that gives none, so that the table's claims are those of the rule."""
    plan = Plan.load(given={"mine": row}, imports=Imports([users_classes]))
    assert plan.contents["rows"]["mine"]["scheme"] == scheme
    assert list(plan.models) == [BASELINE, "mine"]


def test_the_rule_of_a_row_is_that_of_the_hidden_projections():
    plan = Plan.load(given={"hebb": {"rule": "hebbian"}, "both": {"rule": "oja", "output_rule": "hebbian"}})
    assert plan.models["hebb"].contents["network"]["layer"]["rule"] == "hebbian"
    expected = ("backprop", "error", "error"), ("hebb", "rate_post * rate_pre", "error"), ("both", "w", "rate_post *")
    for name, layer, output in expected:
        network = plan.models[name].table.network
        assert layer in network.layer.rule.describe() and output in network.output.rule.describe(), name


def test_the_rule_of_a_row_in_a_graph(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "graph"\ndata = { name = "digits" }\ntraining = { epochs = 1, batch = 10 }\n'
        'network.populations = [{ name = "x" }, { name = "a", shape = 3 }, { name = "y", transfer = "softmax" }]\n'
        'network.projections = [{ pre = "x", post = "a" }, { pre = "a", post = "y" }, { pre = "x", post = "y" }]\n'
        '[rows.backprop]\n[rows.hebb]\nrule = "hebbian"\n[rows.fixed]\nrule = "fixed"\noutput_rule = "hebbian"\n'
    )
    plan = Plan.load(path)
    given = {name: [one.get("rule") for one in model.contents["network"]["projections"]] for name, model in plan.models.items()}
    assert given == {"backprop": [None] * 3, "hebb": ["hebbian", None, None], "fixed": ["fixed", "hebbian", "hebbian"]}
    assert plan.title([1]) == "graph: backprop, hebb, fixed on digits, 3 populations, 1 epoch, seed 1"


@pytest.mark.parametrize("baseline", [{"scheme": "backprop"}, {"scheme": "backprop", "optimiser": {"learning_rate": 1e-4}}])
def test_the_baseline_is_added_where_it_is_not_there(baseline):
    assert list(Plan.load(given={"mine": {"scheme": "frozen"}}).models) == ["backprop", "mine"]
    assert list(Plan.load(given={"mine": {"scheme": "frozen"}, "bp": baseline}).models) == ["mine", "bp"]
    assert list(Plan.load(given={"mine": {"scheme": "backprop", "rule": "oja"}}).models) == ["backprop", "mine"]
    with pytest.raises(InputError, match="row 'backprop': has a rule or a scheme of its own: expected another name"):
        Plan.load(given={"backprop": {"rule": "oja"}})


def test_a_comparison_of_spiking_networks_has_a_row_of_each_scheme_made_for_them(monkeypatch):
    class New(Backprop):
        name = "new_scheme"
        made_for = ("spike",)

    known = pathways() | {"new_scheme": New}
    for module in ("neurosim.experiments.comparison_plan", "neurosim.modelfile.schema"):
        monkeypatch.setattr(f"{module}.pathways", lambda: known)
    plan = Plan.load("compare-lif")
    assert set(plan.models) == {name for name, scheme in known.items() if "spike" in scheme.made_for}
    assert {"backprop_through_time", "decolle", "direct_feedback_alignment", "new_scheme"} <= set(plan.models)
    assert "new_scheme" not in Plan.load().models


def test_the_baseline_of_trials_is_back_propagation_through_time_with_its_own_rule():
    given = {"mine": {"rule": "dw = error_post * rate_pre"}, "decolle": {}}
    plan = Plan.load("compare-lif", given=given)
    assert list(plan.models) == ["backprop_through_time", "mine", "decolle"]
    assert stage(plan, "mine")["scheme"] == "backprop_through_time"
    rules = [plan.models[name].contents["network"]["layer"]["rule"] for name in plan.models]
    assert rules == ["error_driven", given["mine"]["rule"], {"name": "error_driven_trace", "tau": 20.0}]


@pytest.mark.parametrize(
    ("seeds", "said"), [([3], "seed 3"), ([1, 2], "seeds 1, 2"), ([1, 2, 3], "seeds 1 to 3"), ([4, 1, 2], "seeds 4, 1, 2")]
)
def test_the_title_says_what_runs(seeds, said):
    settings = ["network.hidden=[5]", "training.epochs=2", "network.layer.transfer=relu"]
    plan = Plan.load(rows=["backprop", "frozen"], settings=settings)
    assert plan.title(seeds) == f"backprop, frozen on digits, hidden 5 relu, 2 epochs, {said}"
    whole = Plan.load()
    assert whole.title([1]) == f"{len(whole.models)} rows on digits, hidden 64, 64 tanh, 40 epochs, seed 1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mine": {}}, "row 'mine': names no scheme and no rule; scheme 'mine' is unknown"),
        ({"a/b": {"scheme": "frozen"}}, "compare: rows"),
        ({"mine": {"scheme": "bakprop"}}, "did you mean 'backprop'"),
        ({"mine": {"scheme": "frozen", "option": {}}}, "key 'option' is unknown"),
        ({"mine": {"rule": "dw = rate_post *"}}, "rate_post"),
        ({"mine": {"rule": "dw = __import__('os')"}}, "rows.mine.rule"),
        ({"mine": {"scheme": "local_errors", "options": {"loss": 3}}}, "loss 3"),
        ({"mine": {"scheme": "os:system"}}, "do not trust the file"),
        ({"mine": {"scheme": "frozen", "optimiser": {"name": "adm"}}}, "did you mean 'adam'"),
        ({"mine": {"scheme": "frozen", "optimiser": {"rate": 1}}}, "option 'rate' is unknown"),
    ],
)
def test_rows_that_do_not_fit_are_one_line(given, said):
    with pytest.raises(InputError, match=said) as caught:
        Plan.load(given=given)
    assert "\n" not in str(caught.value)


def test_a_comparison_without_rows(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('data = { name = "digits" }\nnetwork = { hidden = [9] }\ntraining = { epochs = 2, batch = 10 }\n')
    with pytest.raises(InputError, match="mine: rows: none: expected at least one"):
        Plan.load(path)
    with pytest.raises(UnknownNameError, match="row 'x' is unknown"):
        Plan.load(rows=["x"])


def test_what_the_file_says_of_its_data_set_does_not_hold_of_a_users_own(users_classes):
    assert Plan.load(data="mnist").contents["data"] == {"name": "mnist", "validation": 0.16666667}
    imports = Imports([users_classes])
    plan = Plan.load(data="a_users_own:blobs", settings=["data.limit=90"], imports=imports)
    assert plan.contents["data"] == {"name": "a_users_own:blobs", "limit": 90}
