"""``neurosim.compare``: a user's own rules, schemes and data against back-propagation, in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.catalogue import Imports, Named
from neurosim.datasets import DataSet
from neurosim.errors import RunFileError, quoted, require
from neurosim.experiments.comparison import reopen, run_all
from neurosim.experiments.comparison import resume as resume_all
from neurosim.experiments.comparison_folder import path_of
from neurosim.experiments.comparison_plan import USUAL, Plan
from neurosim.experiments.comparison_table import Result, as_frame, in_order
from neurosim.experiments.folders import made_folder
from neurosim.experiments.given import given_data, stated
from neurosim.modelfile.description import describe_data
from neurosim.modelfile.reading import Contents, parsed
from neurosim.runfile import Run
from neurosim.runfile.run import WRONG, error_name

if TYPE_CHECKING:
    import pandas

    from neurosim.analysis.run_plots import SchemePlots


MOST_ROWS = 16  # of a comparison that is printed


@dataclass(frozen=True)
class Comparison:
    """The results of a comparison.

    title : what was compared; out : the folder of the run files; report : the path of the HTML page
    results : one for each row and seed, ordered by seed and then by row
    """

    title: str
    out: Path
    results: tuple[Result, ...]
    report: Path

    @property
    def table(self) -> pandas.DataFrame:
        """One line for each row and seed, with the columns of ``table.csv``; a missing number is NaN."""
        return as_frame(self.results)

    @property
    def plot(self) -> SchemePlots:
        """All schemes' curves in one figure: ``comparison.plot.error()``, ``.loss()``."""
        from neurosim.analysis.run_plots import SchemePlots

        return SchemePlots([path_of(self.out, result.scheme, result.seed) for result in self.results])

    def __repr__(self) -> str:
        return f"{self.title}\n{self.table.to_string(index=False, max_rows=MOST_ROWS)}\n{self.report}"


