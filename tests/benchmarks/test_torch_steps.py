"""The benchmark compares like with like: PyTorch's step of every scheme, by autograd, proposes what ours proposes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from neurosim.feedback import pathways
from neurosim.network import Network

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install neurosim[bench]")

spec = importlib.util.spec_from_file_location("torch_steps", Path(__file__).parents[2] / "benchmarks" / "torch_steps.py")
torch_steps = importlib.util.module_from_spec(spec)
sys.modules["torch_steps"] = torch_steps
spec.loader.exec_module(torch_steps)

OPTIONS = {"difference_target_propagation": {"alternate": False}}


@pytest.mark.parametrize("scheme", sorted(pathways()))
def test_the_same_update(scheme):
    draw = np.random.default_rng(0)
    network = Network.layered((6,), [5, 5, 4], 3, dtype="float64", seed=1)
    pathway = pathways()[scheme](**OPTIONS.get(scheme, {}))
    pathway.attach(network, 3, seed=2)
    for value in [*network.parameters().values(), *pathway.parameters().values()]:
        value[...] = draw.normal(size=value.shape) / 2
    x, y = draw.normal(size=(7, 6)), draw.integers(0, 3, 7)
    draws, target = network.backend.draws(0, 0), np.eye(3)[y]

    sweep = network.sweep(x, training=True, draws=draws)
    teaching = pathway.teach(sweep, target, draws)
    ours = network.propose(sweep, teaching)[0] | pathway.adapt(sweep, target, teaching, draws)

    streams = {f"hidden{k}": f"hidden{k - 1}__hidden{k}/reconstruction" for k in (2, 3)}
    noise = {name: draws.normal(stream, sweep.rate[f"hidden{int(name[-1]) - 1}"].shape, "float64") for name, stream in streams.items()}
    weights = network.parameters() | pathway.parameters() | pathway.memory()
    theirs = torch_steps.update(scheme, weights, x, y, noise)

    assert set(theirs) == set(ours)
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
        assert np.abs(value).max() > 1e-6, name
