"""What a comparison runs: each row completed, and made a model file of its own."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.datasets.registry import REGISTRY
from neurosim.datasets.sequences import ARRANGED, SEQUENCES, arranged
from neurosim.errors import InputError, UnknownNameError, pasteable, quoted, require
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.modelfile import reading
from neurosim.modelfile.building import written_out
from neurosim.modelfile.model_file import ModelFile, validated, with_modules
from neurosim.modelfile.reading import Contents
from neurosim.modelfile.schema import ComparisonTable, is_partial, make_rule

BASELINE = "backprop"
BASELINE_IN_TIME = "backprop_through_time"  # where a trial has several ticks
CONTROL = "frozen"
USUAL = "compare"  # the file whose rows say what a scheme has that a row leaves out
OPTIMISERS = ("optimiser", "feedback_optimiser")
MANY = 4  # rows; more of them are only counted in a title


@dataclass(frozen=True)
class Plan:
    """A comparison ready to run.

    contents : the comparison file with only the rows that run, each complete; models : the model file of each row
    """

    contents: Contents
    models: dict[str, ModelFile]

    @staticmethod
    def load(
        name: str | Path = USUAL,
        *,
        given: Mapping[str, Contents] | None = None,
        rows: Sequence[str] | None = None,
        settings: Iterable[str] = (),
        record: Iterable[str] = (),
        comparisons: Mapping[str, str | None] | None = None,
        data: str | Contents | None = None,
        imports: Imports = NO_IMPORTS,
    ) -> Plan:
        """Return the plan of a comparison file.

        given : rows to run instead of the file's, beside the baseline; rows : the names of those to run (None: all)
        data : the [data] table instead of the file's, or the name of the data set.  Of a user's own data, what the file says of its
            data set does not hold
        settings, record, comparisons, imports : as in ``ModelFile.load``

        Raises InputError, one line, where a row does not fit.
        """
        path = reading.locate(name)
        contents = reading.contents(path)
        if data is not None:
            contents = contents | {"data": _named_data(contents, data) if isinstance(data, str) else given_data(contents, data)}
        usual = reading.contents(reading.installed()[USUAL])["rows"]
        if given is not None:
            usual |= contents.get("rows", {})
            contents = contents | {"every_scheme": False, "rows": dict(given)}
        contents = reading.recording(reading.override(contents, settings), record, comparisons or {})
        require("stages" not in contents, f"{path.stem}: a model file, not a comparison; use neurosim run {pasteable(name)}")
        table = validated(ComparisonTable, contents, path.stem, imports)
        complete = _completed(contents, table, usual, imports)
        baseline = baseline_of(table)
        if given is not None and not any(_is_baseline(row, baseline, usual) for row in complete.values()):
            free = baseline not in complete
            require(free, f"row {baseline!r}: has a rule or a scheme of its own: expected another name; rename it")
            complete = {baseline: _completed_row(baseline, {}, contents, baseline, usual, imports)} | complete
        for row in rows or ():
            if row not in complete:
                raise UnknownNameError(f"{path.stem}: row", row, complete)
        chosen = {row: complete[row] for row in rows or complete}
        require(bool(chosen), f"{path.stem}: rows: none: expected at least one; add [rows.NAME]")
        kept = {key: value for key, value in contents.items() if key not in ("every_scheme", "defaults")}
        return Plan.of(kept | {"rows": chosen}, path.stem, imports)

    @staticmethod
    def of(contents: Contents, source: str, imports: Imports = NO_IMPORTS) -> Plan:
        """Return the plan of a comparison file whose rows are complete."""
        table = validated(ComparisonTable, contents, source, imports)
        contents = with_modules(contents, table.modules, source, imports)
        shared = {key: contents[key] for key in ("data", "task", "clock", "encoder", "record", "modules") if key in contents}
        about = ": ".join(filter(None, [table.title, describe(contents)]))
        models = {}
        for name, row in contents["rows"].items():
            stage = {key: value for key, value in row.items() if key not in ("rule", "output_rule")} | contents["training"]
            model = shared | {"title": f"{name}: {about}", "network": _network(contents["network"], row), "stages": [stage]}
            try:
                models[name] = ModelFile.of(name, model, imports)
            except InputError as cause:
                raise InputError(f"{source}: row {str(cause)}") from cause
        return Plan(contents, models)

    @property
    def text(self) -> str:
        """The comparison file as TOML."""
        return tomli_w.dumps(self.contents)

    def title(self, seeds: Sequence[int]) -> str:
        """Return what runs, in one line."""
        names = list(self.models)
        rows = ", ".join(names) if len(names) <= MANY else f"{len(names)} rows"
        counted = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
        if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
            counted = f"seeds {seeds[0]} to {seeds[-1]}"
        start = f"{self.contents['title']}: " if self.contents.get("title") else ""
        return f"{start}{rows} on {describe(self.contents)}, {counted}"


def describe(contents: Contents) -> str:
    """Return data, network and training of a comparison in a few words."""
    network, epochs = contents["network"], contents["training"]["epochs"]
    hidden, layer = network.get("hidden"), network.get("layer", {})
    sizes = f"{len(network.get('populations', ()))} populations" if hidden is None else f"hidden {', '.join(map(str, hidden))}"
    if hidden == []:
        sizes = "no hidden population"
    made = layer.get("neurons", layer.get("transfer", "tanh"))
    kind = f" {made if isinstance(made, str) else made.get('name', '')}" if hidden else ""
    data, told = contents["data"]["name"], arranged(contents["data"])
    each = f"{epochs} epoch{'' if epochs == 1 else 's'}{' a task' if any(contents['data'].get(key) for key in SEQUENCES) else ''}"
    return f"{Path(data).name if data.count('/') else data}{told}, {sizes}{kind}, {each}"


def _named_data(contents: Contents, name: str) -> Contents:
    """Return the [data] table of a comparison on another data set."""
    table = contents.get("data", {}) if isinstance(contents.get("data", {}), dict) else {}
    kept = table if name in REGISTRY else {key: table[key] for key in ARRANGED if key in table}
    return kept | {"name": name}


def given_data(contents: Contents, data: Contents) -> Contents:
    """Return the [data] table of data that are given in Python; raise InputError where the file arranges its own in tasks."""
    table = contents.get("data", {})
    kept = [key for key in ARRANGED if isinstance(table, dict) and key in table]
    said = f"data given in Python: {', '.join(kept)} of the file would not hold for them"
    require(not kept, f"{said}: expected the name or the path of a data set; give that, or leave {' and '.join(kept)} out")
    return data


# ---------------------------------------------------------------------- rows


def baseline_of(table: ComparisonTable) -> str:
    """Return the scheme that the others are compared with."""
    return BASELINE if table.clock.ticks == 1 else BASELINE_IN_TIME


def _completed(contents: Contents, table: ComparisonTable, usual: Mapping[str, Contents], imports: Imports) -> dict[str, Contents]:
    """Return the rows of a comparison file with what they leave out.  usual : rows of schemes, which they are completed from"""
    complete = functools.partial(_completed_row, contents=contents, baseline=baseline_of(table), usual=usual, imports=imports)
    rows = {name: complete(name, row) for name, row in contents.get("rows", {}).items()}
    if table.every_scheme:
        known = {*rows, *(row["scheme"] for row in rows.values())}
        emitted = {"rate" if one.neurons is None else one.neurons.emits for one in written_out(table.network)[0]}
        made_for = "spike" if "spike" in emitted else "rate"
        others = [name for name, scheme in pathways().items() if made_for in scheme.made_for and _fits(scheme, table)]
        rows |= {name: complete(name, {}) for name in others if name not in known}
    return rows


def _fits(scheme: type[FeedbackPathway], table: ComparisonTable) -> bool:
    return bool(scheme.needs_error) and (scheme.answers == "tick" or table.clock.ticks > 1)


def _completed_row(
    name: str, row: Contents, contents: Contents, baseline: str, usual: Mapping[str, Contents], imports: Imports
) -> Contents:
    """Return a row with what it leaves out: that of its scheme's ``usual`` row, or else [defaults].

    An optimiser without a name only changes options of the one that the row would have.
    """
    scheme = row.get("scheme") or _scheme(name, row, baseline, imports)
    like: Contents = next((one for key, one in usual.items() if one.get("scheme", key) == scheme), {})
    left_out = reading.contents(reading.installed()[USUAL])["defaults"] | contents.get("defaults", {}) | like
    optimisers = {key: _optimiser(name, left_out.get(key), row[key]) for key in OPTIMISERS if row.get(key) is not None}
    options = left_out.get("options", {}) | row.get("options", {})
    return left_out | row | optimisers | {"scheme": scheme} | ({"options": options} if options else {})


def _optimiser(name: str, usual: Any, given: Any) -> Any:
    """Return a row's optimiser, where it only changes options of the ``usual`` one as a whole."""
    if not is_partial(given):
        return given
    label = f"row {name!r}: optimiser {quoted(given)}"
    require(isinstance(usual, dict), f"{label}: expected a name, since no single optimiser is there to change; add it")
    return usual | given


