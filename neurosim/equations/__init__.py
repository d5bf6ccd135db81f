"""Plasticity written as an equation: its language, and its separation into matrix products."""

from neurosim.equations.evaluation import compile_expression
from neurosim.equations.functions import FUNCTIONS
from neurosim.equations.language import DEFAULT_MODULATORS, PlasticityEquation, Scope, parse
from neurosim.equations.quantities import Quantity, quantity
from neurosim.equations.scanning import name_error, names_in
from neurosim.equations.separable import Term, separate

__all__ = [
    "DEFAULT_MODULATORS", "FUNCTIONS", "PlasticityEquation", "Quantity", "Scope", "Term", "compile_expression", "name_error",
    "names_in", "parse", "quantity", "separate",
]  # fmt: skip
