"""The five-slot step, and the trainer that repeats it."""

from neurosim.training.step import Commit, step
from neurosim.training.trainer import EVALUATION_BATCH, Evaluation, Observer, Trainer

__all__ = ["EVALUATION_BATCH", "Commit", "Evaluation", "Observer", "Trainer", "step"]
