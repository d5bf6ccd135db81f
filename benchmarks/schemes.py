"""Every scheme's step beside its floor (the same products, inverses and solves, each by the fastest library) and PyTorch.

    python -m benchmarks [--out FILE.json] [--networks 784-512-512-10@128,...] [--schemes backprop,...] [--seconds 3] [--compile]
        [--busy N]

PyTorch (``pip install torch``) is left out where it is not installed, and so is MKL (``pip install mkl``).  Times are medians of
runs that take turns; the step's own products are timed one by one while it runs.  Each library and PyTorch are in processes of
their own, because their threads would fight.
"""

import argparse
import importlib.util
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.steps import LEARN, floors, libraries, optimiser_step, our_step, step_in_parts, trainer
from benchmarks.timing import Others, machine, medians, medians_of_parts, neighbours
from neurosim.backends import NumpyBackend
from neurosim.capture.cost import Cost

SCHEMES = (  # those that PyTorch's steps are written for
    "backprop,feedback_alignment,direct_feedback_alignment,difference_target_propagation,hsic_bottleneck,alternating_minimization,"
    "synthetic_gradients,local_errors,frozen"
)
NETWORKS = "784-512-512-10@128,784-240-240-240-240-240-240-240-10@100,784-1024-1024-1024-10@128,784-4096-4096-4096-10@1024"
COLUMNS = {
    "scheme": "scheme", "network": "network", "batch": "batch", "ours_ms": "ours ms", "products_ms": "its products",
    "floor_ms": "floor ms",
    "floor_openblas_ms": "OpenBLAS's", "floor_mkl_ms": "MKL's", "floor_torch_ms": "PyTorch's products",
    "over_floor": "over floor", "optimiser_ms": "optimiser ms", "torch_ms": "PyTorch ms", "times_faster": "times faster",
    "torch_fused_ms": "its fused Adam", "torch_compile_ms": "torch.compile",
}  # fmt: skip


def theirs(scheme: str, sizes: tuple[int, ...], batch: int, compiled: bool) -> dict[str, Callable[[], Any]]:
    """Return PyTorch's steps of the same scheme; none where it is not installed, or the scheme is not written for it."""
    if importlib.util.find_spec("torch") is None:
        return {}
    from benchmarks.torch_steps import SCHEMES, torch_products, torch_step

    products = torch_products(Cost.of(trainer(scheme, sizes, batch, NumpyBackend("openblas")).recorded(LEARN)).products)
    if scheme not in SCHEMES:
        return {"floor_torch_ms": products}
    steps: dict[str, Callable[[], Any]] = {
        "floor_torch_ms": products,
        "torch_ms": torch_step(scheme, sizes, batch),
        "torch_fused_ms": torch_step(scheme, sizes, batch, fused=True),
    }
    if compiled and SCHEMES[scheme].compiles:
        steps["torch_compile_ms"] = torch_step(scheme, sizes, batch, fused=True, compiled="default")
    return steps


def measured(scheme: str, network: str, seconds: float, compiled: bool) -> dict:
    """Return one row of the table."""
    layers, _, batch = network.partition("@")
    sizes = tuple(map(int, layers.split("-")))
    made = trainer(scheme, sizes, int(batch))
    asked = Cost.of(made.recorded(LEARN))
    with ExitStack() as stack:
        others = [Others(floors, scheme, sizes, int(batch), library) for library in libraries()]
        others.append(Others(theirs, scheme, sizes, int(batch), compiled))
        for other in others:
            stack.enter_context(other)
        parts = medians_of_parts({"ours_ms": our_step(made), "products": step_in_parts(made)}, seconds, others)
    products = float(parts.pop("products")[0])
    each = {library: parts.pop(library) for library in libraries()}
    found = {name: float(times.sum()) for name, times in parts.items()}
    found |= {f"floor_{library}_ms": float(times.sum()) for library, times in each.items()}
    found |= {"products_ms": products, "floor_ms": float(np.min(list(each.values()), axis=0).sum())}
    found |= medians({"optimiser_ms": optimiser_step(trainer(scheme, sizes, int(batch)))}, seconds / 10)
    row = {"scheme": scheme, "network": layers, "batch": int(batch), **found, "over_floor": found["ours_ms"] / found["floor_ms"]}
    if "torch_ms" in found:
        row["times_faster"] = found["torch_ms"] / found["ours_ms"]
    return row | {"asks": asked.describe()}


def shown(rows: list[dict]) -> Table:
    """Return the rows as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    kept = {key: title for key, title in COLUMNS.items() if any(key in row for row in rows)}
    for key, title in kept.items():
        table.add_column(title, justify="left" if key in ("scheme", "network") else "right")
    for row in rows:
        table.add_row(*(f"{row[key]:.2f}" if isinstance(row.get(key), float) else str(row.get(key, "")) for key in kept))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--schemes", default=SCHEMES)
    parser.add_argument("--seconds", type=float, default=3.0, help="to spend on each row, at least")
    parser.add_argument("--busy", type=int, default=0, help="keep so many cores busy meanwhile")
    parser.add_argument("--compile", action="store_true", help="torch.compile too; compiling takes minutes")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    cases = [(scheme, network) for network in arguments.networks.split(",") for scheme in arguments.schemes.split(",")]
    with neighbours(arguments.busy):
        rows = [measured(scheme, network, arguments.seconds, arguments.compile) for scheme, network in track(cases, "measuring")]
    Console(width=200).print(shown(rows))
    if arguments.out:
        found = {"about": machine() | {"busy": arguments.busy}, "steps": rows}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
