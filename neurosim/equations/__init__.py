"""Plasticity written as an equation: its language, and its separation into matrix products."""

from neurosim.equations.language import PlasticityEquation, parse
from neurosim.equations.separable import Term, separate

__all__ = ["PlasticityEquation", "Term", "parse", "separate"]
