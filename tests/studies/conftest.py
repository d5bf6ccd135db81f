"""Studies with made-up numbers, written as a study writes them; nothing is trained."""

import pytest

from neurosim.studies.folder import Started
from neurosim.studies.point import COMPLETE, PointResult
from neurosim.studies.table import as_frame, write_table


def numbers_of(validation, test):
    made = {"neurosim": "0.1.0", "commit": "0123456789abcdef", "backend": "numpy", "threads": 1}
    metrics = {"epochs": 3, "validation_error": validation, "test_error": test, "train_loss": 0.5}
    return metrics | made | {"created": "2026-11-26T08:37:12+00:00"}


@pytest.fixture(scope="session")
def written():
    """Return a function that writes the folder of a study.

    outcome : point -> (validation error, test error), or a PointResult's (status, reason)
    """

    def write(study, folder, outcome):
        started = Started(study.plan(), "auto", "", "")
        outcomes = []
        for point in started.plan.points:
            first, second = outcome(point)
            ended = isinstance(first, str)
            said = (first, second, {}) if ended else (COMPLETE, "", numbers_of(first, second))
            outcomes.append(PointResult(point.number, point.seed, *said))
        folder.mkdir(parents=True)
        (folder / "study.toml").write_text(started.text(), encoding="utf-8")
        write_table(as_frame(started.plan, outcomes), folder)
        return folder

    return write
