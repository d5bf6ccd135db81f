"""The five-slot step, and the trainer that repeats it."""

from neurosim.training.evaluation import Evaluation, History
from neurosim.training.step import Commit, step
from neurosim.training.trainer import EVALUATION_BATCH, Observer, Trainer

__all__ = ["EVALUATION_BATCH", "Commit", "Evaluation", "History", "Observer", "Trainer", "step"]