def _scheme(name: str, row: Contents, baseline: str, imports: Imports) -> str:
    """Return the scheme of a row that names none: the one it is called after, or what its rule needs and no more."""
    if "rule" not in row and "output_rule" not in row:
        if name not in pathways():
            raise UnknownNameError(f"row {name!r}: names no scheme and no rule; scheme", name, pathways())
        return name
    if name in pathways():
        return name
    rule = make_rule(row["rule"], imports) if "rule" in row else None
    return baseline if "rule" not in row or rule is not None and "error" in rule.post else CONTROL


def _is_baseline(row: Contents, baseline: str, usual: Mapping[str, Contents]) -> bool:
    """Return whether a row is the baseline, with the rules of its ``usual`` row."""
    plain = usual.get(baseline, {})
    return row["scheme"] == baseline and all(row.get(key) == plain.get(key) for key in ("rule", "output_rule"))


def _network(network: Contents, row: Contents) -> Contents:
    """Return [network] with a row's rules: ``rule`` of projections into hidden populations, ``output_rule`` of the others."""
    rules: dict[str, Any] = {part: row[key] for part, key in (("layer", "rule"), ("output", "output_rule")) if key in row}
    if not rules:
        return network
    if "projections" not in network:
        return network | {part: network.get(part, {}) | {"rule": rule} for part, rule in rules.items()}
    starts = {one["pre"] for one in network["projections"]}
    parts = [(one, "layer" if one["post"] in starts else "output") for one in network["projections"]]
    return network | {"projections": [one | ({"rule": rules[part]} if part in rules else {}) for one, part in parts]}
