"""Studies: one model over parameters, schemes and seeds, on one machine or a cluster, and the one tidy table of it."""

from neurosim.studies.study import Study

__all__ = ["Study"]
