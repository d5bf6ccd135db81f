"""A matplotlib figure as SVG that is part of a page: its colours follow the page's, its text is text, nothing is fetched."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from neurosim.analysis.palette import COLOURS

TEXT, FAINT = "#111111", "#8c8c8c"
PAGE = {TEXT: "currentColor", FAINT: "var(--faint)"} | {drawn: f"var({name})" for drawn, name in COLOURS.items()}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "neurosim",
    "text.parse_math": False,  # names come from files
    "axes.formatter.use_mathtext": False,
    "path.simplify": False,
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}
LONG = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"#([\w-]+)")
SPACE = "{http://www.w3.org/2000/svg}"
PICTURE = "data:image/png;base64,"  # that matplotlib made
LINK = "{http://www.w3.org/1999/xlink}href"


def inline(figure: Figure, label: str) -> Markup:
    """Return ``figure`` as an ``<svg>`` element that says ``label`` to those who do not see it."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's own fonts draw the text
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    _drop(root, ("metadata", "style"))
    own = hashlib.sha256((label + buffer.getvalue()).encode()).hexdigest()[:8]
    for element in root.iter():
        element.tag = element.tag.removeprefix(SPACE)
        for key, value in list(element.attrib.items()):
            _rewrite(element, key, value, own)
    _keep_ids_in_use(root)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # the serialiser has escaped texts and attributes


def _drop(root: ElementTree.Element, tags: tuple[str, ...]) -> None:
    """Take out what a page does not need: matplotlib's style would apply to all of it."""
    for parent in root.iter():
        for child in [child for child in parent if child.tag in [SPACE + tag for tag in tags]]:
            parent.remove(child)


def _rewrite(element: ElementTree.Element, key: str, value: str, own: str) -> None:
    """Shorten numbers, hand colours and fonts to the page, and make names unique on it."""
    if key == "id":
        element.set(key, f"{own}-{value}")
    elif key == LINK:
        del element.attrib[key]
        element.set("href", value if value.startswith(PICTURE) else f"#{own}-{value[1:]}")
    elif key == "style":
        element.set(key, _style(value))
    elif key == "clip-path":
        element.set(key, value.replace("#", f"#{own}-"))
    elif key != "aria-label":
        element.set(key, LONG.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value))


def _style(value: str) -> str:
    value = re.sub(r"font: (?:[\w ]*? )?([\d.]+px)[^;]*", r"font-size: \1", value)  # which of the two depends on matplotlib
    value = re.sub(r"font-family: [^;]*;? ?", "", value)
    for drawn, said in PAGE.items():
        value = value.replace(drawn, said)
    return value


def _keep_ids_in_use(root: ElementTree.Element) -> None:
    values = [value for element in root.iter() for key, value in element.attrib.items() if key in ("href", "clip-path")]
    used = {name for value in values for name in REFERENCE.findall(value)}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
