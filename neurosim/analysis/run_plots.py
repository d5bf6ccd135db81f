"""The report's figures as matplotlib's own, for notebooks and papers: of one run, and of all schemes of a comparison."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.analysis import plots, spike_plots, spike_statistics, svg
from neurosim.analysis.courses import Curve, angles, course, curve, effects, rasters
from neurosim.analysis.figures import styles
from neurosim.analysis.grouping import Group, grouped
from neurosim.analysis.palette import Style, style_of
from neurosim.analysis.plots import clean
from neurosim.analysis.summary import error_words
from neurosim.analysis.task_plots import Learned, draw_after_each
from neurosim.analysis.traces import trace_of
from neurosim.errors import RunFileError, UnknownNameError, quoted, require
from neurosim.runfile import Run

Drawn = Any  # a Figure, or the axes that were given: which of the two the caller knows, and a type checker does not

SPLITS = ("train", "validation", "test")
SIZE = (3.5, 2.6)  # inches: one column of a journal
WIDE = (5.5, 3.0)
DPI = 200
PAGES = ("svg.", "path.", "text.parse_math", "font.family")  # settings of a page's, and not of a caller's, figure
STYLE: dict[Any, Any] = {key: value for key, value in svg.STYLE.items() if not key.startswith(PAGES)} | {"text.usetex": False}


class ShownFigure(Figure):
    """A figure that a notebook shows as a cell's value, whether pyplot is loaded or not."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


