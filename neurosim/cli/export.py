"""``neurosim export RUN --to FORMAT``: a run in the format of another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurosim.cli import arguments as args

if TYPE_CHECKING:
    from neurosim.runfile import Run

File = Annotated[Path, typer.Argument(metavar="RUN", help="A run file.")]
To = Annotated[str, typer.Option("--to", metavar="FORMAT", help="nwb or npz, one file; csv or parquet, a folder of tables.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="What to write.", show_default="RUN.nwb, RUN.npz, RUN-csv, RUN-parquet")
]


def export(run: File, to: To, out: Out = None, overwrite: args.Overwrite = False, debug: args.Debug = False) -> None:
    """Write a run for other programs: NWB, npz, CSV, Parquet; the last line printed is where it lies."""
    from neurosim.analysis.exports import export
    from neurosim.runfile import Run

    with Run(run) as found, args.interruptible("nothing was written"):
        target = export(found, to, out, overwrite=overwrite)
        if found.status == "running":
            typer.echo(f"{run}: still running, or killed; exported what had been flushed, {_progress(found)}")
    typer.echo(target)


def _progress(run: Run) -> str:
    return f"up to epoch {run.metrics.index.get_level_values('epoch').max()}" if len(run.metrics) else "no evaluation yet"
