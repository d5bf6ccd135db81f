"""Panels: what is drawn, and how it becomes part of a page."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from neurosim.analysis import plots
from neurosim.analysis.courses import Course, Curve, Raster
from neurosim.analysis.palette import COLOURS, reference_style, style_of
from neurosim.analysis.svg import PAGE


def made(values, seeds=3, spread=0.5):
    values = np.array(values, dtype=float)
    return Curve(np.arange(len(values), dtype=float), values, values - spread, values + spread, seeds)


def texts(svg):
    return [element.text for element in ElementTree.fromstring(str(svg)).iter("text")]


def paths(svg, what):
    """Return the elements whose style holds ``what``: lines are paths, bands are used ones."""
    return [element for element in ElementTree.fromstring(str(svg)).iter() if what in element.get("style", "")]


def learning(curve, reference=None, shared=None, **options):
    said = {"axis": "test error (%)", "label": "a curve"} | options
    return plots.learning(curve, style_of(0), reference and (reference, reference_style()), shared or [curve], **said)


def lines(svg, colour):
    return [path.get("style") for path in paths(svg, f"stroke: var(--{colour})") if "stroke-width: 1.2" in path.get("style")]


def test_learning_draws_line_band_and_a_dashed_reference():
    svg = learning(made([90, 20, 5]), made([90, 10, 3]), [made([90, 20, 5]), made([90, 10, 3])])
    assert {"epoch", "test error (%)", "1", "2", "50"} <= set(texts(svg))
    assert len(lines(svg, "blue")) == 1 and "dasharray" not in lines(svg, "blue")[0]
    assert len([p for p in paths(svg, "var(--blue)") if "opacity" in p.get("style")]) == 1
    assert len(lines(svg, "grey")) == 1 and "dasharray" in lines(svg, "grey")[0]


def marks(svg, colour):
    """Return how many markers of a colour a picture has."""
    return len([use for use in paths(svg, f"fill: var(--{colour})") if use.tag == "use" and "opacity" not in use.get("style")])


@pytest.mark.parametrize(("points", "expected"), [(1, 1), (4, 4), (10, 10), (41, 8), (1000, 10)])
def test_a_curve_has_some_markers_and_never_many(points, expected):
    assert marks(learning(made(np.linspace(90, 5, points))), "blue") in (expected, expected + 1)


def in_seconds(*ends):
    """A curve for each time at which one ends, five points each."""
    curves = [replace(made([9, 8, 7, 6, 5]), at=np.linspace(0, end, 5)) for end in ends]
    drawn = [(curve, style_of(k)) for k, curve in enumerate(curves)]
    return plots.together(drawn, clock="seconds of training", axis="test error (%)", label="all")


def test_all_schemes_are_in_one_panel_each_its_own_line_band_and_markers():
    svg = in_seconds(1.0, 2.0)
    assert {"seconds of training", "test error (%)", "0.0", "2.0"} <= set(texts(svg))
    assert [(len(lines(svg, colour)), marks(svg, colour)) for colour in ("blue", "ochre", "green")] == [(1, 5), (1, 5), (0, 0)]


def test_schemes_that_take_very_different_times_have_a_logarithmic_axis_without_its_start():
    svg = in_seconds(1.0, 20.0)
    assert {"0.5", "1", "10", "20"} <= set(texts(svg))
    assert [marks(svg, colour) for colour in ("blue", "ochre")] == [4, 4]


def test_one_seed_has_no_band():
    assert not paths(learning(made([90, 20, 5], seeds=1, spread=0)), "opacity")


@pytest.mark.parametrize("values", [[0, 0, 0], [5], [-3, 2, 1], [1e-9, 1e9], [90, 0]])
def test_any_values_have_a_scale(values):
    assert "<svg" in learning(made(values, seeds=1, spread=0))


def test_logarithmic_only_where_all_is_positive_and_spans_a_decade():
    assert plots.is_logarithmic([made([90, 2], spread=0.1)])
    assert not plots.is_logarithmic([made([90, 80])]) and not plots.is_logarithmic([made([90, 0], spread=0)])
    with np.errstate(all="raise"):
        assert plots.is_logarithmic([made([1e300, 1e-300], spread=0)])  # whose ratio is no float


def test_shared_scale_is_one_for_all_panels():
    shared = [made([90, 20, 5]), made([50, 40, 30])]
    assert plots.limits(shared)[0] < 4.5 and plots.limits(shared)[1] > 90.5
    ticks = [texts(learning(curve, None, shared)) for curve in shared]
    assert ticks[0] == ticks[1]


def test_alignment_names_each_line_by_where_it_leads():
    svg = plots.alignment({"x__a": made([80, 40]), "a__b": made([80, 41])}, "step", colour="#1a873d", top=120.0, label="angles")
    assert {"a", "b", "step", "angle (degrees)", "90"} <= set(texts(svg))
    assert sorted("dasharray" in line for line in lines(svg, "green")) == [False, False, True, True]  # curves, and beside names
    assert not [name for name in COLOURS.values() if name != "--green" and name in svg]


def test_projections_that_lead_to_one_population_keep_their_whole_names():
    assert plots.ends_of(["x__a", "b__a"]) == ["x__a", "b__a"]


def test_labels_keep_apart_and_in_order():
    assert plots.spread([0.5, 0.1, 0.5, 0.11], 0.1) == pytest.approx([0.5, 0.1, 0.6, 0.2])


def histograms(values, **options):
    course = Course(np.arange(len(values)), "epoch", values, "")
    return plots.histograms(course, plots.window([course]), colour="#096dd2", axis="hidden1.rate", label="histograms", **options)


def test_histograms_have_one_line_for_each_moment():
    svg = histograms([np.random.default_rng(k).normal(size=500) for k in range(4)])
    (lines,) = paths(svg, "stroke: var(--blue)")
    assert lines.get("d").count("M") == 4 and len(paths(svg, "fill: var(--blue)")) == 4
    assert {"hidden1.rate", "epoch", "3"} <= set(texts(svg))


def test_a_histogram_counts():
    outline = plots._outline(np.array([0.5, 1.5, 1.6, 3.5]), (0, 4), 2.0)
    assert outline[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    np.testing.assert_allclose(outline[:, 1], [2, 2.45, 2.45, 2.9, 2.9, 2, 2, 2.45, 2.45, 2])


def test_many_zeros_are_told_apart():
    rng = np.random.default_rng(0)
    assert "75% 0" in texts(histograms([np.concatenate([np.zeros(300), rng.random(100)])]))
    assert not [text for text in texts(histograms([rng.random(400)])) if "%" in text]


@pytest.mark.parametrize("values", [[np.zeros(5)], [np.ones(5)], [np.array([]), np.ones(3)], [np.array([-1e30, 1e30])]])
def test_histograms_of_odd_values(values):
    assert "<svg" in histograms(values)


def test_every_spike_is_a_tick():
    spikes = Raster(np.array([0.1, 0.2, 0.35]), np.array([0, 4, 2]), 5, 0, 0, 0)
    (line,) = paths(plots.raster(spikes, colour="#4e4e4e", label="spikes"), "stroke-width: 0.7")
    assert line.get("d").count("M") == 3


# ---------------------------------------------------------------------- part of a page


@pytest.fixture
def svg():
    return learning(made([90, 20, 5]), label='said "<b>" & more')


def test_a_picture_says_what_it_shows(svg):
    root = ElementTree.fromstring(str(svg))
    assert (root.tag, root.get("role"), root.get("aria-label")) == ("svg", "img", 'said "<b>" & more')
    assert "<b>" not in svg and root.get("viewBox") and root.get("width") is None


def test_colours_are_the_pages(svg):
    assert not [colour for colour in PAGE if colour in svg]
    assert "currentColor" in svg and "var(--faint)" in svg


def test_nothing_leads_outside(svg):
    assert "http" not in svg and "<style" not in svg and "<metadata" not in svg and "font-family" not in svg


def test_names_within_pictures_are_unique_and_lead_somewhere():
    pictures = [ElementTree.fromstring(str(learning(made([90, 20, last]), label=str(last)))) for last in (5, 6)]
    ids = [[e.get("id") for e in root.iter() if e.get("id")] for root in pictures]
    assert ids[0] and not set(ids[0]) & set(ids[1]) and len(set(ids[0])) == len(ids[0])
    for root, own in zip(pictures, ids, strict=True):
        links = [e.get("href")[1:] for e in root.iter() if e.get("href")]
        links += [e.get("clip-path")[5:-1] for e in root.iter() if e.get("clip-path")]
        assert links and set(links) <= set(own)


def test_names_from_files_are_text_whatever_they_hold():
    name = "$\\bad{$ <script>\x00\x1b\ud800" + "x" * 500
    svg = plots.alignment({f"x__{name}": made([80, 40])}, "epoch", colour="#1a873d", top=120.0, label=plots.clean(name))
    assert "<script>" not in svg and any("$\\bad{$ <script>" in (text or "") for text in texts(svg))
    assert len(max(texts(svg), key=len)) < 30
