"""From finished simulations to numbers: a summary of each in ``benchmarks/results/simulations``, and [measured] in its model file.

    neurosim run cuba --seed 1 --out runs/cuba.h5
    python -m benchmarks.measured_simulations runs/*.h5
    python -m benchmarks.measured_simulations --start "50 s" runs/vogels-sprekeler.h5     # leaves out how it begins

A test holds every number of a model file to the summary of its run, and the summary's settings to the model file's.
"""

import argparse
import json
import math
import tomllib
from pathlib import Path

from benchmarks.measured import ROOT, SAID, write
from neurosim.analysis.spike_statistics import table
from neurosim.runfile import Run
from neurosim.simulation.requests import seconds

SUMMARIES = ROOT / "benchmarks/results/simulations"
SETTINGS = ("network", "simulation")
SHOWN = {"rate": 2, "cv": 3, "synchrony": 3}  # statistic -> decimals


def summary(run: Run, start: str, commit: str) -> dict:
    """Return what is kept of a run: its settings, where it comes from, and the statistics of its populations after ``start``."""
    model = tomllib.loads(run.model)
    said = {key: run.attributes[key] for key in (*SAID, "simulator") if key in run.attributes}
    said |= {"git_commit": said.get("git_commit") or commit, "versions": json.loads(said["versions"])}
    found = table(run, seconds(start, "start"))
    rows = {name: {key: None if math.isnan(value) else value for key, value in row.items()} for name, row in found.iterrows()}
    settings = {key: model[key] for key in SETTINGS}
    return {"model": run.attributes["model_name"], **settings, "start": start, "run": said, "populations": rows}


def measured(found: dict) -> dict:
    """Return the [measured] table of a summary."""
    shown = {}
    for name, row in found["populations"].items():
        defined = [key for key in SHOWN if row[key] is not None and (key != "synchrony" or row["neurons"] > 1)]
        shown[name] = {key: round(row[key], SHOWN[key]) for key in defined}
    made = {"seed": found["run"]["seed"], "duration": found["simulation"]["duration"], "start": found["start"]}
    return made | {"date": found["run"]["created"][:10], "populations": shown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--start", default="0 s", help="what is left out of the statistics, from the beginning")
    parser.add_argument("--commit", default="", help="the commit of runs whose file knows none")
    arguments = parser.parse_args()
    SUMMARIES.mkdir(parents=True, exist_ok=True)
    for path in arguments.runs:
        run = Run(path)
        if run.status != "complete" or run.attributes["simulator"] != "neurosim":
            print(f"# {path}: {run.status}, by {run.attributes['simulator']}, left out")
            continue
        kept = summary(run, arguments.start, arguments.commit)
        text = json.dumps(kept, indent=1, sort_keys=True)
        (SUMMARIES / f"{kept['model']}.json").write_text(text + "\n", encoding="utf-8")
        write(ROOT / "models" / f"{kept['model']}.toml", measured(kept))
        print(f"{kept['model']}:", json.dumps(measured(kept)["populations"]))


if __name__ == "__main__":
    main()
