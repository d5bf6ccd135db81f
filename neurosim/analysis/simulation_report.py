"""The report on a simulation: what its populations did, as numbers and figures, on one page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.analysis import plots, spike_plots
from neurosim.analysis.courses import RECORDINGS, course_in_time
from neurosim.analysis.figures import Figure, Panel, Strip
from neurosim.analysis.pages import TEMPLATES, rendered
from neurosim.analysis.palette import Style, style_of
from neurosim.analysis.plots import clean
from neurosim.analysis.spike_statistics import COUNTED, TOGETHER, Trains, simulated, table
from neurosim.analysis.traces import TRACES, trace_of
from neurosim.errors import RunFileError, require
from neurosim.runfile import Run

POPULATIONS = 8  # that are shown
VARIABLES = 12  # recorded ones that are shown


def page(runs: Sequence[Run]) -> str:
    """Return the report on one simulation as HTML.

    Raises RunFileError where there are several runs: each simulation has a page of its own.
    """
    alone = f"report: {len(runs)} run files with a simulation among them: expected one simulation alone; make a page of each"
    require(len(runs) == 1, alone, RunFileError)
    run = runs[0]
    trains = {name: Trains.of(run, name) for name in run.spikes}
    shown = {name: own for name, own in trains.items() if len(own) and own.duration > 0}
    styles = {name: style_of(number) for number, name in enumerate(sorted(trains))}
    name = str(run.attributes.get("model_name") or "network")
    return rendered(
        TEMPLATES / "simulation.html",
        kind="report",
        title=f"{clean(name.replace('_', ' '), 80)}, simulated",
        facts=_facts(run),
        notes=list(_notes(run, trains)),
        columns=_columns(run),
        explained=EXPLAINED,
        figures=list(_figures(run, dict(list(shown.items())[:POPULATIONS]), styles)),
        said={key.replace("_", " "): str(value) for key, value in run.attributes.items() if value != ""},
        model=run.model,
        file=Path(run.path).name,
    )


def _facts(run: Run) -> dict[str, str]:
    said = run.attributes
    found = {
        "simulator": str(said.get("simulator", "")),
        "duration": f"{said.get('duration', '?')} s",
        "trials": str(said.get("trials", "?")),
        "dt": f"{1000 * float(said.get('dt', math.nan)):g} ms",
        "seed": str(said.get("seed", "?")),
        "neurosim": str(said.get("neurosim_version", "?")),
    }
    return {name: text for name, text in found.items() if text}


def _notes(run: Run, trains: Mapping[str, Trains]) -> Iterator[str]:
    """Yield what a reader has to know before looking at numbers."""
    if run.status != "complete":
        why = f" ({clean(run.attributes['reason'], 200)})" if run.attributes.get("reason") else ""
        yield f"This run is {run.status}{why}: numbers and figures are those of the first {simulated(run):.6g} s."
    if len(trains) > POPULATIONS:
        yield f"The figures show {POPULATIONS} of {len(trains)} populations."
    silent = [name for name, own in trains.items() if not len(own)]
    if silent:
        yield f"No spike: {', '.join(clean(name) for name in silent[:POPULATIONS])}."


EXPLAINED = {
    "Rate": "mean over neurons and trials, ± standard deviation over trials where there are several",
    "Silent": "neurons that never fire",
    "CV": "standard deviation over mean of a neuron's intervals between spikes, mean over neurons: 1 for a Poisson process, "
    "0 for a clock",
    "Fano factor": f"variance over mean of the counts of {1000 * COUNTED:g} ms, mean over neurons: 1 for a Poisson process",
    "Correlation": f"of the counts of {1000 * TOGETHER:g} ms, mean over all pairs of neurons",
    "Synchrony": f"standard deviation of the mean count of {1000 * TOGETHER:g} ms over the root of the mean variance of single "
    "ones: 1 where all fire together, and about 1/√N for N independent neurons",
}


def _columns(run: Run) -> dict[str, list[tuple[str, float | None]]]:
    """Return heading -> (text, number to sort by) of each population."""
    found = table(run)
    columns: dict[str, list[tuple[str, float | None]]] = {"Population": [(str(name), None) for name in found.index]}
    several = int(run.attributes.get("trials", 1)) > 1

    def add(heading: str, key: str, form: str, scale: float = 1.0) -> None:
        values = found[key] if key in found.columns else [math.nan] * len(found)
        scaled = [scale * float(value) for value in values]
        columns[heading] = [("", None) if math.isnan(value) else (f"{value:{form}}", value) for value in scaled]

    add("Neurons", "neurons", ",.0f")
    add("Spikes", "spikes", ",.0f")
    add("Rate (Hz)", "rate", ".2f")
    if several and "rate_std" in found.columns:
        pairs = zip(columns["Rate (Hz)"], found["rate_std"], strict=True)
        columns["Rate (Hz)"] = [(f"{text} ± {std:.2f}" if text else "", value) for (text, value), std in pairs]
    add("Silent (%)", "silent", ".1f", 100)
    add("CV", "cv", ".2f")
    add("Fano factor", "fano", ".2f")
    add("Correlation", "correlation", ".4f")
    add("Synchrony", "synchrony", ".3f")
    return columns


# ---------------------------------------------------------------------- figures


def _figures(run: Run, trains: Mapping[str, Trains], styles: Mapping[str, Style]) -> Iterator[Figure]:
    if trains:
        duration = max(own.duration for own in trains.values())
        window = spike_plots.window_of(duration, float(run.attributes.get("dt", 1e-4)))
        yield _rasters(trains, styles)
        yield from _rates(trains, styles, window if window <= duration else duration)
        yield from _intervals(trains, styles)
    yield from _traces(run)
    yield from _weights(run)


def _rasters(trains: Mapping[str, Trains], styles: Mapping[str, Style]) -> Figure:
    panels, drawn = [], False
    for name, own in trains.items():
        counts = np.bincount(own.trial, minlength=own.trials)
        trial = int(np.flatnonzero(counts)[0])
        count = int(counts[trial])
        image = count > spike_plots.TICKS
        drawn = drawn or image
        note = f"trial {trial} of {own.trials}, " * (own.trials > 1) + f"{count:,} spikes"
        said = clean(f"{count} spikes of {own.neurons} neurons of {name} in trial {trial} over {own.duration:g} s", 200)
        panels.append(Panel(name, note, spike_plots.raster(own, trial, label=said), Style(styles[name].colour)))
    caption = "Spikes of one trial, the first that has any: a neuron's lie on one line. Every tick is a spike."
    if drawn:
        across, up = spike_plots.ACROSS, spike_plots.UP
        caption += (
            f" Where there are more than {spike_plots.TICKS:,}, all of them are drawn as an image of at most {across} × {up} "
            "points, with more ink where there are more; a point may hold several neurons and ticks."
        )
    return Figure("Spikes", [Strip("", panels, large=True)], caption, [])


def _rates(trains: Mapping[str, Trains], styles: Mapping[str, Style], window: float) -> Iterator[Figure]:
    known = {name: (own, Style(styles[name].colour, styles[name].line)) for name, own in trains.items()}
    ends = ", ".join(f"{name} {len(own) / (own.neurons * own.trials * own.duration):.3g} Hz" for name, own in trains.items())
    said = clean(f"rates over time in windows of {1000 * window:g} ms; mean: {ends}", 400)
    panels = [Panel("All populations" if len(known) > 1 else next(iter(known)), "", spike_plots.rates(known, window, label=said))]
    strips = [Strip("", panels, large=True)]
    caption = f"Rate of a neuron, counted in windows of {1000 * window:g} ms. Line: mean over neurons and trials."
    several = [name for name, own in trains.items() if own.trials > 1]
    if several:
        caption += " Band: from the lowest to the highest trial."
        rows = []
        for name in several:
            own = trains[name]
            said = clean(f"rates of {own.trials} trials of {name} over {own.duration:g} s", 200)
            svg = spike_plots.trials(own, window, label=said)
            rows.append(Panel(name, f"{own.trials} trials", svg, Style(styles[name].colour)))
        strips.append(Strip("Trials side by side", rows, large=True))
        caption += " Below, a row is a trial, with more ink where its rate is higher, each population by its own scale."
    yield Figure("Rates over time", strips, caption, [(style, name.replace("_", " ")) for name, (_, style) in known.items()])


def _intervals(trains: Mapping[str, Trains], styles: Mapping[str, Style]) -> Iterator[Figure]:
    lines, ratios = [], []
    for name, own in trains.items():
        found = spike_plots.intervals(own)
        style = Style(styles[name].colour)
        if len(found):
            said = clean(f"distribution of {len(found)} intervals of {name}, median {1000 * np.median(found):.3g} ms", 200)
            note = f"median {1000 * np.median(found):.3g} ms"
            lines.append(Panel(name, note, spike_plots.interval_distribution(own, style, label=said), style))
        ratio = spike_plots.cv(own)
        if np.isfinite(ratio).any():
            mean = float(np.nanmean(ratio))
            said = clean(f"distribution of the CV of intervals of {name}, mean {mean:.2f}", 200)
            ratios.append(Panel(name, f"mean {mean:.2f}", spike_plots.cv_distribution(own, style, label=said), style))
    strips = [Strip("Intervals between spikes", lines)] if lines else []
    strips += [Strip("Irregularity", ratios)] if ratios else []
    if strips:
        caption = (
            "Above: intervals between two spikes of a neuron, of all neurons and trials together, on a logarithmic axis. Below: "
            "the coefficient of variation of each neuron's intervals, of those that have two or more; dotted: 1, a Poisson process."
        )
        yield Figure("Intervals", strips, caption, [])


def _recorded(run: Run, dim: str) -> dict[str, Any]:
    """Return the recordings in time of neurons, or of synapses."""
    return {name: one for name, one in run.recordings.items() if one.dims[-1] == dim and one.size}


def _traces(run: Run) -> Iterator[Figure]:
    known = _recorded(run, "neuron")
    panels = []
    for name, one in list(known.items())[:VARIABLES]:
        found = trace_of(one)
        style = [style_of(k) for k in range(len(found.names))]
        lines = [Style(own.colour) for own in style]
        axis = f"{name.rpartition('.')[2]} ({found.unit})" if found.unit else name.rpartition(".")[2]
        of = one.sizes["neuron"]
        note = f"neuron{'s' * (len(found.names) > 1)} {', '.join(found.names)}"
        note += f" of {of} recorded" if of > len(found.names) else ""
        low, high = np.nanmin(found.values), np.nanmax(found.values)
        said = clean(f"{name} of {note} over {found.time[-1]:g} s, from {low:.3g} to {high:.3g}", 300)
        panels.append(Panel(name, note, spike_plots.traces(found, lines, axis=axis, label=said)))
    if panels:
        left = f" {len(known) - VARIABLES} more variables are in the file." if len(known) > VARIABLES else ""
        caption = (
            f"Recorded variables in the first trial, in SI units; of many neurons {TRACES}, evenly spaced. A "
            f"long course is drawn by the lowest and the highest value of each stretch.{left}"
        )
        yield Figure("Traces", [Strip("", panels, large=True)], caption, [])


def _weights(run: Run) -> Iterator[Figure]:
    panels = []
    known = _recorded(run, "synapse")
    for number, (name, one) in enumerate(list(known.items())[:VARIABLES]):
        found = course_in_time(one)
        if found is not None:
            axis = name.rpartition(".")[2] + (f" ({found.unit})" if found.unit else "")
            style = Style(style_of(number).colour)
            said = clean(f"histograms of {name} at {len(found.at)} moments from {found.at[0]:g} s to {found.at[-1]:g} s", 300)
            svg = plots.histograms(found, plots.window([found]), colour=style.colour, axis=axis, label=said)
            panels.append(Panel(name, f"{one.sizes['synapse']:,} synapses", svg, style))
    if panels:
        caption = (
            f"Histograms of all recorded synapses and trials together, at up to {RECORDINGS} moments, the first at the top, each "
            "scaled to its own peak. The scale holds the middle 99.8 % of the values. Where more than one per cent are exactly "
            "zero, these are counted apart, and their share stands at the right."
        )
        yield Figure("Weights over time", [Strip("", panels)], caption, [])
