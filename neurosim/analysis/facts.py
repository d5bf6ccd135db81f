"""What the head of a report says: what was trained on what, and how; where runs differ in it, which ones do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from neurosim.analysis.grouping import Group, hidden_populations, seed, stages
from neurosim.datasets.sequences import arranged
from neurosim.network import Network
from neurosim.runfile import Run
from neurosim.runfile.continual import known
from neurosim.tasks import tasks

SEEDS = 10  # that are told one by one
VALUES = 4  # different ones that a fact tells
LABELS = 4  # groups that a value names
LONGEST = 120  # characters of a value
SPLITS = ("training", "validation", "test")


def facts(groups: Sequence[Group], runs: Sequence[Run]) -> dict[str, str]:
    """Return heading -> what all runs have, or which have what; a heading that no run says anything of is left out."""
    found = {"runs": str(len(runs)), "seeds": _seeds(runs)} | {name: differing(groups, words) for name, words in FACTS.items()}
    found["neurosim"] = ", ".join(dict.fromkeys(str(run.attributes.get("neurosim_version", "?")) for run in runs))
    return {name: text for name, text in found.items() if text}


def differing(groups: Sequence[Group], words: Callable[[Group], str]) -> str:
    """Return what ``words`` says of all groups; where it differs, what is said most often, and which groups it says else of."""
    said: dict[str, list[str]] = {}
    for group in groups:
        text = words(group)
        said.setdefault(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…", []).append(group.label.replace("_", " "))
    if len(said) == 1:
        return next(iter(said))
    if len(said) > VALUES:
        return f"{len(said)} different ones; the model files below have them"
    known = sorted(said.items(), key=lambda one: -len(one[1]))
    return "; ".join(f"{text or 'not known'} ({_named(labels, k == 0)})" for k, (text, labels) in enumerate(known))


def _named(labels: Sequence[str], is_most: bool) -> str:
    if len(labels) <= LABELS:
        return ", ".join(labels)
    return f"the {len(labels)} others" if is_most else f"{', '.join(labels[:LABELS])} and {len(labels) - LABELS} more"


def _seeds(runs: Sequence[Run]) -> str:
    seeds = sorted({seed(run) for run in runs})
    return ", ".join(map(str, seeds)) if len(seeds) <= SEEDS else f"{len(seeds)} from {seeds[0]} to {seeds[-1]}"


# ---------------------------------------------------------------------- one fact of one group


def data_name(group: Group) -> str:
    """Return the name of a group's data set."""
    found = group.contents.get("data")
    return f"{found.get('name', 'unnamed data')}{arranged(found)}" if isinstance(found, Mapping) else "data of its own"


def _data(group: Group) -> str:
    """Return the data set and how many samples its splits have, where the run file says so."""
    said = group.runs[0].attributes
    counts = str(said.get("data_samples", "")).split()
    if len(counts) != len(SPLITS) or not all(count.isdecimal() for count in counts):
        return data_name(group)
    told = [f"{int(count):,} {split}" for count, split in zip(counts, SPLITS, strict=True) if int(count)]
    what = "images" if len(str(said.get("data_shape", "")).split()) == 3 else "samples"
    return f"{data_name(group)}, {', '.join(told[:-1])} and {told[-1]} {what}" if len(told) > 1 else data_name(group)


def task_name(group: Group) -> str:
    """Return a group's task, and what its error counts; "" where they are not known."""
    score = str(group.runs[0].attributes.get("score", ""))
    stated = group.contents.get("task")
    stated = stated.get("name") if isinstance(stated, Mapping) else stated
    name = str(stated) if stated else next((name for name, task in tasks().items() if task.score == score), "")
    return f"{name}, error: {score} (%)" if name and score else name


def network_name(group: Group) -> str:
    """Return a group's network in a few words."""
    found = group.contents.get("network")
    if not isinstance(found, Mapping):
        return "built in Python"
    hidden, populations = found.get("hidden"), found.get("populations")
    if isinstance(hidden, list):
        sizes = f"{', '.join(map(str, hidden[:12]))}{', ...' if len(hidden) > 12 else ''}"
        return f"hidden {sizes}" if hidden else "no hidden population"
    return f"{len(populations) if isinstance(populations, list) else 'unknown'} populations"


def transfer_name(group: Group) -> str:
    """Return what hidden populations make of their drive: a transfer, or neurons with a state; "" where it is not known."""
    found = group.contents.get("network")
    if not isinstance(found, Mapping):
        return ""
    if isinstance(found.get("hidden"), list):
        layer = found.get("layer", {})
        return _neurons(layer, Network.usual_transfer) if found["hidden"] and isinstance(layer, Mapping) else ""
    return ", ".join(dict.fromkeys(_neurons(one, "linear") for one in _hidden(group, found)))


def _hidden(group: Group, network: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tables of a graph's hidden populations."""
    try:
        names = hidden_populations(group.contents) or []
    except Exception:  # a stranger's graph
        return
    populations = network.get("populations")
    for one in populations if isinstance(populations, list) else ():
        if isinstance(one, Mapping) and one.get("name") in names:
            yield one


def _neurons(table: Mapping[str, Any], default: str) -> str:
    return f"{_called(table['neurons'])} neurons" if "neurons" in table else _called(table.get("transfer", default))


def _optimisers(group: Group) -> str:
    """Return the optimiser of each stage, with its options; and that of the scheme's own synapses, where it has another."""
    found = []
    for stage in stages(group.contents):
        own, feedback = (_called(stage.get(key, "")) for key in ("optimiser", "feedback_optimiser"))
        found.append(own + (f", feedback by {feedback}" if feedback and feedback != own else ""))
    network = group.contents.get("network")
    tables = _with_synapses(network) if isinstance(network, Mapping) else []
    others = ", another for some projections" if any("optimiser" in one for one in tables) else ""
    return _then(found) + others


def _with_synapses(network: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tables of a network that say how synapses learn."""
    projections = network.get("projections")
    found = [network.get("layer"), network.get("output"), *(projections if isinstance(projections, list) else ())]
    return [one for one in found if isinstance(one, Mapping)]


def _called(value: Any) -> str:
    """Return what a model file names, with its options, as ``adam (learning rate 0.003)``; of a chain one after the other."""
    if isinstance(value, list):
        return ", then ".join(map(_called, value))
    if not isinstance(value, Mapping):
        return str(value).replace("_", " ")
    options = ", ".join(f"{str(key).replace('_', ' ')} {_value(one)}" for key, one in value.items() if key != "name")
    return str(value.get("name", "?")).replace("_", " ") + (f" ({options})" if options else "")


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _of_stages(key: str) -> Callable[[Group], str]:
    return lambda group: _then([str(stage.get(key, "")) for stage in stages(group.contents)])


def _epochs(group: Group) -> str:
    """Return the epochs of each stage; of tasks in sequence, those of each task."""
    tasks, said = len(known(group.runs[0].attributes)), _of_stages("epochs")(group)
    return f"{said} of each of {tasks} tasks" if tasks and said else said


def _then(texts: Sequence[str]) -> str:
    """Return what stages have, once where it is the same in all."""
    return ", then ".join(texts if len(set(texts)) > 1 else texts[:1])


FACTS: dict[str, Callable[[Group], str]] = {
    "data": _data,
    "task": task_name,
    "network": network_name,
    "transfer": transfer_name,
    "optimiser": _optimisers,
    "batch": _of_stages("batch"),
    "epochs": _epochs,
}
