"""The tables themselves, as Markdown."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from neurosim import datasets, encoders, neurons, plasticity, tasks
from neurosim.connectivity import INITIALISERS
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.modelfile import published
from neurosim.modelfile.reading import models, simulations
from neurosim.modelfile.schema import ModelTable, Section
from neurosim.modelfile.simulation import SimulationTable
from neurosim.network import Network
from neurosim.plasticity import Rule

MISSING = "Not in this version yet.\n"
CLAIMS = {
    "weight_transport": "weight transport",
    "update_locking": "update locking",
    "backward_locking": "backward locking",
    "pairwise": "other samples",
    "labels_at_hidden": "labels",
    "raw_input_at_hidden": "raw input",
    "feedback_learns_from": "feedback learns from",
    "scalar_broadcast": "one number for all",
    "history": "earlier ticks",
    "future": "later ticks",
}
ONLY_WHERE_NEEDED = ("scalar_broadcast", "history", "future")  # columns that would say the same of every scheme


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines) + "\n"


# ---------------------------------------------------------------------- schemes


def claims_table() -> str:
    """Return one row for each scheme and set of claims."""
    rows = []
    for name, scheme in pathways().items():
        title = f"[{scheme.title.partition(' (')[0]}](/schemes/{name}.md)"
        for variants, words in claims_of(scheme):
            rows.append((title if variants == "all" else f"{title}: {variants}", *words))
            title = "the same" if variants != "all" else title
    return _claims("scheme", rows)


def _claims(first: str, rows: Sequence[Sequence[str]]) -> str:
    """Return rows of claims as a table, without the columns that are not needed."""
    names = ["", *CLAIMS]
    shown = [k for k, name in enumerate(names) if name not in ONLY_WHERE_NEEDED or {row[k] for row in rows} - {"no", "none"}]
    head = [first, *CLAIMS.values()]
    return table([head[k] for k in shown], [[row[k] for k in shown] for row in rows])


def scheme_claims(name: str) -> str:
    """Return the claims of one scheme, variants with the same ones together."""
    if name not in pathways():
        return MISSING
    return _claims("variants", [(variants, *words) for variants, words in claims_of(pathways()[name])])


def claims_of(scheme: type[FeedbackPathway]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (variants, claims in words), one entry for each different set of claims."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for options in scheme.variants:
        pathway = scheme(**options)
        pathway.attach(Network.layered((6,), [5, 4, 4], 3), 3, seed=0)  # the chain on which the tests measure the claims
        grouped.setdefault(_words(pathway.claims), []).append(variant(scheme, options))
    if len(grouped) == 1:
        return [("all", words) for words in grouped]
    return [("; ".join(names), words) for words, names in grouped.items()]


def variant(scheme: type[FeedbackPathway], options: Any) -> str:
    """Return the options in which a variant differs from the default, in one code span, or ``default``."""
    parameters = inspect.signature(scheme).parameters
    own = [f"{key}={value!r}" for key, value in options.items() if value != parameters[key].default]
    return f"`{', '.join(own)}`" if own else "default"


def _words(claims: Claims) -> tuple[str, ...]:
    return tuple(claims.words(field) for field in CLAIMS)


def scheme_facts(name: str) -> str:
    """Return name, class and citation of one scheme."""
    if name not in pathways():
        return MISSING
    scheme = pathways()[name]
    where = f"{{py:class}}`~{scheme.__module__}.{scheme.__qualname__}`"
    return f"- Name: `{name}`\n- Class: {where}\n- Source: {markdown(scheme.citation)}\n"


def scheme_options(name: str) -> str:
    """Return each option with its default and what the class's docstring says of it, and the tested variants."""
    if name not in pathways():
        return MISSING
    scheme = pathways()[name]
    said = described(inspect.getdoc(scheme) or "")
    parameters = inspect.signature(scheme).parameters.values()
    rows = [(f"`{p.name}`", f"`{p.default!r}`", said.get(p.name, "")) for p in parameters]
    options = table(["option", "default", "meaning"], rows) if rows else "No options.\n"
    return f"{options}\nTested variants: {'; '.join(variant(scheme, options) for options in scheme.variants)}.\n"


def described(doc: str) -> dict[str, str]:
    """Return the docstring's items: name -> text (``a, b : text`` gives both)."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in doc.splitlines():
        item = re.match(r"(\w+(?:, \w+)*) : (.*)", line)
        if item:
            names = item[1].split(", ")
            found |= dict.fromkeys(names, item[2])
        elif names and line.startswith("    "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            names = []
    return {name: markdown(text) for name, text in found.items()}


def markdown(text: str) -> str:
    """Return a docstring's prose as Markdown: ``literal`` becomes a code span, the rest stays what it says."""
    parts = re.split(r"``([^`]+)``", text)
    return "".join(f"`{part}`" if k % 2 else re.sub(r"([*_<$\\])", r"\\\1", part) for k, part in enumerate(parts))


