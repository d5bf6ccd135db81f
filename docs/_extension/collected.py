"""What the site says about the package, collected from the package: tables of schemes, of model files, of commands, and the API.

A fact is written once, beside the code it is about.  Directives (all take Markdown's place in a page):

    {citations}               which publication to cite for which scheme
    {software-bibtex}         how to cite the package, from CITATION.cff
    {claims-table}            every scheme in every variant, and what it claims to need
    {scheme-facts} NAME       name, class, citation
    {scheme-claims} NAME      the claims of one scheme, variant by variant
    {scheme-options} NAME     options, defaults and what the class says of them
    {model-table} [SCHEME]    model files: the paper's number, and what was measured
    {model-keys} [simulation] the tables and keys of a model file
    {simulation-table}        model files with a simulation, and what was measured
    {named-classes} KIND      transfers, neurons, encoders, tasks, updates, rules, initialisers or data
                              (sets), by the name a model file uses
    {command-table}           the command line
    {benchmark-table} KIND    the latest numbers of a benchmark: steps, papers, recording/cost, ...
"""

from __future__ import annotations

import docstrings
import mathml
import pages
import tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Collected(SphinxDirective):
    """A directive whose content is Markdown that a function returns."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        content = tables.COLLECTED[self.name](*self.arguments)
        self.env.note_reread()  # the package may have changed though the page has not
        parsed = self.parse_text_to_nodes(content, allow_section_headings=True)
        return [nodes.container("", *parsed, classes=["collected"])] if not content.startswith("#") else parsed


def setup(app: Sphinx) -> dict[str, bool]:
    """Register directives, formulas, the API pages and the docstrings' markup."""
    for name in tables.COLLECTED:
        app.add_directive(name, Collected)
    app.add_html_math_renderer("mathml", inline_renderers=(mathml.visit, None), block_renderers=(mathml.visit, None))
    app.connect("builder-inited", pages.write)
    app.connect("autodoc-process-docstring", docstrings.process)
    return {"parallel_read_safe": True}
