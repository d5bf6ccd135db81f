"""Locality cards of schemes and rules whose dependences can be written down by hand, and of users' own networks."""

import itertools
import json

import numpy as np
import pytest

import neurosim
from neurosim import datasets
from neurosim.checking import Card, card
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD, Adam, PlasticityRule
from neurosim.runfile.locality_card import BLOCKS, COLUMNS, MEANINGS, Cell, Row, Through
from neurosim.training import Trainer

OWN = {"pre", "post", "slope"}


def depends(row):
    """Return the columns on which a change depends."""
    return {column for column in COLUMNS if row[column]}


def names(row, column):
    return {through.name for through in row[column].through}


def test_backprop_needs_every_weight_and_population_above():
    found = card("backprop")
    assert depends(found["hidden3__output"]) == {"pre", "post", "labels"}
    above = ["hidden1__hidden2", "hidden2__hidden3", "hidden3__output"]
    for k, name in enumerate(["x__hidden1", *above[:2]]):
        row = found[name]
        assert depends(row) == OWN | {"weights", "layers", "labels"}
        expected = [Through(q, "yes", f"values, {hops} hop{'s' * (hops > 1)}") for hops, q in enumerate(above[k:], start=1)]
        assert list(row["weights"].through) == expected
        assert names(row, "layers") == set(["hidden2", "hidden3", "output"][k:])
        assert names(row, "labels") == {"through the output's error"}
    assert not found.unexplained


def test_direct_feedback_needs_the_output_and_synapses_of_its_own():
    found = card("direct_feedback_alignment")
    for hidden in (1, 2, 3):
        row = found[f"{'x' if hidden == 1 else f'hidden{hidden - 1}'}__hidden{hidden}"]
        assert depends(row) == OWN | {"layers", "labels", "feedback"}
        assert names(row, "layers") == {"output"}
        assert names(row, "feedback") == {f"feedback/hidden{hidden}/output__hidden{hidden}"}


def test_local_readouts_are_given_labels_and_nothing_from_above():
    row = card("local_errors", loss="pred", backprop_free=False)["hidden1__hidden2"]
    assert depends(row) == OWN | {"near", "labels", "feedback"}
    assert names(row, "labels") == {"directly"} and names(row, "near") == {"hidden2"}


def test_a_similarity_between_samples_and_the_raw_input_are_found():
    row = card("hsic_bottleneck")["hidden2__hidden3"]
    assert {"samples", "input"} <= depends(row)
    assert "layers" not in depends(row)


def test_a_learned_inverse_reads_what_the_projection_responds():
    found = card("difference_target_propagation")
    inverse = found["inverse/hidden2__hidden1"]
    assert inverse.owner == "pathway" and not inverse["labels"]
    assert list(inverse["weights"].through) == [Through("hidden1__hidden2", "yes", "its responses")]
    assert list(found["x__hidden1"]["weights"].through) == [Through("hidden3__output", "yes", "values, 3 hops")]


def test_a_scheme_in_time_is_asked_in_time():
    found = card("backprop_through_time")
    assert names(found["up"], "later") >= {"hidden2", "labels"} and not found["up"]["earlier"]
    assert names(found["loop"], "fan_in") == {"loop", "back"}
    assert card("backprop")["x__hidden1"]["later"].state == "-"


def test_rules_read_what_their_equations_name():
    assert depends(card("hebbian")["x__hidden"]) == {"pre", "post"}
    assert depends(card("oja")["x__hidden"]) == {"pre", "post", "weight"}
    assert depends(card("error_driven")["x__hidden"]) == {"pre", "feedback"}
    trace = {"trace": "dtrace/dt = (rate_pre - trace) / 3"}
    row = card("dw = eta * reward * trace_pre", eta=0.1, pre=trace, per_sample=("trace_pre",))["x__hidden"]
    assert depends(row) == {"pre", "scalar", "earlier"} and names(row, "earlier") == {"x"}


def test_what_is_read_without_an_effect_is_told_apart():
    row = card("dw = eta * rate_pre + clip(rate_post, 50, 60) - 50", eta=0.1)["x__hidden"]
    assert (row["pre"].state, row["post"].state) == ("yes", "reads")


def test_signs_alone_are_told_from_values():
    class SignSymmetry(neurosim.feedback.FeedbackPathway):
        name, title, citation = "signs", "Signs", "none (2026)"
        claims = neurosim.feedback.Claims(weight_transport="sign", update_locking=True, backward_locking=True)

        def teach(self, sweep, target, draws):
            signs = {name: np.sign(p.w) for name, p in self.network.projections.items()}
            return self.network.errors_back(sweep, self.output_teaching(sweep, target), signs)

    found = card(SignSymmetry)
    notes = [through.note for through in found["x__hidden1"]["weights"].through]
    assert notes == ["signs, 1 hop", "signs, 2 hops", "signs, 3 hops"]


# ---------------------------------------------------------------------- a user's own


