"""Every scheme's step on a GPU: ours replayed as one CUDA graph, its cuBLAS floor as another, PyTorch eager and compiled.

    python -m benchmarks.gpu [--compile] [--out FILE.json] [--networks 784-512-512-10@128,784-4096-4096-4096-10@4096]
"""

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.schemes import SCHEMES, shown
from benchmarks.steps import LEARN, batch_of, trainer
from benchmarks.timing import machine
from neurosim.backends import select
from neurosim.backends.cupy_backend import CupyBackend, CupyProgram
from neurosim.capture.cost import Cost

NETWORKS = "784-512-512-10@128,784-4096-4096-4096-10@4096"
STEPS, ROUNDS = 50, 9


def milliseconds(run: Callable[[], None], wait: Callable[[], None], steps: int) -> float:
    """Return the median time of one of ``steps`` runs between two waits for the device."""
    times = []
    for _ in range(ROUNDS + 2):
        wait()
        started = time.perf_counter()
        for _ in range(steps):
            run()
        wait()
        times.append(1000 * (time.perf_counter() - started) / steps)
    return statistics.median(times[2:])


def our_step(backend: CupyBackend, scheme: str, sizes: tuple[int, ...], batch: int) -> tuple[Callable[[], None], Cost]:
    """Return our step on batches gathered on the device, and what it asks for."""
    made = trainer(scheme, sizes, batch, backend=backend)
    graph = made.recorded(LEARN)
    program = backend.capture(graph)
    x, y = batch_of(sizes, 4 * batch)
    program.hold({"x": x, "target": y})
    program.order(np.arange(4 * batch))
    count = iter(range(10**9))

    def run() -> None:
        step = next(count)
        if step % 4 == 0:
            program.position.fill(0)  # type: ignore[attr-defined]
        program.run(step)

    return run, Cost.of(graph)


def floor_step(backend: CupyBackend, cost: Cost) -> Callable[[], None]:
    """Return the step's products alone, as a CUDA graph; inverses and column solves are not in it."""
    program, draw = CupyProgram.empty(backend), np.random.default_rng(0)
    launches = []
    for p in cost.products:
        first, second = (p.rows, p.inner), (p.inner, p.columns)
        shapes = (first[::-1] if p.transposed[0] else first, second[::-1] if p.transposed[1] else second)
        a, b = (backend.asarray(draw.random(shape, np.float32), p.dtype) for shape in shapes)
        out = backend.zeros((p.rows, p.columns), p.dtype)
        flags, widths = [int(p.transposed[1]), int(p.transposed[0])], [b.shape[1], a.shape[1]]
        launches.append(program.libraries.product(p.dtype, flags, (p.columns, p.rows, p.inner), [b, a, out], widths))
    return lambda: program.play("floor", launches)


def torch_steps(scheme: str, sizes: tuple[int, ...], batch: int, compiled: bool) -> dict[str, Callable[[], None]]:
    """Return PyTorch's steps on the device: eager, and ``compiled`` into a CUDA graph where that works for the scheme."""
    if importlib.util.find_spec("torch") is None:
        return {}
    from benchmarks.torch_steps import SCHEMES, torch_step

    steps = {"torch_ms": torch_step(scheme, sizes, batch, device="cuda")}
    if compiled and SCHEMES[scheme].compiles:
        steps["torch_compile_ms"] = torch_step(scheme, sizes, batch, device="cuda", fused=True, compiled="reduce-overhead")
    return steps


def torch_milliseconds(run: Callable[[], None], steps: int) -> float | None:
    """Return the time of a PyTorch step, or None where torch.compile gives up on it."""
    import torch

    try:
        run()
        return milliseconds(run, torch.cuda.synchronize, steps)
    except Exception as reason:  # torch.compile's many kinds
        print(f"torch gave up: {str(reason).splitlines()[0][:150]}")
        return None


def measured(backend: CupyBackend, scheme: str, network: str, compiled: bool) -> dict:
    """Return one row."""
    layers, _, batch = network.partition("@")
    sizes, size = tuple(map(int, layers.split("-"))), int(batch)
    steps = STEPS if max(sizes) < 2048 else 5
    run, cost = our_step(backend, scheme, sizes, size)
    wait = backend.cupy.cuda.Device().synchronize
    row: dict = {"scheme": scheme, "network": layers, "batch": size, "ours_ms": milliseconds(run, wait, steps)}
    row["floor_ms"] = milliseconds(floor_step(backend, cost), wait, steps)
    for name, step in torch_steps(scheme, sizes, size, compiled).items():
        if (found := torch_milliseconds(step, steps)) is not None:
            row[name] = found
    row["over_floor"] = row["ours_ms"] / row["floor_ms"]
    if "torch_ms" in row:
        row["times_faster"] = row["torch_ms"] / row["ours_ms"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--schemes", default=SCHEMES)
    parser.add_argument("--backend", default="cupy", choices=["cupy", "cupy-tf32"])
    parser.add_argument("--compile", action="store_true", help="PyTorch's steps compiled as well: some 20 seconds a row")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    backend = select(arguments.backend)
    assert isinstance(backend, CupyBackend)
    cases = [(scheme, network) for network in arguments.networks.split(",") for scheme in arguments.schemes.split(",")]
    about = machine() | {"device": backend.describe(), "backend": backend.name}
    rows: list[dict] = []
    for scheme, network in track(cases, "measuring"):
        rows.append(measured(backend, scheme, network, arguments.compile))
        if arguments.out:  # after each, so that a row that fails takes none with it
            arguments.out.write_text(json.dumps({"about": about, "steps": rows}, indent=1) + "\n", encoding="utf-8")
    Console(width=200).print(shown(rows))


if __name__ == "__main__":
    main()
