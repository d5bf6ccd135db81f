"""Values that are drawn, one for each neuron or synapse, written as in Brian2: ``-60*mV + 10*mV*rand()``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.equations.scanning import tree_of
from neurosim.equations.units import UNITS, Dimensions, Measure, of_tree
from neurosim.errors import EquationError, InputError, quoted, require

DRAWS = ("rand", "randn")  # uniform from 0 to 1; normal of mean 0 and standard deviation 1


def is_drawn(value: Any) -> bool:
    """Return whether ``value`` is text that draws."""
    return isinstance(value, str) and any(f"{name}(" in value for name in DRAWS)


def drawn(
    text: str, label: str, generator: np.random.Generator, size: int, names: Mapping[str, Measure] | None = None
) -> tuple[np.ndarray, Dimensions]:
    """Return (size,) values in SI units, and their dimensions.

    text : numbers, units, ``rand()``, ``randn()`` and ``+ - * / **``; each call draws anew, from left to right
    names : what the text may name beside units

    Raises InputError, whose line begins with ``label``, where the text is none, or a value is not finite.
    """
    known: dict[str, Measure] = {**UNITS, **(names or {})}
    said, taken = f"{label} {quoted(text)}", len(known)

    class Drawing(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:  # noqa: N802 the name it looks for
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in DRAWS or node.args:
                raise EquationError(f"{quoted(ast.unparse(node))}: expected rand() or randn(); change it")
            place = f"{name}(){' ' * (len(known) - taken)}"  # no name of the text's, and another for each call
            known[place] = Measure(generator.random(size) if name == "rand" else generator.standard_normal(size))
            return ast.Name(place)

    try:
        with np.errstate(all="ignore"):
            found = of_tree(Drawing().visit(tree_of(text)), known)
    except EquationError as cause:
        raise InputError(f"{said}: {cause}") from cause
    except (ArithmeticError, ValueError) as cause:
        raise InputError(f"{said}: no finite number: expected one such as '-60*mV + 10*mV*rand()'; change it") from cause
    values = np.array(np.broadcast_to(np.asarray(found.value, float), (size,)))
    require(bool(np.isfinite(values).all()), f"{said}: not finite everywhere: expected finite numbers; change it")
    require(np.ndim(found.dimensions) == 1, f"{said}: an exponent is drawn: expected one that is the same for all; change it")
    return values, found.dimensions
