"""The ticks of a trial as loops of the captured step: array code's numbers, a graph and memory that do not grow with the ticks."""

import numpy as np
import pytest

from neurosim.capture import Graph
from neurosim.datasets import DataSet, Split
from neurosim.encoders import Constant, Encoder, Sequence
from neurosim.errors import DivergedError
from neurosim.feedback import pathway
from neurosim.feedback.backprop_through_time import BackpropThroughTime
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import BatchNormalisation, Leaky
from neurosim.neurons.bernoulli import Bernoulli
from neurosim.plasticity import SGD, Adam, PlasticityRule, Time, three_factor
from neurosim.tasks import Reward
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

LONGEST = 40
DRAW = np.random.default_rng(4)
X = DRAW.normal(size=(24, 1, LONGEST, 4)).astype(np.float32)
Y = (X[:, 0, 1, 0] > X[:, 0, 4, 1]).astype(np.int64)

TRACES = PlasticityRule(
    "dw = error_post * trace_pre - 0.01 * slow_post * w",
    pre={"trace": "dtrace/dt = (rate_pre - trace) / 3"}, post={"slow": "dslow/dt = (rate_post - slow) / 9"},
    per_sample=("trace_pre",), bias="db = error_post",
)  # fmt: skip


def sequences(ticks):
    x = X[:, :, :ticks].copy()
    return DataSet("sequences", Split(x, Y), Split(x[:0], Y[:0]), Split(x[:10], Y[:10]), 2, (1, ticks, 4))


def recurrent(rule=None, normalisation=None, **noise):
    """Return x -> hidden -> above -> output with loops of several delays and a skip."""
    populations = [
        Population("x", (1, 4), **noise), Population("hidden", 6, neurons=Leaky(tau=3.0), normalisation=normalisation, **noise),
        Population("above", 5, transfer="tanh"), Population("output", 2, transfer="softmax"),
    ]  # fmt: skip
    rules = {} if rule is None else {"rule": rule}
    links = [
        Projection("x", "hidden", **rules), Projection("hidden", "hidden", name="loop", delay=1, bias=False, **rules),
        Projection("hidden", "above"), Projection("above", "hidden", name="back", delay=3),
        Projection("above", "output", **rules), Projection("x", "output", name="skip", delay=2),
    ]  # fmt: skip
    return Network(populations, links, dtype="float64", seed=1)


def simple(shape=(1, 4)):
    """Return x -> hidden -> output, the hidden population with a loop."""
    populations = [Population("x", shape), Population("hidden", 30, neurons=Leaky(tau=3.0))]
    links = [Projection("x", "hidden"), Projection("hidden", "hidden", name="loop", delay=1), Projection("hidden", "output")]
    return Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64", seed=1)


def trainer(network, scheme, ticks=14, asked=6, optimiser=None, **options):
    options = {"clock": Clock(ticks, asked), "encoder": Sequence(axis=1), "epochs": 2, "batch": 12, "seed": 1} | options
    made = Trainer(network, scheme, optimiser or SGD(0.05), **options)
    made.trial.check(network, (1, ticks, 4), "sequences")
    return made


def programs(made):
    return [captured.program for captured in made._programs.values()]


def count_turns(program):
    """Return how many turns each loop has."""
    return [item.turns.times for item in program.items if item.op == "repeat"]


def both(make, ticks, monkeypatch):
    """Return the states after training by the program and by array code, and the program."""
    captured, plain = make(), make()
    captured.fit(sequences(ticks))
    (program,) = programs(captured)
    with monkeypatch.context() as patch:
        patch.setattr(CapturedStep, "prepared", lambda *_: None)
        plain.fit(sequences(ticks))
    return captured.state(), plain.state(), program


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=1e-7, atol=1e-9, err_msg=name)