def compare(
    data: Any = None,
    rows: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    seeds: int | Sequence[int] = 1,
    epochs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    file: str | Path = USUAL,
    settings: Iterable[str] = (),
    record: Iterable[str] = (),
    alignment: str | None = None,
    gauss_newton: str | None = None,
    step_effect: str | None = None,
    backend: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    imports: Named = (),
    overwrite: bool = False,
    resume: bool = False,
    quiet: bool = False,
    jobs: int = 1,
) -> Comparison:
    """Train one network under every row with every seed, from the same weights and with the data in the same order.

    compare(data=(x, y), rows={"mine": {"scheme": MyScheme}, "hebb": {"rule": "dw = 0.01 * rate_post * rate_pre"}}, seeds=3)

    Writes the same files as ``neurosim compare``: a run file for each row and seed, ``table.csv`` and ``report.html``.  If a row
    diverges, the others go on; its numbers are NaN.

    Parameters
    ----------
    data : (x, y) or (x_train, y_train, x_test, y_test), as for ``datasets.from_arrays``; a DataSet, a function that returns one, a
        name, or a path; by default the data set of ``file``
    rows : name -> keys of [rows.NAME] in a comparison file: ``scheme`` and its ``options``, ``rule``, ``output_rule``,
        ``optimiser``, ``feedback_optimiser``.  Values may be classes, rules and optimisers.  Backprop, the baseline, is added if it
        is not among the rows.  By default the rows of ``file``
    seeds : how many seeds (1, 2, ...), or a list of them
    epochs : for every row; by default those of ``file``
    out : the folder, which has to be new or empty (or give ``overwrite``); by default a new one in ``neurosim-runs``
    file : a comparison file, which gives the network and everything that a row leaves out
    settings : ``"key.path=value"`` texts, as after ``--set``; record, alignment, gauss_newton, step_effect : as in ``[record]``
    imports : the modules in which ``"module:Class"`` may be looked up; their code runs
    resume : continue the comparison that was stopped in ``out``; give the same arguments as before.  ``epochs`` may be more than
        before, also where it is complete
    jobs : how many rows train at once, each in a worker process with one BLAS thread; the results are the same as with jobs=1 and
        one BLAS thread, bit for bit

    Raises InputError, in one line, if something does not fit; then nothing is written.
    """
    named = Imports(imports)
    samples, settings = given_data(data, named), [*settings, *([f"training.epochs={epochs}"] if epochs is not None else [])]
    table: Contents | str | None = describe_data(samples) if isinstance(samples, DataSet) else samples
    changes = [setting for setting in settings if isinstance(samples, DataSet) and setting.partition(".")[0] == "data"]
    require(not changes, f"setting {quoted(changes)}: of data that are given: expected none; change the data")
    given = None if rows is None else {name: _row(name, row, named) for name, row in rows.items()}
    asked = {"alignment": alignment, "gauss_newton": gauss_newton, "step_effect": step_effect}
    plan = Plan.load(file, given=given, settings=settings, record=record, comparisons=asked, data=table, imports=named)
    counted = list(range(1, seeds + 1)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    require(bool(counted), f"seeds {quoted(seeds)}: expected at least one; give seeds=1")
    how: dict[str, Any] = {"seeds": counted, "backend": backend, "data_dir": data_dir, "overwrite": overwrite, "jobs": jobs}
    how["data"] = samples if isinstance(samples, DataSet) else None
    with ExitStack() as stack:
        require(out is not None or not resume, "resume=True: no folder to resume: expected out=...; give the one it was stopped in")
        folder = Path(out) if out is not None else stack.enter_context(made_folder(USUAL))
        results: list[Result] = []
        for result in _resumed(plan, folder, named, epochs, **how) if resume else run_all(plan, folder, imports=named, **how):
            results.append(result)
            if not quiet:
                print(progress(result, len(results), len(plan.models) * len(counted)), flush=True)
        return conclude(plan, counted, results, folder)


def _resumed(
    plan: Plan, folder: Path, imports: Imports, epochs: int | None, *, seeds: list[int], overwrite: bool, **how: Any
) -> Iterator[Result]:
    """Go on with the comparison in ``folder``; raise InputError where it was begun with something else."""
    require(not overwrite, "resume=True and overwrite=True: expected only one of the two; leave one out")
    asked: dict[str, Any] = {"first": seeds[0], "count": len(seeds), "backend": how.pop("backend"), "epochs": epochs}
    started = reopen(folder, **asked, imports=imports)
    for key in plan.contents.keys() - {"modules"}:
        was, now = started.plan.contents.get(key), parsed(plan.text, "comparison").get(key)
        both = f"folder {folder}: {key} was {quoted(was)} and is {quoted(now)}"
        require(was == now, f"{both}: expected the same arguments; give them, or another out", RunFileError)
    return resume_all(started, folder, imports=imports, **how)


def conclude(plan: Plan, seeds: Sequence[int], results: Sequence[Result], folder: Path) -> Comparison:
    """Write the report on a comparison's runs, over an earlier one; return what it reached."""
    from neurosim.analysis.report import write_report

    report, results = folder / "report.html", in_order(results, plan.models, seeds)
    with ExitStack() as stack:
        runs = [stack.enter_context(Run(path_of(folder, result.scheme, result.seed))) for result in results]
        write_report(runs, report, overwrite=True)
    return Comparison(plan.title(seeds), folder, tuple(results), report)


def progress(result: Result, number: int, count: int) -> str:
    """Return what a row reached as one line; it is the ``number``-th of ``count`` to end."""
    accuracy = f"accuracy {result.test_accuracy:.2f} %"
    test = accuracy if result.score == WRONG else f"{error_name(result.score)} {result.test_error:.2f} %"
    reached = result.failure or f"test {test}, training loss {result.train_loss:.4f}"
    return f"{number} of {count}: {result.scheme}, seed {result.seed}: {reached}"


# ---------------------------------------------------------------------- what was given


def _row(name: str, row: Mapping[str, Any], imports: Imports) -> Contents:
    """Return a row as a comparison file has it."""
    require(isinstance(row, Mapping), f"row {quoted(name)}: {quoted(row)}: expected a dictionary such as {{'rule': 'dw = ...'}}")
    return {str(key): stated(f"row {name!r}: {key}", value, imports) for key, value in row.items() if value is not None}
