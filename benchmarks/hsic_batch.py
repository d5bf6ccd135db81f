"""HSIC's step against the batch, on the papers' widest network, and beside another version of this repository.

    git worktree add /tmp/before 0fd8c93     # the last commit with all kernels in float64
    python -m benchmarks.hsic_batch --before /tmp/before [--out FILE.json] [--rounds 3] [--seconds 2]

The versions take turns, each in a process of its own.  Of the rounds' medians the lowest counts, for each number apart: what else
runs on the machine only adds to them.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import machine

BATCHES = (64, 128, 256, 512, 1024)
HERE = Path(__file__).parents[1]
MEASURE = """
import dataclasses, json, sys
from benchmarks.papers import SETTINGS, measured
(setting,) = [each for each in SETTINGS if each.model == "hsic-mnist-unformatted"]
print(json.dumps(measured(dataclasses.replace(setting, changes=(f"stages.0.batch={sys.argv[1]}",)), float(sys.argv[2]))))
"""


def measured(folder: Path, batch: int, seconds: float) -> dict:
    """Return what the version that lies in ``folder`` takes for a step."""
    command, own = [sys.executable, "-c", MEASURE, str(batch), str(seconds)], os.environ | {"PYTHONPATH": str(folder)}
    found: dict = json.loads(subprocess.run(command, cwd=folder, env=own, stdout=subprocess.PIPE, check=True).stdout)
    return found


def row(before: Path, batch: int, rounds: int, seconds: float) -> dict:
    """Return the milliseconds of both versions at one batch, in turns."""
    pairs = [(measured(before, batch, seconds), measured(HERE, batch, seconds)) for _ in range(rounds)]
    least = {key: min(new[key] for _, new in pairs) for key in ("ours_ms", "floor_ms")}
    earlier = min(old["ours_ms"] for old, _ in pairs)
    return {"batch": batch, "before_ms": earlier} | least | {"over_floor": least["ours_ms"] / least["floor_ms"]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hsic_batch", description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="a checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    rows = []
    for batch in BATCHES:
        rows.append(row(arguments.before.resolve(), batch, arguments.rounds, arguments.seconds))
        print(rows[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"about": machine(), "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