NOISE = {"noise": 0.2, "dropout": 0.1}
CASES = {
    "bptt": (recurrent, lambda: pathway("backprop_through_time"), {}, [7, 6, 6, 3, 3, 3]),
    "bptt, noise": (lambda: recurrent(**NOISE), lambda: pathway("backprop_through_time"), {"asked": 1}, [12, 6, 6]),
    "bptt, horizon": (recurrent, lambda: pathway("backprop_through_time", horizon=7), {"asked": 14}, [13, 13, 4, 3, 3, 4]),
    "bptt, rules with a state": (lambda: recurrent(TRACES), lambda: pathway("backprop_through_time"), {}, [7, 6, 6, 3, 3, 3]),
    "backprop": (recurrent, lambda: pathway("backprop"), {}, [7, 5]),
    "backprop, every tick": (lambda: recurrent(TRACES, **NOISE), lambda: pathway("backprop"), {"asked": 14}, [13]),
    "backprop, normalised": (lambda: recurrent(None, BatchNormalisation()), lambda: pathway("backprop"), {}, [7, 5, 7, 5]),
    "learned feedback": (recurrent, lambda: pathway("direct_feedback_alignment", rule="dw = rate_post * rate_pre"), {}, [7, 5]),
    "local errors": (lambda: recurrent(**NOISE), lambda: pathway("local_errors"), {}, [7, 5]),
    "reward": (lambda: recurrent(three_factor(per_sample=True)), lambda: pathway("none"), {"task": Reward(2)}, [7, 6]),
}


QUICK = ("bptt, noise", "bptt, horizon", "backprop, normalised", "reward")


