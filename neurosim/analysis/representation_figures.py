"""The figure and the table of a report about what populations represent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.analysis import representation_plots as plots
from neurosim.analysis.courses import Curve
from neurosim.analysis.figures import Figure, Panel, Strip, legend
from neurosim.analysis.palette import Style
from neurosim.analysis.plots import clean
from neurosim.analysis.represented import ALIGNED, Represented
from neurosim.analysis.summary import Cell, Spread

OPEN = 24  # lines of a table that is not folded away
SHOWN = {  # measure -> heading, form
    "probe": ("Linear probe (%)", ".1f"),
    "dimension": ("Effective dimension", ".1f"),
    "lifetime_sparsity": ("Lifetime sparsity", ".2f"),
    "population_sparsity": ("Population sparsity", ".2f"),
    "silent": ("Silent (%)", ".1f"),
    "selectivity_p50": ("Selectivity", ".2f"),
    "class_variance_p50": ("Variance between classes", ".2f"),
}
BESIDE = ("dimension", "lifetime_sparsity", "population_sparsity", "selectivity_p50", "class_variance_p50")  # the probe


@dataclass(frozen=True)
class Line:
    """One line of the table: a population of a scheme."""

    style: Style
    scheme: str
    population: str
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Section:
    """What a page says about representations.  columns : headings that some line has something for; folded : whether it is long"""

    figure: Figure
    lines: list[Line]
    columns: list[str]
    folded: bool
    explained: dict[str, str]
    left_out: list[str]


def section(result: Represented, drawn: Mapping[str, Style]) -> Section:
    """Return what a page says of ``result``.  drawn : label -> how a scheme is drawn"""
    lines = [line for group in result.groups for line in _lines(result, group.label, drawn[group.label])]
    columns = [heading for heading in _explained() if any(heading in line.cells for line in lines)]
    strips = [*_by_depth(result, drawn), *_over_epochs(result, drawn), *_within(result, drawn), *_between(result)]
    figure = Figure("What the populations represent", strips, _caption(result), legend(result.groups, drawn))
    told = {heading: words for heading, words in _explained().items() if heading in columns}
    return Section(figure, lines, columns, len(lines) > OPEN, told, result.left_out)


# ---------------------------------------------------------------------- in words


def _caption(result: Represented) -> str:
    shown = " or ".join(f"{count:,}" for count in result.samples)
    parts = [
        f"After the last epoch at which rates are known, of {shown} images. Populations stand in the order of depth.",
        "The first panels: what the table below tells, by depth.",
    ]
    if any(one.seeds > 1 for one in _depths(result, "dimension").values()):
        parts.append("Line: mean over seeds; band: from the lowest to the highest seed" + _bandless(result))
    if result.chance is not None and _depths(result, "probe"):
        parts.append(f"An answer that is always the most frequent class is right for {result.chance:.3g} % (dotted).")
    parts.append(
        "CKA (linear centred kernel alignment, debiased) tells how alike two populations' answers to the same images are, whatever "
        "the order and the scale of their neurons: 1 where one is the other turned and scaled, 0 on average where they have "
        f"nothing to do with each other. It is of {min(ALIGNED, max(result.samples)):,} images at most. The plain estimate would "
        "be near 1 wherever neurons outnumber images."
    )
    if result.between:
        apart = "runs of different seeds, where there are such" if result.seeds_differ else "runs of one seed"
        parts.append(
            f"Between schemes, a cell is the mean over pairs of {apart}; the diagonal is a scheme beside its own other seeds, "
            "which is as alike as two schemes can be expected to be."
        )
    parts.append(
        "A high probe alone shows no learning: hidden weights that were never trained let a linear classifier read the classes, "
        "too. Compare with a scheme whose hidden weights are frozen."
    )
    return " ".join(parts)


def _bandless(result: Represented) -> str:
    return f"; none with more than {plots.CROWDED} schemes." if len(result.groups) > plots.CROWDED else "."


def _explained() -> dict[str, str]:
    """Return heading -> what its numbers are."""
    return {
        "Linear probe (%)": "images that a linear classifier gets right from the rates, fitted on half of the images of each "
        "class, scored on the others",
        "Effective dimension": "in how many directions the rates vary (participation ratio); never above the number of images",
        "Lifetime sparsity": "0 where a neuron answers all images alike, 1 where it answers one only; mean over neurons",
        "Population sparsity": "the same of an image over neurons",
        "Silent (%)": "neurons whose rate is 0 for every image",
        "Selectivity": "0 where a neuron answers all classes alike, 1 where one class only; median over neurons; not defined for "
        "negative rates",
        "Variance between classes": "the share of a neuron's variance over images that lies between classes; median over neurons",
        "CKA with backprop": "debiased, with the same population under back-propagation",
        "CKA, other seeds": "debiased, with the same population in other runs of the scheme",
    }


# ---------------------------------------------------------------------- the table


def _lines(result: Represented, label: str, style: Style) -> Iterator[Line]:
    """Yield a line for each population of a scheme."""
    labels = [group.label for group in result.groups]
    row, reference = labels.index(label), result.references.get(label)
    column = None if reference is None or reference.label == label else labels.index(reference.label)
    for name in result.populations:
        values = result.values.get((label, name))
        if values is None:
            continue
        known = {heading: (Spread.of(values.get(measure, ())), form) for measure, (heading, form) in SHOWN.items()}
        cells = {heading: spread.cell(form) for heading, (spread, form) in known.items() if spread is not None}
        pairs = result.between.get(name)
        if pairs is not None:
            alike = {"CKA with backprop": np.nan if column is None else pairs[row, column], "CKA, other seeds": pairs[row, row]}
            cells |= {heading: Cell(f"{value:.2f}", float(value)) for heading, value in alike.items() if np.isfinite(value)}
        yield Line(style, label, name, cells)


# ---------------------------------------------------------------------- panels


def _depths(result: Represented, measure: str) -> dict[str, Curve]:
    """Return label -> a measure of each population, ``at`` its number; of schemes of which it is defined for every population."""
    found = {}
    for group in result.groups:
        own = [result.values.get((group.label, name), {}).get(measure, []) for name in result.populations]
        seeds = max(map(len, own))
        at = [k for k, values in enumerate(own) if len(values) == seeds and np.isfinite(values).all()]
        known = sum((group.label, name) in result.values for name in result.populations)
        if at and seeds and len(at) == known:
            values = np.array([own[k] for k in at])
            found[group.label] = Curve(np.array(at, float), values.mean(1), values.min(1), values.max(1), seeds)
    return found


def _by_depth(result: Represented, drawn: Mapping[str, Style]) -> Iterator[Strip]:
    """Yield the linear probe of all schemes, of each where they are many, and the other measures."""
    probes = _depths(result, "probe")
    axis = SHOWN["probe"][0].replace("Linear", "linear")
    if probes:
        yield Strip("Linear probe", [_depth(result, probes, drawn, axis, large=True)], large=True)
    if len(probes) > plots.CROWDED:
        references = {label: group.label for label, group in result.references.items() if group.label in probes}
        panels = [_one(result, probes, label, references.get(label), drawn, axis) for label in probes]
        yield Strip("Linear probe, each scheme" + (" beside back-propagation" if references else ""), panels)
    others = {measure: found for measure in BESIDE if (found := _depths(result, measure))}
    panels = [_depth(result, found, drawn, SHOWN[measure][0].lower(), title=SHOWN[measure][0]) for measure, found in others.items()]
    if panels:
        yield Strip("Dimension, sparsity, selectivity", panels)


def _depth(
    result: Represented, curves: Mapping[str, Curve], drawn: Mapping[str, Style], axis: str, *, title: str = "", large: bool = False
) -> Panel:
    ends = "; ".join(f"{label} {_listed(curve, result.populations)}" for label, curve in curves.items())
    shown = [(curve, drawn[label]) for label, curve in curves.items()]
    said = clean(f"{axis} by depth: {ends}", 600)
    how: dict[str, Any] = {"axis": axis, "chance": result.chance if large else None, "large": large, "label": said}
    return Panel(title, "", plots.by_depth(shown, list(curves.values()), result.populations, **how))


def _one(
    result: Represented, curves: Mapping[str, Curve], label: str, reference: str | None, drawn: Mapping[str, Style], axis: str
) -> Panel:
    """Return the panel of one scheme, over back-propagation's line."""
    other = [(curves[reference], drawn[reference])] if reference is not None and reference != label else []
    said = clean(f"{axis} of {label} by depth: {_listed(curves[label], result.populations)}", 300)
    shown = [*other, (curves[label], drawn[label])]
    svg = plots.by_depth(shown, list(curves.values()), result.populations, axis=axis, chance=result.chance, label=said)
    return Panel(label, "", svg, drawn[label])


