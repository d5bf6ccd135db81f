"""Run files: everything of one run in one HDF5 file, written as the run goes."""

from neurosim.recording.provenance import provenance
from neurosim.recording.run_file import Run, RunFile, read

__all__ = ["Run", "RunFile", "provenance", "read"]
