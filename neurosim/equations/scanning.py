"""From an equation's text to Python's syntax tree, through a list of what may be written at all.

Only numbers, names, operators and parentheses come through, so that what Python's parser is given is short, shallow, and free of
quotes, brackets, dots and the like.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import unicodedata
from collections.abc import Iterator

from neurosim.errors import EquationError, quoted, require

LONGEST = 1000  # characters of an equation
DEEPEST = 50  # parentheses, signs, calls or powers within one another

FORM = re.compile(r"\s*d(?P<target>[A-Za-z]\w*?)(?P<in_time>\s*/\s*dt)?\s*=\s*(?P<expression>[^=].*)", re.DOTALL)
TOKEN = re.compile(
    r"(?P<blank>\s+|\#[^\n]*)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|[-+*/%(),<>])"
)
WORDS = frozenset({"and", "or", "not", "True", "False"})  # of Python's, those that have a place in an equation
INSTEAD = {"^": "write ** for a power", "&": "write 'and'", "|": "write 'or'", "=": "write == to compare"}


def split(text: object) -> tuple[str, bool, str]:
    """Return of ``d<target> = expression`` the target, whether ``/dt`` stands behind it, and the right side."""
    require(isinstance(text, str), "expected text such as 'dw = eta * error_post * rate_pre'", EquationError)
    assert isinstance(text, str)
    length = f"is {len(text):,} characters long: expected at most {LONGEST:,}; write it shorter, or as a class derived from Rule"
    require(len(text) <= LONGEST, length, EquationError)
    match = FORM.fullmatch(text)
    if match is None:
        raise EquationError("expected the form 'dw = expression', such as 'dw = eta * error_post * rate_pre'")
    return match["target"], match["in_time"] is not None, match["expression"]


def tree_of(expression: str) -> ast.expr:
    """Return the syntax tree of a right side; every node has the text it was made of as its attribute ``source``.

    Raises
    ------
    EquationError
        A character or a word has no place in an equation, parentheses are nested too deeply, or the syntax is wrong.
    """
    tokens = list(_tokens(expression))
    depth = deepest = 0
    for _, token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        deepest = max(deepest, depth)
    require(deepest <= DEEPEST, too_deep(), EquationError)
    line = "".join(" " if kind == "blank" else token for kind, token in tokens).strip()  # no line ends, no comments
    try:
        tree = ast.parse(line, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError) as cause:
        reason = getattr(cause, "msg", None) or too_deep()
        said = reason if reason.startswith("invalid syntax") else f"invalid syntax ({reason})"
        raise EquationError(f"{said}: expected a formula such as 'eta * error_post * rate_pre'; correct it") from cause
    encoded = line.encode()
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.source = encoded[node.col_offset : node.end_col_offset].decode()  # type: ignore[attr-defined]
    return tree


def too_deep() -> str:
    """Return what is said of an equation that is nested too deeply."""
    return f"is nested more than {DEEPEST} deep: expected less; write it with fewer parentheses, signs, calls or powers"


def names_in(text: str) -> set[str]:
    """Return every name in an equation's right side, functions too; of what cannot be read, none."""
    try:
        return {token for kind, token in _tokens(split(text)[2]) if kind == "name"}
    except EquationError:
        return set()


def name_error(name: str) -> str:
    """Return why ``name`` cannot stand for anything in an equation; empty where it can."""
    if keyword.iskeyword(name):
        return f"{name!r} is a word of Python's own: expected another name; rename it"
    composed = unicodedata.normalize("NFKC", name)
    if composed != name:
        return f"name {quoted(name)} holds look-alikes of other characters: expected {quoted(composed)}; write it so"
    return "" if name.isidentifier() else f"{quoted(name)} is no name: expected letters, digits and underscores; rename it"


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of every token."""
    position, before = 0, ""
    while position < len(expression):
        match = TOKEN.match(expression, position)
        if match is None:
            character = expression[position]
            hint = INSTEAD.get(character, "leave it out")
            raise EquationError(f"invalid syntax: {character!r} has no place in an equation: expected numbers, names, "
                                f"arithmetic, comparisons and calls; {hint}")  # fmt: skip
        kind, token = str(match.lastgroup), match[0]
        position = match.end()
        if kind == "name" and token not in WORDS and (wrong := name_error(token)):
            raise EquationError(wrong)
        if kind == "number":
            _check_range(token)
        if kind == "name" and before == "number":  # Python would read 0x10, 1_000 and 2j as numbers of another kind
            raise EquationError(f"invalid syntax: expected an operator before {quoted(token)}; write 2 * rate_pre")
        before = kind
        yield kind, token


def _check_range(number: str) -> None:
    """Raise EquationError for a number that is infinite, or zero, only because floating point ends before it."""
    value, digits = float(number), re.split("[eE]", number)[0]
    lost = not math.isfinite(value) or value == 0 and bool(digits.strip("0."))
    if lost:
        raise EquationError(f"number {quoted(number)[1:-1]} is no finite number as floating point: expected 1e-300 to 1e300")
