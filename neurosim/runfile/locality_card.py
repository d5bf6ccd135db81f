"""The locality card: what each change of a synapse depends on, as data, as text and as what a run file keeps."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

YES, READS, NO, NONE, UNEXPLAINED = "yes", "reads", "no", "-", "!!"
BEFORE = "of the step before"  # a note of what is remembered
WIDTH = 80  # characters of a line
NAME = 20  # of them, at most, for a row's name
MOST = 8  # things that a line names

COLUMNS = {
    "pre": "the activity of its own presynaptic neuron",
    "post": "the activity of its own postsynaptic neuron",
    "slope": "how steeply its own postsynaptic neuron responds",
    "near": "other neurons of the two populations that it joins",
    "weight": "its own weight",
    "fan_in": "other weights onto the same neuron, and that neuron's bias",
    "scalar": "a number that is broadcast to all synapses",
    "samples": "the other samples of the batch, beyond a mean over them",
    "weights": "weights onto other neurons",
    "layers": "the activity of other populations, in the same tick",
    "labels": "what the output should have done",
    "input": "the network's input, where that is not its own presynaptic activity",
    "earlier": "earlier ticks of the trial, or steps before",
    "later": "later ticks of the trial",
    "feedback": "synapses of the scheme's own",
    "outside": "arrays that belong neither to the network nor to the scheme's synapses",
}
HEADS = {"fan_in": "fan-in"}
BLOCKS = (
    ("pre", "post", "slope", "near", "weight", "fan_in", "scalar", "samples"),
    ("weights", "layers", "labels", "input", "earlier", "later", "feedback", "outside"),
)
MEANINGS = {
    YES: "it depends on it",
    READS: "it reads it, without an effect that was found here",
    NO: "neither",
    NONE: "there is no such thing here",
    UNEXPLAINED: "it depends on it, and the graph of the step does not show how",
}


@dataclass(frozen=True)
class Through:
    """One thing that a cell stands for.

    name : of a projection, a population or an array; state : as of a Cell; note : what else is known, as text
    """

    name: str
    state: str = YES
    note: str = ""

    def __str__(self) -> str:
        return self.name + (f" ({self.note})" if self.note else "") + ("" if self.state == YES else f" [{self.state}]")


@dataclass(frozen=True)
class Cell:
    """Whether a change depends on one source.

    state : ``yes``, ``reads`` (it is worked out from it, but no perturbation had an effect), ``no``, ``-``, or ``!!`` (it depends
        on it, though following the graph of the step says that it cannot)
    through : the things by name, where there are several
    """

    state: str = NO
    through: tuple[Through, ...] = ()

    @staticmethod
    def join(through: Sequence[Through]) -> Cell:
        """Return the cell of several things: the strongest of their states."""
        found = tuple(one for one in through if one.state not in (NO, NONE))
        order = (UNEXPLAINED, YES, READS)
        return Cell(next((state for state in order if any(one.state == state for one in found)), NO), found)

    def __bool__(self) -> bool:
        """Whether the change depends on it."""
        return self.state in (YES, UNEXPLAINED)


def state_of(perturbed: bool | None, followed: bool | None) -> str:
    """Return the state of two answers, each None where there is none."""
    if perturbed:
        return UNEXPLAINED if followed is False else YES
    return READS if followed else NO


@dataclass(frozen=True)
class Row:
    """What the change of one projection depends on, or that of other learned arrays of one owner.

    name : of the projection, of the population whose gain and shift these are, or of the pathway's array
    owner : ``network`` or ``pathway``
    pre, post : the populations that it joins; "" where it joins none
    cells : one for each of COLUMNS
    """

    name: str
    owner: str
    pre: str
    post: str
    cells: Mapping[str, Cell]

    def __getitem__(self, column: str) -> Cell:
        return self.cells[column]

    def words(self) -> str:
        """Return what it depends on beyond its two ends, as one line."""
        told = [(HEADS.get(name, name), list(map(str, cell.through))) for name, cell in self.cells.items() if cell.through]
        return "; ".join(f"{column} {_listed(names)}" for column, names in told)


@dataclass(frozen=True, repr=False)
class Card:
    """What every change that a step proposes depends on, measured in two ways.

    title : of what; network : the one that it was measured on, as text
    rows : one for each projection that learns, and for each of the scheme's own
    notes : what a reader has to know, a line each
    cost : what a step of the whole model takes, heading -> text
    """

    title: str
    network: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    cost: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, row: str) -> Row:
        """Return the row of that name; raise KeyError where there is none."""
        named = [one for one in self.rows if one.name == row]
        if not named:
            raise KeyError(row)
        return named[0]

    @property
    def unexplained(self) -> tuple[str, ...]:
        """Where the two answers contradict each other: the perturbation has an effect that no path of the graph explains."""
        return tuple(
            f"{row.name}: {column}" for row in self.rows for column, cell in row.cells.items() if cell.state == UNEXPLAINED
        )

    @property
    def summary(self) -> dict[str, str]:
        """What changes at hidden populations depend on elsewhere, at the most: ``weights``, ``layers`` and ``labels``, in words."""
        own = [row for row in self.rows if row.owner == "network"]
        hidden = [row for row in own if row.post in {other.pre for other in own}]
        others = [through for row in hidden for through in row["weights"].through if through.name != row.name]
        notes = [through.note for through in others if through.state in (YES, UNEXPLAINED)]
        hops = [int(word) for note in notes for word in note.split() if word.isdecimal()]
        kind = "values" if any("signs" not in note for note in notes) else "signs" if notes else "no"
        layers = max((len(row["layers"].through) for row in hidden if row["layers"]), default=0)
        ways = {through.name for row in hidden for through in row["labels"].through if row["labels"]}
        labels = "no" if not ways else "through error" if all(way.startswith("through ") for way in ways) else "directly"
        return {
            "weights": kind + (f", {max(hops)} hop{'s' if max(hops) > 1 else ''}" if hops else ""),
            "layers": f"up to {layers}" if layers else "no",
            "labels": labels,
        }

    # ------------------------------------------------------------------ as text

    def __str__(self) -> str:
        return "\n".join(self.lines())

    __repr__ = __str__

    def lines(self) -> Iterator[str]:
        """Yield the card as text, at most WIDTH characters a line."""
        yield from _wrapped(f"locality of {self.title}", "")
        yield from _wrapped(f"measured on {self.network}", "")
        for columns in BLOCKS:
            yield ""
            yield from self._table(columns)
        details = [(row.name, words) for row in self.rows if (words := row.words())]
        if details:
            yield ""
        for name, words in details:
            yield from _wrapped(f"{name}: {words}", "  ")
        states = [state for state in MEANINGS if any(cell.state == state for row in self.rows for cell in row.cells.values())]
        yield ""
        yield from _wrapped("; ".join(f"{state}: {MEANINGS[state]}" for state in states), "  ")
        for heading, text in self.cost.items():
            yield from _wrapped(f"{heading}: {text}", "  ")
        for note in self.notes:
            yield from _wrapped(f"note: {note}", "  ")

    def _table(self, columns: Sequence[str]) -> Iterator[str]:
        names = _shorten([row.name for row in self.rows])
        wide = max([len(name) for name in names] + [len("change of")])
        heads = [HEADS.get(column, column) for column in columns]
        yield " ".join([f"{'change of':<{wide}}", *heads])
        for name, row in zip(names, self.rows, strict=True):
            cells = [f"{row[column].state:<{len(head)}}" for column, head in zip(columns, heads, strict=True)]
            yield " ".join([f"{name:<{wide}}", *cells]).rstrip()

    # ------------------------------------------------------------------ as what a run file keeps

    def as_data(self) -> dict[str, Any]:
        """Return the card as lists, texts and dictionaries, which ``from_data`` reads; cells with ``no`` are left out."""
        rows = [
            {
                "name": row.name, "owner": row.owner, "pre": row.pre, "post": row.post,
                "cells": {
                    column: [cell.state, *([one.name, one.state, one.note] for one in cell.through)]
                    for column, cell in row.cells.items()
                    if cell != Cell(NO)
                },
            }
            for row in self.rows
        ]  # fmt: skip
        return {"title": self.title, "network": self.network, "rows": rows, "notes": list(self.notes), "cost": dict(self.cost)}

    @staticmethod
    def from_data(found: Any) -> Card:
        """Return the card of ``as_data``; raise ValueError where it is none, as in a file of somebody else's."""
        try:
            rows = tuple(
                Row(_text(row["name"]), _text(row["owner"]), _text(row["pre"]), _text(row["post"]), _cells(row["cells"]))
                for row in found["rows"]
            )
            cost = {_text(key): _text(value) for key, value in found["cost"].items()}
            return Card(_text(found["title"]), _text(found["network"]), rows, tuple(map(_text, found["notes"])), cost)
        except (KeyError, TypeError, AttributeError, IndexError) as cause:
            raise ValueError(f"no locality card: {cause}") from cause


def _cells(found: Mapping[str, Any]) -> dict[str, Cell]:
    """Return one cell for each column."""
    cells = {}
    for column in COLUMNS:
        state, *through = found.get(column, [NO])
        cells[column] = Cell(_known(state), tuple(Through(_text(name), _known(how), _text(note)) for name, how, note in through))
    return cells


def _known(state: Any) -> str:
    if state not in MEANINGS:
        raise ValueError(f"no locality card: state {state!r}")
    return str(state)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"no locality card: {type(value).__name__} where text stands")
    return value


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")


def _shorten(names: Sequence[str]) -> list[str]:
    """Return names of at most NAME characters: of a path its end, or all but its end, where these tell it from the others."""
    tails = [name.rpartition("/")[2] for name in names]
    heads = [name.rpartition("/")[0] or name for name in names]
    found = []
    for name, tail, head in zip(names, tails, heads, strict=True):
        fitting = [name, *(one for one, all_ in ((tail, tails), (head, heads)) if all_.count(one) == 1)]
        cut = f"{name[: NAME // 2 - 1]}..{name[-(NAME // 2 - 1) :]}"
        found.append(next((one for one in fitting if len(one) <= NAME), cut))
    return found


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent or "  ", break_on_hyphens=False) or [""]
