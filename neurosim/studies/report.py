"""A study as one HTML page that needs nothing else, made of ``study.toml`` and ``study.csv``; no run file is opened."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from neurosim.analysis.pages import check_free, rendered, write_page
from neurosim.analysis.report import file_name
from neurosim.analysis.summary import Cell
from neurosim.catalogue import is_outside, texts_in
from neurosim.errors import pasteable
from neurosim.modelfile.reading import value_of
from neurosim.runfile.run import error_name
from neurosim.studies import figures
from neurosim.studies.figures import Columns, against_parameters, heat_maps, is_number, words_of
from neurosim.studies.plan import SCHEME
from neurosim.studies.point import COMPLETE, STOPPED
from neurosim.studies.results import Results, read, series

TEMPLATE = Path(__file__).with_name("templates") / "study.html"
MOST_ROWS = 300  # points that the table shows
MOST_REASONS = 50  # runs whose reason is told
MOST_SEEDS = 10  # that are told one by one
LONGEST = 300  # characters of a reason, or of a parameter's description


def write_study_report(folder: Path, out: Path, *, overwrite: bool = False) -> Path:
    """Write a page on the study in ``folder`` into the file ``out``; return its path.

    Raises
    ------
    RunFileError
        ``folder`` holds no study, or a damaged one; ``out`` exists (without ``overwrite``), or its folder does not.
    OSError
        It cannot be written, as on a full disk; what was there stays.
    """
    check_free(out, overwrite, [folder / "study.toml", folder / "study.csv"])
    return write_page(page(read(folder)), out)


def page(results: Results) -> str:
    """Return the page as HTML."""
    order, names = _order(results), Columns(results).names
    parameters, maps = against_parameters(results), heat_maps(results)
    numbers = [int(number) for number in order[:MOST_ROWS]]
    return rendered(
        TEMPLATE,
        kind="study",
        title=_title(results, list(names.values())),
        facts=_facts(results),
        notes=list(_notes(results)),
        parameters=[_cut(parameter.describe()) for parameter in results.parameters],
        best=_best(results),
        seeds=len(results.seeds),
        spread=f"Mean ± standard deviation over {len(results.seeds)} seeds" if len(results.seeds) > 1 else "One seed",
        sections=[section for section in (parameters, maps) if section],
        headings=list(names.items()),
        columns=_table(results, numbers),
        points=[(number, _named(results, number), _state(results, number)) for number in numbers],
        left_out=len(order) - len(numbers),
        validated=results.is_validated,
        wrong=_wrong(results),
        models=[_model(results, scheme) for scheme in _schemes_of(results, numbers)],
        commands=[(number, command(results, number, results.seeds[0])) for number in numbers],
    )


def _order(results: Results) -> list[int]:
    """Return the points, the best by validation first, those that are not complete last; without validation as they are.

    Of points that were stopped, those that came further are before the others.
    """
    frame = results.means.assign(part=results.means["complete"] < len(results.seeds))
    frame = frame.assign(failed=frame["counted"] < len(results.seeds), shorter=-frame["epochs"])
    ended = ["failed", "shorter"] if results.halving is not None else []
    by = ["part", *ended, "validation_mean"] if results.is_validated else ["part"]
    return [int(number) for number in frame.sort_values(by, kind="stable").index]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


# ---------------------------------------------------------------------- what the page says first


def _title(results: Results, names: Sequence[str]) -> str:
    over = ", ".join(names) if len(names) <= 3 else f"{len(names)} parameters"
    return f"{results.name} over {over}" if names else results.name


def _facts(results: Results) -> dict[str, str]:
    counts = results.runs["status"].value_counts()
    seeds = ", ".join(map(str, results.seeds))
    if len(results.seeds) > MOST_SEEDS:
        seeds = f"{len(results.seeds)} from {min(results.seeds)} to {max(results.seeds)}"
    data = dict.fromkeys(str(_within(model, "data", "name")) for model in results.models.values())
    facts = {
        "data": _joined(data),
        "points": f"{len(results.points):,}",
        "seeds": seeds,
        "runs": f"{len(results.runs):,}: {', '.join(f'{count:,} {_cut(status)}' for status, count in counts.head(6).items())}",
        "measured": _when([text for text in results.runs["created"].unique() if text]),
    }
    scores = [text for text in results.runs["score"].unique() if text]
    if any(error_name(score) != "error" for score in scores):
        facts["error"] = _joined(scores)
    if results.halving is not None:
        facts["halving"] = f"{results.halving.rungs} rungs, of {results.halving.eta} points one goes on"
    for heading, column in {"neurosim": "neurosim", "commit": "commit", "backend": "backend"}.items():
        facts[heading] = _joined([text[:12] if column == "commit" else text for text in results.runs[column].unique() if text])
    return {heading: text for heading, text in facts.items() if text}


def _joined(texts: Any) -> str:
    listed = [_cut(text) for text in texts]
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _when(times: Sequence[str]) -> str:
    """Return from when to when the runs began, to the minute; their texts, all of one form, sort as times do."""
    ends = [time[:16].replace("T", " ") for time in (min(times), max(times))] if times else []
    return " to ".join(dict.fromkeys(ends)) + (" UTC" if ends else "")


def _within(model: Any, *keys: str) -> Any:
    for key in keys:
        model = model.get(key, "") if isinstance(model, dict) else ""
    return model


def _notes(results: Results) -> Iterator[str]:
    """Yield what a reader has to know before comparing numbers."""
    stopped = int((results.means["counted"] == len(results.seeds)).sum()) - len(results.whole)
    if stopped:
        of = f"{stopped:,} of {len(results.points):,} points were stopped early by their validation error (successive halving)"
        yield f"{of}: the tables have their errors at that epoch, but they are not drawn, and none of them is chosen."
    part = len(results.points) - len(results.whole) - stopped
    if part:
        of = f"{part:,} of {len(results.points):,} points have runs that did not come to their end"
        yield f"{of}: they are in the tables, but are not drawn, and none of them is chosen."
    if not results.is_validated:
        yield "There is no validation split to choose a point by, so none is chosen: to choose on the test set would flatter it."
    columns = Columns(results)
    if len(columns.all_schemes) > figures.MOST_SCHEMES:
        yield f"Figures show {figures.MOST_SCHEMES} of {len(columns.all_schemes)} schemes; the table has all."
    if len(results.parameters) > figures.MOST_FIGURES:
        yield f"Figures show {figures.MOST_FIGURES} of {len(results.parameters)} parameters at most; the table has all."


# ---------------------------------------------------------------------- points


@dataclass(frozen=True)
class Best:
    """The point that was chosen.  errors : (split, mean and spread in words); commands : one for each seed"""

    number: int
    values: list[tuple[str, str]]
    errors: list[tuple[str, str]]
    commands: list[str]


def _best(results: Results) -> Best | None:
    if results.best is None:
        return None
    number = results.best
    values = [(key, words_of(value)) for key, value in results.points[number - 1].items()]
    errors = [(split, f"{_error(results, number, split).text} %") for split in results.splits]
    return Best(number, values, errors, [command(results, number, seed) for seed in results.seeds[:MOST_SEEDS]])


def _error(results: Results, number: int, split: str) -> Cell:
    mean, std = (float(results.means.at[number, f"{split}_{name}"]) for name in ("mean", "std"))
    if math.isnan(mean):
        return Cell("")
    form = ".2f" if abs(mean) < 1e6 else ".3g"
    return Cell(format(mean, form) + ("" if math.isnan(std) else f" ± {format(std, form)}"), mean)


def _table(results: Results, numbers: Sequence[int]) -> dict[str, list[Cell]]:
    """Return heading -> one cell for each point, beside its values."""
    found = {f"{split.capitalize()} error (%)": [_error(results, number, split) for number in numbers] for split in results.splits}
    of = len(results.seeds)
    if results.halving is not None:
        epochs = [float(results.means.at[number, "epochs"]) for number in numbers]
        found["Epochs"] = [Cell("") if math.isnan(length) else Cell(f"{length:.0f}", length) for length in epochs]
    counted = [int(results.means.at[number, "counted"]) for number in numbers]
    return found | {"Seeds": [Cell(f"{count} of {of}" if count < of else str(of), count) for count in counted]}


def _named(results: Results, number: int) -> list[Cell]:
    """Return the values of a point in the order of the parameters; "" for one that does not count."""
    values, by = results.points[number - 1], series(results.parameters)
    cells = []
    for parameter in results.parameters:
        value = values.get(parameter.key, "")
        text = f"{value:.4g}" if parameter.is_drawn and is_number(value) else words_of(value)
        text = text.replace("_", " ") if parameter.key == by else text
        cells.append(Cell(_cut(text), float(value) if is_number(value) else None))
    return cells


def _state(results: Results, number: int) -> str:
    """Return how many runs of a point ended otherwise than they should; "" where all are complete; where one was stopped."""
    if results.means.at[number, "complete"] == len(results.seeds):
        return ""
    own = results.runs.loc[number]
    if results.halving is not None and results.means.at[number, "counted"] == len(results.seeds):
        return _cut(f"stopped at {own['reason'].iloc[0]}")
    other = [status for status in own["status"] if status != COMPLETE]
    return ", ".join(f"{other.count(status)} {_cut(status)}" for status in list(dict.fromkeys(other))[:4])


@dataclass(frozen=True)
class Wrong:
    """Runs that did not come to their end.  rows : (point, its values, seed, status, reason); left_out : how many more"""

    rows: list[tuple[int, str, int, str, str]]
    left_out: int


def _wrong(results: Results) -> Wrong:
    ended = [COMPLETE] if results.halving is None else [COMPLETE, STOPPED]
    frame = results.runs[~results.runs["status"].isin(ended)]
    names, rows = Columns(results).names.values(), []
    for (number, seed), row in frame.head(MOST_REASONS).iterrows():
        values = ", ".join(f"{name}={cell.text}" for name, cell in zip(names, _named(results, number), strict=True) if cell.text)
        rows.append((number, values, seed, _cut(row["status"]), _cut(row["reason"])))
    return Wrong(rows, len(frame) - len(rows))


# ---------------------------------------------------------------------- how to run a point alone


@dataclass(frozen=True)
class Model:
    """A model file that commands name: its contents before parameters changed them."""

    file: str
    text: str

    @property
    def link(self) -> str:
        """The file as a link that holds it."""
        return "data:text/plain;base64," + base64.b64encode(self.text.encode("utf-8", "replace")).decode()


def _scheme_of(results: Results, number: int) -> str:
    """Return which of the study's models a point is of."""
    return str(results.points[number - 1].get(SCHEME, ""))


