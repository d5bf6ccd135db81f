"""Our training step of a scheme on a network, as a function without arguments, and the floor below it."""

import time
from collections.abc import Callable

import numpy as np

from neurosim.backends import Backend, NumpyBackend
from neurosim.backends.blas import select_blas
from neurosim.backends.numpy_backend import NumpyProgram
from neurosim.capture.cost import Cost
from neurosim.feedback import Phase, pathway
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.tasks import one_hot
from neurosim.training import Trainer

OPTIONS = {"difference_target_propagation": {"alternate": False}}  # one pass, so that a step is a step
LEARN = Phase("learn")


def trainer(scheme: str, sizes: tuple[int, ...], batch: int, backend: Backend | None = None) -> Trainer:
    """Return a trainer of the chain of ``sizes``, tanh and softmax, with Adam."""
    network = Network.layered((sizes[0],), sizes[1:-1], sizes[-1], transfer="tanh", backend=backend or NumpyBackend())
    chosen = pathway(scheme, **OPTIONS.get(scheme, {}))
    chosen.attach(network, sizes[-1], 0)
    return Trainer(network, chosen, Adam(1e-3), batch=batch)


def batch_of(sizes: tuple[int, ...], batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random images in [0, 1) and labels, one-hot."""
    draw = np.random.default_rng(0)
    x = draw.random((batch, sizes[0])).astype(np.float32)
    return x, one_hot(draw.integers(0, sizes[-1], batch), sizes[-1]).astype(np.float32)


def our_step(made: Trainer, phase: Phase = LEARN) -> Callable[[], None]:
    """Return a training step, optimiser included, on one batch that is already in memory."""
    program = loaded(made, phase)
    count = iter(range(10**9))
    return lambda: program.replay(next(count))


def step_in_parts(made: Trainer, phase: Phase = LEARN) -> Callable[[], list[float]]:
    """Return the same step as a function that returns milliseconds: of what the floor counts, and of all else.

    A repeated loop is one call, all of which is of the second kind, with the products in it.
    """
    program = loaded(made, phase)
    counted = [item.nodes[0].op in ("matmul", "call") for item, _ in program.calls]
    count = iter(range(10**9))

    def run() -> list[float]:
        times, program.step.value = [0.0, 0.0], next(count)
        for heavy, (_, (function, arguments)) in zip(counted, program.calls, strict=True):
            before = time.perf_counter()
            function(*arguments)
            times[not heavy] += 1000 * (time.perf_counter() - before)
        return times

    return run


def optimiser_step(made: Trainer, phase: Phase = LEARN) -> Callable[[], None]:
    """Return only those of the step's loops that write parameters or the optimiser's memory."""
    program = loaded(made, phase)
    program.replay(0)

    def run() -> None:
        for item, (function, arguments) in program.calls:
            if item.writes:
                function(*arguments)

    return run


def loaded(made: Trainer, phase: Phase) -> NumpyProgram:
    """Return the step's program with a batch in its inputs."""
    program = made.network.backend.capture(made.recorded(phase))
    assert isinstance(program, NumpyProgram)
    populations = made.network.populations
    x, y = batch_of((populations[made.network.input].size, made.pathway.task.size), made.batch)
    for name, values in (("x", x), ("target", y)):
        if name in program.inputs:
            program.inputs[name][...] = values.reshape(program.inputs[name].shape)
    return program


def floor_step(cost: Cost, backend: NumpyBackend) -> Callable[[], list[float]]:
    """Return a function that does the step's products, inverses and solves with the backend's library, and nothing else.

    They have the step's shapes and layouts.  The function returns the milliseconds of each.
    """
    draw = np.random.default_rng(0)

    def operand(rows: int, columns: int, transposed: bool, dtype: np.dtype) -> np.ndarray:
        shape = (columns, rows) if transposed else (rows, columns)
        values = draw.random(shape, np.float32).astype(dtype)
        return values.T if transposed else values

    calls: list[tuple[Callable, tuple]] = []
    kept: list[tuple] = []  # a call may know its arrays by their addresses only
    for p in cost.products:
        a = operand(p.rows, p.inner, p.transposed[0], p.dtype)
        b = a.T if p.symmetric else operand(p.inner, p.columns, p.transposed[1], p.dtype)
        arrays = a, b, np.empty((p.rows, p.columns), p.dtype)
        kept.append(arrays)
        calls.append(backend.blas.product(*arrays))
    for n, dtype in cost.inverses:
        calls.append((backend.positive_inverse_into, (np.eye(n, dtype=dtype) + dtype.type(0.5 / n), np.empty((n, n), dtype))))
    for n, m in cost.solves:
        w = np.zeros((n, m), np.float32)
        calls.append((backend.solve_columns_into, (w, np.eye(n, dtype=np.float32), w, 0.0, np.empty_like(w))))

    def run() -> list[float]:
        assert len(kept) == len(cost.products)
        times = []
        for function, arguments in calls:
            before = time.perf_counter()
            function(*arguments)
            times.append(1000 * (time.perf_counter() - before))
        return times

    return run


def floors(scheme: str, sizes: tuple[int, ...], batch: int, library: str) -> dict[str, Callable[[], list[float]]]:
    """Return the floor of a step with one library of products, for a process of its own."""
    backend = NumpyBackend(library)
    return {library: floor_step(Cost.of(trainer(scheme, sizes, batch, backend).recorded(LEARN)), backend)}


def libraries() -> list[str]:
    """Return the libraries that are installed."""
    return list(dict.fromkeys(["openblas", select_blas("auto").name]))
