"""Neuron equations as array code, by Brian2's own machinery: units, integrators, and the order of operations."""

from __future__ import annotations

import ast
import functools
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.circuit.expressions import evaluate
from neurosim.equations.differential import NeuronText
from neurosim.equations.statements import assignments
from neurosim.equations.straight import Straight
from neurosim.equations.units import NONE, Measure
from neurosim.errors import EquationError, quoted, require

METHODS = ("exact", "exponential_euler", "euler", "rk2", "rk4", "heun")
BRIANS_CHOICE = ("exact", "euler", "heun")  # the first that fits, as NeuronGroup has it


@dataclass(frozen=True)
class NeuronCode:
    """What happens in a tick, in the order of Brian2's NumPy target.

    method : the integrator
    constants : name -> number of SI units
    once : what does not depend on neurons, computed when dt is known
    update, reset : of the variables; threshold : of ``_cond``
    guarded : variables that stand still while a neuron is refractory
    timed : whether refractoriness is a time after the last spike; None where there is none
    """

    method: str
    constants: Mapping[str, float]
    once: tuple[tuple[str, ast.expr], ...]
    update: Straight
    threshold: Straight | None
    reset: Straight | None
    guarded: tuple[str, ...]
    timed: bool | None

    def numbers(self, dt: float) -> dict[str, Any]:
        """Return all that does not depend on neurons, by name."""
        found: dict[str, Any] = {name: np.float64(value) for name, value in self.constants.items()}
        found |= {"dt": np.float64(dt)}
        for name, tree in self.once:
            found[name] = evaluate(tree, found, "constants")
        return found


def brian2() -> Any:
    """Import Brian2, without what its import does to the process beside: it takes over ctrl-C and the reporting of errors.

    Raises InputError where the working directory has a file of Brian2's preferences, whose text the import would run as Python.
    """
    if "brian2" in sys.modules:
        return sys.modules["brian2"]
    there = os.path.exists("brian_preferences")
    said = f"file 'brian_preferences' in {quoted(os.getcwd())}: importing Brian2 would run its text as Python"
    require(not there, f"{said}: expected a folder without one; move it, or import brian2 yourself before if you trust it")
    hook, take = sys.excepthook, signal.signal
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        if not main:  # Python takes a signal's handler from the main thread only
            signal.signal = lambda *_: None  # type: ignore[assignment, return-value]
        import brian2
    finally:
        signal.signal = take
        sys.excepthook = hook
        if main:
            signal.signal(signal.SIGINT, handler)
    return brian2


def as_quantity(one: Measure) -> Any:
    """Return Brian2's quantity of a measure; a plain number where it has no unit."""
    if one.dimensions == NONE:
        return one.value
    b2 = brian2()
    return b2.Quantity(one.value, dim=b2.get_or_create_dimension(one.dimensions))


def compile_neurons(text: NeuronText, constants: Mapping[str, Measure], method: str | None) -> NeuronCode:
    """Let Brian2 check units and integrate, and return what comes of it.

    method : the integrator; None lets Brian2 choose

    Raises
    ------
    EquationError
        Units do not match, or the equations cannot be integrated by ``method``.
    """
    given = tuple(sorted((name, one.value, one.dimensions) for name, one in constants.items()))
    lines = tuple(line.text for line in text.lines)
    condition, pause = (None if part is None else ast.unparse(part) for part in (text.threshold, text.refractory))
    reset = "\n".join(f"{name} {operator} {ast.unparse(tree)}" for name, operator, tree in text.reset) or None
    return _compiled(lines, condition, reset, pause, given, method)


@functools.lru_cache(maxsize=256)  # a network of many populations, and each of its copies, has the same few texts
def _compiled(
    lines: tuple[str, ...],
    threshold: str | None,
    reset: str | None,
    refractory: str | None,
    constants: tuple[tuple[str, float, tuple[float, ...]], ...],
    method: str | None,
) -> NeuronCode:
    b2 = brian2()
    from brian2.stateupdaters.base import UnsupportedEquationsException

    namespace = {name: b2.Quantity(value, dim=b2.get_or_create_dimension(dims)) for name, value, dims in constants}
    before = b2.prefs.codegen.target
    try:
        b2.prefs.codegen.target = "numpy"
        for one in BRIANS_CHOICE if method is None else (method,):
            group = _groups(b2)(
                1, "\n".join(lines), threshold=threshold, reset=reset, refractory=refractory or False, method=one,
                namespace=namespace, dtype=np.float64, dt=0.1 * b2.ms, name="neurons*",
            )  # fmt: skip
            try:
                b2.Network(group).run(0 * b2.second)
            except b2.BrianObjectException as cause:
                if method is None and isinstance(_root(cause), UnsupportedEquationsException) and one != BRIANS_CHOICE[-1]:
                    continue
                raise
            return _code_of(b2, group, one, refractory)
        raise AssertionError("one of the methods was tried")
    except Exception as cause:
        raise _told(b2, cause, method) from cause
    finally:
        b2.prefs.codegen.target = before


