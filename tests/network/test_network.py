"""Building networks, sweeping them, and what they say about a graph that is wrong."""

import numpy as np
import psutil
import pytest

from neurosim.backends import DraftBackend
from neurosim.errors import EquationError, InputError, ShapeError, UnknownNameError
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation, Leaky
from neurosim.neurons.lif import LIF
from neurosim.plasticity import PlasticityRule, error_driven_trace, hebbian

X = np.random.default_rng(0).normal(size=(50, 4))


def branched(**options):
    """Return x -> a, b -> joined -> output, both branches joined one to one with weight 1/2."""
    populations = [Population("x", 4), Population("a", 3, transfer="tanh"), Population("b", 3, transfer="relu")]
    populations += [Population("joined", 3), Population("output", 2, transfer="softmax")]
    joins = {"connectivity": "one_to_one", "initial": 0.5, "bias": False, "rule": None}
    projections = [Projection("x", "a"), Projection("x", "b"), Projection("joined", "output")]
    projections += [Projection("a", "joined", **joins), Projection("b", "joined", **joins)]
    return Network(populations, projections, dtype="float64", **options)


def test_a_branched_graph_sweeps_in_order():
    network = branched()
    sweep = network.sweep(X)
    np.testing.assert_allclose(sweep.rate["joined"], (sweep.rate["a"] + sweep.rate["b"]) / 2)
    assert (network.input, network.output) == ("x", "output")
    assert set(sweep.rate) == set(network.populations)


def test_a_sweep_is_frozen():
    sweep = branched().sweep(X)
    with pytest.raises(TypeError):
        sweep.activity["a"] = None


def test_weights_depend_on_seed_and_name_only():
    alone = Network([Population("x", 4), Population("a", 3)], [Projection("x", "a")], dtype="float64")
    np.testing.assert_array_equal(alone.projections["x__a"].w, branched().projections["x__a"].w)
    assert not np.array_equal(branched(seed=1).projections["x__a"].w, branched().projections["x__a"].w)


@pytest.mark.parametrize(
    ("populations", "projections", "error", "named"),
    [
        (["x", "x", "y"], [("x", "y")], InputError, "'x' is there twice"),
        (["x", "y"], [("x", "z")], UnknownNameError, "'z' is unknown"),
        (["x", "a", "b", "y"], [("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")], InputError, "cycle"),
        (["x", "a", "y"], [("x", "y"), ("y", "x"), ("a", "y")], InputError, "expected a delay in every cycle"),
        (["x", "y", "z"], [("x", "y"), ("x", "z")], ShapeError, r"outputs \['y', 'z'\]: expected one"),
    ],
)
def test_a_wrong_graph_is_named(populations, projections, error, named):
    with pytest.raises(error, match=named):
        Network([Population(name, 2) for name in populations], [Projection(*ends) for ends in projections])


def test_shapes_that_do_not_chain():
    with pytest.raises(ShapeError, match="'x__y'.*differ"):
        Network([Population("x", 2), Population("y", 3)], [Projection("x", "y", connectivity="one_to_one")])
    with pytest.raises(ShapeError, match=r"\(50, 4\).*expected \(batch, 5\)"):
        Network([Population("x", 5), Population("y", 3)], [Projection("x", "y")]).sweep(X)


def test_a_rule_that_reads_what_no_population_has():
    rule = PlasticityRule("dw = potential_post * rate_pre")
    with pytest.raises(EquationError, match="potential_post.*rate_post"):
        Network([Population("x", 2), Population("y", 3)], [Projection("x", "y", rule=rule)])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"shape": 0}, "shape 0"),
        ({"shape": (3, -1)}, "shape"),
        ({"shape": 3, "dropout": 1.0}, "dropout 1.0"),
        ({"shape": 3, "noise": -1}, "noise -1"),
        ({"shape": 3, "transfer": "tahn"}, "did you mean 'tanh'"),
    ],
)
def test_a_population_out_of_range(options, named):
    with pytest.raises(InputError, match=named):
        Population("hidden", **options)


def test_batch_normalisation_by_hand_and_its_running_statistics():
    normalisation = BatchNormalisation(momentum=0.5)
    network = Network.layered((4,), [3], 2, normalisation=normalisation, transfer="linear", dtype="float64")
    sweep = network.sweep(X, training=True)
    drive = sweep.drive["hidden1"]
    by_hand = (drive - drive.mean(0)) / np.sqrt(drive.var(0) + 1e-5)
    np.testing.assert_allclose(sweep.rate["hidden1"], by_hand)
    network.remember(sweep)
    statistics = network.populations["hidden1"].statistics
    np.testing.assert_allclose(statistics["mean"], 0.5 * drive.mean(0))
    np.testing.assert_allclose(statistics["variance"], 0.5 + 0.5 * drive.var(0, ddof=1))
    settled = network.sweep(X).rate["hidden1"]
    np.testing.assert_allclose(settled, (drive - statistics["mean"]) / np.sqrt(statistics["variance"] + 1e-5))


def test_dropout_and_noise_act_in_training_only_and_keep_the_mean():
    hidden = Population("hidden", 4, dropout=0.25, noise=0.5)
    network = Network(
        [Population("x", 4), hidden, Population("y", 2)],
        [Projection("x", "hidden", connectivity="one_to_one", initial=1, bias=False), Projection("hidden", "y")],
        dtype="float64",
    )
    x = np.ones((20_000, 4))
    np.testing.assert_array_equal(network.sweep(x).transmitted["hidden"], x)
    sweep = network.sweep(x, training=True, draws=network.backend.draws(0, 0))
    np.testing.assert_allclose(sweep.rate["hidden"].std(), 0.5, rtol=0.02)
    np.testing.assert_allclose((sweep.transmitted["hidden"] == 0).mean(), 0.25, atol=0.01)
    np.testing.assert_allclose(sweep.transmitted["hidden"].mean(), 1, atol=0.02)


