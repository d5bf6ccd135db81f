"""``neurosim export RUN --to FORMAT``: a run, or all runs in a folder, in the format of another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion, streams
from neurosim.cli.helping import Help
from neurosim.cli.places import check_there, run_files
from neurosim.errors import RunFileError, require

if TYPE_CHECKING:
    from neurosim.runfile import Run

HELP = Help(
    "Write runs for other programs.",
    ("neurosim export mine.h5 --to nwb", "neurosim export mine --to csv -o tables"),
)

Place = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run file, or a folder with run files.", autocompletion=completion.files)
]
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
        show_default="beside each run, under its name", autocompletion=completion.files,
    ),
]  # fmt: skip


def export(run: Place, to: To, out: Out = None, overwrite: args.Overwrite = False, debug: args.Debug = False) -> None:
    """Write a run, or all runs in a folder, for other programs: NWB, npz, CSV, Parquet.

    Each line printed is the path of what was written.
    """
    check_there(run)
    if not run.is_dir():
        with args.interruptible("nothing was written"):
            typer.echo(_exported(run, to, out, overwrite))
        return
    from neurosim.analysis.exports import check_target, target_of

    pairs = [(path, target_of(path, to, out and out / path.relative_to(run).parent)) for path in run_files([run])]
    for path, target in pairs:  # all of them first: where one must not be written, none is
        check_target(path, target, to, overwrite)
    failed = []
    with args.interruptible(f"the folder {run} is exported in part"):
        for path, target in pairs:
            try:
                typer.echo(_exported(path, to, target, overwrite))
            except RunFileError as cause:
                streams.tell(f"neurosim: {cause}")
                failed.append(str(path))
    require(not failed, f"not exported: {', '.join(failed)}; all other runs are; neurosim check says more", RunFileError)


def _exported(path: Path, to: str, out: Path | None, overwrite: bool) -> Path:
    """Export a run; return where.  Of one that goes on, say so."""
    from neurosim.analysis.exports import export
    from neurosim.runfile import Run

    with Run(path) as found:
        target = export(found, to, out, overwrite=overwrite)
        if found.status == "running":
            typer.echo(f"{path}: still running, or killed; exported what it had written, {_progress(found)}")
    return target


def _progress(run: Run) -> str:
    return f"up to epoch {run.metrics.index.get_level_values('epoch').max()}" if len(run.metrics) else "no evaluation yet"
