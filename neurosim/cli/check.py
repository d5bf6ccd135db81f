"""``neurosim check RUN``: is a run file whole?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.errors import RunFileError

Runs = Annotated[list[Path], typer.Argument(help="Run files.")]


def check(runs: Runs, debug: args.Debug = False) -> None:
    """Read run files through, compare every checksum, and hold them to the schema."""
    from neurosim.runfile import Run, problems

    wrong = []
    for path in runs:
        found = problems(path)
        wrong += [path] if found else []
        for problem in found:
            typer.echo(f"{path}: {problem}")
        if not found:
            with Run(path) as run:
                version, size = run.attributes["schema_version"], path.stat().st_size / 2**20
                typer.echo(f"{path}: good; schema {version}, {run.status}, {size:.1f} MiB read, checksums agree")
    if wrong:
        raise RunFileError(f"damaged: {', '.join(map(str, wrong))}; restore from a copy, or run again")
