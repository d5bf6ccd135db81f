"""The credit-assignment schemes: one file each, named as in its paper."""

from neurosim.feedback.finding import pathway, pathways
from neurosim.feedback.pathway import Claims, FeedbackPathway, Phase, Proposals

__all__ = ["Claims", "FeedbackPathway", "Phase", "Proposals", "pathway", "pathways"]
