"""Runs put together: those of one group differ in nothing but their seed."""

from __future__ import annotations

import graphlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from neurosim.catalogue import is_outside
from neurosim.feedback import Claims, FeedbackPathway, pathway, pathways
from neurosim.plasticity import error_driven
from neurosim.runfile import Run, extensions

BASELINE = "backprop"
BASELINE_IN_TIME = "backprop_through_time"  # of a trial with several ticks
TRAINED = ("data", "task", "clock", "encoder", "network", "stages", "modules")  # what decides a run's numbers, its seed aside


@dataclass(frozen=True)
class Group:
    """Runs of one model, one for each seed.

    label : the model's name, with a number where models of one name differ in more than the seed
    """

    label: str
    runs: tuple[Run, ...]

    @cached_property
    def contents(self) -> Mapping[str, Any]:
        """What the model file holds; empty for a network built in Python."""
        return contents(self.runs[0])

    @cached_property
    def counted(self) -> tuple[Run, ...]:
        """The runs that numbers and curves are taken from: the complete ones; all of them where none is complete."""
        return tuple(run for run in self.runs if run.status == "complete") or self.runs

    @cached_property
    def schemes(self) -> list[str]:
        """The name of each stage's scheme."""
        return [str(stage.get("scheme", "")) for stage in stages(self.contents)] or [str(self.runs[0].attributes.get("model_name"))]

    @cached_property
    def pathway(self) -> FeedbackPathway | None:
        """The first stage's scheme, joined to no network; None where this package has none of that name and options."""
        options: Any = next((stage.get("options", {}) for stage in stages(self.contents)), {})
        if self.schemes[0] not in pathways():
            return None
        try:
            return pathway(self.schemes[0], **options)
        except Exception:  # a stranger's options may make a constructor raise anything
            return None

    @cached_property
    def claims(self) -> Claims | None:
        """What the first stage's scheme claims to need on these runs' network; None where scheme or network is not known.

        Of a user's own scheme, whose code is not run here, it is what the run file says.
        """
        if is_outside(self.schemes[0]):
            return _noted_claims(self.runs[0])
        if self.pathway is None:
            return None
        try:
            hidden = hidden_populations(self.contents)
            return self.pathway.claims if hidden is None else self.pathway.claims_on(hidden)
        except Exception:  # as above: a stranger's network and options
            return None

    @cached_property
    def setting(self) -> tuple[str, str]:
        """Fingerprint of the images, and data, task, trial and network, its rules aside: results are compared where these agree."""
        shared = [self.contents.get(key) for key in ("data", "task", "clock", "encoder")]
        shared.append(_without_rules(self.contents.get("network")))
        return str(self.runs[0].attributes.get("data_digest", "")), _text(shared)

    @cached_property
    def is_baseline(self) -> bool:
        """Whether these are runs of back-propagation: errors by that in all stages, and no rule but the error-driven one."""
        rules = _rules(self.contents.get("network"))
        return set(self.schemes) == {_baseline_of(self.contents)} and all(map(_is_error_driven, rules))


def _baseline_of(model: Mapping[str, Any]) -> str:
    """Return the scheme that the others are compared with."""
    clock = model.get("clock", {})
    return BASELINE if not isinstance(clock, Mapping) or clock.get("ticks", 1) == 1 else BASELINE_IN_TIME


def _noted_claims(run: Run) -> Claims | None:
    """Return the claims that a run file holds; None where it holds none."""
    try:
        noted: dict[str, Any] = json.loads(str(run.attributes.get("claims", "")))
        return Claims(**noted | {"feedback_learns_from": tuple(noted.get("feedback_learns_from", ()))})
    except Exception:  # a stranger's text
        return None


def _without_rules(network: Any) -> Any:
    if isinstance(network, Mapping):
        return {key: _without_rules(value) for key, value in network.items() if key != "rule"}
    return [_without_rules(one) for one in network] if isinstance(network, list) else network