def _groups(b2: Any) -> Any:
    """Return Brian2's class of neurons, of which one may go without having run: it is made to be looked at."""
    return type("NeuronGroup", (b2.NeuronGroup,), {"__del__": lambda self: None})


def _root(cause: BaseException) -> BaseException:
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


def _told(b2: Any, cause: Exception, method: str | None) -> EquationError:
    """Return the one line that tells what Brian2 found."""
    from brian2.stateupdaters.base import UnsupportedEquationsException

    root = _root(cause)
    words = " ".join(str(root).split())
    if isinstance(root, UnsupportedEquationsException):
        linear = "equations that are linear" if method == "exact" else "others"
        why = f"method {method!r} cannot integrate them ({quoted(words)[1:-1]})"
        return EquationError(f"equations: {why}: expected {linear}; leave method out, or give 'euler' or 'exponential_euler'")
    if isinstance(root, b2.DimensionMismatchError) or "unit" in words:
        return EquationError(f"equations: units do not match ({quoted(words)[1:-1]}): expected the same; correct it")
    return EquationError(f"equations: Brian2 cannot take them ({quoted(words)[1:-1]}); correct them")


def _code_of(b2: Any, group: Any, method: str, refractory: str | None) -> NeuronCode:
    """Return the code of a group of neurons that Brian2 has checked."""
    timed = None if refractory is None else "timestep" in group.state_updater.abstract_code.partition("\n")[0]
    moving = group.equations.diff_eq_names | group.equations.parameter_names
    constants: dict[str, float] = {}
    once: list[tuple[str, ast.expr]] = []

    def code(name: str, one: Any, unguarded: tuple[str, ...] = ()) -> Straight:
        found, scalars, vectors = _statements(one, unguarded)
        constants.update(found)
        renamed = {target: f"{name}:{target}" for target, _ in scalars}  # each code numbers its own
        once.extend((renamed[target], _with_names(tree, renamed)) for target, tree in scalars)
        own = [_with_target(one, renamed) for one in vectors]
        return Straight.of(name, own, moving)

    update = code("update", group.state_updater)
    threshold = code("threshold", group.thresholder["spike"]) if "spike" in group.thresholder else None
    reset = code("reset", group.resetter["spike"], unguarded=("not_refractory",)) if "spike" in group.resetter else None
    guarded = tuple(name for name, one in group.variables.items() if getattr(one, "conditional_write", None) is not None)
    return NeuronCode(method, constants, tuple(once), update, threshold, reset, guarded, timed)


def _with_names(tree: ast.expr, renamed: Mapping[str, str]) -> ast.expr:
    for part in ast.walk(tree):
        if isinstance(part, ast.Name):
            part.id = renamed.get(part.id, part.id)
    return tree


def _with_target(one: Any, renamed: Mapping[str, str]) -> Any:
    _with_names(one.value, renamed)
    return one


def _statements(one: Any, unguarded: tuple[str, ...]) -> tuple[dict[str, float], list[tuple[str, ast.expr]], Any]:
    """Return constants, what is computed once, and the assignments of one of a group's objects."""
    from brian2.codegen.translation import analyse_identifiers, make_statements
    from brian2.core.variables import Constant

    one.update_abstract_code(run_namespace={})
    own = getattr(one, "variables", None)
    group = one.group
    _, known, unknown = analyse_identifiers(one.abstract_code, {**group.variables, **(own or {})}, recursive=True)
    used = sorted(known | unknown)
    variables = group.resolve_all(used, user_identifiers=set(), additional_variables=own, run_namespace={})
    guards: dict[str, str] = {}
    for name in used:
        guard = getattr(variables[name], "conditional_write", None)
        if guard is not None and guard.name not in unguarded:
            guards[name], variables[guard.name] = guard.name, guard
    once, each = make_statements(one.abstract_code, variables, np.float64, optimise=True, blockname=one.name)
    constants = {name: float(value.get_value()) for name, value in variables.items() if isinstance(value, Constant)}
    return constants, [(line.target, line.value) for line in assignments(once, {})], assignments(each, guards)


