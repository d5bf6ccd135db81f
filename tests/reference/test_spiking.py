"""Schemes on spiking networks against automatic differentiation: surrogate gradients through time, DECOLLE, feedback alignment."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.feedback import pathway
from neurosim.network import Clock
from neurosim.plasticity import SGD, error_driven, error_driven_trace
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep
from tests.reference.spiking import (
    CLASSES,
    DATA,
    HIDDEN,
    R_OUT,
    SAMPLES,
    TARGET,
    TAU,
    TAU_OUT,
    TAU_SYN,
    R,
    cross_entropy,
    forward,
    network,
)

TICKS = 9
TOLERANCE = {"rtol": 1e-9, "atol": 1e-13}


def trained(made, scheme, clock):
    """Return the weights before and after one step on all samples."""
    before = {name: value.copy() for name, value in made.parameters().items()}
    trainer = Trainer(made, scheme, SGD(1.0), clock=clock, epochs=1, batch=SAMPLES, shuffle=False)
    trainer.fit(DATA)
    assert trainer.steps == 1
    return before, made.parameters()


def leave_out_capture(captured, monkeypatch):
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)


def traces(synapses=False):
    rule = error_driven_trace(tau=TAU, tau_syn=TAU_SYN if synapses else None)
    return rule, error_driven_trace(tau=TAU_OUT, method="euler")


def check_spikes(weights, **how):
    """Both silence and spikes are there, so that resets and slopes matter."""
    ticks = forward(weights, TICKS, **how)
    assert all(0.1 < np.mean([tick[name] for tick in ticks]) < 0.8 for name in HIDDEN)


CASES = [  # a membrane with a synaptic current; ticks in which the output is asked; whether the step is captured
    pytest.param(False, TICKS, True, id="captured"),
    *(pytest.param(own, asked, False, id=f"{own}-{asked}") for own in (False, True) for asked in (1, 4, TICKS)),
]


@pytest.mark.parametrize("subtract", [True, False])
@pytest.mark.parametrize(("synapses", "asked", "captured"), CASES)
def test_back_propagation_through_time_is_the_surrogate_gradient(synapses, subtract, asked, captured, monkeypatch):
    leave_out_capture(captured, monkeypatch)
    how = {"synapses": synapses, "subtract": subtract}
    before, after = trained(network(error_driven(), error_driven(), **how), pathway("backprop_through_time"), Clock(TICKS, asked))
    check_spikes(before, **how)

    def loss(weights):
        return sum(cross_entropy(tick["output"]) for tick in forward(weights, TICKS, **how)[TICKS - asked :]) / asked

    gradients = grad(loss)(before)
    assert all(np.abs(value).max() > 1e-4 for value in gradients.values())
    for name, value in after.items():
        np.testing.assert_allclose(value - before[name], -gradients[name], err_msg=name, **TOLERANCE)


def smooth_l1(difference):
    size = anp.abs(difference)
    return anp.where(size < 1, difference**2 / 2, size - 0.5)


@pytest.mark.parametrize(("synapses", "asked", "captured"), CASES)
def test_decolle_s_updates_are_minus_the_gradients_of_its_losses(synapses, asked, captured, monkeypatch):
    """Of each population's readout and of the output's own loss, all in one trial; the rule carries traces, no ticks."""
    leave_out_capture(captured, monkeypatch)
    made, scheme = network(*traces(synapses), synapses), pathway("decolle")
    scheme.attach(made, CLASSES, 0)
    readouts = {name: 9 * link.projections["input__output"].w for name, link in scheme.networks.items()}
    for name, link in scheme.networks.items():
        link.projections["input__output"].w[...] = readouts[name]  # large enough for differences beyond 1
    before, after = trained(made, scheme, Clock(TICKS, asked))
    check_spikes(before, synapses=synapses)
    far = []

    def loss(weights):
        total = 0.0
        for tick in forward(weights, TICKS, synapses=synapses, local=True)[TICKS - asked :]:
            total = total + cross_entropy(tick["output"])
            for name, g in readouts.items():
                difference = TARGET - anp.dot(tick[name], g)
                far.append(float(anp.mean(anp.abs(getattr(difference, "_value", difference)) > 1)))
                total = total + anp.sum(smooth_l1(difference)) / SAMPLES
        return total / asked

    gradients = grad(loss)(before)
    assert 0 < np.mean(far) < 1
    for name, value in after.items():
        np.testing.assert_allclose(value - before[name], -gradients[name], err_msg=name, **TOLERANCE)


def test_direct_feedback_alignment_is_a_broadcast_error_times_a_trace(monkeypatch):
    """Written out tick by tick: slope and error of this tick, and the filtered presynaptic spikes."""
    leave_out_capture(False, monkeypatch)
    made, scheme = network(*traces()), pathway("direct_feedback_alignment")
    scheme.attach(made, CLASSES, 0)
    back = {name: scheme.networks[name].projections[f"output__{name}"].w for name in HIDDEN}
    state, sweeps = None, []
    for _ in range(TICKS):
        sweeps.append(made.sweep(DATA.train.x, state))
        state = sweeps[-1].state
    before, after = trained(made, scheme, Clock(TICKS, TICKS))
    ends = {"x": "hidden1", "hidden1": "hidden2", "hidden2": "output"}
    total = {name: 0.0 for name in before}
    kept = {name: (np.exp(-1 / TAU) if name != "output" else 1 - 1 / TAU_OUT) for name in ends.values()}
    trace = {name: 0.0 for name in ends.values()}
    ones = dict(trace)
    for sweep in sweeps:
        at_output = (TARGET - sweep.rate["output"]) * R_OUT / TAU_OUT
        for pre, post in ends.items():
            trace[post], ones[post] = kept[post] * trace[post] + sweep.rate[pre], kept[post] * ones[post] + 1
            error = at_output
            if post != "output":
                error = at_output @ back[post] * sweep[post].value("slope") * R * (1 - np.exp(-1 / TAU))
            total[f"{pre}__{post}.w"] = total[f"{pre}__{post}.w"] + trace[post].T @ error / SAMPLES / TICKS
            total[f"{pre}__{post}.b"] = total[f"{pre}__{post}.b"] + ones[post] * error.mean(axis=0) / TICKS
    for name, value in after.items():
        np.testing.assert_allclose(value - before[name], total[name], err_msg=name, **TOLERANCE)


def test_what_rules_remember_does_not_grow_with_ticks():
    pre, post = 5 + 7 + 6, 7 + 6 + 3
    assert network(*traces()).trace_bytes(batch=10) == 10 * 8 * (pre + post)
