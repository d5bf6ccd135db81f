"""A copy of a trainer or a network, made before, within and after training, goes on as the original does, to the last bit."""

import copy
import inspect
import pickle

import cloudpickle
import numpy as np
import pytest

from neurosim.checking.bench import ArrayTrainer, make_data, make_data_for, make_task_trainer, make_trainer
from neurosim.checking.rules import fitting_neurons
from neurosim.encoders import Constant
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky, Transfer, neurons, neurons_by_name
from neurosim.plasticity import SGD, Adam, Milestones, chain, rules, updates
from neurosim.tasks import Reward, tasks
from neurosim.training import Observer, Trainer

NEEDED = {"learning_rate": 0.01, "every": 1, "factor": 0.5, "at": [0.5], "w_min": -1, "w_max": 1, "rate": 0.1, "limit": 1, "to": 1}
COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value: pickle.loads(cloudpickle.dumps(value)),
}
SCHEMES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}", marks=marks)
    for scheme in pathways().values()
    for number, options in enumerate(scheme.variants)
    for marks in [pytest.mark.slow if number else ()]
]


class Copying(Observer):
    """Copies the trainer after a step."""

    def __init__(self, copied, at):
        self.copied, self.at, self.copy = copied, at, None

    def on_step(self, trainer):
        if trainer.steps == self.at:
            self.copy = self.copied(trainer)


def assert_same(one, other):
    own, others = one.state(), other.state()
    assert own.keys() == others.keys()
    for name, value in own.items():
        np.testing.assert_array_equal(others[name], value, err_msg=name)


def assert_copies_go_on_alike(made, data, copies=COPIES):
    """Copy a trainer before it starts, in the middle of its first epoch, after it, and after its last."""
    before, middle, between, end = (list(copies.values()) * 4)[:4]
    a_pass = len(data.train) // made.batch
    watch = Copying(middle, at=a_pass * len(made.pathway.phases) - 1)
    early = before(made)
    made.run_epoch(data, watch)
    assert watch.copy.epoch == 0 and watch.copy.position
    late = between(made)
    weights = {name: np.array(value) for name, value in late.state().items()}
    made.fit(data, epochs=1, progress=False)
    assert any(not np.array_equal(value, made.state()[name]) for name, value in weights.items()), "nothing changes in an epoch"
    for name, value in late.state().items():  # nothing is shared
        np.testing.assert_array_equal(value, weights[name], err_msg=name)
    last = end(made)
    for one in (early, watch.copy, late):
        one.fit(data, epochs=made.epoch - one.epoch, progress=False)
        assert one.network is one.pathway.network and one.network is not made.network
        assert_same(made, one)
    made.fit(data, epochs=1, progress=False), last.fit(data, epochs=1, progress=False)
    assert_same(made, last)
    np.testing.assert_array_equal(made.predict(data.test.x), last.predict(data.test.x))


@pytest.mark.parametrize(("scheme", "options"), SCHEMES)
def test_of_every_scheme(scheme, options):
    made = make_trainer(lambda: scheme(**options), Adam(0.01), normalised=True, kind=ArrayTrainer)
    assert_copies_go_on_alike(made, make_data())


@pytest.mark.parametrize("task", tasks().values(), ids=tasks())
def test_of_every_task(task):
    scheme = pathways()["backprop" if task.has_error else "none"]
    assert_copies_go_on_alike(make_task_trainer(scheme, task, Adam(0.01)), make_data_for(task))


def make(cls):
    wanted = {name for name, p in inspect.signature(cls).parameters.items() if p.default is p.empty}
    return cls(**{name: NEEDED[name] for name in wanted & NEEDED.keys()})


def chained(hidden, rule="error_driven", optimiser=None, clock=None, task=None, scale=1.0):
    populations = [Population("x", (12,)), Population("a", 5, neurons=hidden), Population("output", 4, transfer="softmax")]
    links = [Projection("x", "a", rule=rule), Projection("a", "output")]
    network = Network(populations, links, dtype="float64", seed=1, dt="0.1*ms")
    network.projections["x__a"].w[...] *= scale
    options = {"clock": clock or Clock(), "encoder": Constant(), "epochs": 2, "batch": 16, "task": task}
    return ArrayTrainer(network, pathways()["direct_feedback_alignment"](), optimiser or Adam(0.01), **options)


