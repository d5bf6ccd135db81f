"""What the populations of a report's runs represent: measured within bounds that keep a page quick and readable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from neurosim.analysis.courses import Curve, evenly
from neurosim.analysis.grouping import Group, baselines, contents, hidden_populations, seed
from neurosim.analysis.representations import debiased_cka_of, kernel, linear_probe, of_population
from neurosim.analysis.responses import Responses, recorded
from neurosim.runfile import Run

QUICK = 60  # populations, those of all runs together, that a page measures where nobody asked for it
SEEDS = 5  # of one scheme: the lowest
SCHEMES = 30  # of a page
POPULATIONS = 12  # of a run
MAPPED = 4  # populations that have a heat map of schemes
SAMPLES = 1000  # the first ones
ALIGNED = 400  # of them, of which kernels are made
NEURONS = 1024  # every so many of a larger population
MOMENTS = 6  # of a course, evenly spaced
ASK = "neurosim report --representations"

Again = Callable[[Run], Responses]
Numbers = np.ndarray


@dataclass
class Represented:
    """What populations represent, at the last moment that is known of each run.

    groups : those of which anything is known, in the order of the page; populations : by depth
    values : (label, population) -> measure -> a value for each seed; neurons : (label, population) -> how many
    courses : (label, population) -> accuracy of the linear probe over epochs, where several are known
    within : label -> debiased CKA of its populations, (populations, populations), mean over seeds; NaN where one is not there
    between : population -> debiased CKA of schemes, (groups, groups), mean over pairs of seeds
    chance : per cent that a probe gets right without rates; None without classes
    samples : how many each run was shown; left_out : what was not measured, in sentences
    """

    groups: list[Group]
    populations: list[str]
    values: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)
    neurons: dict[tuple[str, str], int] = field(default_factory=dict)
    courses: dict[tuple[str, str], Curve] = field(default_factory=dict)
    within: dict[str, Numbers] = field(default_factory=dict)
    between: dict[str, Numbers] = field(default_factory=dict)
    references: dict[str, Group] = field(default_factory=dict)
    chance: float | None = None
    samples: list[int] = field(default_factory=list)
    seeds_differ: bool = False
    left_out: list[str] = field(default_factory=list)


@dataclass
class Answer:
    """What is measured of one run: of each population, by name, and which samples it was shown."""

    group: Group
    run: Run
    shown: tuple[object, ...]
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    neurons: dict[str, int] = field(default_factory=dict)
    courses: dict[str, pd.Series] = field(default_factory=dict)
    kernels: dict[str, Numbers] = field(default_factory=dict)
    samples: int = 0
    chance: float | None = None
    more: int = 0


def represented(groups: Sequence[Group], again: Again | None = None) -> tuple[Represented | None, list[str]]:
    """Return what the populations of ``groups`` represent, None where nothing is known of them, and notes for a reader.

    again : gives the responses of a run, as they were recorded or shown again; where there is none, recordings are taken, if they
        are of QUICK populations at most, and no linear probe is fitted: more has to be asked for
    """
    chosen = [(group, run) for group in groups[:SCHEMES] for run in group.counted[:SEEDS]]
    count = sum(_recorded(run) for _, run in chosen) if again is None else 0
    if count > QUICK:
        return None, [f"These runs recorded the rates of {count} populations in all: {ASK} tells what they represent."]
    answers, failed = _answers(chosen, again or recorded, probed=again is not None)
    notes = [_told(failed)] if failed and again is not None else []
    if not answers:
        return None, notes
    names = _names(answers)
    shown = [names[k] for k in evenly(len(names), POPULATIONS)]
    there = [group for group in groups if any(one.group is group for one in answers)]
    result = Represented(there, shown, references=baselines(there))
    silent = [group for group in groups[:SCHEMES] if group not in there] if again is None else []
    result.left_out = list(_left_out(groups, silent, result, answers, len(names)))
    _gather(result, answers)
    _compare_populations(result, answers)
    _compare_schemes(result, answers)
    return result, notes


def _recorded(run: Run) -> int:
    """Return of how many populations a run recorded rates that can be measured."""
    try:
        found = recorded(run)
    except Exception:  # a stranger's file
        return 0
    return 0 if found is None else len(found.rates)


def _answers(
    chosen: Sequence[tuple[Group, Run]], find: Callable[[Run], Responses | None], *, probed: bool
) -> tuple[list[Answer], list[tuple[Run, Exception]]]:
    """Return what is measured of the runs of which anything is known, and what kept the others from being measured."""
    seen: dict[int, dict[str, float]] = {}  # an input is the same in all runs
    found, failed = [], []
    for group, run in chosen:
        try:
            one = find(run)
            if one is not None and one.rates:
                found.append(_measured(group, run, one, seen, probed=probed))
        except Exception as cause:  # a stranger's file or network, or data that have moved: the rest of the page stands
            failed.append((run, cause))
    return found, failed


def _told(failed: Sequence[tuple[Run, Exception]]) -> str:
    """Return in one line what was not measured, and why the first was not."""
    run, cause = failed[0]
    others = "" if len(failed) == 1 else f", and of {len(failed) - 1} other run{'s' if len(failed) > 2 else ''}"
    return f"What the populations of {run.path.name}{others} represent is left out: {str(cause) or type(cause).__name__}."


def _left_out(
    groups: Sequence[Group], silent: Sequence[Group], result: Represented, answers: Sequence[Answer], names: int
) -> Iterator[str]:
    """Yield what was not measured, in sentences.  silent : groups that recorded no rates; names : how many populations there are"""
    if any("class_variance_p50" in values and "probe" not in values for one in answers for values in one.values.values()):
        yield f"{ASK} adds the linear probe, also over epochs."
    if silent:
        labels = ", ".join(group.label.replace("_", " ") for group in silent)
        yield f"Without recorded rates, and so not here: {labels} ({ASK} shows them their test images again)."
    if len(groups) > SCHEMES:
        yield f"Left out: the schemes that stand last in Table 1, {len(groups) - SCHEMES} of {len(groups)}."
    if max(len(group.counted) for group in result.groups) > SEEDS:
        yield f"Of each scheme, runs of the lowest seeds are measured, {SEEDS} at most."
    cut = names - len(result.populations) + max(one.more for one in answers)
    if cut:
        yield f"Left out: populations between those shown, {cut} of {cut + len(result.populations)}."
    if any(size > NEURONS for one in answers for size in one.neurons.values()):
        yield f"Of populations with more than {NEURONS:,} neurons, every second, third and so on is measured."


def _names(answers: Sequence[Answer]) -> list[str]:
    """Return all populations that were measured, in order of depth."""
    places: dict[str, tuple[int, int]] = {}
    for one in answers:
        for name, place in _depths(one.run, one.values).items():
            places[name] = min(place, places.get(name, place))
    return sorted(places, key=lambda name: places[name])


def _depths(run: Run, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return population -> its place: inputs first, then the hidden ones in the order of a sweep, then the others."""
    hidden, inputs = _layers(run)
    return {name: (1, hidden.index(name)) if name in hidden else (0 if name in inputs else 2, 0) for name in names}


