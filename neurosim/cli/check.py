"""``neurosim check WHAT``: is a run file whole, or does a scheme or a rule keep its contract and what it claims?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.errors import InputError, RunFileError

HELP = Help(
    "Check run files, schemes and rules.",
    (
        "neurosim check mine.h5",
        "neurosim check mine",
        "neurosim check feedback_alignment oja",
        "neurosim check mine:MyScheme --import mine.py",
    ),
    lists_schemes=True,
)

What = Annotated[
    list[str],
    typer.Argument(
        metavar="WHAT...", help="Run files, folders with run files, or schemes and rules: names, or module:Class.",
        autocompletion=completion.to_check,
    ),
]  # fmt: skip


def check(what: What, imports: args.Import = None, debug: args.Debug = False) -> None:
    """Check that run files are whole, or that schemes and rules do what they promise.

    A run file is read completely and compared with its checksums. A scheme or rule is run, and its claims are measured. Where a
    file or folder has the name of a scheme or rule, the file or folder is checked.
    """
    subjects = [_find_class(name, imports) for name in what]  # all of them first: a wrong name should not cost minutes
    damaged, failed = [], []
    for name, subject in zip(what, subjects, strict=True):
        if subject is None and not _check_file(Path(name)):
            damaged.append(name)
        elif subject is not None and not _check_class(subject):
            failed.append(name)
    if damaged:
        more = f"; and failed: {', '.join(failed)}" if failed else ""
        raise RunFileError(f"damaged: {', '.join(damaged)}; restore from a copy, or run again{more}")
    if failed:
        raise InputError(f"failed: {', '.join(failed)}; correct what stands below FAILED")


def _find_class(name: str, imports: list[str] | None) -> Any:
    """Return the class that is called ``name``; None where a run file is meant."""
    from neurosim.catalogue import Imports, is_outside
    from neurosim.feedback import pathways
    from neurosim.plasticity import rules

    if Path(name).exists():
        return None
    if is_outside(name):
        return Imports(imports or ()).find("scheme or rule", name)
    return {**pathways(), **rules()}.get(name)


def _check_file(path: Path) -> bool:
    """Tell what is wrong with a run file, or that it is good; return whether it is."""
    from neurosim.runfile import Run, problems

    found = problems(path)
    for problem in found:
        typer.echo(f"{path}: {problem}")
    if not found:
        with Run(path) as run:
            version, size = run.attributes["schema_version"], path.stat().st_size / 2**20
            typer.echo(f"{path}: good; schema {version}, {run.status}, {size:.1f} MiB read, checksums agree")
    return not found


def _check_class(subject: Any) -> bool:
    """Print what ``neurosim.check`` finds; return whether all passed."""
    from neurosim.checking import check

    result = check(subject)
    typer.echo(str(result))
    return bool(result)
