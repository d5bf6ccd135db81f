"""Formulas as MathML, made while the site is built: a page needs no script and no network to show them."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

log = logging.getLogger(__name__)

BARS = re.compile(r"<mo([^>]*)>([|‖])</mo>")  # left to themselves they stretch on one side only


def visit(translator: Any, node: nodes.Element) -> None:
    """Write one formula; what docutils cannot read is a warning, and so an error of the build."""
    block = isinstance(node, nodes.math_block)
    tex = node.astext().strip()
    if block and ("&" in tex or r"\\" in tex):
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    try:
        formula = BARS.sub(r'<mo\1 stretchy="false">\2</mo>', tex2mathml(tex, as_block=block))
    except Exception as error:  # docutils raises its own MathError, SyntaxError or ValueError, by the mistake
        log.warning("formula %r: %s", tex, error, location=node)
        formula = translator.encode(tex)
    translator.body.append(f'<div class="math">{formula}</div>' if block else f'<span class="math">{formula}</span>')
    raise nodes.SkipNode
