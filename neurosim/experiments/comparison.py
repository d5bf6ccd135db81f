"""One network under many schemes: the same initial weights, the same data order, one run file each, and one table."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.errors import DivergedError, RunFileError, UnknownNameError, require
from neurosim.experiments import reading
from neurosim.experiments.building import load_data
from neurosim.experiments.model_file import ModelFile, validated
from neurosim.experiments.run import Job, prepare, run
from neurosim.experiments.schema import ComparisonTable
from neurosim.feedback import Claims
from neurosim.recording import Run
from neurosim.training import Observer

if TYPE_CHECKING:
    import pandas

BASELINE = "backprop"
COLUMNS = (
    "scheme", "seed", "test_accuracy", "train_loss", "epochs_to_95", "step_ms", "step_relative_to_backprop", "angle_to_backprop",
    "weight_transport", "update_locking", "backward_locking", "feedback_learns_from",
)  # fmt: skip
CLAIMED = COLUMNS[-4:]

Watch = Callable[[Job], Sequence[Observer]]


@dataclass(frozen=True)
class Result:
    """What one row reached with one seed.

    test_accuracy : per cent, after the last epoch
    train_loss : in the scheme's own unit, nats unless the scheme says otherwise
    epochs_to_95 : the first epoch whose test accuracy is 95 % or more; None where there was none
    angle : degrees between proposed changes and backprop's at the last comparison, mean over hidden projections; nan without one
    step_ms : training on one batch of data, all passes of an epoch together; median over epochs, the first left out
    failure : "" or why the run stopped early; the numbers are then those it had
    """

    scheme: str
    seed: int
    test_accuracy: float
    train_loss: float
    epochs_to_95: int | None
    step_ms: float
    angle: float
    claims: Claims
    failure: str = ""


def comparison_models(
    name: str | Path = "compare",
    *,
    rows: Sequence[str] | None = None,
    settings: Iterable[str] = (),
    record: Iterable[str] = (),
    alignment: str | None = None,
) -> dict[str, ModelFile]:
    """Return a comparison file as one model file for each of its rows (``rows``: only these), by row name.

    settings, record, alignment : as in ``ModelFile.load``
    """
    path = reading.locate(name)
    contents = reading.recording(reading.override(reading.contents(path), settings), record, alignment)
    require("stages" not in contents, f"{path.stem}: a model file, not a comparison; use neurosim run {name}")
    table = validated(ComparisonTable, contents, path.stem)
    for row in rows or ():
        if row not in table.rows:
            raise UnknownNameError(f"{path.stem}: row", row, table.rows)
    shared = {key: contents[key] for key in ("data", "network", "record")}
    stages = {row: contents["rows"][row] | contents["training"] for row in rows or table.rows}
    return {row: ModelFile.of(row, shared | {"title": f"{row}: {table.title}", "stages": [s]}) for row, s in stages.items()}


def compare(
    models: Mapping[str, ModelFile],
    out: str | os.PathLike[str],
    *,
    seeds: Sequence[int] = (1,),
    backend: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    watch: Watch = lambda job: (),
) -> Iterator[Result]:
    """Train every row with every seed; yield each one's Result when it is done.

    Writes ``<row>-seed<seed>.h5`` and ``table.csv`` into the folder ``out``, which has to be new or empty (or ``overwrite``).
    Rows of one seed start from the same initial weights and see the data in the same order.  A row that diverges ends alone.

    watch : returns the observers of a job that is about to start
    """
    folder = Path(out)
    _check_folder(folder, overwrite)
    data = load_data(next(iter(models.values())).table.data, data_dir)
    options: dict[str, Any] = {"backend": backend, "data_dir": data_dir, "data": data}
    jobs = [prepare(model, seed=seed, **options) for seed in seeds for model in models.values()]
    results: list[Result] = []
    for job in jobs:
        results.append(_result(job, folder / f"{job.model.name}-seed{job.seed}.h5", overwrite, watch(job)))
        write_table(results, folder / "table.csv")
        yield results[-1]


def _check_folder(folder: Path, overwrite: bool) -> None:
    fits = not folder.exists() or folder.is_dir() and (overwrite or not any(folder.iterdir()))
    require(fits, f"folder {folder}: exists and is not empty; give --overwrite, or another --out", RunFileError)


def _result(job: Job, path: Path, overwrite: bool, observers: Sequence[Observer]) -> Result:
    failure = ""
    try:
        run(job, path, *observers, overwrite=overwrite)
    except DivergedError as error:
        failure = f"diverged: {error}"
    with Run(path) as said:
        test, train, angles = said.metrics.loc["test"], said.metrics.loc["train"], said.alignment
    accuracy = 100 - test["error"]
    reached = accuracy.index[accuracy >= 95]
    return Result(
        scheme=job.model.name,
        seed=job.seed,
        test_accuracy=float(accuracy.iloc[-1]),
        train_loss=float(train["loss"].iloc[-1]),
        epochs_to_95=int(reached[0]) if len(reached) else None,
        step_ms=_step_ms(job, train["seconds"].to_numpy()[1:]),  # no step comes before the first row
        angle=_hidden_angle(job, angles),
        claims=job.trainers[0].pathway.claims,
        failure=failure,
    )


def _hidden_angle(job: Job, alignment: pandas.DataFrame) -> float:
    """Return the mean angle, in degrees, over hidden projections at the last comparison."""
    hidden = [p.name for p in job.network.projections.values() if p.post != job.network.output]
    last = alignment.groupby("projection").tail(1).droplevel("step")["angle"]
    return float(last.reindex(hidden).mean())


def _step_ms(job: Job, seconds: np.ndarray) -> float:
    """Return milliseconds for one batch of data; the first epoch compiles, so it counts only where it is the only one."""
    batches = len(job.data.train) // job.trainers[0].batch
    kept = seconds[1:] if len(seconds) > 1 else seconds
    return 1000 * float(np.median(kept)) / batches if len(kept) else float("nan")


def relative_steps(results: Sequence[Result]) -> list[float | None]:
    """Return each result's step time over that of backprop with the same seed; None where there is no backprop."""
    baseline = {result.seed: result.step_ms for result in results if result.scheme == BASELINE and not result.failure}
    return [result.step_ms / baseline[result.seed] if result.seed in baseline else None for result in results]


