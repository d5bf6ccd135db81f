"""Labelled images: the bundled digits, MNIST and its kin, CIFAR-10, and the user's own arrays."""

from __future__ import annotations

from neurosim.datasets.arrays import from_arrays
from neurosim.datasets.augment import Augmentation
from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.loading import load
from neurosim.datasets.registry import names

__all__ = ["Augmentation", "DataSet", "Split", "from_arrays", "load", "names"]