def citations() -> str:
    """Return each scheme with the publication that introduced it."""
    rows = [(f"[{markdown(scheme.title)}](/schemes/{name}.md)", markdown(scheme.citation)) for name, scheme in pathways().items()]
    return table(["scheme", "cite"], rows)


def software_bibtex() -> str:
    """Return the BibTeX entry of the package, from CITATION.cff."""
    about = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))
    authors = " and ".join(f"{{{author['name']}}}" for author in about["authors"])
    lines = {"author": authors, "title": f"{{{about['title']}}}", "version": f"{{{about['version']}}}", "year": "YEAR"}
    lines |= {"note": f"{{Python package, {about['license']}}}"}
    inside = ",\n".join(f"  {key} = {value if value.startswith('{') else f'{{{value}}}'}" for key, value in lines.items())
    return f"```bibtex\n@software{{neurosim,\n{inside},\n}}\n```\n"


# ---------------------------------------------------------------------- model files


def model_table(scheme: str = "") -> str:
    """Return the model files (whose first stage is of one scheme), each with the paper's number and what was measured here."""
    rows = [
        (f"`{name}`", markdown(model["title"]), paper(model), measured(model))
        for name, model in models().items()
        if scheme in ("", model["stages"][0]["scheme"])
    ]
    return table(["model", "what it is", "paper: test error", "measured here: test error"], rows) if rows else "None.\n"


def simulation_table() -> str:
    """Return the model files with a simulation, each with how its populations fired here."""
    rows = []
    for name, model in simulations().items():
        fired = published.fired(model).items()
        said = "; ".join(f"{of} {rate} Hz, CV {cv}, {synchrony}" for of, (rate, cv, synchrony) in fired)
        rows.append((f"`{name}`", markdown(model["title"]), said or "not measured yet", published.simulated(model)))
    return table(["model", "what it is", "measured here: rate, CV of intervals, synchrony", "of"], rows)


def model_keys(kind: str = "") -> str:
    """Return every table of a model file with its keys, their defaults, and what the schema says of it.

    kind : ``simulation`` for what only those have
    """
    rows = []
    own = [one for one in sections(SimulationTable) if one[0].startswith(("[simulation", "[[simulation", "[measured"))]
    for path, section in own if kind == "simulation" else sections(ModelTable):
        fields = [(key, field) for key, field in section.model_fields.items() if _section(field.annotation) is None]
        keys = [f"**`{key}`**" if f.is_required() else f"`{key}{_default(f.default)}`" for key, f in fields]
        rows.append((f"`{path}`" if path else "", ", ".join(keys), _explained(inspect.getdoc(section) or "")))
    return table(["table", "keys and their defaults; **required** ones in bold", "what it is"], rows)


def _explained(doc: str) -> str:
    """Return what a table's docstring says, without its path: a sentence, then a line for each key that it explains."""
    summary = re.sub(r"^\[+[\w.]+\]+[:.;]? *", "", " ".join(doc.partition("\n\n")[0].split()))
    lines = [markdown(summary)] if summary else []
    items: dict[str, list[str]] = {}
    for key, text in described(doc).items():
        items.setdefault(text, []).append(f"`{key}`")
    return "<br>".join([*lines, *(f"{', '.join(keys)}: {text}" for text, keys in items.items())])


