"""Every scheme's step over its floor: the same matrix products and inverses, same library and shapes, in the same process.

    python -m benchmarks [--out FILE.json] [--networks 784-512-512-10@128,...] [--schemes backprop,...] [--repeats 30]
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info

from benchmarks.steps import cost, floor_step, our_step
from neurosim.feedback import pathways

NETWORKS = "784-512-512-10@128,784-240-240-240-240-240-240-240-10@100,784-1024-1024-1024-10@128"
WARM = 3


def medians(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Return each function's median milliseconds; they take turns, so that a slow moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(WARM + repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if repeat >= WARM:
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def measured(scheme: str, network: str, repeats: int) -> dict:
    """Return one row: our step, its floor, their ratio, and what the floor consists of."""
    layers, _, batch = network.partition("@")
    sizes = tuple(map(int, layers.split("-")))
    asked = cost(scheme, sizes, int(batch))
    found = medians({"ours": our_step(scheme, sizes, int(batch)), "floor": floor_step(asked)}, repeats)
    row = {"scheme": scheme, "network": layers, "batch": int(batch), "ours_ms": found["ours"], "floor_ms": found["floor"]}
    return row | {"over_floor": found["ours"] / found["floor"], "asks": asked.describe()}


def machine() -> dict:
    """Return what the numbers depend on."""
    libraries = [{k: library[k] for k in ("internal_api", "version", "num_threads")} for library in threadpool_info()]
    about = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
    return about | {"date": str(datetime.date.today()), "load": round(os.getloadavg()[0], 1), "libraries": libraries}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--schemes", default=",".join(pathways()))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("scheme", "network", "batch", "ours ms", "floor ms", "over floor", "the floor"):
        table.add_column(column, justify="left" if column in ("scheme", "network", "the floor") else "right")
    rows = []
    for network in arguments.networks.split(","):
        for scheme in arguments.schemes.split(","):
            row = measured(scheme, network, arguments.repeats)
            rows.append(row)
            shown = [f"{row[key]:.2f}" for key in ("ours_ms", "floor_ms", "over_floor")]
            table.add_row(scheme, row["network"], str(row["batch"]), *shown, row["asks"])
    Console(width=170).print(table)
    if arguments.out:
        arguments.out.write_text(json.dumps({"about": machine(), "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
