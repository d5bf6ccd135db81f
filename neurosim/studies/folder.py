"""The folder of a study: what it was started with, in ``study.toml``, from which it goes on; its run files, and its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.errors import RunFileError, quoted, require
from neurosim.experiments.folders import Kind
from neurosim.modelfile.model_file import validated
from neurosim.modelfile.schema import StartedStudy
from neurosim.studies.halving import Halving, Rung
from neurosim.studies.plan import Base, Point, StudyPlan
from neurosim.studies.point import PointToRun
from neurosim.studies.space import Parameter, Space

KIND = Kind("study", "study.toml")


@dataclass(frozen=True)
class Started:
    """What a study was started with.

    backend : of every run; data_dir : where the data came from, "" for the default; data_digest : what they were
    """

    plan: StudyPlan
    backend: str
    data_dir: str
    data_digest: str

    def text(self) -> str:
        """Return what ``study.toml`` holds."""
        base, space = self.plan.base, self.plan.space
        facts = {"backend": self.backend, "data_dir": self.data_dir, "data_digest": self.data_digest}
        drawn = {"draws": space.draws, "draw_seed": space.seed, "seeds": list(self.plan.seeds)}
        modules = sorted({module for point in self.plan.points for module in point.model.contents.get("modules", {})})
        drawn |= {"modules": modules} if modules else {}
        parameters = [parameter.stated() for parameter in space.parameters]
        halving = {} if self.plan.halving is None else {"halving": vars(self.plan.halving)}
        return tomli_w.dumps({"name": base.name, **facts, **drawn, **halving, "parameters": parameters, "models": base.models})

    def tasks(
        self, folder: Path, imports: Imports = NO_IMPORTS, points: Iterable[Point] | None = None, rung: Rung | None = None
    ) -> list[PointToRun]:
        """Return what workers need to run points into ``folder``.

        points : by default all; rung : at whose end they are stopped, None where they go on to their own end
        """
        return [self._task(point, folder.absolute(), imports, rung) for point in (self.plan.points if points is None else points)]

    def _task(self, point: Point, folder: Path, imports: Imports, rung: Rung | None) -> PointToRun:
        path, model = str(folder / f"{point.name}.h5"), point.model
        where = (self.backend, self.data_dir, self.data_digest)
        return PointToRun(path, point.number, point.seed, model.name, model.text, *where, imports, rung)


def begun(folder: Path, imports: Imports = NO_IMPORTS) -> Started:
    """Return what the study in ``folder`` was started with; raise RunFileError where there is none, or it cannot be read."""
    table = stated(folder)
    space = Space(tuple(Parameter.of(one) for one in table.parameters), table.draws, table.draw_seed)
    halving = None if table.halving is None else Halving.of(table.halving)
    plan = StudyPlan.of(Base(table.name, table.models), space, table.seeds, imports, halving)
    return Started(plan, table.backend, table.data_dir, table.data_digest)


def stated(folder: Path) -> StartedStudy:
    """Return what ``study.toml`` in ``folder`` says; raise RunFileError where there is none, or it cannot be read."""
    return validated(StartedStudy, KIND.read(folder), str(folder / KIND.file))


def check_same(folder: Path, was: Started, now: Started) -> None:
    """Raise RunFileError where a study that is resumed with arguments was begun with others."""
    facts: Mapping[str, tuple[Any, Any]] = {
        "model": (was.plan.base.models, now.plan.base.models),
        "parameters": (was.plan.space, now.plan.space),
        "seeds": (was.plan.seeds, now.plan.seeds),
        "halving": (was.plan.halving, now.plan.halving),
    }
    for name, (before, after) in facts.items():
        said = f"folder {folder}: {name} of the study in it: {quoted(before)}; now {quoted(after)}"
        require(before == after, f"{said}: expected the same; leave them out, or give another --out", RunFileError)
