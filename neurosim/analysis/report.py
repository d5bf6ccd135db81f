"""A report: run files as one HTML page that needs nothing else, to be read, printed, sorted and sent."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.analysis import simulation_report
from neurosim.analysis.courses import metric
from neurosim.analysis.facts import data_name, facts, network_name
from neurosim.analysis.figures import figures, styles
from neurosim.analysis.grouping import Group, baselines, contents, differences, grouped, seed
from neurosim.analysis.pages import TEMPLATES, check_free, rendered, write_page
from neurosim.analysis.representation_figures import section
from neurosim.analysis.represented import Again, represented
from neurosim.analysis.summary import CLAIMS, accuracy, claim, error_words, explained, table
from neurosim.errors import RunFileError, require
from neurosim.runfile import Card, Run
from neurosim.runfile.locality_card import COLUMNS, HEADS, MEANINGS, NO, NONE, READS, UNEXPLAINED, YES

DIFFERENCES = 6  # keys that a note names
SHORT = 60  # characters of a value that a note shows
MARKS = {YES: "\N{BLACK CIRCLE}", READS: "\N{WHITE CIRCLE}", NO: "\N{MIDDLE DOT}", NONE: "\N{EN DASH}", UNEXPLAINED: "!!"}
CLASSES = {YES: "yes", READS: "reads", NO: "none", NONE: "none", UNEXPLAINED: "unexplained"}  # of the style sheet


def write_report(runs: Sequence[Run], out: Path, *, overwrite: bool = False, again: Again | None = None) -> Path:
    """Write a report on ``runs`` into the file ``out``; return its path.

    Runs that differ in their seed alone are one row of the table and one panel of a figure.

    again : gives the responses of a run's populations (``experiments.responses.shower``), so that the page says what they represent
        whatever was recorded.  Without it, it says so of recorded rates, where they are of few populations, without probes.  A
        run that it fails for is left out there, and a note says why

    Raises
    ------
    RunFileError
        There is no run, ``out`` exists (without ``overwrite``) or is one of the run files, its folder does not exist, or a run
        file turns out to be damaged.
    OSError
        It cannot be written, as on a full disk; what was there stays.
    """
    check_free(out, overwrite, [run.path for run in runs])
    require(bool(runs), "report: no run given: expected one or more; add a run file", RunFileError)
    return write_page(page(runs, again), out)


def page(runs: Sequence[Run], again: Again | None = None) -> str:
    """Return the report as HTML.  again : as for ``write_report``"""
    if any(run.is_simulation for run in runs):
        return simulation_report.page(runs)
    groups = sorted(grouped(runs), key=_best_first)
    error = error_words(groups)
    described = [_described(group, run, error) for group in groups for run in group.runs]
    shared, columns, drawn = _shared(described), table(groups), styles(groups)
    answered, more = represented(groups, again)
    return rendered(
        TEMPLATES / "report.html",
        kind="report",
        title=_title(groups),
        facts=facts(groups, runs),
        notes=[*_notes(groups), *more],
        groups=groups,
        columns=columns,
        explained=explained(groups, columns),
        states={group.label: _state(group) for group in groups},
        spread=_spread(groups),
        styles=drawn,
        figures=list(figures(groups)),
        representations=None if answered is None else section(answered, drawn),
        needs={heading: [claim(group, name) or "not known" for group in groups] for name, heading in CLAIMS.items()},
        cards=list(_cards(groups)),
        columns_of_cards={HEADS.get(column, column): words for column, words in COLUMNS.items()},
        meanings=MEANINGS,
        marks=MARKS,
        classes=CLASSES,
        shared=shared,
        headings=[h for h in described[0] if h not in shared and any(line[h] for line in described)],
        runs=described,
        recipes=[(group, _recipes(group)) for group in groups],
    )


def _best_first(group: Group) -> tuple[bool, float, str]:
    """Order by test accuracy, back-propagation before all; what is equal by name, in whatever order the files came."""
    reached = accuracy(group)
    return not group.is_baseline, -reached.mean if reached else 0.0, group.label


def _cards(groups: Sequence[Group]) -> Iterator[tuple[str, Card]]:
    """Yield each group's locality cards, of its first run that has any: one for each stage."""
    for group in groups:
        cards = next((run.cards for run in group.runs if run.cards), ())
        for number, card in enumerate(cards, start=1):
            yield group.label + (f", stage {number}" if len(cards) > 1 else ""), card


# ---------------------------------------------------------------------- what the page says first


def _title(groups: Sequence[Group]) -> str:
    data = list(dict.fromkeys(data_name(group) for group in groups))
    what = groups[0].label.replace("_", " ") if len(groups) == 1 else f"{len(groups)} schemes"
    if len(groups) > 1 and len({group.label.partition(" (")[0] for group in groups}) < len(groups):
        what = f"{len(groups)} models"
    return f"{what} on {', '.join(data[:3])}{' and others' if len(data) > 3 else ''}"


def _notes(groups: Sequence[Group]) -> Iterator[str]:
    """Yield what a reader has to know before comparing numbers."""
    for what, name in (("Data sets", data_name), ("Networks", network_name)):
        names = dict.fromkeys(map(name, groups))
        if len(names) > 1:
            yield f"{what} differ: " + "; ".join(f"{one} ({_labels(g for g in groups if name(g) == one)})" for one in names) + "."
    if len({group.setting for group in groups}) > 1:
        yield "Numbers are set against back-propagation where data and network are those of a run of it in every key of its model."
    if not baselines(groups):
        yield "No run of back-propagation is among these, so nothing is told relative to it."
    yield from _numbered(groups)
    for group in groups:
        yield from _unusual(group)


