"""Sphinx configuration: Markdown pages, and what is collected from the package while the site is built."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extension")]  # the package beside this folder, not one installed elsewhere

project = "neurosim"
author = "The neurosim authors"
copyright = "The neurosim authors"  # noqa: A001 Sphinx reads this name

extensions = ["myst_parser", "sphinx.ext.autodoc", "collected", "sphinx_gallery.gen_gallery"]
myst_enable_extensions = ["amsmath", "dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "gallery"]

sphinx_gallery_conf = {
    "examples_dirs": "gallery",  # the scripts
    "gallery_dirs": "examples",  # their pages, written while the site is built; a script that has not changed is not run again
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "reset_modules": ("matplotlib", "figures.reset"),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,  # no times: they would differ from build to build
    "write_computation_times": False,
    "thumbnail_size": (640, 400),
}

html_theme = "furo"
html_title = "neurosim"
html_static_path = ["_static"]
html_css_files = ["neurosim.css"]
html_math_renderer = "mathml"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # what a contract says is said once, in the contract
maximum_signature_line_length = 100
highlight_language = "none"
smartquotes = False  # --out is not a dash
