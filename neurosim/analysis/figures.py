"""The figures of a report: which panels, in which order, and what each is to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from neurosim.analysis import plots
from neurosim.analysis.courses import Curve, angles, course, curve, rasters
from neurosim.analysis.grouping import Group, baselines, seed
from neurosim.analysis.plots import clean
from neurosim.analysis.summary import error_words
from neurosim.runfile import Run

VARIABLES = 24  # recorded ones that are shown
TRANSPORT = {
    "full": ("grey", "needs all weights downstream"),
    "output": ("blue", "needs the output's weights only"),
    "one_hop": ("sky", "needs the next weights only"),
    "none": ("vermilion", "needs no other weights"),
    "": ("green", "not known"),
}


@dataclass(frozen=True)
class Panel:
    """One small plot; title and note are text from run files."""

    title: str
    note: str
    svg: Markup


@dataclass(frozen=True)
class Figure:
    """Panels under one caption.

    strips : (heading, panels); legend : (colour, words)
    """

    name: str
    strips: list[tuple[str, list[Panel]]]
    caption: str
    legend: list[tuple[str, str]]


def figures(groups: Sequence[Group]) -> Iterator[Figure]:
    """Yield every figure that the runs have something for."""
    split = next((name for name in ("test", "validation") if any(_has(group, name, "error") for group in groups)), "train")
    error = error_words(groups)
    yield from _learning(groups, split, "error", error, "%")
    yield from _learning(groups, "train", "loss", "loss", "nats" if error == "error" else "")
    yield from _alignment(groups)
    activity, weights = _variables(groups)
    yield from _recorded(groups, "Activity", activity, "of the recorded samples and neurons together")
    yield from _recorded(groups, "Weights and other variables", weights, "of all synapses (or whatever it has one of each)")
    yield from _spikes(groups)


def transport(group: Group) -> str:
    """Return which weights the group's scheme claims to need; "" where it is not known."""
    return group.claims.weight_transport if group.claims else ""