def make_trainer(rule="error_driven", scheme="feedback_alignment", normalisation=None, **options):
    populations = [Population("stimulus", 40), Population("cortex", 30, transfer="relu", normalisation=normalisation)]
    populations += [Population("context", 30, transfer="tanh"), Population("choice", 3, transfer="softmax")]
    links = [Projection("stimulus", "cortex", rule=rule), Projection("cortex", "context"), Projection("context", "choice")]
    links.append(Projection("cortex", "choice", name="skip", rule=None))
    return Trainer(Network(populations, links, seed=1), pathway(scheme), SGD(0.1), batch=8, **options)


def test_a_trainers_own_network_is_asked_and_stays_as_it_was():
    made = make_trainer()
    before = {name: value.copy() for name, value in made.network.parameters().items()}
    found = card(made)
    assert {row.name for row in found.rows if row.owner == "network"} == {"stimulus__cortex", "cortex__context", "context__choice"}
    assert names(found["stimulus__cortex"], "layers") == {"context", "choice"}
    assert "small network of the same structure" in found.network and not found.unexplained
    assert all(np.array_equal(before[name], value) for name, value in made.network.parameters().items())
    assert not made.pathway.attached
    assert card(made).as_data() == found.as_data()


def test_a_trainers_rules_are_asked():
    rule = PlasticityRule("dw = eta * rate_pre * rate_post - decay * w", eta=0.1, decay=0.01)
    assert depends(card(make_trainer(rule))["stimulus__cortex"]) == {"pre", "post", "weight"}


def test_other_samples_through_batch_normalisation_are_told_as_such():
    row = card(make_trainer(normalisation=BatchNormalisation()))["stimulus__cortex"]
    assert names(row, "samples") == {"batch normalisation"}
    assert card(make_trainer())["stimulus__cortex"]["samples"].state == "no"


def test_a_trainers_step_is_counted():
    made = make_trainer(scheme="backprop")
    made.check(neurosim.datasets.from_arrays(*samples(), *samples()))
    assert made.batch == 8
    cost = card(made).cost
    # forward: 40 into cortex, 30 into context, 30 and 30 into choice; back: 3 and 3 into context and cortex, 30 into cortex
    assert cost["travel, learn"] == "numbers a sample: 130 forward, 36 back through the same synapses"
    assert "matrix products" in cost["step, learn"]


def samples():
    draw = np.random.default_rng(0)
    return draw.normal(size=(16, 40)), np.arange(16) % 3


def test_a_trainer_is_given_alone_and_strangers_are_refused():
    with pytest.raises(InputError, match="leave the options out"):
        card(make_trainer(), gain=2)
    with pytest.raises(InputError, match="card|check"):
        card(42)


# ---------------------------------------------------------------------- as text and as JSON


def test_text_fits_80_columns_and_names_every_column():
    for found in (card("synthetic_gradients"), card(make_trainer())):
        lines = str(found).split("\n")
        assert max(map(len, lines)) <= 80
        heads = " ".join(line for line in lines if line.startswith("change of"))
        assert all(column.replace("_", "-") in heads for column in COLUMNS)
    assert set(itertools.chain(*BLOCKS)) == set(COLUMNS)


def test_a_card_comes_back_from_json():
    found = card("eprop")
    again = Card.from_data(json.loads(json.dumps(found.as_data())))
    assert again == found and str(again) == str(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("rows"),
        lambda data: data["rows"][0].pop("cells"),
        lambda data: data["rows"][0]["cells"].update(pre=["perhaps"]),
        lambda data: data["rows"][0]["cells"].update(pre=[]),
        lambda data: data["rows"][0]["cells"].update(pre=["yes", ["name", "yes"]]),
        lambda data: data["rows"][0].update(name=3),
        lambda data: data.update(notes=[None]),
        lambda data: data.update(cost=[]),
    ],
)
def test_what_is_no_card_is_refused(change):
    data = json.loads(json.dumps(card("backprop").as_data()))
    change(data)
    with pytest.raises(ValueError, match="."):
        Card.from_data(data)


def test_a_summary_is_of_hidden_populations():
    assert card("backprop").summary == {"weights": "values, 3 hops", "layers": "up to 3", "labels": "through error"}
    assert card("local_errors", loss="pred").summary == {"weights": "no", "layers": "no", "labels": "directly"}
    assert card("frozen").summary == {"weights": "no", "layers": "no", "labels": "no"}


def test_a_contradiction_stands_out():
    cells = dict.fromkeys(COLUMNS, Cell("no")) | {"layers": Cell.join([Through("a", "!!"), Through("b", "reads")])}
    found = Card("title", "network", (Row("a__b", "network", "a", "b", cells),))
    assert found.unexplained == ("a__b: layers",) and MEANINGS["!!"].split(",")[0] in " ".join(str(found).split())
    assert "layers a [!!], b [reads]" in str(found)


def test_a_card_leaves_the_trainer_as_it_was():
    """Also what an optimiser remembers, which the recording of a step fills."""
    data = datasets.load("digits", limit=200)
    network = Network.layered(data.shape, [9], data.classes, seed=1)
    trainer = Trainer(network, pathway("kolen_pollack"), Adam(3e-3), batch=50, seed=1)
    trainer.check(data)
    before = trainer.state()
    neurosim.card(trainer)
    after = trainer.state()
    assert after.keys() == before.keys() and trainer.commit.memory == {} == trainer.feedback_commit.memory
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