class RunPlots:
    """The figures of one run.

    Each method returns a new ``matplotlib.figure.Figure`` in the report's style, 3.5 inches wide.  Given ``ax``, axes of the
    caller's, it draws into them by the caller's own settings and returns them.  Axes, lines and texts are matplotlib's own, to be
    changed and saved as any; pyplot is not needed, and knows nothing of the figure.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._group = Group("", (run,))

    def __repr__(self) -> str:
        run = self._run
        has = ["loss", "error"] if len(run.metrics) else []
        has += ["tasks"] if len(run.tasks) else []
        has += [name for name in ("alignment", "gauss_newton", "step_effect") if len(getattr(run, name))]
        named = {"histograms": list(run.recordings), "raster": list(run.spikes)}
        has += [f"{kind} of {', '.join(names)}" for kind, names in named.items() if names]
        return clean(f"<plots of {run.path}: {'; '.join(has) or 'nothing yet'}>", 1000)

    def loss(self, *splits: str, ax: Axes | None = None) -> Drawn:
        """Draw the loss after each epoch, in the task's unit, of these ``splits`` (default: all that were evaluated)."""
        return self._metric("loss", _words("loss", [self._group]), splits, ax)

    def error(self, *splits: str, ax: Axes | None = None) -> Drawn:
        """Draw the error after each epoch, per cent (see ``Run.error_name``), of these ``splits`` (default: all)."""
        return self._metric("error", _words("error", [self._group]), splits, ax)

    def _metric(self, name: str, axis: str, splits: Sequence[str], ax: Axes | None) -> Drawn:
        where = f"run file {self._run.path}"
        found = {split: known for split in SPLITS if (known := curve(self._group, split, name)) is not None}
        require(bool(found), f"{where}: no {name} yet: expected one to draw; let it run for an epoch, then refresh()", RunFileError)
        for split in splits:
            if split not in found:
                raise UnknownNameError(f"{where}: {name} of split", split, found)
        shown = {split: (found[split], style_of(SPLITS.index(split))) for split in splits or found}
        axis = f"{next(iter(shown))} {axis}" if len(shown) == 1 else axis
        return _drawn(lambda axes: _draw_curves(axes, shown, axis, loc="best"), ax)

    def alignment(self, *, ax: Axes | None = None) -> Drawn:
        """Draw the angle, in degrees, between what the scheme proposes and minus the exact gradient.

        One line for each projection into a hidden population, which is named at its right; dotted: 90 degrees.

        Raises RunFileError where it was not recorded.
        """
        return self._angles("alignment", ax)

    def gauss_newton(self, *, ax: Axes | None = None) -> Drawn:
        """Draw the angle, in degrees, between what the scheme proposes and Gauss and Newton's direction; as ``alignment``."""
        return self._angles("gauss_newton", ax)

    def step_effect(self, *, ax: Axes | None = None) -> Drawn:
        """Draw by how much a step lowers the mean loss of its own batch, in the task's unit; below 0 it raises it.

        Raises RunFileError where it was not recorded.
        """
        curves, clock = effects([self._group])
        where = f"run file {self._run.path}: no effect of a step"
        advice = 'record it with --step-effect "every 10 steps", or in Python step_effect="every 10 steps"'
        require(bool(curves), f"{where}: expected one to draw; {advice}", RunFileError)
        axis = f"fall of the batch's {_words('loss', [self._group])}"
        shown = [(one, style_of(0)) for one in curves.values()]
        return _drawn(lambda axes: plots.draw_learning(axes, shown, list(curves.values()), clock=clock, axis=axis), ax)

    def _angles(self, place: str, ax: Axes | None) -> Drawn:
        curves, clock = angles(self._group, place)
        what = place.replace("_", " ")
        where = f"run file {self._run.path}: no {what} of a projection into a hidden population"
        advice = f'record it with --{place.replace("_", "-")} "every 1 epoch", or in Python {place}="every 1 epoch"'
        require(bool(curves), f"{where}: expected one to draw; {advice}", RunFileError)
        top = 120.0 if max(one.high.max() for one in curves.values()) <= 120 else 180.0
        named = {_as_written(name): one for name, one in curves.items()}
        return _drawn(lambda axes: plots.draw_alignment(axes, named, clock, colour=style_of(0).colour, top=top), ax)

    def tasks(self, *, ax: Axes | None = None) -> Drawn:
        """Draw the test error of each task of a sequence (row) before learning and after each task (column), per cent.

        Raises RunFileError where the data had no tasks.
        """
        found = Learned.of(self._group)
        if found is None:
            said = f"run file {self._run.path}: no tasks in sequence: expected some to draw"
            raise RunFileError(f"{said}; give [data] split_by_class or permute")
        return _drawn(lambda axes: draw_after_each(axes, found, float(found.mean.max())), ax, WIDE)

    def histograms(self, name: str, *, ax: Axes | None = None) -> Drawn:
        """Draw the values of a recorded variable, such as ``hidden1.rate`` or ``x__hidden1.w``: a histogram for each moment.

        At most 12 moments, the first at the top, each scaled to its own peak, on a scale that holds the middle 99.8 % of all
        values.  Where more than one per cent are exactly zero, these are counted apart, and their share stands at the right.

        Raises RunFileError where nothing was recorded, or no finite value; UnknownNameError where ``name`` was not.
        """
        where = f"run file {self._run.path}: recording {quoted(name)}"
        request = f'"{clean(name)} every 1 epoch"'
        advice = f"record it with --record {request}, or in Python Recorder.open(..., {request})"
        require(bool(self._run.recordings), f"{where}: nothing was recorded: expected one to draw; {advice}", RunFileError)
        found = course(self._run, name)
        if found is None:
            raise RunFileError(f"{where}: no finite value: expected one to draw; see whether the run diverged")
        axis = _as_written(name + (f" ({found.unit})" if found.unit else ""))
        colour, span = style_of(0).colour, plots.window([found])
        return _drawn(lambda axes: plots.draw_histograms(axes, found, span, colour=colour, axis=axis), ax)

    def raster(self, population: str, *, trial: int | None = None, ax: Axes | None = None) -> Drawn:
        """Draw every spike of a population in one trial, neurons upwards over time in seconds.

        trial : of a simulation (default: the first that has a spike); of a training, it is the last trial that was recorded

        Raises UnknownNameError where its spikes were not recorded, RunFileError where there are none, InputError where there is no
        such trial.
        """
        if self._run.is_simulation:
            own = self._trains(population)
            chosen = int(own.trial.min()) if trial is None else trial
            is_one = isinstance(chosen, int) and 0 <= chosen < own.trials
            require(is_one, f"trial {quoted(trial)}: expected one of 0 to {own.trials - 1}; change it")
            return _drawn(lambda axes: spike_plots.draw_raster(axes, own, chosen), ax)
        require(trial is None, f"trial {quoted(trial)}: of a training, the last trial is drawn: expected none; leave it out")
        where = self._known(population)
        found = rasters(self._run, population)
        require(bool(found), f"{where} {quoted(population)}: no spike: expected one to draw; draw another population", RunFileError)
        return _drawn(lambda axes: plots.draw_raster(axes, found[-1], colour=svg.TEXT), ax)


    # ------------------------------------------------------------------ of a simulation

    def rates(self, *populations: str, window: float | None = None, ax: Axes | None = None) -> Drawn:
        """Draw the mean rate of a neuron over time, Hz: the mean over trials, and a band from the lowest to the highest trial.

        populations : default: all that fired; window : in which spikes are counted, seconds

        Raises as ``raster`` does.
        """
        names = populations or [name for name, spikes in self._run.spikes.items() if len(spikes)]
        require(bool(names), f"run file {self._run.path}: no spike: expected one to draw; draw another run", RunFileError)
        known = {name: (self._trains(name), style_of(k)) for k, name in enumerate(names)}
        width = window or self._window()
        return _drawn(lambda axes: _named_lines(axes, lambda: spike_plots.draw_rates(axes, known, width), len(known)), ax)

    def trials(self, population: str, *, window: float | None = None, ax: Axes | None = None) -> Drawn:
        """Draw the rate of each trial over time, a row each, darker where it is higher.  window : seconds.  Raises as ``raster``"""
        own, width = self._trains(population), window or self._window()
        return _drawn(lambda axes: spike_plots.draw_trials(axes, own, width), ax)

    def intervals(self, population: str, *, ax: Axes | None = None) -> Drawn:
        """Draw the distribution of the intervals between two spikes of a neuron, ms, all neurons and trials together.

        Raises RunFileError where no neuron fired twice; and as ``raster`` does.
        """
        own = self._trains(population)
        told = f"run file {self._run.path}: population {quoted(population)}: no neuron fired twice: expected an interval"
        require(len(spike_statistics.intervals(own)) > 0, f"{told}; draw another population", RunFileError)
        return _drawn(lambda axes: spike_plots.draw_intervals(axes, own, style_of(0).colour), ax)

    def cv(self, population: str, *, ax: Axes | None = None) -> Drawn:
        """Draw the distribution of the neurons' coefficient of variation of intervals; dotted: 1, a Poisson process.

        Raises RunFileError where no neuron has two intervals; and as ``raster`` does.
        """
        own = self._trains(population)
        told = f"run file {self._run.path}: population {quoted(population)}: no neuron fired three times: expected two intervals"
        require(bool((spike_statistics.cv(own) >= 0).any()), f"{told}; draw another population", RunFileError)
        return _drawn(lambda axes: spike_plots.draw_cv(axes, own, style_of(0).colour), ax)

    def trace(self, name: str, *, trial: int = 0, ax: Axes | None = None) -> Drawn:
        """Draw a variable that was recorded in time, such as ``cells.v``, in one trial, of at most three elements, evenly spaced.

        Raises UnknownNameError where it was not recorded, InputError where there is no such trial, or it was not recorded in time.
        """
        one = self._run.recording(name)
        in_time = one.dims[0] == "time" and one.size > 0
        require(in_time, f"recording {quoted(name)}: not recorded in time: expected one of a simulation; draw its histograms")
        is_one = isinstance(trial, int) and 0 <= trial < one.shape[1]
        require(is_one, f"trial {quoted(trial)}: expected one of 0 to {one.shape[1] - 1}; change it")
        found = trace_of(one, trial)
        axis = _as_written(name.rpartition(".")[2] + (f" ({found.unit})" if found.unit else ""))
        lines = [style_of(k) for k in range(len(found.names))]
        return _drawn(lambda axes: spike_plots.draw_traces(axes, found, lines, axis=axis), ax)

    def _known(self, population: str) -> str:
        """Return how an error names a population's spikes; raise UnknownNameError where they were not recorded."""
        where = f"run file {self._run.path}: spikes of population"
        if population not in self._run.spikes:
            raise UnknownNameError(where, population, self._run.spikes or ["(none recorded)"])
        return where

    def _trains(self, population: str) -> spike_statistics.Trains:
        """Return a population's spikes; raise RunFileError where there are none."""
        where, found = self._known(population), spike_statistics.Trains.of(self._run, population)
        some = len(found) > 0 and found.duration > 0
        require(some, f"{where} {quoted(population)}: no spike: expected one to draw; draw another population", RunFileError)
        return found

    def _window(self) -> float:
        return spike_plots.window_of(spike_statistics.simulated(self._run), float(self._run.attributes.get("dt", 1e-4)))


