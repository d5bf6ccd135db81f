"""``neurosim analyse RUN...``: what the populations of trained networks represent, and how alike they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.places import run_files
from neurosim.cli.terminal import say

if TYPE_CHECKING:
    import pandas

HELP = Help(
    "Measure what trained networks represent.",
    ("neurosim analyse mine", "neurosim analyse a.h5 b.h5 --samples 1000", "neurosim analyse mine -o mine.csv"),
)

Places = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Run files, or folders with run files.", autocompletion=completion.files),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples", metavar="N", parser=args.whole(1), help="Show the last network N test images, whatever was recorded.",
        show_default="what was recorded, or else 1000",
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", parser=args.file, help="Write all measures, of all epochs and runs, as CSV.",
        autocompletion=completion.files,
    ),
]  # fmt: skip

SHOWN = {  # measure -> heading, form
    "probe": ("linear\nprobe, %", ".1f"),
    "dimension": ("effective\ndimension", ".1f"),
    "lifetime_sparsity": ("lifetime\nsparsity", ".2f"),
    "population_sparsity": ("population\nsparsity", ".2f"),
    "silent": ("silent, %", ".1f"),
    "selectivity_p50": ("selectivity,\nmedian", ".2f"),
    "class_variance_p50": ("variance\nbetween\nclasses,\nmedian", ".2f"),
}
ALIKE = {"cka": ("CKA", ".2f"), "cka_debiased": ("CKA,\ndebiased", ".2f")}
SAME, OTHER = "same seed", "other seeds"
FOLD = 30  # characters of two schemes on one line


def analyse(
    runs: Places,
    samples: Samples = None,
    out: Out = None,
    data_dir: args.DataDir = None,
    imports: args.Import = None,
    overwrite: args.Overwrite = False,
    debug: args.Debug = False,
) -> None:
    """Measure what the populations of trained networks represent: linear probe, dimension, sparsity, selectivity, and CKA.

    Over the recorded epochs (--record 'hidden*.rate every 1 epoch'), or of the last network, shown its test images again. What is
    printed is of the last epoch.
    """
    from neurosim.analysis.pages import check_free
    from neurosim.experiments.analyse import analyse as measured

    paths = list({path.resolve(): path for path in run_files(runs)}.values())
    if out is not None:
        check_free(out, overwrite, paths, "table.csv")
    table = measured(paths, samples=samples, data_dir=data_dir, imports=imports or ())
    if out is not None:
        _write(table, out)
    _print(table)
    say(_explained(table))
    if out is not None:
        say(f"all measures: {out}")


def _write(table: pandas.DataFrame, out: Path) -> None:
    from neurosim.runfile.disk import followed, replacing

    with args.interruptible("nothing was written"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(followed(out)) as fresh:
            table.to_csv(fresh, index=False)


# ---------------------------------------------------------------------- what is printed

Named = Callable[[Any], tuple[str, ...]]  # row -> the name of the line that it belongs to, in parts


def _print(table: pandas.DataFrame) -> None:
    """Print the last epoch of each run: measures of populations, and CKA within runs and between them."""
    last = table[table["epoch"] == table.groupby("run")["epoch"].transform("max")]
    single, within = last["other_run"].isna(), last["run"] == last["other_run"]
    _print_part(last[single], SHOWN, ("population",), lambda row: (f"{row.scheme} {row.population}",))
    _print_part(last[within], ALIKE, ("scheme", "populations"), _within, "CKA within a run")
    _print_part(last[~single & ~within], ALIKE, ("population", "schemes"), _between, "CKA between runs")


def _within(row: Any) -> tuple[str, ...]:
    return row.scheme, f"{row.population} and {row.other_population}"


def _between(row: Any) -> tuple[str, ...]:
    """Return the name of a line about one population in two runs."""
    schemes = sorted({row.scheme, row.other_scheme})
    short = len("".join(schemes)) < FOLD
    return f"{row.population}, {SAME if row.seed == row.other_seed else OTHER}", (" and " if short else " and\n").join(schemes)


def _print_part(
    rows: pandas.DataFrame, shown: Mapping[str, tuple[str, str]], headings: Sequence[str], name: Named, title: str = ""
) -> None:
    """Print a table with a line for each name: mean and spread of the runs, or pairs of runs, that have it."""
    from neurosim.cli.progress import console
    from neurosim.cli.tables import fitted, show

    lines: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for row in rows.itertuples():
        lines.setdefault(name(row), {}).setdefault(str(row.measure), []).append(float(row.value))
    if not lines:
        return
    (first, *more) = (list(part) for part in zip(*lines, strict=True))
    known = [measure for measure in shown if any(measure in of for of in lines.values())]
    numbers = [(shown[m][0], [_cell(of.get(m, ()), shown[m][1]) for of in lines.values()]) for m in known]
    named = list(zip(headings[1:], more, strict=True))
    blocks = [[*named, *numbers]] if named else [[column] for column in numbers]
    show(console, fitted(console, (headings[0], first), blocks, title, left=headings[1:]))


def _cell(values: Sequence[float], form: str) -> str:
    """Return mean and standard deviation; "-" where a value is missing or not defined."""
    from neurosim.analysis.summary import Spread

    spread = Spread.of(values)
    return "-" if spread is None else spread.cell(form).text.replace(" ", "")


def _explained(table: pandas.DataFrame) -> str:
    """Return what the numbers are of."""
    shown = " or ".join(f"{count:,}" for count in sorted(set(table["samples"])))
    lines = [f"after the last epoch measured; of {shown} samples; ± standard deviation over runs, or pairs of runs"]
    if "probe" in set(table["measure"]):
        lines.append("linear probe: fitted on half of the samples of each class, scored on the others")
    if table.loc[table["measure"] == "selectivity_p50", "value"].isna().any():
        lines.append("selectivity: - where rates are negative, for which it is not defined")
    lines.append("CKA is biased towards 1 where neurons outnumber samples; the debiased one is not")
    return "\n".join(lines)