def _layers(run: Run) -> tuple[list[str], set[str]]:
    """Return a model's hidden populations and its inputs."""
    model = contents(run)
    try:
        hidden = hidden_populations(model) or []
        links = model.get("network", {}).get("projections", [])
        return hidden, {"x"} if not links else {str(link["pre"]) for link in links} - {str(link["post"]) for link in links}
    except Exception:  # a stranger's graph
        return [], set()


# ---------------------------------------------------------------------- one run


def _measured(group: Group, run: Run, found: Responses, seen: dict[int, dict[str, float]], *, probed: bool) -> Answer:
    """Return what is measured of a run, at the last epoch that is known; linear probes at others, too.

    seen : what was measured of rates so far, which it adds to; probed : whether linear probes are fitted
    """
    at = max(epoch for rates in found.rates.values() for epoch in rates)
    places = _depths(run, [name for name, rates in found.rates.items() if at in rates])
    names = sorted(places, key=lambda name: places[name])
    result = Answer(group, run, found.shown, more=max(0, len(names) - POPULATIONS))
    for name in (names[k] for k in evenly(len(names), POPULATIONS)):
        known, labels = found.rates[name], found.labels
        rates = _taken(known[at])
        labels = None if labels is None else labels[: len(rates)]
        digest = hash((rates.tobytes(), b"" if labels is None else labels.tobytes()))
        if digest not in seen:
            seen[digest] = of_population(rates, labels, probed=probed)
        result.values[name], result.samples = seen[digest], len(rates)
        result.neurons[name] = int(np.prod(known[at].shape[1:]))
        result.kernels[name] = kernel(rates[:ALIGNED]).astype(np.float32)
        if labels is not None:
            epochs = [sorted(known)[k] for k in evenly(len(known), MOMENTS)] if probed else []
            result.chance = 100 * float(np.unique(labels, return_counts=True)[1].max()) / len(labels)
            earlier = {epoch: linear_probe(_taken(known[epoch]), labels) for epoch in epochs if epoch != at}
            probes = earlier | ({at: seen[digest]["probe"]} if probed else {})
            result.courses |= {name: pd.Series(probes)} if len(probes) > 1 else {}
    return result


