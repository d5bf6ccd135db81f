"""Data: the bundled digits, MNIST and its kin, CIFAR-10, a regression task, and the user's own arrays and files."""

from __future__ import annotations

from neurosim.datasets.arrays import from_arrays
from neurosim.datasets.augment import Augmentation
from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.evidence import evidence_accumulation
from neurosim.datasets.loading import describe, load
from neurosim.datasets.registry import Entry, names

__all__ = [
    "GENERATED",
    "Augmentation",
    "DataSet",
    "Entry",
    "Split",
    "describe",
    "evidence_accumulation",
    "from_arrays",
    "load",
    "names",
]

GENERATED = {"evidence_accumulation": evidence_accumulation}  # by name, those that are drawn