@pytest.mark.parametrize("case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES])
def test_loops_train_as_array_code_does(case, monkeypatch):
    network, scheme, options, turns = CASES[case]
    one, other, program = both(lambda: trainer(network(), scheme(), **options), 14, monkeypatch)
    assert_same(one, other)
    assert count_turns(program) == turns


def graph_of(made, ticks, loops=True):
    made.check(sequences(ticks))
    return made._source(made.pathway.phases[0])._recorded_twice(Time(0, 2), loops)[0]


@pytest.mark.parametrize("scheme", ["direct_feedback_alignment", "local_errors", "backprop_through_time"])
def test_longer_trials_make_no_longer_program(scheme):
    made = {}
    for ticks in (20, LONGEST):
        one = trainer(recurrent(TRACES, **NOISE), pathway(scheme), ticks, ticks // 2)
        made[ticks] = one.network.backend.capture(graph_of(one, ticks))
    short, long = made.values()
    assert len(short.calls) == len(long.calls)
    read = 12 * (LONGEST - 20) * 4 * 8  # bytes by which the input is longer
    if scheme != "backprop_through_time":
        assert short.nbytes + read == long.nbytes


def test_a_step_counts_what_its_ticks_compute():
    from neurosim.capture.cost import Cost

    graphs = [graph_of(trainer(simple(), pathway("backprop_through_time")), 14, loops) for loops in (True, False)]
    one, other = (sorted((p.rows, p.inner, p.columns) for p in Cost.of(graph).products) for graph in graphs)
    assert one == other


class Ramp(Encoder):
    """An input that grows, of which a part appears later, and in ticks of every third one of another sign."""

    name = "ramp"

    def __init__(self, *, odd: bool = False) -> None:
        self.odd = odd

    def shape(self, sample, ticks):
        return sample

    def encode(self, x, tick):
        grown = np.where(x > 0.2 * tick, x * (0.07 * tick), x.dtype.type(0.0))
        return -grown if self.odd and tick % 3 == 2 else grown


@pytest.mark.parametrize(("odd", "turns"), [(False, [7, 5]), (True, [])])
def test_an_encoder_that_asks_for_the_tick(odd, turns, monkeypatch):
    """Numbers by the tick are read from a table; where every third tick is another, all are written out."""

    def make():
        populations = [Population("x", (1, 3, 4)), Population("hidden", 6, neurons=Leaky(tau=3.0))]
        links = [Projection("x", "hidden"), Projection("hidden", "output")]
        network = Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64", seed=1)
        options = {"clock": Clock(14, 6), "encoder": Ramp(odd=odd), "epochs": 2, "batch": 12}
        return Trainer(network, pathway("backprop"), SGD(0.05), **options)

    one, other, program = both(make, 3, monkeypatch)
    assert_same(one, other)
    assert count_turns(program) == turns


def test_each_tick_draws_its_own_numbers(monkeypatch):
    """Neurons that are drawn; in a loop the generator is told the tick."""

    def make():
        populations = [Population("x", (1, 4)), Population("hidden", 30, neurons=Bernoulli())]
        links = [Projection("x", "hidden"), Projection("hidden", "output", delay=1)]
        network = Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64", seed=1)
        return trainer(network, pathway("backprop_through_time"), 9, 9)

    one, other, program = both(make, 9, monkeypatch)
    assert_same(one, other)
    assert count_turns(program)


class Halves(BackpropThroughTime):
    """A trial's errors, those of the first half of its ticks halved: it looks at ticks one by one."""

    name = "halves"

    def teach_trial(self, sweeps, targets, draws):
        teaching = super().teach_trial(sweeps, targets, draws)
        populations, middle = self.network.populations, len(sweeps) // 2
        early = [
            {name: populations[name].teach_activation(one.error * 0.5, one.activity) for name, one in tick.items()}
            for tick in teaching[:middle]
        ]
        return [*early, *teaching[middle:]]


class InPlace(BackpropThroughTime):
    """It writes into the errors that a walk has returned."""

    name = "in place"

    def teach_trial(self, sweeps, targets, draws):
        teaching = super().teach_trial(sweeps, targets, draws)
        for tick in teaching:
            for one in tick.values():
                one.error[...] *= 0.5
        return teaching


@pytest.mark.parametrize(("scheme", "turns"), [(Halves, [7, 6, 6, 3, 3, 3]), (InPlace, [])])
def test_a_scheme_of_whole_trials_that_knows_no_loops(scheme, turns, monkeypatch, caplog):
    """What cannot be a loop is written out, and nobody is warned."""
    one, other, program = both(lambda: trainer(recurrent(), scheme()), 14, monkeypatch)
    assert_same(one, other)
    assert count_turns(program) == turns
    assert not [record for record in caplog.records if "could not be recorded" in record.getMessage()]


def test_divergence_in_a_tick_is_told_as_in_array_code_and_changes_nothing(monkeypatch):
    told = []
    for captured in (True, False):
        if not captured:
            monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
        made = trainer(recurrent(), pathway("backprop"), optimiser=SGD(1e308))
        with pytest.raises(DivergedError, match="drive is (nan|inf) at step") as error, np.errstate(all="ignore"):
            made.fit(sequences(14))
        told.append(str(error.value))
        assert all(np.isfinite(value).all() for value in made.network.parameters().values())
    assert told[0] == told[1]


def test_a_thousand_ticks_take_the_memory_of_ten():
    """An online scheme; with Adam's memory, and the input of every tick the same."""
    made = {}
    for ticks in (10, 1000):
        one = Trainer(simple((4,)), pathway("local_errors"), Adam(0.01), clock=Clock(ticks, 5), encoder=Constant(), batch=12)
        x = X[:, 0, 0].copy()
        one.check(DataSet("constant", Split(x, Y), Split(x[:0], Y[:0]), Split(x[:9], Y[:9]), 2, (4,)))
        made[ticks] = one.network.backend.capture(one.recorded(one.pathway.phases[0]))
    assert made[10].nbytes == made[1000].nbytes
    assert len(made[10].calls) == len(made[1000].calls)


def test_a_graph_without_loops_has_none():
    made = trainer(recurrent(), pathway("backprop"))
    assert isinstance(graph_of(made, 14, loops=False), Graph)
    assert not any(node.op == "repeat" for node in graph_of(made, 14, loops=False).needed())