def _named_lines(axes: Axes, draw: Callable[[], None], count: int) -> None:
    """Draw lines that have names, with a legend where there are several."""
    draw()
    if count > 1:
        axes.legend(frameon=False)


class SchemePlots:
    """The figures of several runs: a line for each scheme, its mean over seeds within the band from the lowest to the highest.

    paths : of run files; each method returns what those of ``RunPlots`` do
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def loss(self, split: str = "train", *, ax: Axes | None = None) -> Drawn:
        """Draw the loss of one split after each epoch, in the task's unit."""
        return self._metric("loss", split, ax)

    def error(self, split: str = "test", *, ax: Axes | None = None) -> Drawn:
        """Draw the error of one split after each epoch, per cent."""
        return self._metric("error", split, ax)

    def _metric(self, name: str, split: str, ax: Axes | None) -> Drawn:
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        with ExitStack() as stack:
            groups = grouped([stack.enter_context(Run(path)) for path in self._paths])
            found = {group: known for group in groups if (known := curve(group, split, name)) is not None}
            axis = f"{split} {_words(name, groups)}"
        where = ", ".join(sorted({str(path.parent) for path in self._paths})) or "no run files"
        require(bool(found), f"{where}: no {name} of split {split!r}: expected one to draw; give runs that were evaluated on it")
        drawn = styles(groups)
        shown = {group.label: (known, drawn[group.label]) for group, known in found.items()}
        return _drawn(lambda axes: _draw_curves(axes, shown, axis, **BESIDE), ax, WIDE)


