"""The figures of a study's page: errors against each parameter, and over each two of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.analysis.courses import Curve
from neurosim.analysis.figures import Figure, Panel, Strip
from neurosim.analysis.grouping import BASELINE
from neurosim.analysis.palette import Style, styles_of
from neurosim.analysis.plots import clean
from neurosim.errors import quoted
from neurosim.studies import charts
from neurosim.studies.charts import Cells, Dots, Scale, Side
from neurosim.studies.results import Results, series
from neurosim.studies.space import Parameter

if TYPE_CHECKING:
    import pandas

LARGEST_VALUE = 1e100  # of a parameter, on an axis
MOST_SCHEMES = 14  # that have a line
MOST_FIGURES = 12  # parameters that have a figure, and pairs of them
MOST_DOTS = 500  # of one panel
MOST_NAMES = 30  # values of a parameter that is no number
MOST_CELLS = 24  # values along one side of a heat map


@dataclass(frozen=True)
class Section:
    """Figures under one heading of the page.  legend : (style, words) of each line"""

    name: str
    figures: list[Figure]
    legend: list[tuple[Style, str]]


def words_of(value: Any) -> str:
    """Return a value as people read it."""
    return value if isinstance(value, str) else quoted(value)


def labels_of(values: Sequence[Any]) -> list[str]:
    """Return values as an axis names them: fractions without the digits that a computer adds, as long as they stay apart."""
    short = [f"{value:.6g}" if isinstance(value, float) else words_of(value) for value in values]
    return short if len(set(short)) == len(short) else list(map(words_of, values))


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return each key without its beginning, as long as they stay apart: ``batch`` of ``stages.0.batch``."""
    found = {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        found[key] = next(end for end in ends if sum(f".{other}".endswith(f".{end}") for other in keys) == 1 or end == key)
    return found


def is_number(value: Any) -> bool:
    """Return whether a value has a place on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < LARGEST_VALUE


class Columns:
    """The points that are complete as columns: what each parameter is in each of them.

    frame : ``Results.whole``, with ``scheme``, the number of the scheme in ``schemes``, ``MOST_SCHEMES`` at most
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.names = short_names([parameter.key for parameter in results.parameters])
        self.by = series(results.parameters)
        known = {parameter.key: parameter for parameter in results.parameters}
        listed = known[self.by].values if self.by and not known[self.by].is_drawn else ()
        self.all_schemes = [words_of(value).replace("_", " ") for value in listed] or [results.name]

    def numbers(self, parameter: Parameter) -> np.ndarray:
        """Return which of its values each point of the study has, from 0; -1 where it does not count.  Drawn: the value, or NaN."""
        given = [point.get(parameter.key) for point in self.results.points]
        if parameter.is_drawn:
            return np.array([math.nan if value is None else float(value) for value in given])
        place = {_identity(value): number for number, value in enumerate(parameter.values)}
        return np.array([-1 if value is None else place[_identity(value)] for value in given])

    @cached_property
    def scheme_of(self) -> np.ndarray:
        """Which of ``all_schemes`` each point of the study is of."""
        known = {parameter.key: parameter for parameter in self.results.parameters}
        return self.numbers(known[self.by]) if self.by and not known[self.by].is_drawn else np.zeros(len(self.results.points), int)

    @cached_property
    def schemes(self) -> list[int]:
        """The schemes that are drawn: the best by validation, where they are too many; in their order."""
        frame = self.whole(self.scheme_of)
        there = [int(number) for number in frame["at"].unique()]
        if len(there) > MOST_SCHEMES and self.results.is_validated:
            there = list(frame.groupby("at")["validation_mean"].min().sort_values().index[:MOST_SCHEMES])
        return sorted(there[:MOST_SCHEMES])

    def whole(self, at: np.ndarray) -> pandas.DataFrame:
        """Return points that are complete and have the parameter; with ``at``, its value, and ``scheme``."""
        frame = self.results.whole
        rows = frame.index.to_numpy() - 1
        frame = frame.assign(at=at[rows], scheme=self.scheme_of[rows])
        return frame[np.isfinite(frame["at"]) & ((frame["at"] >= 0) if at.dtype.kind == "i" else True)]

    def chosen(self, frame: pandas.DataFrame, by: list[str], split: str) -> pandas.DataFrame:
        """Return one row for each group of ``by``: of its best point by validation, or of all its points together.

        Columns: those of ``by``, and ``mean``, ``min``, ``max`` of the error on ``split``.
        """
        names = {f"{split}_{name}": name for name in ("mean", "min", "max")}
        if self.results.is_validated:
            known = frame.dropna(subset=["validation_mean", f"{split}_mean"])
            rows = known.loc[known.groupby(by)["validation_mean"].idxmin()]
        else:
            known = frame.dropna(subset=[f"{split}_mean"])
            rows = known.groupby(by, as_index=False).agg(names)
        return rows[[*by, *names]].rename(columns=names)

    def legend(self) -> list[tuple[Style, str]]:
        """Return (style, words) of each scheme that is drawn."""
        return list(zip(self.styles, [self.all_schemes[number] for number in self.schemes], strict=True))

    @cached_property
    def styles(self) -> list[Style]:
        """How each of ``schemes`` is drawn."""
        names = [self.all_schemes[number] for number in self.schemes]
        found = styles_of(names, [BASELINE] if len(names) > 1 else [])
        return [found[name] for name in names]


def _identity(value: Any) -> tuple[str, str]:
    return type(value).__name__, repr(value)


# ---------------------------------------------------------------------- one parameter


def against_parameters(results: Results) -> Section | None:
    """Return the errors against each parameter; None where no point is complete, or none has an error."""
    columns = Columns(results)
    figures = itertools.islice(_figures(columns), MOST_FIGURES)
    found = list(figures) if results.splits else []
    return Section("Error against each parameter", found, columns.legend()) if found else None


def _figures(columns: Columns) -> Iterator[Figure]:
    for parameter in columns.results.parameters:
        at = columns.numbers(parameter)
        frame = columns.whole(at)
        frame = frame[frame["scheme"].isin(columns.schemes)]
        if frame["at"].nunique() < 2:
            continue
        numbers = parameter.is_drawn or _are_numbers(parameter.values)
        if not parameter.is_drawn and numbers:
            frame = frame.assign(at=np.array(parameter.values, float)[frame["at"].to_numpy()])
        panels = _against(columns, parameter, frame) if numbers else _beside(columns, parameter, frame)
        yield Figure(parameter.key, [Strip("", panels)], _caption(columns, parameter, len(frame), numbers), [])


def _are_numbers(values: Sequence[Any]) -> bool:
    """Return whether values have places on an axis, each its own."""
    return all(map(is_number, values)) and len(set(map(float, values))) == len(values)


def _caption(columns: Columns, parameter: Parameter, count: int, numbers: bool) -> str:
    """Return what the figure of a parameter shows.  count : of points; numbers : whether its values have an axis"""
    left_out = f" Of {count:,} points, one in {_every(count)} has a mark." if count > MOST_DOTS else ""
    if parameter.is_drawn:
        return "Every mark is a point: mean over seeds at the value that was drawn." + left_out
    results, by = columns.results, columns.by
    mark, band = ("Line", "band") if numbers else ("Mark", "line")
    of_scheme = " of each scheme" if by and by != parameter.key else ""
    if len(results.parameters) == 1 + bool(of_scheme):
        mean, lowest, highest = "mean over seeds at each value", "the lowest", "the highest seed"
    elif results.is_validated:
        mean = f"mean over seeds of the point{of_scheme} that is best by validation among all with this value"
        lowest, highest = "its lowest", "its highest seed"
    else:
        mean = f"mean over all points{of_scheme} with this value, since there is no validation split to choose one by"
        lowest, highest = "the lowest", "the highest run"
    if numbers and charts.is_crowded(len(columns.schemes)):
        return f"{mark}: {mean}. For so many schemes, spreads are in the table alone."
    dots = f" Faint marks: the mean of each point.{left_out}" if numbers else ""
    return f"{mark}: {mean}; {band}: from {lowest} to {highest}.{dots}"


def _curves(columns: Columns, frame: pandas.DataFrame, split: str) -> dict[int, Curve]:
    """Return place of each scheme among those drawn -> its curve over ``at``."""
    rows = columns.chosen(frame, ["scheme", "at"], split)
    curves = {}
    for place, number in enumerate(columns.schemes):
        own = rows[rows["scheme"] == number].sort_values("at")
        if len(own):
            at, mean, low, high = (own[name].to_numpy(float) for name in ("at", "mean", "min", "max"))
            curves[place] = Curve(at, mean, low, high, seeds=2 if (high > low).any() else 1)
    return curves


def _dots(columns: Columns, frame: pandas.DataFrame, split: str) -> dict[int, Dots]:
    """Return place of each scheme -> its points, of many some at equal distances."""
    known = frame.dropna(subset=[f"{split}_mean"])
    known = known.iloc[:: _every(len(frame))]
    found = {}
    for place, number in enumerate(columns.schemes):
        own = known[known["scheme"] == number]
        if len(own):
            found[place] = Dots(own["at"].to_numpy(float), own[f"{split}_mean"].to_numpy(float))
    return found


def _every(count: int) -> int:
    """Return of how many points one has a mark; odd beyond one, since grids are often even, and some values would have none."""
    every = math.ceil(count / MOST_DOTS) or 1
    return every + (every > 1 and every % 2 == 0)


def _as_curve(dots: Dots) -> Curve:
    return Curve(dots.at, dots.error, dots.error, dots.error, 1)


def _against(columns: Columns, parameter: Parameter, frame: pandas.DataFrame) -> list[Panel]:
    splits = columns.results.splits
    dots = {split: _dots(columns, frame, split) for split in splits}
    curves = {split: {} if parameter.is_drawn else _curves(columns, frame, split) for split in splits}
    all_curves = [curve for own in curves.values() for curve in own.values()]
    if not charts.is_crowded(len(all_curves) // len(splits)):
        all_curves += [_as_curve(one) for own in dots.values() for one in own.values()]
    values = [float(value) for value in frame["at"].unique()]
    log = parameter.distribution == "log_uniform" or charts.is_geometric(values)
    scale, panels = Scale(all_curves, values, log, not parameter.is_drawn), []
    for split in splits:
        error, name = f"{split} error (%)", columns.names[parameter.key]
        said = f"{split} error against {parameter.key}{_reached(columns, curves[split] or dots[split])}"
        svg = charts.against(curves[split], dots[split], columns.styles, scale, axis=name, error=error, label=clean(said, 400))
        panels.append(Panel(f"{split.capitalize()} error", "", svg))
    return panels


def _beside(columns: Columns, parameter: Parameter, frame: pandas.DataFrame) -> list[Panel]:
    kept = sorted(int(number) for number in frame["at"].unique())[:MOST_NAMES]
    place = {number: k for k, number in enumerate(kept)}
    frame = frame[frame["at"].isin(kept)]
    frame = frame.assign(at=frame["at"].map(place))
    names = [name.replace("_", " ") for name in labels_of([parameter.values[number] for number in kept])]
    splits = columns.results.splits
    curves = {split: _curves(columns, frame, split) for split in splits}
    scale = Scale([curve for own in curves.values() for curve in own.values()])
    panels = []
    for split in splits:
        said = f"{split} error of each {parameter.key}{_reached(columns, curves[split])}"
        svg = charts.beside(names, curves[split], columns.styles, scale, error=f"{split} error (%)", label=clean(said, 400))
        panels.append(Panel(f"{split.capitalize()} error", "", svg))
    return panels


def _reached(columns: Columns, curves: dict[int, Curve] | dict[int, Dots]) -> str:
    """Return the lowest error of each scheme in words, for those who do not see the plot."""
    lowest = {place: float((one.mean if isinstance(one, Curve) else one.error).min()) for place, one in curves.items()}
    return "".join(f"; lowest of {columns.all_schemes[columns.schemes[place]]} {error:.3g} %" for place, error in lowest.items())


# ---------------------------------------------------------------------- two parameters


def heat_maps(results: Results) -> Section | None:
    """Return the mean error over each two listed parameters, a map for each scheme; None where there are no two."""
    columns = Columns(results)
    listed = [one for one in results.parameters if one.key != columns.by and 2 <= len(one.values) <= MOST_CELLS]
    pairs = itertools.islice(itertools.combinations(listed, 2), MOST_FIGURES)
    found = [figure for across, down in pairs for figure in _maps(columns, across, down)] if results.splits else []
    return Section("Error over two parameters", found, []) if found else None


def _maps(columns: Columns, across: Parameter, down: Parameter) -> Iterator[Figure]:
    results, split = columns.results, columns.results.splits[0]
    x, y = columns.numbers(across), columns.numbers(down)
    frame = columns.whole(x).rename(columns={"at": "x"})
    frame = frame.assign(y=y[frame.index.to_numpy() - 1])
    frame = frame[frame["y"] >= 0]
    rows = columns.chosen(frame, ["scheme", "x", "y"], split)
    maps = {}
    for number in columns.schemes:
        own, shape = rows[rows["scheme"] == number], (len(down.values), len(across.values))
        errors, present = np.full(shape, np.nan), np.zeros(shape, bool)
        errors[own["y"].to_numpy(int), own["x"].to_numpy(int)] = own["mean"]
        there = (columns.scheme_of == number) & (x >= 0) & (y >= 0)
        present[y[there], x[there]] = True
        best = results.best - 1 if results.best is not None else None
        mark = None if best is None or not there[best] else (int(y[best]), int(x[best]))
        if present.any():
            maps[number] = Cells(errors, present, mark)
    if not maps:
        return
    norm = charts.shades(list(maps.values()))
    bottom, left = (Side(columns.names[one.key], labels_of(one.values)) for one in (across, down))
    panels = []
    for number, cells in maps.items():
        known = cells.errors[np.isfinite(cells.errors)]
        span = f", from {known.min():.3g} to {known.max():.3g} %" if len(known) else ""
        said = f"{split} error of {columns.all_schemes[number]} over {across.key} and {down.key}{span}"
        svg = charts.heat(cells, bottom, left, norm, label=clean(said, 300))
        panels.append(Panel(columns.all_schemes[number], "", svg))
    others = len(results.parameters) - 2 - bool(columns.by) > 0
    yield Figure(f"{down.key} and {across.key}", [Strip("", panels)], _map_caption(columns, split, others), [])


def _map_caption(columns: Columns, split: str, others: bool) -> str:
    of = "mean over seeds"
    if others:
        which = "the best point by validation" if columns.results.is_validated else "all points"
        of = f"mean over seeds of {which} with these two values"
    best = " Framed: the best point by validation." if columns.results.is_validated else ""
    why = "" if columns.results.is_validated else ", since there is no validation split"
    return (
        f"{split.capitalize()} error in per cent{why}, {of}; dark is low, one scale for all. ×: a run did not come to its end; "
        f"no shade: the study has no such point.{best}"
    )
