"""Run files: everything of one run in one HDF5 file, written as the run goes."""

from neurosim.recording.background import Background
from neurosim.recording.check import problems
from neurosim.recording.checkpoints import Layout
from neurosim.recording.provenance import provenance, warn_of_other_arithmetic
from neurosim.recording.request import Interval, Request, Some, chosen
from neurosim.recording.run import Run
from neurosim.recording.run_file import RunFile
from neurosim.recording.series import Series
from neurosim.recording.writer_lock import being_written

__all__ = [
    "Background",
    "Interval",
    "Layout",
    "Request",
    "Run",
    "RunFile",
    "Series",
    "Some",
    "being_written",
    "chosen",
    "problems",
    "provenance",
    "warn_of_other_arithmetic",
]
