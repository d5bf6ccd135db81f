"""The language of neuron equations: Brian2's, read through a white list before Brian2 sees it.

``dv/dt = (drive - v) / tau : 1 (unless refractory)`` is a differential equation, ``I = g * (E - v) : amp`` a subexpression, and
``drive : amp`` a parameter, one a line.  Threshold and refractory are conditions or quantities, the reset is a list of assignments.
Brian2's own parser runs code that is hidden in a call's quoted argument, and the text may come from a stranger's file.  So here the
text is read token by token and node by node, against fixed lists of functions and units, and Brian2 is handed what was read.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from neurosim.circuit.expressions import COMPARISONS, FUNCTIONS, OPERATIONS, names
from neurosim.equations.scanning import name_error, tree_of
from neurosim.equations.units import UNITS, of_tree
from neurosim.errors import EquationError, UnknownNameError, quoted

DRIVE = "drive"  # the summed input of a tick; a parameter that may be left undeclared
CALLED = frozenset({*FUNCTIONS, "int"} - {"timestep"})
OPERATORS = {*OPERATIONS, *COMPARISONS, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or}
NUMBERS = {"pi": math.pi, "e": math.e}
TAKEN = frozenset(
    {"t", "dt", "xi", "i", "j", "N", "lastspike", "not_refractory", "since_spike", "spike", "slope", "rate", "error", "activation"}
    | {"normalised", "int", "timestep", "rand", "randn", "poisson", "binomial", "inf", "nan", *CALLED, *NUMBERS, *UNITS}
)
WHY_NOT = {
    "t": "the time: expected equations that are the same at all times; give what changes as input",
    "xi": "noise: expected none; give the population noise",
    "rand": "random numbers: expected none; give the population noise",
    "randn": "random numbers: expected none; give the population noise",
}
MOST_LINES = 100
LINE = re.compile(
    r"(?:d(?P<state>[A-Za-z]\w*)\s*/\s*dt\s*=(?P<change>[^=:][^:]*)|(?P<name>[A-Za-z]\w*)\s*(?:=(?P<value>[^=:][^:]*))?)"
    r":(?P<unit>[^:]*?)(?:\((?P<flags>[a-z][a-z ,]*)\))?\s*",
    re.DOTALL,
)
RESET = re.compile(r"\s*(?P<name>[A-Za-z]\w*)\s*(?P<operator>[-+*/]?=)(?P<value>[^=].*)", re.DOTALL)
FLAGS = {"differential": ("unless refractory",), "subexpression": (), "parameter": ("constant",)}


@dataclass(frozen=True)
class Line:
    """One equation.

    kind : ``differential``, ``subexpression`` or ``parameter``; tree : its right side, None of a parameter
    unit : its text; flags : such as ``unless refractory``
    """

    kind: str
    name: str
    tree: ast.expr | None
    unit: str
    flags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The equation as Brian2 is handed it: what was read, and nothing else."""
        left = {"differential": f"d{self.name}/dt = ", "subexpression": f"{self.name} = ", "parameter": self.name}[self.kind]
        right = "" if self.tree is None else ast.unparse(self.tree)
        flags = f" ({', '.join(self.flags)})" if self.flags else ""
        return f"{left}{right} : {self.unit}{flags}"


@dataclass(frozen=True)
class NeuronText:
    """What was read of neurons: checked, and not yet understood.

    lines : the equations, the drive's among them; threshold, refractory : None where there is none
    reset : (name, operator, right side) of each assignment
    """

    lines: tuple[Line, ...]
    threshold: ast.expr | None
    reset: tuple[tuple[str, str, ast.expr], ...]
    refractory: ast.expr | None

    @property
    def states(self) -> tuple[str, ...]:
        """What lasts from tick to tick: variables with a differential equation, and parameters but for the drive."""
        return tuple(line.name for line in self.lines if line.kind != "subexpression" and line.name != DRIVE)

    @property
    def has_drive(self) -> bool:
        """Whether the equations name the drive."""
        return any(line.name == DRIVE for line in self.lines)


