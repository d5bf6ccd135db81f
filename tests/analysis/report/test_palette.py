"""Colours that all eyes tell apart on either page, and styles that are never given twice."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from neurosim.analysis.pages import TEMPLATES
from neurosim.analysis.palette import COLOURS, LINES, MARKERS, Style, reference_style, style_of

EYES = {  # linear RGB as seen by those who lack one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1
    "all cones": np.eye(3),
    "no L cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no M cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no S cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])
WHITE = XYZ.sum(1)


def linear(colour):
    """Linear RGB of ``#rrggbb`` or ``#rgb``."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = np.array([int(digits[k : k + 2], 16) for k in (0, 2, 4)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB."""
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(rgb, 0, 1) / WHITE, 0.008856))  # what is darker is not told apart
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one, other):
    """By the Web Content Accessibility Guidelines."""
    dark, light = sorted(XYZ[1] @ linear(colour) + 0.05 for colour in (one, other))
    return light / dark


def of_page(dark):
    """The variables of the style sheet, as a light or a dark page has them."""
    blocks = re.findall(r":root \{(.*?)\}", (TEMPLATES / "page.css").read_text(), re.DOTALL)
    assert len(blocks) == 2
    return dict(re.findall(r"(--\w+): (#\w+);", blocks[dark]))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("eyes", EYES)
def test_all_eyes_tell_all_colours_apart(eyes, dark):
    seen = [lab(np.array(EYES[eyes]) @ linear(of_page(dark)[name])) for name in COLOURS.values()]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 15


@pytest.mark.parametrize("dark", [False, True])
def test_lines_stand_out_from_the_page(dark):
    found = of_page(dark)
    assert min(contrast(found[name], found["--page"]) for name in COLOURS.values()) > 2.9
    assert min(contrast(found[name], found["--page"]) for name in ("--text", "--quiet", "--link")) > 4.5


def test_a_light_page_has_the_colours_that_are_drawn():
    assert {name: of_page(False)[name] for name in COLOURS.values()} == {name: colour for colour, name in COLOURS.items()}


def test_no_style_is_given_twice_and_back_propagation_alone_is_grey_and_dashed():
    styles = [style_of(number) for number in range(40)]
    assert len(set(styles)) == len({(style.colour, style.marker) for style in styles}) == 40
    assert len({style.colour for style in styles[:8]}) == len({style.marker for style in styles[:8]}) == 8
    references = {reference_style(number) for number in range(8)}
    assert len(references) == 8 and not {(s.colour, s.line) for s in references} & {(s.colour, s.line) for s in styles}
    assert "--" not in {style.line for style in styles}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("marker", ["", *MARKERS])
def test_a_key_is_a_line_with_its_marker(line, marker):
    root = ElementTree.fromstring(str(Style("#1a873d", line, marker).key))
    assert len(root.findall("path")) == (2 if marker else 1) and root.get("aria-hidden") == "true"
    assert all("var(--green)" in path.get("style") for path in root)
