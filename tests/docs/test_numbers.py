"""Every measured number that is shown is one that runs came to: model files are held to summaries of runs, pages to both."""

import csv
import importlib.util
import json
import math
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from neurosim.analysis.grouping import TRAINED
from neurosim.modelfile.reading import contents, installed, simulations
from neurosim.modelfile.schema import Data

ROOT = Path(__file__).parents[2]
SUMMARIES = ROOT / "benchmarks/results/runs"
SIMULATION_SUMMARIES = {path.stem: path for path in sorted((ROOT / "benchmarks/results/simulations").glob("*.json"))}
MEASURED = {name: table for name, path in installed().items() if "test_error" in (table := contents(path).get("measured", {}))}


@pytest.fixture(scope="module")
def tool():
    """The module that wrote the summaries and the tables."""
    return loaded("measured")


@pytest.fixture(scope="module")
def simulation_tool(tool):
    """The module that wrote those of simulations, which uses the other one."""
    sys.modules.setdefault("benchmarks.measured", tool)
    return loaded("measured_simulations")


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def summary(name):
    path = SUMMARIES / f"{name}.json"
    assert path.is_file(), f"models/{name}.toml shows a number that no run in the repository came to: python -m benchmarks.measured"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_a_model_files_number_is_that_of_its_runs(name, tool):
    table = MEASURED[name]
    again = tool.measured(summary(name), tuple(table.get("failed_seeds", ())))
    assert {key: table.get(key) for key in again} == again
    assert set(table) - set(again) <= {"note"}


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_the_runs_were_of_this_model_file(name):
    """A setting that was changed after its runs makes their number another model's; only the length may differ, which is shown."""
    found, model = summary(name), contents(installed()[name])
    for key in TRAINED:
        now = json.loads(json.dumps(model.get(key)))
        was = found.get(key)
        if key == "stages":
            now, was = ([{k: v for k, v in stage.items() if k != "epochs"} for stage in stages] for stages in (now, was))
        assert was == now, f"{name}: {key}"


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_every_run_is_whole_and_says_where_it_comes_from(name):
    found = summary(name)
    epochs = sum(stage["epochs"] for stage in found["stages"]) * Data.model_validate(found["data"]).tasks(10)
    assert len({run["seed"] for run in found["runs"]}) == len(found["runs"]) > 0
    for run in found["runs"]:
        assert re.fullmatch("[0-9a-f]{40}", run["git_commit"]) and run["data_digest"] and run["versions"]["numpy"]
        most = math.inf if found.get("task") else 100  # an answer may be worse than the one that knows nothing
        assert len(run["error"]["test"]) == epochs + 1 and all(0 <= error <= most for error in run["error"]["test"])


# ---------------------------------------------------------------------- simulations


SIMULATED = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in SIMULATION_SUMMARIES.items()}


def test_every_simulation_has_numbers_and_a_run():
    measured = {name for name, model in simulations().items() if "measured" in model}
    assert measured == set(SIMULATED) == set(simulations())


@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_a_simulations_numbers_are_those_of_a_run_of_this_model_file(name, simulation_tool):
    found, model = SIMULATED[name], simulations()[name]
    again = simulation_tool.measured(found)
    assert {key: model["measured"].get(key) for key in again} == again and set(model["measured"]) - set(again) <= {"note"}
    assert {key: json.loads(json.dumps(model[key])) for key in ("network", "simulation")} == {
        key: found[key] for key in ("network", "simulation")
    }, f"{name}: a setting was changed after its run"
    assert re.fullmatch("[0-9a-f]{40}", found["run"]["git_commit"]) and found["run"]["simulator"] == "neurosim"


# ---------------------------------------------------------------------- pages


def rows(page, head):
    """Return the cells of each row of the table whose head begins with ``head``."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(head))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def words(table):
    """Return a number as the README writes it."""
    return f"{table['test_error']:.2f}" + (f" ± {table['std']:.2f}" if "std" in table else "")


def test_the_readme_shows_the_model_files_numbers():
    shown = 0
    for cells in rows("README.md", "| model file | test error measured here"):
        names = re.findall(r"`([\w-]+-mnist[\w-]*)`", cells[0])
        assert names, cells
        assert cells[1] == ", ".join(words(MEASURED[name]) for name in names), cells[0]
        papers = [contents(installed()[name]).get("paper", {}) for name in names]
        published = [paper["test_error"] for paper in papers if paper.get("verified") and "test_error" in paper]
        assert len(published) in (0, len(names)), cells[0]
        assert (list(map(float, cells[2].split(", "))) if published else cells[2]) == (published or "none published"), cells[0]
        shown += len(names)
    assert shown >= 5


def compared():
    """Return scheme -> test accuracies of the committed comparison, in per cent."""
    found = defaultdict(list)
    with (ROOT / "benchmarks/results/compare.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["scheme"]].append(float(row["test_accuracy"]))
    return found


def test_the_page_on_diehl_and_cook_shows_the_committed_runs():
    shown = list(rows("docs/howto/diehl-and-cook.md", "| cells | theta decays in, s"))
    runs = ["-short-2026-11-26", "-2026-11-26", "-400-2026-11-28", "-decay-short-2026-11-28", "-decay-2026-11-28"]
    for cells, name in zip(shown, runs, strict=True):
        found = json.loads((ROOT / f"benchmarks/results/diehl-cook{name}.json").read_text(encoding="utf-8"))
        errors = f"{found['test_error']:.2f} %", f"{found['published_error']} %"
        decay = found.get("decay_s", 10_000)
        assert cells == [str(found["cells"]), f"{decay:,.0f}", f"{found['images']:,}", *errors, f"{found['seconds']:,.0f}"]
        assert (found["data"], found["seed"], found["date"], found["test_images"]) == ("mnist", 1, name[-10:], 10_000)


def test_the_readme_shows_the_committed_comparison():
    accuracies = compared()
    shown = [re.sub(r"`(\w+)`.*", r"\1", cells[0]) for cells in rows("README.md", "| scheme | test accuracy")]
    assert sorted(shown) == sorted(accuracies)
    for cells, scheme in zip(rows("README.md", "| scheme | test accuracy"), shown, strict=True):
        values = accuracies[scheme]
        assert len(values) == 3
        assert cells[1] == f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}", scheme