def read(equations: object, threshold: object, reset: object, refractory: object, constants: Collection[str]) -> NeuronText:
    """Read the text of neurons; ``constants`` are the names of what they are given beside.

    Raises
    ------
    EquationError
        Something in it has no place in neuron equations, a name stands for nothing or for two things, or a constant is not used.
    """
    lines = list(_lines(equations))
    parts = [line.tree for line in lines if line.tree is not None]
    condition = None if threshold is None else _part("threshold", threshold)
    pause = None if refractory is None else _part("refractory", refractory)
    changes = () if reset is None else tuple(_reset(reset))
    parts += [part for part in (condition, pause) if part is not None] + [tree for _, _, tree in changes]
    used = {name for part in parts for name in names(part)}
    if DRIVE in used and all(line.name != DRIVE for line in lines):
        lines.append(Line("parameter", DRIVE, None, "1"))
    _check_names(lines, constants, used)
    found = NeuronText(tuple(lines), condition, changes, pause)
    if not any(line.kind == "differential" for line in lines):
        such = "'dv/dt = (drive - v) / tau : 1'"
        raise EquationError(f"equations: none is a differential equation: expected one such as {such}; add it")
    if changes and condition is None:
        raise EquationError("reset: there is no threshold: expected both or none; give one such as threshold='v > 1'")
    for name, _, _ in changes:
        if name not in found.states:
            raise UnknownNameError("reset: variable", name, found.states)
    return found


def _lines(equations: object) -> Iterator[Line]:
    if not isinstance(equations, str) or not equations.strip():
        raise EquationError(f"equations {quoted(equations)}: expected text such as 'dv/dt = (drive - v) / tau : 1'")
    waiting: list[str] = []
    rows = [row.partition("#")[0] for row in equations.splitlines()]
    if len(rows) > MOST_LINES:
        raise EquationError(f"equations: {len(rows):,} lines: expected at most {MOST_LINES}; write fewer")
    for row in rows:
        waiting.append(row)  # a formula may go on in the next line; its unit ends it
        if ":" in row:
            yield _line(" ".join(waiting).strip())
            waiting = []
    if rest := " ".join(waiting).strip():
        raise EquationError(f"equation {quoted(rest)}: its unit is missing: expected it behind a colon; write {rest[:20]} : 1")


def _line(text: str) -> Line:
    match = LINE.fullmatch(text)
    if match is None:
        expected = "'dv/dt = formula : unit', 'I = formula : unit' or 'I : unit'"
        raise EquationError(f"equation {quoted(text)}: expected the form {expected}; correct it")
    kind = "differential" if match["state"] else "parameter" if match["value"] is None else "subexpression"
    name, formula = match["state"] or match["name"], match["change"] or match["value"]
    label = f"equation {quoted(text)}"
    if wrong := _name_error(name):
        raise EquationError(f"{label}: {wrong}")
    flags = tuple(flag.strip() for flag in (match["flags"] or "").split(",") if flag.strip())
    for flag in flags:
        if flag not in FLAGS[kind]:
            known = " or ".join(map(repr, FLAGS[kind])) or "none"
            raise EquationError(f"{label}: flag {quoted(flag)} has no place in a {kind} of neurons: expected {known}; leave it out")
    unit = _part("unit", match["unit"].strip(), label)
    try:
        of_tree(unit, UNITS)
    except (EquationError, ArithmeticError) as cause:
        raise EquationError(f"{label}: unit: {cause}") from cause
    tree = None if formula is None else _part("", formula, label)
    return Line(kind, name, tree, ast.unparse(unit), flags)


def _name_error(name: str) -> str:
    """Return why a variable or a constant cannot have this name; empty where it can."""
    if name in TAKEN:
        return f"name {quoted(name)} has a meaning of its own: expected another name; rename it"
    if name.startswith("_") or name.endswith(("_pre", "_post")):
        return f"name {quoted(name)}: expected one that does not begin with _ or end in _pre or _post; rename it"
    return name_error(name)


