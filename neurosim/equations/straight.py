"""Code without branches, in which every name is assigned once: what it makes of arrays, and how errors go back through it."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from neurosim.circuit import Assignment
from neurosim.circuit.expressions import Computed, compiled, names
from neurosim.equations.derivatives import ONE, derivative

OPERATORS: dict[str, ast.operator] = {"+=": ast.Add(), "-=": ast.Sub(), "*=": ast.Mult(), "/=": ast.Div()}


@dataclass(frozen=True)
class Straight:
    """Assignments, one after the other.

    name : of what it is the code, for messages
    steps : (name, formula), each name once
    after : variable -> the name of its last value
    moving : the names that errors go back to: variables, and what is assigned; the others are constants
    """

    name: str
    steps: tuple[tuple[str, ast.expr], ...]
    after: Mapping[str, str]
    moving: frozenset[str]

    @staticmethod
    def of(name: str, assignments: Iterable[Assignment], variables: Collection[str]) -> Straight:
        """Return the code of ``assignments``; ``variables`` are what they read that is no constant."""
        last: dict[str, str] = {}
        steps: list[tuple[str, ast.expr]] = []
        for one in assignments:
            before = ast.Name(last.get(one.target, one.target))
            value = _renamed(one.value, last)
            if one.operator != "=":
                value = ast.BinOp(before, OPERATORS[one.operator], value)
            if one.guard is not None:
                value = ast.IfExp(ast.Name(last.get(one.guard, one.guard)), value, before)
            last[one.target] = f"{one.target}'{len(steps)}"
            steps.append((last[one.target], value))
        return Straight(name, tuple(steps), last, frozenset(variables) | {target for target, _ in steps})

    def run(self, values: Mapping[str, Any], number: Any) -> dict[str, Any]:
        """Return ``values`` with those of all names that are assigned."""
        found = dict(values)
        for name, computed in self._computed:
            found[name] = computed(found, number)
        return found

    def last(self, variable: str, values: Mapping[str, Any]) -> Any:
        """Return a variable's value after the code, of what ``run`` returned."""
        return values[self.after.get(variable, variable)]

    def errors_back(self, values: Mapping[str, Any], errors: Mapping[str, Any], number: Any) -> dict[str, Any]:
        """Return the error on each variable before the code, given those after it: the chain rule, backwards.

        values : what ``run`` returned; errors : variable -> error, those that have none left out
        """
        on = {self.after.get(variable, variable): error for variable, error in errors.items()}
        for (name, _), parts in zip(reversed(self.steps), reversed(self._slopes), strict=True):
            error = on.pop(name, None)
            if error is None:
                continue
            for read, slope in parts:
                part = error if slope is None else error * slope(values, number)
                on[read] = on[read] + part if read in on else part
        return on

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process makes it again from: what was compiled stays here."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @functools.cached_property
    def _computed(self) -> list[tuple[str, Computed]]:
        return [(name, compiled(tree, self.name)) for name, tree in self.steps]

    @functools.cached_property
    def _slopes(self) -> list[list[tuple[str, Computed | None]]]:
        """Return of each step its derivatives with respect to the names that it reads, None for 1; those that are 0 left out."""
        found: list[list[tuple[str, Computed | None]]] = []
        for _, tree in self.steps:
            slopes = ((name, derivative(tree, name)) for name in sorted(names(tree) & self.moving))
            made = [(name, slope) for name, slope in slopes if slope is not None]
            found.append([(name, None if slope is ONE else compiled(slope, self.name)) for name, slope in made])
        return found


def _renamed(tree: ast.expr, last: Mapping[str, str]) -> ast.expr:
    tree = copy.deepcopy(tree)
    called = {id(part.func) for part in ast.walk(tree) if isinstance(part, ast.Call)}
    for part in ast.walk(tree):
        if isinstance(part, ast.Name) and id(part) not in called:
            part.id = last.get(part.id, part.id)
    return tree
