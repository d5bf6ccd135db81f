"""Step time against width and batch: ours, its floor, PyTorch; numbers for the figure in the documentation.

    python -m benchmarks.scaling --out benchmarks/results/scaling.json [--widths 64,...,8192] [--batches 128,1024]

The network is 784-width-width-10, tanh, back-propagation and Adam: the same arithmetic in all three.  On a machine with a GPU its
step is measured too, and PyTorch's there.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from rich.progress import track

from benchmarks.schemes import theirs
from benchmarks.steps import LEARN, floor_step, our_step, trainer
from benchmarks.timing import Others, machine, medians
from neurosim.capture.cost import Cost


def measured(width: int, batch: int, seconds: float) -> dict:
    """Return one point."""
    sizes = (784, width, width, 10)
    made = trainer("backprop", sizes, batch)
    asked = Cost.of(made.recorded(LEARN))
    runs: dict[str, Callable[[], None]] = {"ours_ms": our_step(made), "floor_ms": floor_step(asked, made.network.backend)}
    with Others(theirs, "backprop", sizes, batch, False) as others:
        return {"width": width, "batch": batch, **medians(runs, seconds, others)}


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=numbers, default="64,128,256,512,1024,2048,4096,8192")
    parser.add_argument("--batches", type=numbers, default="128,1024")
    parser.add_argument("--seconds", type=float, default=2.0, help="to spend on each point, at least")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    cases = [(width, batch) for batch in arguments.batches for width in arguments.widths]
    points = [measured(width, batch, arguments.seconds) for width, batch in track(cases, "measuring")]
    arguments.out.write_text(json.dumps({"about": machine(), "points": points}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