def _rules(network: Any) -> Iterator[Any]:
    """Yield the rules that a network's tables give."""
    for value in network.values() if isinstance(network, Mapping) else network if isinstance(network, list) else ():
        yield from _rules(value)
    if isinstance(network, Mapping) and "rule" in network:
        yield network["rule"]


def _is_error_driven(rule: Any) -> bool:
    given = [rule.get("name"), rule.get("equation")] if isinstance(rule, Mapping) else [rule]
    return "error_driven" in given or error_driven().equation.text in given


def contents(run: Run) -> dict[str, Any]:
    """Return what a run's model file holds; nothing where there is none or it cannot be read."""
    try:
        return tomllib.loads(run.model)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def stages(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the stages of a model, none where it has no such tables."""
    found = model.get("stages")
    return found if isinstance(found, list) and all(isinstance(stage, dict) for stage in found) else []


def hidden_populations(model: Mapping[str, Any]) -> list[str] | None:
    """Return the names of a model's hidden populations in the order of a sweep; None where it has no network."""
    network = model.get("network", {})
    if "hidden" in network:
        return [f"hidden{k}" for k in range(1, len(network["hidden"]) + 1)]
    if "projections" not in network:
        return None
    links = network["projections"]
    graph: dict[str, set[str]] = {link[end]: set() for link in links for end in ("pre", "post")}
    for link in links:
        if not link.get("delay"):
            graph[link["post"]].add(link["pre"])
    sending = {link["pre"] for link in links if link["pre"] != link["post"]}
    inner = sending & {link["post"] for link in links}
    return [name for name in graphlib.TopologicalSorter(graph).static_order() if name in inner and name != network.get("output")]


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Return the groups of ``runs``, those of back-propagation first, otherwise in the order of the runs; seeds ascend."""
    named: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        same = named.setdefault(str(run.attributes.get("model_name") or "unnamed"), {})
        same.setdefault(_trained(run), []).append(run)
    groups = []
    for name, settings in named.items():
        for number, members in enumerate(settings.values(), start=1):
            label = f"{name} ({number})" if len(settings) > 1 else name
            groups.append(Group(label, tuple(sorted(members, key=seed))))
    return sorted(groups, key=lambda group: not group.is_baseline)


def baselines(groups: Sequence[Group]) -> dict[str, Group]:
    """Return label -> the group of back-propagation on the same data and network; a label that has none is left out.

    Where several fit, the one that is called after its scheme is taken, or else the first.
    """
    found: dict[tuple[str, str], Group] = {}
    for group in groups:
        if group.is_baseline and (group.setting not in found or group.label == _baseline_of(group.contents)):
            found[group.setting] = group
    return {group.label: found[group.setting] for group in groups if group.setting in found}


def seed(run: Run) -> int:
    """Return a run's seed, 0 where it has none."""
    found = run.attributes.get("seed")
    return found if isinstance(found, int) else 0


def differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return key path -> each group's value, for the keys of their models in which they differ."""
    flat = [dict(_flat({key: group.contents.get(key, {}) for key in TRAINED})) for group in groups]
    keys = dict.fromkeys(key for one in flat for key in one)
    values = {key: [one.get(key, "not given") for one in flat] for key in keys}
    return {key: row for key, row in values.items() if len(set(row)) > 1}


def _trained(run: Run) -> str:
    """Return what decides a run's numbers, its seed aside; of a run that does not state it all, something no other run has."""
    model = contents(run)
    if not model or model.get("unstated") or run.attributes.get("altered"):
        return str(run.path.absolute())
    other = [one for one in extensions(run.attributes) if one.get("differs")]  # than a run that had all its epochs from the start
    extended = [[one.get(key) for key in ("before", "after", "done", "within")] for one in other]
    return _text([*(model.get(key) for key in TRAINED), *extended]) + str(run.attributes.get("data_digest", ""))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if not items:
        yield path, _text(value)
        return
    for key, inner in items:
        yield from _flat(inner, f"{path}.{key}" if path else str(key))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
