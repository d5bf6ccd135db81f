"""What is said of a model file's numbers wherever they are listed: never without how long was trained, and on how many seeds.

The functions take the contents of a file that comes with the package, as ``reading.models`` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.datasets.sequences import SEQUENCES
from neurosim.tasks import Classification, tasks

Model = Mapping[str, Any]


def paper(model: Model) -> str:
    """Return the paper's test error; ``-`` where there is none, or none whose source was read."""
    said = model.get("paper", {})
    return f"{said['test_error']} %" if said.get("verified") and said.get("test_error") is not None else "-"


def score(model: Model) -> str:
    """Return what the error of a model's task is, where it does not count wrong answers; otherwise ``""``."""
    named = model.get("task", "")
    name = str(named.get("name", "") if isinstance(named, Mapping) else named)
    return tasks()[name].score if name in tasks() and tasks()[name].score != Classification.score else ""


def measured(model: Model) -> str:
    """Return the test error measured here, with its spread where there is one; ``-`` where there is none.

    The word for the error follows where it does not count wrong answers.
    """
    said = model.get("measured", {})
    if said.get("test_error") is None:
        return "-"
    number = f"{said['test_error']:.2f}" + (f" ± {said['std']:.2f} %" if said.get("std") is not None else " %")
    return f"{number} {score(model)}".rstrip()


def seeds(model: Model) -> str:
    """Return the seeds of what was measured."""
    return ", ".join(map(str, model.get("measured", {}).get("seeds", [])))


def failed(model: Model) -> tuple[str, str]:
    """Return seeds that are no part of the mean, and their error: both ``""`` where there are none."""
    said = model.get("measured", {})
    if not said.get("failed_seeds"):
        return "", ""
    reached = " to ".join(f"{error:g}" for error in dict.fromkeys(said.get("failed_error", [])))
    return ", ".join(map(str, said["failed_seeds"])), f"{reached} %" if reached else "not told"


def epochs(model: Model) -> str:
    """Return the epochs behind what was measured, as ``3 of 20`` where the file trains for another number."""
    trained = model.get("measured", {}).get("epochs")
    if trained is None:
        return ""
    each = " a task" if any(model.get("data", {}).get(key) for key in SEQUENCES) else ""
    return (str(trained) if is_whole(model) else f"{trained} of {planned(model)}") + each


def planned(model: Model) -> int:
    """Return the epochs of all stages together, or of each task."""
    return sum(stage["epochs"] for stage in model["stages"])


def is_whole(model: Model) -> bool:
    """Return whether what was measured was trained for as long as the file says; True where nothing was measured."""
    return model.get("measured", {}).get("epochs") in (None, planned(model))


# ---------------------------------------------------------------------- simulations


def fired(model: Model) -> dict[str, tuple[str, str, str]]:
    """Return of each population of a simulation what was measured: rate in Hz, CV and synchrony, ``-`` where it is not defined."""
    said = model.get("measured", {}).get("populations", {})
    return {name: (_number(of, "rate"), _number(of, "cv"), _number(of, "synchrony")) for name, of in said.items()}


def _number(of: Model, key: str) -> str:
    return f"{of[key]:.2f}" if of.get(key) is not None else "-"


def simulated(model: Model) -> str:
    """Return which time of a simulation was measured, as ``50 s to 60 s``, with seed and date; empty where none was."""
    said = model.get("measured", {})
    if not said.get("populations"):
        return ""
    start = said.get("start", "0 s")
    span = said["duration"] if start == "0 s" else f"{start} to {said['duration']}"
    return f"{span}, seed {said['seed']}, {said['date']}"