def _spread(groups: Sequence[Group]) -> str:
    """Return what the numbers of the table are, and what stands behind ±."""
    counts = {len(group.counted) for group in groups}
    if counts == {1}:
        return ", of one seed"
    over = f"{counts.pop()} seeds" if len(counts) == 1 else "the seeds that the row names"
    return f": mean ± standard deviation over {over}; a number without ± is the mean alone"


def _labels(groups: Iterable[Group]) -> str:
    return ", ".join(group.label for group in groups)


def _numbered(groups: Sequence[Group]) -> Iterator[str]:
    """Yield in what the models of one name differ."""
    named: dict[str, list[Group]] = {}
    for group in groups:
        named.setdefault(str(group.runs[0].attributes.get("model_name")), []).append(group)
    for same in named.values():
        if len(same) > 1:
            same = sorted(same, key=lambda group: (len(group.label), group.label))
            found = [f"{key} ({', '.join(map(_shortened, values))})" for key, values in differences(same).items()]
            more = f" and {len(found) - DIFFERENCES} more keys" if len(found) > DIFFERENCES else ""
            yield f"{_labels(same)} differ in {'; '.join(found[:DIFFERENCES]) or 'their data'}{more}; they are not averaged."


def _shortened(value: str) -> str:
    return value if len(value) <= SHORT else value[: SHORT - 3] + "..."


def _unusual(group: Group) -> Iterator[str]:
    """Yield what keeps a group's numbers from being a plain mean over complete runs of different seeds."""
    missing = len(group.runs) - len(group.counted)
    if missing:
        yield f"{group.label}: {missing} of {len(group.runs)} runs did not complete; numbers and curves are those of the others."
    elif any(run.status != "complete" for run in group.runs):
        yield f"{group.label}: no run is complete; numbers are those of the last evaluation."
    seeds = [seed(run) for run in group.counted]
    if len(set(seeds)) < len(seeds):
        yield f"{group.label}: some seeds are there more than once, so the spread is not one over seeds."


def _state(group: Group) -> str:
    """Return how many runs ended otherwise than they should, as ``1 of 3 failed``; "" where all are complete."""
    other = [run.status for run in group.runs if run.status != "complete"]
    counts = [f"{other.count(status)} of {len(group.runs)} {status}" for status in dict.fromkeys(other)]
    return ", ".join(counts if len(group.runs) > 1 else other)


# ---------------------------------------------------------------------- what was run


@dataclass(frozen=True)
class Recipe:
    """How to run some runs again: one model file, and a command for each seed."""

    file: str
    text: str
    commands: list[str]

    @property
    def link(self) -> str:
        """The model file as a link that holds it."""
        return "data:text/plain;base64," + base64.b64encode(self.text.encode("utf-8", "replace")).decode()


def _recipes(group: Group) -> list[Recipe]:
    """Return one recipe for each model text; texts that differ in the seed alone are one."""
    texts: dict[str, list[Run]] = {}
    for run in group.runs:
        if run.model:
            texts.setdefault(json.dumps(contents(run) | {"seed": 0}, default=str, sort_keys=True), []).append(run)
    stem = file_name(group.label)
    names = [f"{stem}.toml" if not k else f"{stem}-{k + 1}.toml" for k in range(len(texts))]
    return [
        Recipe(name, runs[0].model, [_command(name, run) for run in runs]) for name, runs in zip(names, texts.values(), strict=True)
    ]


def file_name(label: str) -> str:
    """Return a label as the stem of a file that no shell takes for something else."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", label).strip("-") or "model"


def _command(name: str, run: Run) -> str:
    backend, folder = (str(run.attributes.get(key) or "") for key in ("backend", "data_dir"))
    options = ["--seed", str(seed(run))] + (["--backend", backend] if backend else []) + (["--data-dir", folder] if folder else [])
    modules = contents(run).get("modules")
    for module in modules if isinstance(modules, dict) else ():
        options += ["--import", module]
    return shlex.join(["neurosim", "run", name, *options])


def _described(group: Group, run: Run, error: str) -> dict[str, str]:
    """Return what the table of runs says of one, heading -> text.  error : what the error of all runs is"""
    said = run.attributes
    test = metric(run, "test", "error")
    return {
        "File": run.path.name,
        "Model": group.label.replace("_", " "),
        "Seed": str(seed(run)),
        "Status": run.status + (f": {said['reason']}" if said.get("reason") else ""),
        f"Test {error} (%)": "" if test is None else f"{test.sort_index().iloc[-1]:.2f}",
        "Backend": " on ".join(str(said[key]) for key in ("backend", "device") if said.get(key)),
        "Threads": f"{said['threads']} of {said.get('blas', '')}" if said.get("threads") else "",
        "Created": str(said.get("created", "")).replace("T", " ").replace("+00:00", " UTC"),
        "Made with": _versions(said),
        "Commit": str(said.get("git_commit") or "")[:12],
    }


def _shared(lines: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what all lines say, heading -> text, the name of the file aside."""
    first = lines[0]
    same = [heading for heading in list(first)[1:] if all(line[heading] == first[heading] for line in lines)]
    return {heading: first[heading] for heading in same if first[heading]} if len(lines) > 1 else {}


def _versions(said: Mapping[str, Any]) -> str:
    """Return the versions of neurosim and of what it stood on."""
    try:
        others = json.loads(str(said.get("versions", "{}")))
    except (json.JSONDecodeError, RecursionError):
        others = {}
    known = {"neurosim": said.get("neurosim_version", "?")} | (others if isinstance(others, dict) else {})
    return ", ".join(f"{name} {version}" for name, version in known.items())
