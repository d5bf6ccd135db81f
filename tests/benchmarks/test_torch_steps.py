"""The benchmark compares like with like: PyTorch's step of every scheme, by autograd, proposes what ours proposes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from neurosim.feedback import pathways
from neurosim.network import Network

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install torch")

spec = importlib.util.spec_from_file_location("torch_steps", Path(__file__).parents[2] / "benchmarks" / "torch_steps.py")
torch_steps = sys.modules["torch_steps"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(torch_steps)

OPTIONS = {"difference_target_propagation": {"alternate": False}}


def updates(scheme, hidden, batch=7):
    """Return our proposals and PyTorch's, from the same random weights, batch and noise."""
    draw = np.random.default_rng(0)
    network = Network.layered((6,), hidden, 3, transfer="tanh", dtype="float64", seed=1)
    pathway = pathways()[scheme](**OPTIONS.get(scheme, {}))
    pathway.attach(network, 3, seed=2)
    learned = network.parameters() | pathway.parameters()
    for value in learned.values():  # zeros would hide mistakes
        value[...] = draw.normal(size=value.shape) / 2
    x, y = draw.random((batch, 6)), np.eye(3)[draw.integers(0, 3, batch)]
    draws = network.backend.draws(0, 0)

    sweep = network.sweep(x, training=pathway.training_sweep, draws=draws)
    teaching = pathway.teach(sweep, y, draws)
    ours = network.propose(sweep, teaching)[0] | pathway.adapt(sweep, y, teaching, draws)

    drawn = {pre: f"{pre}__{post}/reconstruction" for pre, post in zip(network.hidden, network.hidden[1:], strict=False)}
    noise = {name: draws.normal(stream, sweep.rate[name].shape, np.dtype("float64")) for name, stream in drawn.items()}
    return ours, torch_steps.torch_update(scheme, learned | pathway.memory(), x, y, noise)


@pytest.mark.parametrize("hidden", [[5, 4], [5, 5, 4], [5]], ids=str)
@pytest.mark.parametrize("scheme", sorted(torch_steps.SCHEMES))
def test_the_same_update(scheme, hidden):
    ours, theirs = updates(scheme, hidden)
    assert set(theirs) == set(ours)
    for name, value in ours.items():
        scale = np.abs(value).max()
        assert scale > 1e-6, name
        assert np.abs(theirs[name] - value).max() < 1e-8 * scale, name


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("scheme", sorted(torch_steps.SCHEMES))
def test_a_step_runs_again_and_again(scheme, fused):
    step = torch_steps.torch_step(scheme, (6, 5, 4, 3), 7, fused=fused)
    for _ in range(3):
        step()


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="'quick'"):
        torch_steps.torch_step("backprop", (6, 5, 3), 7, compiled="quick")


def test_a_scheme_that_does_not_compile_is_refused():
    with pytest.raises(ValueError, match="synthetic_gradients"):
        torch_steps.torch_step("synthetic_gradients", (6, 5, 3), 7, compiled="default")
