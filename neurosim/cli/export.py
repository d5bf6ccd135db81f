"""``neurosim export RUN --to FORMAT``: a run in the format of another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help

if TYPE_CHECKING:
    from neurosim.runfile import Run

HELP = Help(
    "Write runs for other programs.",
    ("neurosim export mine.h5 --to nwb", "neurosim export mine --to csv -o tables"),
)

File = Annotated[Path, typer.Argument(metavar="RUN", help="A run file, or a folder with run files.")]
To = Annotated[
    str,
    typer.Option(
        "--to", metavar="FORMAT", help="nwb or npz (one file each), csv or parquet (a folder of tables each).",
        autocompletion=completion.export_format,
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="PATH", help="What to write; for a folder of runs, the folder to write into.",
        show_default="beside each run, under its name",
    ),
]  # fmt: skip


def export(run: File, to: To, out: Out = None, overwrite: args.Overwrite = False, debug: args.Debug = False) -> None:
    """Write a run, or all runs in a folder, for other programs: NWB, npz, CSV, Parquet.

    Each line printed is the path of what was written.
    """
    from neurosim.analysis.exports import export
    from neurosim.runfile import Run

    with Run(run) as found, args.interruptible("nothing was written"):
        target = export(found, to, out, overwrite=overwrite)
        if found.status == "running":
            typer.echo(f"{run}: still running, or killed; exported what had been flushed, {_progress(found)}")
    typer.echo(target)


def _progress(run: Run) -> str:
    return f"up to epoch {run.metrics.index.get_level_values('epoch').max()}" if len(run.metrics) else "no evaluation yet"
