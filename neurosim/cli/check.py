"""``neurosim check WHAT``: are run files whole, and do schemes and rules keep their contract and what they claim?"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.places import ENDING, run_files
from neurosim.cli.terminal import is_terminal, say
from neurosim.errors import InputError, RunFileError, UnknownNameError, meant

if TYPE_CHECKING:
    from neurosim.checking.result import Result

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
    subjects = [subject for name in what for subject in _subjects(name, imports)]  # all first: a wrong name should not cost minutes
    damaged, failed = [], []
    for name, subject in subjects:
        if isinstance(subject, Path):
            damaged += [] if _check_file(subject) else [name]
        else:
            failed += [] if _check_class(subject) else [name]
    files = sum(isinstance(subject, Path) for _, subject in subjects)
    if files > 1:
        say(f"{files} run files: {files - len(damaged)} good, {len(damaged)} damaged")
    if damaged:
        more = f"; and failed: {', '.join(failed)}" if failed else ""
        raise RunFileError(f"damaged: {', '.join(damaged)}; restore from a copy, or run again{more}")
    if failed:
        raise InputError(f"failed: {', '.join(failed)}; correct what is printed after FAILED")


def _subjects(name: str, imports: list[str] | None) -> list[tuple[str, Any]]:
    """Return what ``name`` stands for, each with what it is called: the paths of run files, or one class.

    Raises InputError where it stands for nothing.
    """
    from neurosim.catalogue import Imports, is_outside
    from neurosim.feedback import pathways
    from neurosim.plasticity import rules

    path = Path(name)
    if path.exists():
        return [(str(file), file) for file in run_files([path])]
    if is_outside(name):
        return [(name, Imports(imports or ()).find("scheme or rule", name))]
    known = {**pathways(), **rules()}
    if name not in known:
        if path.suffix == ENDING or "/" in name or os.sep in name:
            raise RunFileError(f"run file {name}: no such file or folder; check the name{meant(name)}")
        raise UnknownNameError("check: file, folder, scheme or rule", name, known)
    return [(name, known[name])]


def _check_file(path: Path) -> bool:
    """Tell what is wrong with a run file, or that it is good; return whether it is."""
    from neurosim.runfile import Run, problems

    try:
        found = problems(path)
    except RunFileError as cause:  # it cannot even be opened
        found = [str(cause).removeprefix(f"run file {path}: ")]
    for problem in found:
        say(f"{path}: {problem}")
    if not found:
        with Run(path) as run:
            version, size = run.attributes["schema_version"], path.stat().st_size / 2**20
            say(f"{path}: good ({run.status}, {size:.1f} MiB read, all checksums agree, schema {version})")
    return not found


def _check_class(subject: Any) -> bool:
    """Print what ``neurosim.check`` finds; return whether all passed."""
    from neurosim.checking import check

    result = check(subject)
    text = str(result)
    width = shutil.get_terminal_size().columns
    narrow = is_terminal(sys.stdout) and max(map(len, text.splitlines())) > width
    say(_stacked(result) if narrow else text)
    return bool(result)


def _stacked(result: Result) -> str:
    """Return a result with expected and measured below each other, for a narrow terminal."""
    lines, section = [str(result).partition("\n")[0]], ("", "")
    for finding in result.findings:
        if (finding.variant, finding.group) != section:
            section = finding.variant, finding.group
            lines.append(f"with {finding.variant}: {finding.group}")
        claimed, measured, why = finding.outcome
        lines.append(f"  {'passed' if finding.passed else 'FAILED'}  {finding.name}")
        lines += [
            f"    {head:<9}  {said}" for head, said in (("expected", claimed), ("measured", measured), ("reason", why)) if said
        ]
    return "\n".join(lines)
