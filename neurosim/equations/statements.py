"""What Brian2's code generator gives, as assignments of a circuit."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurosim.circuit import Assignment

KINDS = {"b": "bool", "f": "float", "i": "int", "u": "int"}


def assignments(statements: Iterable[Any], guards: Mapping[str, str]) -> tuple[Assignment, ...]:
    """Return Brian2's ``statements`` as assignments, in their order.

    guards : name -> the truth value without which nothing is assigned to it
    """
    return tuple(
        Assignment(
            target=one.var,
            operator="=" if one.op == ":=" else one.op,
            value=_tree(one),
            local=one.op == ":=",
            kind=KINDS[np.dtype(one.dtype).kind],
            guard=guards.get(one.var),
        )
        for one in statements
    )


def _tree(statement: Any) -> ast.expr:
    """Return a statement's expression; where it depends on one truth value, the two that Brian2's NumPy target chooses between."""

    def parsed(text: str) -> ast.expr:
        return ast.parse(text, mode="eval").body

    names: Any = statement.used_boolean_variables or ()
    if len(names) != 1 or np.dtype(statement.dtype).kind != "f" or statement.complexity_std <= sum(statement.complexities.values()):
        return parsed(statement.expr)
    either = {bool(given[0][1]): parsed(text) for given, text in statement.boolean_simplified_expressions.items()}
    return ast.IfExp(ast.Name(names[0]), either[True], either[False])