def _schemes_of(results: Results, numbers: Sequence[int]) -> list[str]:
    found = dict.fromkeys(_scheme_of(results, number) for number in numbers)
    return [scheme for scheme in found if scheme in results.models]


def _model(results: Results, scheme: str) -> Model:
    return Model(_file(results, scheme), tomli_w.dumps(results.models[scheme]))


def _file(results: Results, scheme: str) -> str:
    return file_name(f"{results.name}-{scheme}" if scheme else results.name) + ".toml"


def command(results: Results, number: int, seed: int) -> str:
    """Return the command that runs one point alone, from the model file that the page holds."""
    scheme = _scheme_of(results, number)
    words: list[object] = ["neurosim", "run", _file(results, scheme)]
    for key, value in results.points[number - 1].items():
        words += ["--set", f"{key}={_setting(value)}"] if key != SCHEME else []
    used = results.runs.at[(number, seed), "backend"] or results.backend
    words += ["--seed", seed, "--backend", used] + (["--data-dir", results.data_dir] if results.data_dir else [])
    for module in _modules(results, number):
        words += ["--import", module]
    return " ".join(map(pasteable, words))


def _modules(results: Results, number: int) -> list[str]:
    """Return the modules that a point's classes are of: those of its model, and those that values of its parameters name."""
    noted = _within(results.models.get(_scheme_of(results, number), {}), "modules")
    named = {text.partition(":")[0] for text in texts_in(results.points[number - 1]) if is_outside(text)}
    return list(dict.fromkeys([*(noted if isinstance(noted, dict) else ()), *(one for one in results.modules if one in named)]))


def _setting(value: Any) -> str:
    """Return a value as ``--set`` takes it: a text as it is, unless it would be taken for something else; all else as TOML."""
    if isinstance(value, str) and value == value.strip() and value_of(value) == value:
        return value
    if isinstance(value, list) and all(map(is_number, value)):
        return str(value)
    lines = tomli_w.dumps({"v": [[value]]}).splitlines()  # within two lists, a table is never one of its own
    return " ".join(line.strip() for line in lines).removeprefix("v = [ [ ").removesuffix(", ], ]")