def summarised(results: Sequence[Result]) -> list[list[str]]:
    """Return one line of text cells for each scheme: means over seeds (accuracy with standard deviation), then its claims."""
    relative = dict(zip(results, relative_steps(results), strict=True))
    baseline = _mean([r.test_accuracy for r in results if r.scheme == BASELINE and not r.failure])
    lines = []
    for scheme in dict.fromkeys(result.scheme for result in results):
        runs = [result for result in results if result.scheme == scheme]
        claimed = [runs[0].claims.words(name) for name in CLAIMED]
        lines.append([scheme, *_numbers(runs, baseline, [relative[r] for r in runs]), *claimed])
    return lines


def _numbers(runs: Sequence[Result], baseline: float | None, relative: Sequence[float | None]) -> list[str]:
    if any(result.failure for result in runs):
        return ["diverged", *[""] * 6]
    accuracies = [result.test_accuracy for result in runs]
    accuracy = float(np.mean(accuracies))
    spread = f"±{np.std(accuracies, ddof=1):.2f}" if len(runs) > 1 else ""
    return [
        f"{accuracy:.2f}{spread}",
        _shown(None if baseline is None else accuracy - baseline, "+.2f"),
        _shown(_mean([result.train_loss for result in runs]), ".4f"),
        _shown(_mean([result.epochs_to_95 for result in runs]), ".3g") or "-",
        _shown(_mean([result.step_ms for result in runs]), ".2f"),
        _shown(_mean(relative), ".2f"),
        _angle([result.angle for result in runs]),
    ]


def _angle(angles: Sequence[float]) -> str:
    """Return mean and spread in degrees; "-" where nothing was compared, or nothing proposed."""
    if not np.isfinite(angles).all():
        return "-"
    return f"{np.mean(angles):.0f}" + (f"±{np.std(angles, ddof=1):.0f}" if len(angles) > 1 else "")


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where there is nothing, or something is missing."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present and len(present) == len(values) else None


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def write_table(results: Sequence[Result], path: Path) -> None:
    """Write one line for each scheme and seed; a number that is not there, as after divergence, is left blank."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for result, relative in zip(results, relative_steps(results), strict=True):
            numbers = (result.test_accuracy, result.train_loss, result.epochs_to_95, result.step_ms, relative, result.angle)
            shown = ["" if number is None or np.isnan(number) or result.failure else round(number, 6) for number in numbers]
            table.writerow([result.scheme, result.seed, *shown, *(result.claims.words(name) for name in CLAIMED)])