def _reset(reset: object) -> Iterator[tuple[str, str, ast.expr]]:
    if not isinstance(reset, str):
        raise EquationError(f"reset {quoted(reset)}: expected text such as 'v = v_reset'")
    rows = [part for row in reset.splitlines() for part in row.partition("#")[0].split(";") if part.strip()]
    if not 0 < len(rows) <= MOST_LINES:
        raise EquationError(f"reset {quoted(reset)}: expected 1 to {MOST_LINES} assignments such as 'v = v_reset'; change it")
    for row in rows:
        match = RESET.fullmatch(row)
        if match is None:
            raise EquationError(f"reset {quoted(row)}: expected an assignment such as 'v = v_reset' or 'v -= 1'; correct it")
        yield match["name"], match["operator"], _part(f"reset {quoted(row)}", match["value"])


def _part(what: str, text: object, label: str = "") -> ast.expr:
    """Return the syntax tree of a formula, all of whose nodes are on the white list."""
    where = f"{label}: {what}".strip(": ") if label else f"{what} {quoted(text)}" if what in ("threshold", "refractory") else what
    if not isinstance(text, str):
        raise EquationError(f"{where}: expected text; put it into quotes")
    try:
        tree = tree_of(text)
        _check_nodes(tree)
    except EquationError as cause:
        raise EquationError(f"{where}: {cause}") from cause
    return tree


def _check_nodes(tree: ast.expr) -> None:
    """Raise EquationError for anything but numbers, names, arithmetic, comparisons, logic, and calls of known functions."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=_, keywords=[]):
                if name in WHY_NOT:
                    raise EquationError(f"{name!r} stands for {WHY_NOT[name]}")
                if name not in CALLED:
                    raise UnknownNameError("function", name, CALLED)
            case ast.Compare(ops=ops) if len(ops) != 1:
                raise EquationError("two comparisons in one: expected one at a time; join them with 'and'")
            case ast.Constant(value=bool() | int() | float()):
                pass
            case ast.Name() | ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.Compare() | ast.expr_context():
                pass
            case ast.operator() | ast.unaryop() | ast.boolop() | ast.cmpop() if type(node) in OPERATORS:
                pass
            case ast.operator() | ast.unaryop() | ast.boolop() | ast.cmpop():
                raise EquationError(f"operator {type(node).__name__} has no place in an equation: expected arithmetic; change it")
            case _:
                source = getattr(node, "source", type(node).__name__)
                raise EquationError(f"{quoted(source)} has no place in an equation: expected numbers, names, arithmetic and calls")


def _check_names(lines: list[Line], constants: Collection[str], used: Collection[str]) -> None:
    own = [line.name for line in lines]
    for name in own:
        if own.count(name) > 1:
            raise EquationError(f"equations: {name!r} is there twice: expected one equation of each variable; leave one out")
    if any(line.name == DRIVE and line.kind != "parameter" for line in lines):
        raise EquationError("equations: 'drive' is what neurons are given: expected it as a parameter, 'drive : amp'; rename yours")
    for name in constants:
        if wrong := _name_error(name):
            raise EquationError(f"constant {wrong}")
        if name in own or name == DRIVE:
            raise EquationError(f"constant {name!r} is a variable of the equations: expected another name; rename it")
        if name not in used:
            raise EquationError(f"constant {name!r} does not occur in the equations: expected it there; leave it out")
    known = {*own, *constants, *UNITS, *NUMBERS}
    for name in sorted(used):
        if name not in known:
            if name in WHY_NOT:
                raise EquationError(f"equations: {name!r} stands for {WHY_NOT[name]}")
            listed = [*own, *constants]
            raise UnknownNameError("equations: variable", name, listed, "give a constant by keyword")


def substituted(lines: Mapping[str, Line], tree: ast.expr) -> ast.expr:
    """Return a formula with its subexpressions written out."""

    class Writing(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 the name it looks for
            line = lines.get(node.id)
            return self.visit(line.tree) if line is not None and line.kind == "subexpression" and line.tree is not None else node

    import copy

    written: ast.expr = Writing().visit(copy.deepcopy(tree))
    return written