def _taken(rates: Any) -> Numbers:
    """Return the rates that are measured, (samples, neurons)."""
    some = rates[:SAMPLES]
    some = np.asarray(some) if isinstance(some, np.ndarray) else some.compute(scheduler="synchronous").values
    found = some.reshape(len(some), -1)
    return np.ascontiguousarray(found[:, :: -(-found.shape[1] // NEURONS)])


# ---------------------------------------------------------------------- all runs together


def _gather(result: Represented, answers: Sequence[Answer]) -> None:
    """Bring together what was measured of a scheme's runs."""
    result.samples = sorted({one.samples for one in answers})
    result.chance = next((one.chance for one in answers if one.chance is not None), None)
    for group, name in itertools.product(result.groups, result.populations):
        own = [one for one in answers if one.group is group and name in one.values]
        if own:
            key = group.label, name
            measures = own[0].values[name]
            result.values[key] = {measure: [one.values[name].get(measure, np.nan) for one in own] for measure in measures}
            result.neurons[key] = own[0].neurons[name]
            columns = [one.courses[name] for one in own if name in one.courses]
            course = Curve.of(columns) if columns else None
            result.courses |= {} if course is None else {key: course}


def _compare_populations(result: Represented, answers: Sequence[Answer]) -> None:
    for group in result.groups:
        maps = [_within(one.kernels, result.populations) for one in answers if one.group is group]
        result.within[group.label] = _mean(np.stack(maps))


def _within(own: Mapping[str, Numbers], populations: Sequence[str]) -> Numbers:
    found = np.full((len(populations), len(populations)), np.nan)
    there = [k for k, name in enumerate(populations) if name in own]
    if there:
        found[np.ix_(there, there)] = debiased_cka_of([own[populations[k]] for k in there])
    return found


def _compare_schemes(result: Represented, answers: Sequence[Answer]) -> None:
    """Compare runs of different seeds; of the same seed where two schemes have no others."""
    inputs = {name for one in answers for name in _layers(one.run)[1]}
    known = [name for name in result.populations if name not in inputs]
    result.seeds_differ = len({seed(one.run) for one in answers}) > 1
    for name in [known[k] for k in evenly(len(known), MAPPED)]:
        found = np.full((len(answers), len(answers)), np.nan)
        for rows in _alike(answers, name):
            found[np.ix_(rows, rows)] = debiased_cka_of([answers[k].kernels[name] for k in rows])
        pairs = np.array([[_over_seeds(found, answers, one, other) for other in result.groups] for one in result.groups])
        if np.isfinite(pairs).any():
            result.between[name] = pairs


def _alike(answers: Sequence[Answer], name: str) -> list[list[int]]:
    """Return the numbers of the runs that were shown the same samples, together."""
    shown: dict[tuple[object, ...], list[int]] = {}
    for k, one in enumerate(answers):
        if name in one.kernels:
            shown.setdefault((one.shown, len(one.kernels[name])), []).append(k)
    return list(shown.values())


def _over_seeds(found: Numbers, answers: Sequence[Answer], one: Group, other: Group) -> float:
    """Return the mean over pairs of runs of two schemes, of different seeds where there are such; NaN where there is none."""
    own = [k for k, answer in enumerate(answers) if answer.group is one]
    others = [k for k, answer in enumerate(answers) if answer.group is other]
    pairs = [(k, m) for k in own for m in others if k != m and np.isfinite(found[k, m])]
    apart = [(k, m) for k, m in pairs if seed(answers[k].run) != seed(answers[m].run)]
    values = [found[pair] for pair in apart or pairs]
    return float(np.mean(values)) if values else float("nan")


def _mean(maps: Numbers) -> Numbers:
    """Return the mean over the first axis of what is a number; NaN where nothing is."""
    known = np.isfinite(maps)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, maps, 0).sum(axis=0) / known.sum(axis=0))