@pytest.mark.parametrize("hidden", neurons_by_name())
def test_of_all_neurons(hidden):
    written = {"equations": "dv/dt = (drive - v) / tau : 1", "threshold": "v > 1", "reset": "v = 0", "tau": "1*ms"}
    made = neurons(hidden, **(written if hidden == "equations" else {}))
    stateful = bool(made.state())
    amperes = "drive : amp" in getattr(made, "equations", "")  # a step of learning would burn them
    rule, scale = (None, 1e-9) if amperes else ("error_driven", 1.0)
    assert_copies_go_on_alike(chained(made, rule, scale=scale, clock=Clock(3) if stateful else None), make_data())


@pytest.mark.parametrize("rule", rules().values(), ids=rules())
def test_of_every_rule(rule):
    task = Reward(4) if rule().modulators else None
    assert_copies_go_on_alike(chained(neurons(fitting_neurons(rule())), rule(), task=task), make_data())


@pytest.mark.parametrize("update", updates().values(), ids=updates())
def test_of_every_optimiser(update):
    optimiser = chain(SGD(0.01), make(update)) if "learning_rate" not in inspect.signature(update).parameters else make(update)
    assert_copies_go_on_alike(chained(neurons("tanh"), optimiser=optimiser), make_data())


@pytest.mark.parametrize("scheme", ["difference_target_propagation", "backprop"])
@pytest.mark.parametrize("augmented", [False, True])
def test_of_captured_steps(scheme, augmented):
    """The scheme with two passes an epoch, and an augmentation that draws, copied within a pass."""
    made = make_trainer(pathways()[scheme], chain(Adam(0.01), Milestones([0.5], factor=0.1)), kind=Trainer)
    if augmented:
        made.augment = jitter
    assert_copies_go_on_alike(made, make_data(), {"deepcopy": copy.deepcopy})
    assert all(step.program is not None for step in made._programs.values())


def jitter(x, generator):
    return x + generator.normal(size=x.shape).astype(x.dtype)


def strangers():
    """Classes that pickle does not find: cloudpickle takes them along."""

    class Signs(FeedbackPathway):
        claims = Claims(weight_transport="sign", update_locking=True, backward_locking=True)

        def __init__(self, *, scale=1.0):
            self.scale = scale

        def build(self, seed):
            self.kept = list(self.network.projections.values())

        def teach(self, sweep, target, draws):
            signs = {p.name: self.scale * np.sign(p.w) for p in self.kept}
            return self.network.errors_back(sweep, self.output_teaching(sweep, target), signs)

    class Cube(Transfer):
        name = "cube"

        def rate(self, backend, activation, draws, stream):
            return activation**3

        def through_slope(self, backend, error_on_rate, activation, rate):
            return error_on_rate * 3 * activation**2

    return Signs(scale=0.5), Cube()


def test_of_a_strangers_classes():
    scheme, curve = strangers()
    populations = [Population("x", (12,)), Population("a", 5, transfer=curve), Population("output", 4, transfer="softmax")]
    network = Network(populations, [Projection("x", "a"), Projection("a", "output")], seed=1)
    made = ArrayTrainer(network, scheme, Adam(0.01), epochs=2, batch=16, augment=lambda x, generator: x + generator.random())
    assert_copies_go_on_alike(made, make_data(), {"cloudpickle": COPIES["cloudpickle"], "deepcopy": copy.deepcopy})


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_of_a_network_before_and_after_training(copied):
    made = chained(Leaky(tau=3), clock=Clock(2))
    x = make_data().test.x

    def told(network):
        return np.array(network.sweep(x).rate["output"])

    for _ in range(2):
        other = copied(made.network)
        np.testing.assert_array_equal(told(other), told(made.network))
        made.fit(make_data(), epochs=1, progress=False)
        assert not np.array_equal(told(other), told(made.network))
        scheme = pathways()["direct_feedback_alignment"]()
        if not made.epoch - 1:  # a new trainer trains it, as it trains the original
            fresh = ArrayTrainer(other, scheme, Adam(0.01), clock=Clock(2), encoder=Constant(), epochs=2, batch=16)
            fresh.fit(make_data(), epochs=1, progress=False)
            np.testing.assert_array_equal(told(other), told(made.network))
