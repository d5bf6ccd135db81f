"""Training on digits: learning, the control, seeds, resume, divergence."""

import dataclasses
import re

import numpy as np
import pytest

from neurosim import datasets
from neurosim.datasets import Split, from_arrays
from neurosim.errors import DivergedError, InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import SGD, Adam, PlasticityRule
from neurosim.training import Observer, Trainer
from neurosim.training.captured import CapturedStep


def trainer(scheme, *, epochs=4, optimiser=None):
    data = datasets.load("digits")
    network = Network.layered(data.shape, [32, 32], data.classes, seed=1)
    return Trainer(network, pathway(scheme), optimiser or Adam(2e-3), epochs=epochs, batch=32, seed=1), data


def test_backprop_learns_and_frozen_is_worse():
    (learner, data), (control, _) = trainer("backprop", epochs=8), trainer("frozen", epochs=8)
    learned, frozen = learner.fit(data)[-1]["test"], control.fit(data)[-1]["test"]
    assert learned.error < 8
    assert frozen.loss > 1.5 * learned.loss


def test_divergence_names_population_and_step():
    broken, data = trainer("backprop")
    broken.check(data)
    broken.network.projections["x__hidden1"].w[0, 0] = np.inf
    with np.errstate(invalid="ignore"), pytest.raises(DivergedError, match="'hidden1'.*step 0"):
        broken.fit(data)


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("equation", ["dw = error_post / rate_pre", "dw = exp(error_post * 1000) * rate_pre"])
def test_a_rule_that_divides_by_zero_or_overflows_is_named_with_its_synapses_and_the_step(equation, captured, monkeypatch):
    broken, data = trainer("backprop", optimiser=SGD(0.1))
    broken.network.projections["x__hidden1"].rule = PlasticityRule(equation)
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    said = f"population 'hidden1': drive is nan at step 1: x__hidden1.w, which rule '{equation}' changes, is no finite number"
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match=re.escape(said)):
        broken.fit(data)


def test_bad_batch_is_refused():
    data = datasets.load("digits")
    network = Network.layered(data.shape, [8], data.classes)
    with pytest.raises(InputError, match="batch 0"):
        Trainer(network, pathway("backprop"), SGD(0.1), batch=0)


class Jitter:
    """An augmentation that keeps the first random number of every batch, and what it made of the first pixel."""

    def __init__(self):
        self.drawn, self.shown = [], []

    def __call__(self, x, generator):
        self.drawn.append(generator.random())
        self.shown.append(x[:, 0].copy())
        return x + np.float32(1e-3 * self.drawn[-1])


def jittered(scheme="backprop", *, epochs=2, seed=1, name="train", state=None):
    """Return an augmentation after training with it: 4 batches in each pass."""
    x = np.arange(80, dtype=np.float32).reshape(40, 2)
    data, jitter = from_arrays(x, np.arange(40) % 2, x, np.arange(40) % 2), Jitter()
    network = Network.layered((2,), [3, 3], 2, seed=1)
    made = Trainer(network, pathway(scheme), SGD(1e-3), epochs=epochs, batch=10, seed=seed, augment=jitter, name=name)
    if state is not None:
        made.check(data)
        made.restore(state)
    made.fit(data)
    return jitter, made


def test_every_batch_of_every_epoch_is_jittered_anew_and_the_same_again_with_the_same_seed():
    jitter, _ = jittered()
    assert len(set(jitter.drawn)) == len(jitter.drawn) == 8
    assert jittered()[0].drawn == jitter.drawn
    for other in (jittered(seed=2), jittered(name="stage1")):
        assert not set(other[0].drawn) & set(jitter.drawn)


def test_a_resumed_epoch_is_jittered_as_it_would_have_been():
    whole, (first, stopped) = jittered()[0], jittered(epochs=1)
    resumed, _ = jittered(state=stopped.state())
    assert first.drawn + resumed.drawn == whole.drawn
    np.testing.assert_array_equal(first.shown + resumed.shown, whole.shown)


def test_both_passes_of_an_epoch_see_the_same_images():
    jitter, _ = jittered("difference_target_propagation")
    inverse, forward, *_ = np.split(np.array(jitter.drawn), 4)
    np.testing.assert_array_equal(inverse, forward)
    assert len(set(jitter.drawn)) == 8


