"""The figures of a report: which panels, in which order, and what each is to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from neurosim.analysis import plots
from neurosim.analysis.courses import Curve, angles, course, curve, effects, rasters, timed
from neurosim.analysis.grouping import Group, baselines, seed
from neurosim.analysis.palette import Style, styles_of
from neurosim.analysis.plots import clean
from neurosim.analysis.summary import error_words
from neurosim.analysis.task_plots import DRAWN, Learned, after_each, over_epochs
from neurosim.runfile import Run

VARIABLES = 24  # recorded ones that are shown


@dataclass(frozen=True)
class Panel:
    """One small plot; title and note are text from run files.

    style : of the scheme that it is about, None where it is about several or none
    """

    title: str
    note: str
    svg: Markup
    style: Style | None = None


@dataclass(frozen=True)
class Strip:
    """Panels beside each other.

    large : whether each needs more room than a small one; crowded : whether its words would be too small on a narrow page, where
        it is scrolled instead
    """

    heading: str
    panels: list[Panel]
    large: bool = False
    crowded: bool = False


@dataclass(frozen=True)
class Figure:
    """Panels under one caption.  legend : (style, words) of each line"""

    name: str
    strips: list[Strip]
    caption: str
    legend: list[tuple[Style, str]]


def figures(groups: Sequence[Group]) -> Iterator[Figure]:
    """Yield every figure that the runs have something for."""
    drawn = styles(groups)
    split = next((name for name in ("test", "validation") if any(_has(group, name, "error") for group in groups)), "train")
    error = error_words(groups)
    yield from _learning(groups, drawn, split, "error", error, "%")
    yield from _tasks(groups, drawn, error)
    unit = "nats" if error == "error" else ""
    yield from _learning(groups, drawn, "train", "loss", "loss", unit)
    yield from _alignment(groups, drawn, "alignment")
    yield from _alignment(groups, drawn, "gauss_newton")
    yield from _effects(groups, drawn, unit)
    activity, weights = _variables(groups)
    yield from _recorded(groups, drawn, "Activity", activity, "of the recorded samples and neurons together")
    yield from _recorded(groups, drawn, "Weights and other variables", weights, "of all synapses (or whatever it has one of each)")
    yield from _spikes(groups, drawn)


def styles(groups: Sequence[Group]) -> dict[str, Style]:
    """Return label -> how a group is drawn, in every figure."""
    return styles_of([group.label for group in groups], [group.label for group in groups if group.is_baseline])


def legend(groups: Sequence[Group], drawn: Mapping[str, Style]) -> list[tuple[Style, str]]:
    """Return (style, words) of each group."""
    return [(drawn[group.label], group.label.replace("_", " ")) for group in groups]


# ---------------------------------------------------------------------- learning curves


def _has(group: Group, split: str, name: str) -> bool:
    return curve(group, split, name) is not None


def _learning(
    groups: Sequence[Group], drawn: Mapping[str, Style], split: str, name: str, words: str, unit: str
) -> Iterator[Figure]:
    curves = {group.label: found for group in groups if (found := curve(group, split, name)) is not None}
    groups = [group for group in groups if group.label in curves]
    if not curves:
        return
    axis = f"{split} {words}" + (f" ({unit})" if unit else "")
    strips = [Strip("All schemes together" if len(groups) > 1 else "", _together(groups, curves, drawn, axis), large=True)]
    references = {label: group.label for label, group in baselines(groups).items()}
    if len(groups) > 1:
        title = "Each scheme beside back-propagation" if references else "Each scheme"
        panels = [_curve(group, curves, drawn, references.get(group.label), axis) for group in groups]
        strips.append(Strip(title, panels))
    what = {"test": "Test", "validation": "Validation", "train": "Training"}[split]
    scale = "logarithmic" if plots.is_logarithmic(list(curves.values())) else "linear"
    caption = f"{what} {words} after every epoch, on one {scale} scale. {_lines(curves.values())}"
    if len(strips[0].panels) > 1:
        mean = "; an epoch stands at their mean over seeds" if any(found.seeds > 1 for found in curves.values()) else ""
        caption += f" Seconds are those spent in training steps, without evaluations{mean}."
    if any(len(run.tasks) for group in groups for run in group.counted):
        caption += " Of tasks in sequence: " + ("of the task at hand." if split == "train" else "mean over all tasks.")
    if len(groups) > 1 and references:
        caption += " Grey and dashed: back-propagation; in a small panel, that on the same data and network."
    if unit == "nats":
        caption += " Cross-entropy of the output in nats, unless the scheme says otherwise."
    yield Figure(f"{what} {words}", strips, caption, legend(groups, drawn))


def _lines(curves: Iterable[Curve]) -> str:
    """Return what lines and bands are."""
    counts = {found.seeds for found in curves}
    if counts == {1}:
        return "Line: one seed."
    over = f"{counts.pop()} seeds" if len(counts) == 1 else f"the seeds of each scheme, {min(counts)} to {max(counts)} of them"
    return f"Line: mean over {over}; band: from the lowest to the highest seed."


def _together(groups: Sequence[Group], curves: Mapping[str, Curve], drawn: Mapping[str, Style], axis: str) -> list[Panel]:
    """Return all schemes against epochs, and against seconds where all runs tell them."""
    ends = "; ".join(f"{label} ends at {found.mean[-1]:.3g}" for label, found in curves.items())
    shown = [(curves[group.label], drawn[group.label]) for group in groups]
    svg = plots.together(shown, clock="epoch", axis=axis, label=clean(f"{axis} of all schemes against epochs: {ends}", 600))
    panels = [Panel("Against epochs", "", svg)]
    clocked = [(timed(group, curves[group.label]), drawn[group.label]) for group in groups]
    known = [(found, style) for found, style in clocked if found is not None]
    if len(known) == len(groups):
        took = "; ".join(f"{group.label} takes {found.at[-1]:.3g} s" for group, (found, _) in zip(groups, known, strict=True))
        said = clean(f"{axis} of all schemes against seconds of training: {took}", 600)
        svg = plots.together(known, clock="seconds of training", axis=axis, label=said)
        panels.append(Panel("Against seconds of training", "", svg))
    return panels


def _curve(
    group: Group, curves: Mapping[str, Curve], drawn: Mapping[str, Style], reference: str | None, axis: str, clock: str = "epoch"
) -> Panel:
    own, style = curves[group.label], drawn[group.label]
    other = None if reference in (None, group.label) else (curves[reference], drawn[reference])
    end = f"{own.mean[-1]:.3g}"
    label = f"{axis} of {group.label} over {own.at[-1]:g} {clock}s, from {own.mean[0]:.3g} to {end}, {_seeds(own.seeds)}"
    svg = plots.learning(own, style, other, list(curves.values()), clock=clock, axis=axis, label=clean(label, 200))
    return Panel(group.label, f"ends at {end}{' %' if '%' in axis else ''}", svg, style)


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


# ---------------------------------------------------------------------- tasks in sequence


def _tasks(groups: Sequence[Group], drawn: Mapping[str, Style], error: str) -> Iterator[Figure]:
    found = {group.label: learned for group in groups if (learned := Learned.of(group)) is not None}
    if not found:
        return
    shared = [one for learned in found.values() for one in learned.curves]
    most, maps, courses = max(float(learned.mean.max()) for learned in found.values()), [], []
    for label, learned in found.items():
        ends = ", ".join(f"{name} {value:.1f}" for name, value in zip(learned.names, learned.mean[-1], strict=True))
        said = clean(f"test {error} of {label}, in the end in per cent: {ends}", 400)
        own = replace(drawn[label], line="-", marker="")
        maps.append(Panel(label, f"ends at {learned.mean[-1].mean():.1f} %", after_each(learned, most, label=said), own))
        svg = over_epochs(learned, shared, axis=f"test {error} (%)", label=said)
        courses.append(Panel(label, "", svg, own))
    seeds = {learned.seeds for learned in found.values()}
    over = "one seed" if seeds == {1} else "mean over seeds; behind ±: standard deviation"
    left_out = f" Curves are those of the first {DRAWN} tasks." if any(len(one.names) > DRAWN for one in found.values()) else ""
    caption = (
        f"Above: test {error} of each task (row) before learning and after each task (column), per cent, {over}; on one scale, the "
        "higher the darker. Below: the same over epochs, each task a "
        f"line, which is named at the right; dotted: where the next task begins. {_lines(shared)}{left_out}"
    )
    yield Figure("Tasks in sequence", [Strip("After each task", maps), Strip("Over epochs", courses)], caption, [])


# ---------------------------------------------------------------------- alignment


@dataclass(frozen=True)
class Direction:
    """What proposed changes are compared with.  name : of the figure; what : in a sentence; degrees : what its angles say"""

    name: str
    what: str
    degrees: str


DIRECTIONS = {
    "alignment": Direction(
        "Alignment with back-propagation",
        "minus the exact gradient",
        "0 degrees is back-propagation's direction; at 90 (dotted) a small step no longer lowers the loss.",
    ),
    "gauss_newton": Direction(
        "Alignment with Gauss and Newton's direction",
        "Gauss and Newton's, which is the gradient with the curvature of the loss taken out (damped, without noise and dropout)",
        "At 90 degrees (dotted) the two have nothing in common. Back-propagation is not at 0 here.",
    ),
}


def _alignment(groups: Sequence[Group], drawn: Mapping[str, Style], place: str) -> Iterator[Figure]:
    other = DIRECTIONS[place]
    found = {group.label: angles(group, place) for group in groups}
    found = {label: (curves, clock) for label, (curves, clock) in found.items() if curves}
    if not found:
        return
    highest = max(c.high.max() for curves, _ in found.values() for c in curves.values())
    top = 120.0 if highest <= 120 else 180.0
    panels = []
    for label, (curves, clock) in found.items():
        ends = ", ".join(f"{name} {c.mean[-1]:.0f}" for name, c in curves.items())
        said = f"angle of {label} to {other.what.partition(',')[0]} over {clock}s, in the end in degrees: {ends}"
        svg = plots.alignment(curves, clock, colour=drawn[label].colour, top=top, label=clean(said, 300))
        panels.append(Panel(label, "", svg, replace(drawn[label], line="-", marker="")))
    caption = (
        f"Angle between the change that the scheme proposes for a projection's weights and {other.what}. The colour is "
        "the scheme's, each kind of line a projection into a hidden population, which is named at the right. "
        f"{other.degrees} "
        f"{_lines(c for curves, _ in found.values() for c in curves.values())}"
    )
    yield Figure(other.name, [Strip("", panels)], caption, [])


def _effects(groups: Sequence[Group], drawn: Mapping[str, Style], unit: str) -> Iterator[Figure]:
    curves, clock = effects(groups)
    groups = [group for group in groups if group.label in curves]
    if not groups:
        return
    axis = "fall of the batch's loss" + (f" ({unit})" if unit else "")
    shown = [(curves[group.label], drawn[group.label]) for group in groups]
    ends = "; ".join(f"{label} ends at {found.mean[-1]:.3g}" for label, found in curves.items())
    svg = plots.together(shown, clock=clock, axis=axis, label=clean(f"{axis} in a step over {clock}s: {ends}", 600))
    strips = [Strip("All schemes together" if len(groups) > 1 else "", [Panel("", "", svg)], large=True)]
    references = {label: group.label for label, group in baselines(groups).items()}
    if len(groups) > 1:
        panels = [_curve(group, curves, drawn, references.get(group.label), axis, clock) for group in groups]
        strips.append(Strip("Each scheme beside back-propagation" if references else "Each scheme", panels))
    caption = (
        "By how much a step lowers the mean loss of its own batch: the loss before less the loss after, in evaluation, without "
        "noise and dropout. A copy takes the step, all phases of the scheme and the optimiser included, so that nothing of the "
        "run changes. Below 0, the step raised the loss. It falls with the loss itself: compare schemes where their losses are "
        f"alike. {_lines(curves.values())}"
    )
    if len(groups) > 1 and references:
        caption += " Grey and dashed: back-propagation."
    yield Figure("What a step does to its batch's loss", strips, caption, legend(groups, drawn))


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


def _recorded(
    groups: Sequence[Group], drawn: Mapping[str, Style], title: str, names: Sequence[str], of: str
) -> Iterator[Figure]:
    strips = [Strip(name, panels) for name in names[:VARIABLES] if (panels := _histograms(groups, drawn, name))]
    if not strips:
        return
    if all(len(strip.panels) == 1 for strip in strips):  # one scheme: its variables stand side by side
        strips = [Strip("", [replace(panel, title=one.heading, note=panel.title) for one in strips for panel in one.panels])]
    left_out = f" {len(names) - VARIABLES} more variables are in the files." if len(names) > VARIABLES else ""
    caption = (
        f"Histograms {of}, of one seed, at up to 12 moments, the first at the top, each scaled to its own peak. The colour is the "
        "scheme's. One variable has one scale, which holds the middle 99.8 % of its values. Where more than one per cent are "
        f"exactly zero, these are counted apart, and their share stands at the right.{left_out}"
    )
    yield Figure(title, strips, caption, [])


def _histograms(groups: Sequence[Group], drawn: Mapping[str, Style], name: str) -> list[Panel]:
    runs = {group.label: shown(group) for group in groups if name in shown(group).recordings}
    courses = {label: found for label, run in runs.items() if (found := course(run, name)) is not None}
    if not courses:
        return []
    span, panels = plots.window(list(courses.values())), []
    for group in groups:
        if group.label in courses:
            own, style = courses[group.label], drawn[group.label]
            said = clean(f"histograms of {name} of {group.label} at {len(own.at)} moments from {own.clock} {own.at[0]}", 300)
            axis = name + (f" ({own.unit})" if own.unit else "")
            svg = plots.histograms(own, span, colour=style.colour, axis=axis, label=said)
            panels.append(Panel(group.label, f"seed {seed(runs[group.label])}", svg, replace(style, line="-", marker="")))
    return panels


# ---------------------------------------------------------------------- spikes


def _spikes(groups: Sequence[Group], drawn: Mapping[str, Style]) -> Iterator[Figure]:
    strips = [Strip(group.label, _rasters(shown(group), drawn[group.label].colour)) for group in groups]
    strips = [strip for strip in strips if strip.panels]
    caption = (
        "Every tick is a spike: the first and the last trial that were recorded, by the run of the lowest seed. The colour is the "
        "scheme's."
    )
    if strips:
        yield Figure("Spikes", strips, caption, [])


def _rasters(run: Run, colour: str) -> list[Panel]:
    panels = []
    for population in run.spikes:
        for one in rasters(run, population):
            rest = f", {one.left_out} later spikes left out" if one.left_out else ""
            note = f"step {one.step}, trial {one.trial}{rest}"
            said = clean(f"{len(one.time)} spikes of {one.neurons} neurons of {population}, {note}", 200)
            panels.append(Panel(population, note, plots.raster(one, colour=colour, label=said), Style(colour)))
    return panels
