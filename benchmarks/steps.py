"""Our training step of a scheme on a network, as a function without arguments, and the floor below it."""

from collections.abc import Callable

import numpy as np

from neurosim.backends import NumpyBackend
from neurosim.datasets import one_hot
from neurosim.experiments.cost import Cost, CountingBackend, step_cost
from neurosim.feedback import Phase, pathway
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.training import Commit, step

OPTIONS = {"difference_target_propagation": {"alternate": False}}  # one pass, so that a step is a step
LEARN = Phase("learn")


def built(scheme: str, sizes: tuple[int, ...], backend: NumpyBackend) -> tuple:
    """Return the network and the scheme attached to it."""
    network = Network.layered((sizes[0],), sizes[1:-1], sizes[-1], transfer="tanh", backend=backend)
    chosen = pathway(scheme, **OPTIONS.get(scheme, {}))
    chosen.attach(network, sizes[-1], 0)
    return network, chosen


def our_step(scheme: str, sizes: tuple[int, ...], batch: int) -> Callable[[], None]:
    """Return a training step, Adam included, on one batch that is already in memory."""
    network, chosen = built(scheme, sizes, NumpyBackend())
    forward, own = Commit(Adam(1e-3), network.backend), Commit(Adam(1e-3), network.backend)
    draw = np.random.default_rng(0)
    x = draw.random((batch, sizes[0])).astype(np.float32)
    y = one_hot(draw.integers(0, sizes[-1], batch), sizes[-1]).astype(np.float32)

    def commit(deltas: dict, states: dict, proposed: dict) -> None:
        forward.apply(network.parameters(), deltas, 0, 1, set())
        own.apply(chosen.parameters(), proposed, 0, 1, set())

    count = iter(range(10**9))
    return lambda: step(network, chosen, LEARN, x, y, network.backend.draws(0, next(count)), commit)


def cost(scheme: str, sizes: tuple[int, ...], batch: int) -> Cost:
    """Return what one step asks for."""
    return step_cost(*built(scheme, sizes, CountingBackend()), LEARN, batch)


def floor_step(cost: Cost) -> Callable[[], None]:
    """Return a function that does the step's matrix products and inverses, same shapes, layouts and library, and nothing else."""
    draw, backend = np.random.default_rng(0), NumpyBackend()

    def operand(rows: int, columns: int, transposed: bool, dtype: np.dtype) -> np.ndarray:
        shape = (columns, rows) if transposed else (rows, columns)
        values = draw.random(shape, np.float32).astype(dtype)
        return values.T if transposed else values

    products = []
    for p in cost.products:
        a = operand(p.rows, p.inner, p.transposed[0], p.dtype)
        b = operand(p.inner, p.columns, p.transposed[1], p.dtype)
        products.append((a, b, np.empty((p.rows, p.columns), p.dtype)))
    matrices = [np.eye(n) + 0.5 / n for n in cost.inverses]

    def run() -> None:
        for a, b, out in products:
            np.matmul(a, b, out=out)
        for matrix in matrices:
            backend.positive_inverse(matrix)

    return run
