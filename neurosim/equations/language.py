"""The language of plasticity equations: names, where they may come from, and Brian2's parser.

``dw = eta * error_post * rate_pre``: the left side names what changes, the right side is Brian2's expression syntax.
``x_pre`` and ``x_post`` are variables of the two populations, ``w`` is the synapse's own weight, every other name is a
constant given by keyword.  Nothing else resolves, so a rule that parses is local.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from neurosim.errors import EquationError

UNAVAILABLE = frozenset({"exprel", "poisson", "rand", "randn", "timestep"})  # of Brian2's: random, or not in NumPy

FORM = re.compile(r"\s*d(?P<target>[A-Za-z]\w*)\s*=\s*(?P<expression>[^=].*)", re.DOTALL)


@dataclass(frozen=True)
class PlasticityEquation:
    """A parsed equation ``d<target> = expression`` with its constants filled in.

    pre, post : the population variables it reads, without their suffix.
    own : the target's name where the expression reads the synapse's own value (``{"w"}`` or empty).
    """

    text: str
    target: str
    expression: sympy.Expr
    pre: frozenset[str]
    post: frozenset[str]
    own: frozenset[str]


def parse(text: str, constants: Mapping[str, float] | None = None) -> PlasticityEquation:
    """Parse ``text``, with ``constants`` for its bare names.

    Raises
    ------
    EquationError
        The form is not ``dx = expression``, the syntax is not Brian2's, a name resolves to nothing local, or a constant is
        given that the equation does not use.
    """
    constants = dict(constants or {})
    match = FORM.fullmatch(text)
    if match is None:
        raise EquationError(f"equation {text!r}: expected the form 'dw = expression', such as 'dw = eta * error_post * rate_pre'")
    target, expression = match["target"], _to_sympy(text, match["expression"].strip())
    names = {symbol.name for symbol in expression.free_symbols}
    pre = {name for name in names if name.endswith("_pre")}
    post = {name for name in names if name.endswith("_post")}
    bare = names - pre - post
    _check_bare_names(text, target, bare, constants)
    values = {symbol: sympy.Float(constants[symbol.name]) for symbol in expression.free_symbols if symbol.name in constants}
    return PlasticityEquation(
        text=text,
        target=target,
        expression=expression.subs(values),
        pre=frozenset(name.removesuffix("_pre") for name in pre),
        post=frozenset(name.removesuffix("_post") for name in post),
        own=frozenset(bare & {target}),
    )


def _to_sympy(text: str, expression: str) -> Any:
    """Return ``expression`` as sympy reads it through Brian2's parser."""
    hook = sys.excepthook
    from brian2.parsing.sympytools import str_to_sympy  # imported here: it takes a second that `neurosim --help` need not pay

    sys.excepthook = hook  # Brian2's asks for a bug report about every uncaught error, the user's own included
    try:
        found = str_to_sympy(expression)
    except Exception as cause:  # the parser raises SyntaxError, ValueError, KeyError or NotImplementedError, by the mistake
        reason = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        raise EquationError(f"equation {text!r}: {reason}; expected Brian2's expression syntax") from cause
    if not isinstance(found, sympy.Expr):  # ``True``, or a comparison
        raise EquationError(f"equation {text!r}: {found} is true or false: expected a number; wrap it in int(...)")
    for function in sorted(UNAVAILABLE & {called.func.__name__ for called in found.atoms(sympy.Function)}):
        raise EquationError(f"equation {text!r}: function {function!r} is not available in a rule; use others")
    if found.has(sympy.zoo, sympy.oo, -sympy.oo, sympy.nan):
        raise EquationError(f"equation {text!r}: comes to {found}: expected finite numbers; look for a division by zero")
    return found


def _check_bare_names(text: str, target: str, bare: set[str], constants: Mapping[str, float]) -> None:
    unresolved = sorted(bare - {target} - constants.keys())
    if unresolved:
        known = ", ".join([target, *sorted(constants)])
        raise EquationError(
            f"equation {text!r}: name {unresolved[0]!r} is not local to the synapse: expected one of {known}, a variable of "
            f"either population (rate_pre, rate_post, ...), or a constant given by keyword; pass {unresolved[0]}=<number>"
        )
    unused = sorted(constants.keys() - bare)
    if unused:
        raise EquationError(f"equation {text!r}: constant {unused[0]!r} does not occur in it; leave it out or name it there")
