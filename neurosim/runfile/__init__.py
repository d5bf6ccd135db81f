"""Run files: everything of one run in one HDF5 file, written as the run goes."""

from neurosim.runfile.background import Background
from neurosim.runfile.check import problems
from neurosim.runfile.checkpoints import Layout
from neurosim.runfile.continual import Continual
from neurosim.runfile.extension import Extension, extensions
from neurosim.runfile.locality_card import Card
from neurosim.runfile.opening import is_hdf5
from neurosim.runfile.provenance import provenance, warn_of_other_arithmetic
from neurosim.runfile.request import Interval, Request, Some, chosen
from neurosim.runfile.run import Run, error_name
from neurosim.runfile.run_file import RunFile
from neurosim.runfile.series import Series
from neurosim.runfile.writer_lock import being_written

__all__ = [
    "Background",
    "Card",
    "Continual",
    "Extension",
    "Interval",
    "Layout",
    "Request",
    "Run",
    "RunFile",
    "Series",
    "Some",
    "being_written",
    "chosen",
    "error_name",
    "extensions",
    "is_hdf5",
    "problems",
    "provenance",
    "warn_of_other_arithmetic",
]