def _listed(curve: Curve, populations: Sequence[str]) -> str:
    return ", ".join(f"{populations[int(k)]} {mean:.3g}" for k, mean in zip(curve.at, curve.mean, strict=True))


def _over_epochs(result: Represented, drawn: Mapping[str, Style]) -> Iterator[Strip]:
    shared, panels = list(result.courses.values()), []
    for name in result.populations:
        curves = {label: curve for (label, of), curve in result.courses.items() if of == name}
        if curves:
            ends = "; ".join(f"{label} from {curve.mean[0]:.3g} to {curve.mean[-1]:.3g}" for label, curve in curves.items())
            shown = [(curve, drawn[label]) for label, curve in curves.items()]
            said = clean(f"linear probe of {name} over epochs: {ends}", 600)
            panels.append(Panel(name, "", plots.over_epochs(shown, shared, axis="linear probe (%)", label=said)))
    if panels:
        yield Strip("Linear probe over epochs", panels)


def _within(result: Represented, drawn: Mapping[str, Style]) -> Iterator[Strip]:
    """Yield the heat maps of populations by populations."""
    panels = []
    for group in result.groups:
        values = result.within[group.label]
        there = np.isfinite(values).any(axis=0)
        if there.sum() > 1:
            names = [name for name, known in zip(result.populations, there, strict=True) if known]
            said = clean(f"CKA between populations of {group.label}: {_pairs(values[there][:, there], names)}", 600)
            svg = plots.likeness(values[there][:, there], names, label=said)
            panels.append(Panel(group.label, "", svg, drawn[group.label]))
    if panels:
        yield Strip("CKA between the populations of a scheme", panels)


def _between(result: Represented) -> Iterator[Strip]:
    """Yield the heat maps of schemes by schemes."""
    labels = [group.label.replace("_", " ") for group in result.groups]
    if len(labels) > 1 and result.between:
        panels = []
        for name, values in result.between.items():
            said = clean(f"CKA of {name} between schemes: {_pairs(values, labels)}", 600)
            panels.append(Panel(name, "", plots.likeness(values, labels, label=said)))
        many = len(labels) > plots.NUMBERED
        yield Strip("CKA between schemes, of one population", panels, large=many, crowded=many)


def _pairs(values: np.ndarray, names: Sequence[str]) -> str:
    return "; ".join(f"{names[a]} and {names[b]} {values[a, b]:.2f}" for a, b in zip(*np.triu_indices(len(names), 1), strict=True))