def legend(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """Return (colour, words) of the kinds of weight transport among ``groups``."""
    kinds = {transport(group) for group in groups}
    return [words for kind, words in TRANSPORT.items() if kind in kinds]


def _colour(group: Group) -> str:
    return plots.TRANSPORT.get(transport(group), plots.UNKNOWN)


# ---------------------------------------------------------------------- learning curves


def _has(group: Group, split: str, name: str) -> bool:
    return curve(group, split, name) is not None


def _learning(groups: Sequence[Group], split: str, name: str, words: str, unit: str) -> Iterator[Figure]:
    curves = {group.label: found for group in groups if (found := curve(group, split, name)) is not None}
    if not curves:
        return
    axis = f"{split} {words}" + (f" ({unit})" if unit else "")
    references = {label: curves.get(group.label) for label, group in baselines(groups).items()}
    panels = [_curve(group, curves, references.get(group.label), axis) for group in groups if group.label in curves]
    what = {"test": "Test", "validation": "Validation", "train": "Training"}[split]
    scale = "logarithmic" if plots.is_logarithmic(list(curves.values())) else "linear"
    caption = (
        f"{what} {words} after every epoch, on one {scale} scale. Solid: mean over seeds; band: from the lowest to the highest seed"
        f"{'; dashed: back-propagation on the same data and network' if any(references.values()) else ''}."
    )
    if unit == "nats":
        caption += " Cross-entropy of the output in nats, unless the scheme says otherwise."
    yield Figure(f"{what} {words}", [("", panels)], caption, legend([group for group in groups if group.label in curves]))


def _curve(group: Group, curves: dict[str, Curve], reference: Curve | None, axis: str) -> Panel:
    own = curves[group.label]
    other = None if reference is own else reference
    end = f"{own.mean[-1]:.3g}"
    label = f"{axis} of {group.label} over {own.at[-1]:g} epochs, from {own.mean[0]:.3g} to {end}, {_seeds(own.seeds)}"
    svg = plots.learning(own, other, list(curves.values()), colour=_colour(group), axis=axis, label=clean(label, 200))
    return Panel(group.label, f"ends at {end}{' %' if '%' in axis else ''}", svg)


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


# ---------------------------------------------------------------------- alignment


def _alignment(groups: Sequence[Group]) -> Iterator[Figure]:
    found = {group.label: angles(group) for group in groups}
    found = {label: (curves, clock) for label, (curves, clock) in found.items() if curves}
    if not found:
        return
    highest = max(c.high.max() for curves, _ in found.values() for c in curves.values())
    top = 120.0 if highest <= 120 else 180.0
    panels = []
    for label, (curves, clock) in found.items():
        ends = ", ".join(f"{name} {c.mean[-1]:.0f}" for name, c in curves.items())
        said = f"angle to the exact gradient of {label} over {clock}s, in the end in degrees: {ends}"
        panels.append(Panel(label, "", plots.alignment(curves, clock, top=top, label=clean(said, 300))))
    caption = (
        "Angle between the change that the scheme proposes for a projection's weights and minus the exact gradient, for every "
        "projection into a hidden population, which is named at the end of its line. 0 degrees is back-propagation's direction; "
        "at 90 (dotted) a small step no longer lowers the loss. Line: mean over seeds; band: from the lowest to the highest seed."
    )
    yield Figure("Alignment with back-propagation", [("", panels)], caption, [])


# ---------------------------------------------------------------------- recordings


def _variables(groups: Sequence[Group]) -> tuple[list[str], list[str]]:
    """Return the names of recorded activity, which has samples, and of all else: weights, variables of synapses and pathways."""
    kinds = {name: "sample" in values.dims for group in groups for name, values in shown(group).recordings.items()}
    return [name for name, is_activity in kinds.items() if is_activity], [
        name for name, is_activity in kinds.items() if not is_activity
    ]


def shown(group: Group) -> Run:
    """Return the run that stands for its group where one has to: that of the lowest seed."""
    return group.counted[0]


def _recorded(groups: Sequence[Group], title: str, names: Sequence[str], of: str) -> Iterator[Figure]:
    strips = [(name, panels) for name in names[:VARIABLES] if (panels := _histograms(groups, name))]
    if not strips:
        return
    if all(len(panels) == 1 for _, panels in strips):  # one scheme: its variables stand side by side
        strips = [("", [Panel(name, panels[0].title, panels[0].svg) for name, panels in strips])]
    left_out = f" {len(names) - VARIABLES} more variables are in the files." if len(names) > VARIABLES else ""
    caption = (
        f"Histograms {of}, at up to 12 moments, the first at the top, each scaled to its own peak. One variable has one scale, "
        "which holds the middle 99.8 % of its values. Where more than one per cent are exactly zero, these are counted apart, "
        f"and their share stands at the right.{left_out}"
    )
    yield Figure(title, strips, caption, legend(groups))


def _histograms(groups: Sequence[Group], name: str) -> list[Panel]:
    runs = {group.label: shown(group) for group in groups if name in shown(group).recordings}
    courses = {label: found for label, run in runs.items() if (found := course(run, name)) is not None}
    if not courses:
        return []
    span, panels = plots.window(list(courses.values())), []
    for group in groups:
        if group.label in courses:
            own = courses[group.label]
            said = clean(f"histograms of {name} of {group.label} at {len(own.at)} moments from {own.clock} {own.at[0]}", 300)
            axis = name + (f" ({own.unit})" if own.unit else "")
            svg = plots.histograms(own, span, colour=_colour(group), axis=axis, label=said)
            panels.append(Panel(group.label, f"seed {seed(runs[group.label])}", svg))
    return panels


# ---------------------------------------------------------------------- spikes


def _spikes(groups: Sequence[Group]) -> Iterator[Figure]:
    strips = [(group.label, _rasters(shown(group))) for group in groups]
    strips = [(label, panels) for label, panels in strips if panels]
    caption = "Every tick is a spike: the first and the last trial that were recorded, by the run of the lowest seed."
    if strips:
        yield Figure("Spikes", strips, caption, [])


def _rasters(run: Run) -> list[Panel]:
    panels = []
    for population in run.spikes:
        for one in rasters(run, population):
            rest = f", {one.left_out} later spikes left out" if one.left_out else ""
            note = f"step {one.step}, trial {one.trial}{rest}"
            said = clean(f"{len(one.time)} spikes of {one.neurons} neurons of {population}, {note}", 200)
            panels.append(Panel(population, note, plots.raster(one, label=said)))
    return panels
