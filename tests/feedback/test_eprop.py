"""E-prop: what it is in one tick, feedback that learns, options, claims; the gradients are in ``tests/reference``."""

import numpy as np
import pytest

from neurosim.checking.checking import SCHEME, measure
from neurosim.checking.subject import list_subjects
from neurosim.datasets import evidence_accumulation
from neurosim.encoders import Sequence
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.feedback.eprop import EProp
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.adaptive_lif import AdaptiveLIF
from neurosim.neurons.lif import LIF
from neurosim.neurons.softmax import Softmax
from neurosim.plasticity import SGD
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

DATA = evidence_accumulation(train=64, test=8, cues=1, cue=4, pause=1, delay=3, recall=4, inputs=8, rate=0.8, seed=3)
TICKS = DATA.shape[1]


def make_network(dtype="float64"):
    """Return x -> (lif, alif) -> leaky softmax, with loops."""
    populations = [
        Population("x", (1, 8)),
        Population("lif", 6, neurons=LIF(tau="4*ms", surrogate="triangle")),
        Population("alif", 5, neurons=AdaptiveLIF(tau="4*ms", tau_a="20*ms")),
        Population("output", 2, neurons=Leaky(tau=3.0, transfer=Softmax())),
    ]
    links = [Projection("x", name) for name in ("lif", "alif")]
    links += [Projection(a, b, delay=1, name=f"{a}_{b}") for a in ("lif", "alif") for b in ("lif", "alif")]
    links += [Projection(name, "output") for name in ("lif", "alif")]
    network = Network(populations, links, dtype=dtype, seed=1, dt="1*ms")
    for p in network.projections.values():
        p.w[...] *= 6 if p.pre == "x" else 2
    return network


def make_trainer(optimiser, dtype="float64", **options):
    made = {"clock": Clock(TICKS, 4), "encoder": Sequence(axis=1), "epochs": 2, "batch": 16, "seed": 1}
    return Trainer(make_network(dtype), pathway("eprop", **options), optimiser, **made)


@pytest.mark.parametrize(("feedback", "scheme"), [("symmetric", "backprop"), ("random", "direct_feedback_alignment")])
def test_in_one_tick_it_is_a_scheme_we_know(feedback, scheme):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]
    found = []
    for made in (pathway("eprop", feedback=feedback), pathway(scheme)):
        network = Network.layered((6,), [5, 4], 3, dtype="float64", seed=1)
        made.attach(network, 3, seed=2)
        found.append(made.teach(network.sweep(x, training=True), y, network.backend.draws(0, 0)))
    assert set(found[0]) == set(found[1]) == {"hidden1", "hidden2", "output"}
    for name, teaching in found[0].items():
        np.testing.assert_allclose(teaching.error, found[1][name].error, rtol=1e-12)


@pytest.mark.parametrize("options", EProp.variants + ({"rate_target": 0.05},), ids=str)
def test_a_captured_trial_is_the_trial(options, monkeypatch, caplog):
    ends = []
    for captured in (True, False):
        if not captured:
            monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
        trainer = make_trainer(SGD(0.5), **options)
        before = {name: value.copy() for name, value in trainer.network.parameters().items()}
        trainer.fit(DATA, progress=False)
        ends.append(trainer.network.parameters() | trainer.pathway.parameters())
    assert "could not be recorded" not in caplog.text
    for name, value in ends[0].items():
        np.testing.assert_allclose(value, ends[1][name], rtol=1e-7, atol=1e-10)
        assert name not in before or np.abs(value - before[name]).max() > 1e-4, name


def test_fixed_feedback_stays_and_follows_from_the_seed():
    trainer, same = (make_trainer(SGD(0.5)) for _ in range(2))
    same.check(DATA)
    trainer.fit(DATA, progress=False)
    assert not trainer.pathway.parameters()
    for name, value in trainer.pathway.memory().items():
        np.testing.assert_array_equal(value, same.pathway.memory()[name])


@pytest.mark.parametrize("feedback", ["symmetric", "adaptive"])
def test_claims_with_a_target_for_rates(feedback):
    (subject,) = list_subjects(EProp, {"feedback": feedback, "rate_target": 0.1})
    assert subject.make().claims.pairwise
    for name in set(SCHEME["claims"]) - {"pairwise", "history"}:  # a target moves spiking neurons only, and those here are not
        assert measure(subject, "claims", name).passed, name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"feedback": "symetric"}, "feedback 'symetric': expected one of symmetric, random, adaptive"),
        ({"rate_target": 10.0}, "rate_target 10.0: expected spikes in a tick, 0 to 1"),
        ({"rate_cost": -1.0}, "rate_cost -1.0: expected 0 or more"),
        ({"scale": 0.0}, "scale 0.0: expected a positive number"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(InputError, match=said):
        EProp(**options)
