"""neurosim: which learning rule could a cortex use, and what would it cost in accuracy?

Public names are imported when they are first used, so that ``import neurosim`` is quick and loads no library that is not needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers and editors; a test holds the lists to each other
    from neurosim import datasets
    from neurosim.checking import card, check
    from neurosim.datasets import load
    from neurosim.estimators import NeurosimClassifier, NeurosimRegressor
    from neurosim.experiments.analyse import analyse
    from neurosim.experiments.compare import compare
    from neurosim.experiments.opened import open_run
    from neurosim.feedback.finding import pathway, pathways
    from neurosim.network import Network, Population, Projection
    from neurosim.neurons import BatchNormalisation
    from neurosim.plasticity import Adam, PlasticityRule
    from neurosim.recording.recorder import Recorder
    from neurosim.studies import Study
    from neurosim.training import Trainer

    __version__: str

_HOMES = {
    "Adam": "plasticity",
    "BatchNormalisation": "neurons",
    "Network": "network",
    "NeurosimClassifier": "estimators",
    "NeurosimRegressor": "estimators",
    "Recorder": "recording.recorder",
    "PlasticityRule": "plasticity",
    "Population": "network",
    "Projection": "network",
    "Study": "studies",
    "Trainer": "training",
    "analyse": "experiments.analyse",
    "card": "checking",
    "check": "checking",
    "compare": "experiments.compare",
    "load": "datasets",
    "open_run": "experiments.opened",
    "pathway": "feedback.finding",
    "pathways": "feedback.finding",
}

__all__ = [
    "Adam", "BatchNormalisation", "Network", "NeurosimClassifier", "NeurosimRegressor", "PlasticityRule", "Population",
    "Projection", "Recorder", "Study", "Trainer", "analyse", "card", "check", "compare", "datasets", "load", "open_run", "pathway",
    "pathways",
]  # fmt: skip


if not TYPE_CHECKING:  # a type checker would take it that every name is there

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(f"neurosim.{_HOMES[name]}"), name)
        if name == "datasets":
            return importlib.import_module("neurosim.datasets")
        if name == "__version__":
            return _version()
        raise AttributeError(f"module 'neurosim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])


def _version() -> str:
    """Return the version that is installed; of a checkout that is not, what run files say of such."""
    from importlib import metadata

    try:
        return metadata.version("neurosim")
    except metadata.PackageNotFoundError:
        return "not installed"
