"""``neurosim report RUN...``: run files as one page; or a study."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.places import run_files
from neurosim.errors import RunFileError, require

HELP = Help(
    "Make one HTML page of runs.",
    ("neurosim report a.h5 b.h5", "neurosim report mine -o page.html", "neurosim report mine --representations"),
)

Places = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...", help="Run files, or folders with run files; or the folder of one study.", autocompletion=completion.files
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.", autocompletion=completion.files)]

Represented = Annotated[
    bool,
    typer.Option(
        "--representations",
        help="Tell what the populations represent, of all runs: as recorded, or the last network is shown its test images again.",
    ),
]


def report(
    runs: Places,
    out: Out = Path("report.html"),
    representations: Represented = False,
    data_dir: args.DataDir = None,
    imports: args.Import = None,
    overwrite: args.Overwrite = False,
    debug: args.Debug = False,
) -> None:
    """Write one HTML page about runs: their comparison, learning curves, alignment and histograms, and how to repeat them.

    Of a study's folder: errors for each parameter, heat maps, the best point by validation error, and all points.
    """
    from neurosim.analysis.pages import check_free
    from neurosim.analysis.report import write_report
    from neurosim.catalogue import Imports
    from neurosim.runfile import Run
    from neurosim.studies.folder import KIND
    from neurosim.studies.report import write_study_report

    studies = [place for place in runs if (place / KIND.file).is_file()]
    if studies:
        alone = f"folder {studies[0]}: a study, which has a page of its own: expected it alone"
        require(len(runs) == 1, f"{alone}; name it alone, or the run files in it", RunFileError)
        told = "--representations: a study's page opens no run file: expected run files; name those in it"
        require(not representations, told, RunFileError)
        typer.echo(write_study_report(studies[0], out, overwrite=overwrite))
        return
    paths = list({path.resolve(): path for path in run_files(runs)}.values())  # a folder and a file in it may both be named
    check_free(out, overwrite, paths)
    with ExitStack() as opened:
        if not representations:
            write_report([opened.enter_context(Run(path)) for path in paths], out, overwrite=overwrite)
        else:
            from neurosim.experiments.opened import OpenRun
            from neurosim.experiments.responses import shower

            named = Imports(imports or ())
            found = [opened.enter_context(OpenRun(path, named)) for path in paths]
            write_report(found, out, overwrite=overwrite, again=shower(data_dir))
    typer.echo(out)
