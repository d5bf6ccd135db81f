"""The five-slot step, and the trainer that repeats it."""

from neurosim.training.step import Commit, step
from neurosim.training.trainer import Evaluation, Observer, Trainer

__all__ = ["Commit", "Evaluation", "Observer", "Trainer", "step"]