def test_a_rule_without_teaching_learns_without_a_pathway():
    network = Network([Population("x", 4), Population("y", 2)], [Projection("x", "y", rule=hebbian(eta=0.5))], dtype="float64")
    sweep = network.sweep(X)
    deltas, _ = network.propose(sweep, {})
    np.testing.assert_allclose(deltas["x__y.w"], 0.5 * X.T @ sweep.rate["y"] / len(X))
    assert "x__y.b" not in deltas


def test_summary_names_everything():
    text = branched().summary()
    for name in ("x (4,)", "a (3,) tanh", "a -> joined one_to_one: fixed", "parameters  44 float64", "present -> sweep"):
        assert name in text


# ---------------------------------------------------------------------- sizes, names and seeds that nothing could hold


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shape": (1,) * 40}, "has 40 axes: expected at most 16"),
        ({"shape": (2**20,) * 4}, "neurons: expected at most 2,147,483,648"),
        ({"shape": (10**400,)}, "neurons: expected at most"),
        ({"shape": 2.5}, "shape 2.5 is not one or more positive whole numbers"),
        ({"shape": "12"}, "shape '12' is not one or more"),
        ({"shape": ()}, "is not one or more"),
        ({"shape": 3, "noise": float("nan")}, "noise nan"),
        ({"shape": 3, "dropout": 10**400}, "dropout 1000"),
        ({"shape": 3, "name": "x" * 10_000}, "expected a name like 'hidden1'.*at most 100 characters"),
        ({"shape": 3, "name": "<b>"}, "population '<b>': expected a name"),
        ({"shape": 3, "name": 5}, "population 5: expected a name"),
    ],
)
def test_populations_of_no_sense_are_told_in_short(options, said):
    with pytest.raises(InputError, match=said) as caught:
        Population(**{"name": "x"} | options)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_numbers_that_the_dtype_does_not_have_are_told():
    with pytest.raises(InputError, match="'x__y': initial 1e\\+40: expected a finite number of float32"):
        Network([Population("x", 2), Population("y", 2)], [Projection("x", "y", initial=1e40)])
    with pytest.raises(InputError, match="population 'y': noise 1e\\+40 is infinite in float32"):
        Network([Population("x", 2), Population("y", 2, noise=1e40)], [Projection("x", "y")])
    Network([Population("x", 2), Population("y", 2, noise=1e40)], [Projection("x", "y", initial=1e40)], dtype="float64")


def test_more_weights_than_can_be_counted_are_told():
    with pytest.raises(InputError, match="'x__y': weights of shape .*too many to count"):
        Network([Population("x", 2**31), Population("y", 2**31)], [Projection("x", "y")], dtype="float64")


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, pytest.param(10**5000, id="huge"), 1.0, 1.5, float("nan"), "1", None, [1]])
def test_seeds_that_are_none_are_told(seed):
    with pytest.raises(InputError, match="^seed .*: expected a whole number from 0 to 9223372036854775807") as caught:
        Network.layered((4,), [3], 2, seed=seed)
    assert len(str(caught.value)) < 200


def test_equal_seeds_of_any_type_draw_equal_weights():
    one, other = (Network.layered((4,), [3], 2, seed=seed).projections["x__hidden1"].w for seed in (7, np.int64(7)))
    np.testing.assert_array_equal(one, other)
    Network.layered((4,), [3], 2, seed=2**63 - 1)


def test_a_chain_of_neurons_with_a_state_and_rules_of_their_own():
    rule = error_driven_trace(tau=20.0)
    readout = Leaky(tau=20.0, transfer="softmax")
    options = {"neurons": LIF(resistance=300.0), "rule": rule, "readout": readout}
    network = Network.layered((4,), [3, 3], 2, **options, dt="1*ms", dtype="float64")
    assert [population.neurons.name for population in network.populations.values()] == ["linear", "lif", "lif", "leaky"]
    assert {p.rule.describe() for p in network.projections.values()} == {rule.describe()}
    x = np.random.default_rng(0).normal(size=(5, 4))
    first = network.sweep(x)
    second = network.sweep(x, first.state)
    assert set(np.unique(second.rate["hidden1"])) <= {0.0, 1.0}
    assert not np.array_equal(first.rate["output"], second.rate["output"])


def test_a_chain_takes_a_transfer_or_neurons():
    with pytest.raises(InputError, match="only one of the two"):
        Network.layered((4,), [3], 2, neurons="lif", transfer="tanh")


def test_a_long_name_is_cut_in_every_message():
    long = "every " + "9" * 300
    for make in (
        lambda: Projection(long, "y", delay=-1),
        lambda: Projection(long, "y", rule="none"),
        lambda: Network([Population("x", 2), Population("y", 2)], [Projection(long, "y")]),
    ):
        with pytest.raises(InputError) as caught:
            make()
        assert len(str(caught.value)) < 400


def test_a_draft_of_a_network_with_delays_takes_no_memory():
    """Rates on their way are drafts as well: a model that does not fit is found out without being taken."""
    populations = [Population("x", 2), Population("wide", 2**28), Population("output", 2, transfer="softmax")]
    links = [Projection("x", "wide"), Projection("wide", "wide", connectivity="one_to_one", name="loop", delay=5)]
    before = psutil.Process().memory_info().rss
    network = Network(populations, [*links, Projection("wide", "output")], backend=DraftBackend())
    state = network.fresh(np.zeros((2, 2), np.float32))  # 10 GiB, were it taken
    assert psutil.Process().memory_info().rss - before < 2**27 and len(state) == 5
