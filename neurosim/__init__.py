"""neurosim: which learning rule could a cortex use, and what would it cost in accuracy?

Public names are imported when they are first used, so that ``import neurosim`` is quick and loads no library that is not needed.
"""

from __future__ import annotations

import importlib
from typing import Any

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
    "check": "checking",
    "compare": "experiments.compare",
    "load": "datasets",
    "open_run": "experiments.opened",
    "pathway": "feedback",
    "pathways": "feedback",
}

__all__ = sorted([*_HOMES, "datasets"])


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"neurosim.{_HOMES[name]}"), name)
    if name == "datasets":
        return importlib.import_module("neurosim.datasets")
    raise AttributeError(f"module 'neurosim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
