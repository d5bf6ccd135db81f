"""The spiking networks that are timed beside ours compute what ours does."""

import numpy as np
import pytest

from benchmarks import spiking
from neurosim.encoders import Constant, Sequence
from neurosim.tasks import one_hot

torch = pytest.importorskip("torch", reason="the benchmark compares with PyTorch: pip install torch==2.13.0")

SIZES, TICKS, BATCH = (20, 30, 4), 12, 8


@pytest.mark.parametrize("inputs", ["current", "spikes"])
@pytest.mark.parametrize("name", ["snntorch", "spikingjelly", "spikingjelly_whole"])
def test_the_losses_of_one_batch_are_the_same(name, inputs):
    pytest.importorskip(name.partition("_")[0])
    from benchmarks.torch_spiking import networks

    encoder = Constant() if inputs == "current" else Sequence(axis=1)
    made = spiking.trainer("backprop_through_time", SIZES, TICKS, BATCH, encoder)
    strength = 3 if inputs == "current" else 0.5  # snnTorch resets again where v is above 1 after a spike
    x, labels = spiking.batch_of(inputs, TICKS, BATCH, SIZES[0]) * np.float32(strength), np.arange(BATCH) % SIZES[2]
    own = x if x.ndim == 2 else np.ascontiguousarray(x.swapaxes(0, 1)[:, None])
    run, answers = spiking.forward(made, own, one_hot(labels, SIZES[2]).astype(np.float32))
    run()
    network = networks(SIZES, TICKS)[name]
    with torch.no_grad():
        for linear, projection in zip((network.below, network.above), ("x__hidden", "hidden__output"), strict=True):
            p = made.network.projections[projection]
            linear.weight[...] = torch.from_numpy(p.w.T)
            linear.bias[...] = torch.from_numpy(p.parameters["b"]) if "b" in p.parameters else 0
        potential = network(torch.from_numpy(x))
    loss = torch.nn.functional.cross_entropy(potential.flatten(0, 1), torch.from_numpy(labels).repeat(TICKS)) * TICKS
    assert potential.std() > 0.1
    np.testing.assert_allclose(answers.sums[0], loss.item(), rtol=1e-4)
