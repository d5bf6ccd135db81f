"""Print the [measured] table of model files from their finished runs, ready to be pasted into ``models/``.

    neurosim run dtp-mnist --seed 1 --out runs/dtp-1.h5        # and other seeds
    python -m benchmarks.measured runs/*.h5

The test error is that of the last epoch: no epoch, seed or setting is picked by it.
"""

import argparse
import statistics
import tomllib
from collections import defaultdict
from pathlib import Path

import tomli_w

from neurosim.datasets.registry import find
from neurosim.recording import Run


def last_error(run: Run, split: str) -> float | None:
    """Return the error after the last epoch, in per cent; None where the split is not there."""
    return float(run.metrics.loc[split, "error"].iloc[-1]) if split in run.metrics.index else None


def trained_on(model: dict) -> str:
    """Return which images trained, in words."""
    count = find(model["data"]["name"]).train
    held_out = round(model["data"].get("validation", 0) * count)
    return f"the first {count - held_out:,} of {count:,} training images" if held_out else f"all {count:,} training images"


def measured(runs: list[Run]) -> dict:
    """Return one model's table from its runs, one for each seed."""
    model = tomllib.loads(runs[0].model)
    tests = [last_error(run, "test") for run in runs]
    held_out = [last_error(run, "validation") for run in runs]
    table = {"test_error": round(statistics.mean(tests), 2)}
    if len(runs) > 1:
        table["std"] = round(statistics.stdev(tests), 2)
    if None not in held_out:
        table["validation_error"] = round(statistics.mean(held_out), 2)
    table["seeds"] = [int(run.attributes["seed"]) for run in runs]
    table["epochs"] = sum(stage["epochs"] for stage in model["stages"])
    return table | {"date": max(run.attributes["created"] for run in runs)[:10], "trained_on": trained_on(model)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    found = defaultdict(list)
    for path in parser.parse_args().runs:
        run = Run(path)
        if run.status == "complete":
            found[run.attributes["model_name"]].append(run)
        else:
            print(f"# {path}: {run.status}, left out")
    for name, runs in sorted(found.items()):
        runs.sort(key=lambda run: int(run.attributes["seed"]))
        print(f"# {name}:", *(f"{last_error(run, 'test'):.2f}" for run in runs))
        print(tomli_w.dumps({"measured": measured(runs)}))


if __name__ == "__main__":
    main()