BESIDE: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}  # a legend of many names


def _words(name: str, groups: Sequence[Group]) -> str:
    """Return what an axis calls the metric ``name``, with its unit."""
    error = error_words(groups)
    return f"{error} (%)" if name == "error" else "loss (nats)" if error == "error" else "loss"


def _draw_curves(axes: Axes, shown: Mapping[str, tuple[Curve, Style]], axis: str, **placed: Any) -> None:
    """Draw curves with their names."""
    before = len(axes.get_lines())
    plots.draw_learning(axes, list(shown.values()), [one for one, _ in shown.values()], axis=axis)
    for line, name in zip(axes.get_lines()[before:], shown, strict=True):
        line.set_label(_as_written(clean(name)))
    if len(shown) > 1:
        axes.legend(frameon=False, **placed)


def _as_written(name: str) -> str:
    """Return a name from a file as matplotlib draws it: no part of it is a formula."""
    return name.replace("$", r"\$")


def _drawn(draw: Callable[[Axes], object], ax: Axes | None, size: tuple[float, float] = SIZE) -> Drawn:
    """Draw into ``ax`` and return it; where there is none, into a new figure, which is returned."""
    if ax is not None:
        require(isinstance(ax, Axes), f"ax {quoted(ax)}: expected axes of matplotlib; give those of plt.subplots()")
        draw(ax)
        return ax
    with matplotlib.rc_context(STYLE):
        figure = ShownFigure(figsize=size, dpi=DPI, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        kept = {key: STYLE[f"xtick.{key}"] for key in ("color", "labelcolor")} | {"labelsize": STYLE["font.size"]}
        axes.tick_params(**kept)  # ticks are made when they are drawn, by other settings then
    return figure