def sections(section: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    """Yield (path as TOML spells it, class) of a table and of all tables in it."""
    yield path, section
    for key, field in section.model_fields.items():
        inner = _section(field.annotation)
        if inner is not None:
            inside = f"{path.strip('[]')}.{key}".lstrip(".")
            yield from sections(inner, f"[[{inside}]]" if "list" in str(field.annotation) else f"[{inside}]")


def _section(annotation: Any) -> Any:
    """Return the table class in an annotation such as ``list[Stage]`` or ``Augment | None``, or None."""
    inner = [annotation, *get_args(annotation), *(part for argument in get_args(annotation) for part in get_args(argument))]
    return next((c for c in inner if inspect.isclass(c) and not get_args(c) and issubclass(c, Section)), None)


def _default(value: Any) -> str:
    """Return `` = default`` as a model file would say it; nothing where the default is to leave the key out."""
    if value is None:
        return ""
    if isinstance(value, Rule):
        value = next(name for name, make in plasticity.rules().items() if make().describe() == value.describe())
    text = repr(getattr(value, "name", value)).replace("'", '"')
    return f" = {text.replace('True', 'true').replace('False', 'false')}"


def paper(model: dict[str, Any]) -> str:
    """Return the paper's number in words, with its source; a number whose source was not read is not shown."""
    said = model.get("paper", {})
    source = markdown(str(said.get("source", "")))
    if "test_error" not in said:
        return source or "none"
    return f"{published.paper(model)}; {source}" if said.get("verified") else "not verified"


def measured(model: dict[str, Any]) -> str:
    """Return what was measured with this package, in words: with epochs and seeds, and the seeds that are not in the mean."""
    found = model.get("measured", {})
    if "test_error" not in found:
        return "not measured yet"
    short = "" if published.is_whole(model) else "**"
    seeds, reached = published.failed(model)
    about = [f"{short}{published.epochs(model)} epochs{short}", f"seeds {published.seeds(model)}"]
    about += [f"**{reached} on seeds {seeds}**" if seeds else ""]
    about += [markdown(str(found.get(key, ""))) for key in ("trained_on", "date", "note")]
    return f"{published.measured(model)}; {', '.join(filter(None, about))}"


# ---------------------------------------------------------------------- names in model files


def named_classes(kind: str) -> str:
    """Return the names a model file may use, with the first line of what each says of itself."""
    if kind == "data":
        return table(["name", "what it is"], [(f"`{name}`", _entry(name)) for name in datasets.names()])
    found: dict[str, Any] = {
        "transfers": neurons.transfers,
        "neurons": lambda: {name: kind for name, kind in neurons.neurons_by_name().items() if name not in neurons.transfers()},
        "surrogates": neurons.surrogates,
        "encoders": encoders.encoders,
        "tasks": tasks.tasks,
        "updates": plasticity.updates,
        "rules": plasticity.rules,
        "spiking rules": plasticity.spiking_rules,
        "short-term plasticity": plasticity.short_terms,
        "initialisers": lambda: INITIALISERS,
    }[kind]()
    rows = [(f"`{name}`", _options(value), markdown(_summary(value))) for name, value in found.items()]
    return table(["name", "options", "what it does"], rows)


def _entry(name: str) -> str:
    from neurosim.datasets.registry import find

    entry = find(name)
    return f"{entry.title}; {entry.train:,} training and {entry.test:,} test samples of shape {entry.shape}"


def _options(value: Any) -> str:
    if value in INITIALISERS.values():  # called with what the network knows
        return ""
    decided = ("args", "kwargs", "size")  # the last one, of a task, by the data
    parameters = [p for p in inspect.signature(value).parameters.values() if p.name not in decided]
    return ", ".join(f"`{p.name}`" if p.default is p.empty else f"`{p.name}={p.default!r}`" for p in parameters)


def _summary(value: Any) -> str:
    return (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")


# ---------------------------------------------------------------------- command line


def command_table() -> str:
    """Return every command with its arguments and options, as sections."""
    from neurosim.cli.main import app

    parts = []
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        arguments, rows = [], []
        hints = get_type_hints(command.callback, include_extras=True)
        for parameter in inspect.signature(command.callback).parameters.values():
            about = hints[parameter.name].__metadata__[0]
            # inside Annotated, Typer takes an option's first name for its default
            names = [n for n in (about.default, *(about.param_decls or ())) if str(n).startswith("-")] or [parameter.name.upper()]
            given = ", ".join(names)
            arguments += [] if given.startswith("-") else [given]
            default = "" if parameter.default in (None, False, ..., inspect.Parameter.empty) else f"`{parameter.default}`"
            said = about.show_default if isinstance(about.show_default, str) else ""
            rows.append((f"`{given}`", f"`{said}`" if said else default, markdown(about.help or "")))
        summary = markdown((inspect.getdoc(command.callback) or "").replace("\n", " "))
        heading = f"## `{' '.join(['neurosim', name, *arguments])}`"
        examples = command.epilog.partition("Examples:\n")[2].partition("\n\n")[0]
        shown = f"```bash\n{inspect.cleandoc('  ' + examples.lstrip())}\n```\n" if examples else ""
        parts.append(f"{heading}\n\n{summary}\n\n{shown}\n{table(['option', 'default', 'meaning'], rows)}")
    return "\n".join(parts)


# ---------------------------------------------------------------------- benchmarks

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
MEASURED = {
    "steps": {
        "scheme": "scheme", "ours_ms": "step, ms", "products_ms": "its products, ms", "floor_ms": "floor, ms",
        "over_floor": "over floor",
        "floor_openblas_ms": "OpenBLAS's floor, ms", "floor_mkl_ms": "MKL's, ms", "floor_torch_ms": "PyTorch's products, ms",
        "optimiser_ms": "optimiser, ms", "torch_ms": "PyTorch, ms", "times_faster": "times faster",
        "torch_fused_ms": "its fused Adam, ms", "torch_compile_ms": "torch.compile, ms",
    },
    "openblas": {
        "scheme": "scheme", "ours_ms": "step, ms", "floor_openblas_ms": "floor by OpenBLAS, ms", "floor_ms": "by the fastest, ms",
    },
    "waiting": {"waits_ms": "threads wait, ms", "alone_ms": "alone on the machine, ms", "busy_ms": "one core busy, ms"},
    "busy": {
        "scheme": "scheme", "ours_ms": "step, ms", "floor_openblas_ms": "products by OpenBLAS, ms",
        "floor_mkl_ms": "by MKL, ms", "torch_fused_ms": "PyTorch, fused Adam, ms",
    },
    "pathways": {
        "scheme": "scheme", "ours_ms": "step, ms", "floor_ms": "floor, ms", "over_floor": "over floor",
        "optimiser_ms": "optimiser, ms",
    },
    "papers": {
        "setting": "setting", "ours_ms": "step, ms", "floor_ms": "floor, ms", "optimiser_ms": "optimiser, ms",
        "over_floor": "over floor", "allowed": "allowed", "released_over_floor": "released code over its floor",
    },
    "silence/silence": {
        "what": "", "lively": "with activity", "silent": "in silence", "silent_kept": "in silence, if they were kept",
    },
    "recording/cost": {"recorded": "recorded", "seconds": "seconds", "slower_percent": "slower, %"},
    "recording/writing": {"values": "values", "way": "way", "mib_a_second": "MiB/s", "share": "share"},
    "recording/reading": {
        "chunk_kib": "chunk, KiB", "one_neuron_ms": "one neuron, all recordings, ms",
        "one_moment_ms": "all neurons, one recording, ms", "file_mib": "file, MiB",
    },
    "hsic-batch": {
        "batch": "batch", "before_ms": "all in float64, ms", "ours_ms": "step, ms", "floor_ms": "floor, ms",
        "over_floor": "over floor",
    },
    "spiking": {
        "inputs": "input", "program": "program", "forward_ms": "forward, ms", "bptt_ms": "a step back through time, ms",
        "online_ms": "a step online, ms",
    },
    "ticks": {
        "setting": "network, scheme", "ticks": "ticks", "version": "ticks as", "capture_s": "capture, s", "step_ms": "step, ms",
        "buffers_mib": "buffers, MiB",
    },
    "hsic-precision": {
        "activity": "activity", "condition": "condition", "ours": "as it is", "given": "input and label in float32",
        "distances": "distances in float32", "one": "K centred, not K less one", "plain": "all three",
        "tf32": "TF32 products",
    },
}  # fmt: skip


def benchmark_table(kind: str) -> str:
    """Return the latest committed numbers of a benchmark, or of a part of one (``name/part``), and what they were measured on."""
    name, _, part = kind.partition("/")
    found = sorted(RESULTS.glob(f"{name}-*.json"))
    if not found:
        return MISSING
    result = json.loads(found[-1].read_text(encoding="utf-8"))
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in result[part or "steps"]:
        title = f"**{row['network']}, batch {row['batch']}**\n\n" if "network" in row else ""
        groups.setdefault(title, []).append(row)
    tables = [title + _measured(kind, rows) for title, rows in groups.items()]
    about = result["about"]
    blas = ", ".join(sorted({f"{library['internal_api']} {library['version']}" for library in about["libraries"]}))
    said = f"{about['machine']}, {about['cores']} cores, NumPy {about['numpy']} with {blas}, {about['date']}"
    return "\n".join([*tables, f"{said}.\n"])


def _measured(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
    head = {key: title for key, title in MEASURED[kind].items() if any(key in row for row in rows)}
    return table(list(head.values()), [[_number(row.get(key, "")) for key in head] for row in rows])


def _number(value: Any) -> str:
    if isinstance(value, float):
        if 0 < value < 0.01:
            return f"{value:.0e}".replace("e-0", "e-")
        return f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return str(value).replace("_", " ")


COLLECTED: dict[str, Callable[..., str]] = {
    "benchmark-table": benchmark_table,
    "citations": citations,
    "claims-table": claims_table,
    "scheme-facts": scheme_facts,
    "software-bibtex": software_bibtex,
    "scheme-claims": scheme_claims,
    "scheme-options": scheme_options,
    "model-table": model_table,
    "model-keys": model_keys,
    "simulation-table": simulation_table,
    "named-classes": named_classes,
    "command-table": command_table,
}
