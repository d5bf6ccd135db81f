"""Which runs are one row, and what they are compared with."""

import pytest

from neurosim.analysis.grouping import baselines, differences, grouped, hidden_populations


@pytest.fixture
def changed(make_run, edited):
    """Return a function that makes a run whose model text has one thing replaced by another."""

    def make(old, new, **options):
        run = make_run(**options)
        text = run.model.replace(old, new)
        assert text != run.model

        def change(file):
            del file["model"]
            file["model"] = text

        return edited(run, change)

    return make


def test_runs_that_differ_in_their_seed_are_one_group_seeds_ascending(make_run):
    groups = grouped([make_run(seed=3), make_run(seed=1), make_run("frozen", seed=1)])
    assert [(group.label, [run.attributes["seed"] for run in group.runs]) for group in groups] == [
        ("backprop", [1, 3]),
        ("frozen", [1]),
    ]


def test_backprop_comes_first_and_is_the_reference_of_all(make_run):
    groups = grouped([make_run("frozen"), make_run("backprop")])
    assert [group.label for group in groups] == ["backprop", "frozen"]
    assert {label: group.label for label, group in baselines(groups).items()} == {"backprop": "backprop", "frozen": "backprop"}


def test_models_of_one_name_that_differ_are_kept_apart_and_their_difference_named(make_run, changed):
    other = changed("learning_rate = 0.000804436870084", "learning_rate = 0.5", seed=2)
    groups = grouped([make_run(seed=1), other])
    assert [group.label for group in groups] == ["backprop (1)", "backprop (2)"]
    assert differences(groups) == {"stages.0.optimiser.learning_rate": ["0.000804436870084", "0.5"]}


def test_another_network_has_no_reference(make_run, changed):
    groups = grouped([make_run("backprop"), changed("12,", "13,", scheme="frozen")])
    assert set(baselines(groups)) == {"backprop"}


def test_other_images_have_no_reference(make_run, edited):
    other = edited(make_run("frozen"), lambda file: file.attrs.__setitem__("data_digest", "f" * 32))
    assert set(baselines(grouped([make_run("backprop"), other]))) == {"backprop"}


def test_only_complete_runs_count_where_there_are_any(make_run):
    runs = [make_run(seed=1), make_run(seed=2, status="failed")]
    assert [run.status for run in grouped(runs)[0].counted] == ["complete"]
    assert [run.status for run in grouped(runs[1:])[0].counted] == ["failed"]


def test_options_decide_the_claims(changed):
    (group,) = grouped([changed("options]", "options]\nloss = 'pred'", scheme="local_errors")])
    assert group.pathway.claims.pairwise is False
    (group,) = grouped([changed("options]", "options]\nloss = 'sim'", scheme="local_errors", seed=2)])
    assert group.pathway.claims.pairwise is True


@pytest.mark.parametrize(
    ("network", "names"),
    [
        ({"hidden": [3, 4]}, ["hidden1", "hidden2"]),
        ({"projections": [{"pre": "b", "post": "out"}, {"pre": "a", "post": "b"}, {"pre": "x", "post": "a"}]}, ["a", "b"]),
        ({"populations": []}, None),
    ],
)
def test_hidden_populations_are_named_in_the_order_of_a_sweep(network, names):
    assert hidden_populations({"network": network}) == names


@pytest.mark.parametrize("network", ["hidden = 3", "projections = [1]", "projections = [{ pre = 'a', post = 'a' }]", "seed = 3"])
def test_where_the_network_cannot_be_told_nothing_is_claimed_of_it(changed, network):
    (group,) = grouped([changed("hidden = [\n    12,\n    8,\n]", network, scheme="synthetic_gradients")])
    assert group.pathway is not None and group.claims is None


@pytest.mark.parametrize("new", ["options]\nnonsense = 1", "options]\nshares = 'x'", 'options]\n"self" = 1'])
def test_options_that_do_not_fit_leave_the_claims_unknown(changed, new):
    (group,) = grouped([changed("options]", new, scheme="local_errors")])
    assert group.pathway is None


@pytest.mark.parametrize("text", ["", "no toml [", "a = " + "[" * 100_000, "stages = 3", "stages = [1]", "data = 1\nnetwork = 1"])
def test_a_model_text_that_cannot_be_read_is_no_model(make_run, edited, text):
    def change(file):
        del file["model"]
        file["model"] = text

    (group,) = grouped([edited(make_run("frozen"), change)])
    assert group.label == "frozen" and group.schemes == ["frozen"]
