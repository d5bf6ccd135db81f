"""Plasticity written as an equation: its language, and its separation into matrix products."""

from neurosim.equations.evaluation import compile_expression
from neurosim.equations.functions import FUNCTIONS
from neurosim.equations.language import PlasticityEquation, parse
from neurosim.equations.scanning import names_in
from neurosim.equations.separable import Term, separate

__all__ = ["FUNCTIONS", "PlasticityEquation", "Term", "compile_expression", "names_in", "parse", "separate"]