def test_each_split_is_evaluated_on_its_own_images():
    """Where the labels of one split are all wrong, the error of that split shows it, and of no other."""
    x, y = np.eye(4)[np.arange(40) % 4], np.arange(40) % 4
    for wrong in ("train", "validation", "test"):
        labels = {name: (y + 1) % 4 if name == wrong else y for name in ("train", "validation", "test")}
        data = from_arrays(x, labels["train"], x, labels["test"])
        data = dataclasses.replace(data, validation=Split(data.train.x, labels["validation"]))
        network = Network.layered((4,), [4], 4, seed=1)
        for name in ("x__hidden1", "hidden1__output"):
            network.projections[name].w[...] = np.eye(4)
        made = Trainer(network, pathway("frozen"), SGD(1e-9), epochs=1, batch=10)
        assert {name: one.error for name, one in made.fit(data)[-1].items()} == {
            name: 100.0 if name == wrong else 0.0 for name in labels
        }


def test_a_second_fit_says_that_training_is_over_and_how_to_go_on():
    made, data = trainer("backprop", epochs=2)
    assert len(made.fit(data)) == 2
    before = made.state()
    with pytest.raises(InputError, match="all 2 epochs are done: .*raise trainer.epochs"):
        made.fit(data)
    np.testing.assert_array_equal(made.state()["network|x__hidden1.w"], before["network|x__hidden1.w"])
    made.epochs = 3
    assert len(made.fit(data)) == 1
    whole, _ = trainer("backprop", epochs=3)
    whole.fit(data)
    for name, value in whole.state().items():
        np.testing.assert_array_equal(made.state()[name], value, err_msg=name)


def test_a_restored_trainer_that_is_done_says_so():
    made, data = trainer("backprop", epochs=1)
    made.fit(data)
    again, _ = trainer("backprop", epochs=1)
    again.check(data)
    again.restore(made.state())
    with pytest.raises(InputError, match="all 1 epochs are done"):
        again.fit(data)


@pytest.mark.parametrize(("rate", "said"), [(0.0, True), (1e3, True), (0.1, False)])
def test_a_training_that_ends_at_chance_is_said(rate, said, caplog):
    made, data = trainer("backprop", epochs=2, optimiser=SGD(rate))
    history = made.fit(data)
    chance = 100 * (1 - np.bincount(data.train.y).max() / len(data.train.y))
    assert (history[-1]["train"].error > chance - 1) == said
    assert len(caplog.records) == said
    for record in caplog.records:
        said = record.getMessage()
        assert f"'backprop': no better than chance: training error {history[-1]['train'].error:.2f} % after 2 epochs" in said
        assert f"the commonest class has {chance:.2f} %; lower the learning rate" in said


def test_chance_is_that_of_the_commonest_class(caplog):
    draw = np.random.default_rng(0)
    y = np.repeat([0, 1], [90, 10])
    data = datasets.from_arrays(draw.normal(size=(100, 5)), y, draw.normal(size=(4, 5)), [0, 1, 0, 1])
    made = Trainer(Network.layered((5,), [4], 2, seed=1), pathway("frozen"), SGD(0.05), epochs=3, batch=20)
    error = made.fit(data)[-1]["train"].error
    assert 9 < error < 50
    (record,) = caplog.records
    assert "commonest class has 10.00 %" in record.getMessage()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": -1}, "seed -1: expected a whole number"),
        ({"seed": 2**64}, "seed 18446744073709551616: expected a whole number"),
        ({"seed": 1.0}, "seed 1.0: expected a whole number"),
        ({"seed": "1"}, "seed '1': expected a whole number"),
        ({"batch": 2**40}, "batch 1099511627776: expected at most"),
    ],
)
def test_options_of_no_sense_are_told(options, said):
    with pytest.raises(InputError, match=said):
        Trainer(Network.layered((4,), [3], 2), pathway("backprop"), Adam(1e-3), **options)


@pytest.mark.parametrize("stopped", [2, 4, 5, 7])
def test_a_training_that_was_interrupted_goes_on_with_the_next_step(stopped):
    """The same trainer, and another one that takes its state: neither shows a batch twice, nor leaves one out."""

    class Stop(Observer):
        def on_step(self, trainer):
            if trainer.steps == stopped:
                raise KeyboardInterrupt

    data = datasets.load("digits", limit=200)

    def made():
        network = Network.layered(data.shape, [9, 9], data.classes, seed=1)
        how = {"epochs": 2, "batch": 50, "seed": 1, "augment": datasets.Augmentation(crop_pad=1)}
        return Trainer(network, pathway("difference_target_propagation"), Adam(0.01), **how)  # two passes an epoch

    whole, same, other = made(), made(), made()
    whole.fit(data)
    with pytest.raises(KeyboardInterrupt):
        same.fit(data, Stop())
    other.check(data)
    other.restore(same.state())
    for going_on in (same, other):
        going_on.fit(data)
        for name, value in whole.state().items():
            np.testing.assert_array_equal(value, going_on.state()[name], err_msg=name)
