"""From finished runs to numbers: a summary of each model's runs in ``benchmarks/results/runs``, and [measured] in its file.

    neurosim run dtp-mnist --seed 1 --out runs/dtp-1.h5        # and other seeds
    python -m benchmarks.measured runs/*.h5
    python -m benchmarks.measured --add runs/dtp-2.h5          # keeps what the summary has of other seeds, with the same settings

The test error is that of the last epoch: no epoch, seed or setting is picked by it.  A test holds every number of a model file
to the summary of its runs, and the summary's settings to the model file's.
"""

import argparse
import json
import re
import statistics
import tomllib
from collections import defaultdict
from pathlib import Path

import tomli_w

from neurosim.analysis.grouping import TRAINED
from neurosim.datasets import GENERATED
from neurosim.datasets.registry import find
from neurosim.runfile import Run

ROOT = Path(__file__).parents[1]
SUMMARIES = ROOT / "benchmarks/results/runs"
SAID = ("seed", "created", "git_commit", "backend", "device", "data_digest", "versions", "threads", "blas")


def summary(runs: list[Run], commit: str) -> dict:
    """Return what is kept of one model's runs, one for each seed.

    commit : of the code, for runs whose file knows none (those of an installed package)
    """
    model = tomllib.loads(runs[0].model)
    for run in runs[1:]:
        other = tomllib.loads(run.model)
        assert all(other.get(key) == model.get(key) for key in TRAINED), f"{run.path} has other settings than {runs[0].path}"
    kept = []
    for run in sorted(runs, key=lambda run: int(run.attributes["seed"])):
        said = {key: run.attributes[key] for key in SAID if key in run.attributes}
        said["git_commit"] = said["git_commit"] or commit
        said["versions"] = json.loads(said["versions"])
        errors = {split: course(run, split) for split in ("test", "validation") if split in run.metrics.index}
        kept.append(said | {"error": errors})
    return {"model": runs[0].attributes["model_name"]} | {key: model[key] for key in TRAINED if key in model} | {"runs": kept}


def joined(new: dict, path: Path) -> dict:
    """Return a summary with the runs of other seeds that the file at ``path`` has."""
    if not path.exists():
        return new
    old = json.loads(path.read_text(encoding="utf-8"))
    seeds = {run["seed"] for run in new["runs"]}
    for key in new.keys() - {"runs"}:
        assert old[key] == new[key], f"{path} has another {key}"
    runs = [*new["runs"], *(run for run in old["runs"] if run["seed"] not in seeds)]
    return new | {"runs": sorted(runs, key=lambda run: run["seed"])}


def course(run: Run, split: str) -> list[float]:
    """Return the error in per cent before the first epoch and after each."""
    return [round(float(error), 4) for error in run.metrics.loc[split, "error"]]


def measured(found: dict, failed: tuple[int, ...] = ()) -> dict:
    """Return the [measured] table of a summary.

    failed : seeds that are told apart because they failed in a way that the training images show
    """
    runs = [run for run in found["runs"] if run["seed"] not in failed]
    tests = [run["error"]["test"][-1] for run in runs]
    table: dict = {"test_error": round(statistics.mean(tests), 2)}
    if len(runs) > 1:
        table["std"] = round(statistics.stdev(tests), 2)
    if all("validation" in run["error"] for run in runs):
        table["validation_error"] = round(statistics.mean(run["error"]["validation"][-1] for run in runs), 2)
    table["seeds"] = [run["seed"] for run in runs]
    if failed:
        others = [run["error"]["test"][-1] for run in found["runs"] if run["seed"] in failed]
        table |= {"failed_seeds": sorted(failed), "failed_error": [round(min(others), 2), round(max(others), 2)]}
    table["epochs"] = sum(stage["epochs"] for stage in found["stages"])
    return table | {"date": max(run["created"] for run in runs)[:10], "trained_on": trained_on(found)}


def trained_on(model: dict) -> str:
    """Return which images trained, in words; in file order, those that do not fill a last batch are never shown."""
    if model["data"]["name"] in GENERATED:
        return f"{model['data']['options']['train']:,} generated trials"
    count = find(model["data"]["name"]).train
    shown = count - round(model["data"].get("validation", 0) * count)
    for stage in model["stages"]:
        if not stage.get("shuffle", True):
            shown -= shown % stage["batch"]
    few = f"{model['data']['few_shot']} of each class of " if "few_shot" in model["data"] else ""
    return few + (f"the first {shown:,} of {count:,} training images" if shown < count else f"all {count:,} training images")


def write(path: Path, table: dict) -> None:
    """Put ``table`` into a model file as [measured], its last table; what else the file says there stays."""
    text = path.read_text(encoding="utf-8")
    before = re.split(r"^\[measured\]\n", text, maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    others = {key: value for key, value in tomllib.loads(text).get("measured", {}).items() if key not in {"std", *table}}
    after = re.sub(r"\[\n[\d\s.,]*\]", _in_one_line, tomli_w.dumps({"measured": table | others}))
    path.write_text(f"{before}\n\n{after}", encoding="utf-8")


def _in_one_line(found: re.Match[str]) -> str:
    """Return a list of numbers that TOML's writer put on a line each as one line."""
    return json.dumps(tomllib.loads(f"list = {found[0]}")["list"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--add", action="store_true", help="keep the runs of other seeds that the summaries have")
    parser.add_argument("--commit", default="", help="the commit of runs whose file knows none")
    arguments = parser.parse_args()
    found = defaultdict(list)
    for path in arguments.runs:
        run = Run(path)
        if run.status == "complete":
            found[run.attributes["model_name"]].append(run)
        else:
            print(f"# {path}: {run.status}, left out")
    SUMMARIES.mkdir(parents=True, exist_ok=True)
    for name, runs in sorted(found.items()):
        kept, path = summary(runs, arguments.commit), SUMMARIES / f"{name}.json"
        if arguments.add:
            kept = joined(kept, path)
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        model = ROOT / "models" / f"{name}.toml"
        failed = tomllib.loads(model.read_text(encoding="utf-8")).get("measured", {}).get("failed_seeds", [])
        write(model, measured(kept, tuple(failed)))
        print(f"{name}:", *(f"{run['error']['test'][-1]:.2f}" for run in kept["runs"]))


if __name__ == "__main__":
    main()
