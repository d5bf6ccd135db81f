"""What a run writes at each evaluation: metrics, chosen variables, and a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.recording import RunFile
from neurosim.training import Evaluation, Observer, Trainer

if TYPE_CHECKING:
    from neurosim.experiments.run import Job


class Recorder(Observer):
    """Writes one job's evaluations into its run file; epochs and steps count on over the stages."""

    def __init__(self, file: RunFile, job: Job) -> None:
        self.file = file
        self.job = job
        self.record = job.model.table.record
        self.seconds = 0.0

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        stage = self.job.trainers.index(trainer)
        if stage and trainer.epoch == 0:
            self.seconds = 0.0
            return  # the stage before has just been evaluated with the same weights
        epoch = sum(earlier.epochs for earlier in self.job.trainers[:stage]) + trainer.epoch
        now = {"epoch": np.int64(epoch), "step": np.int64(trainer.steps)}
        self._append_metrics(trainer, metrics, now)
        self._append_variables(now)
        if trainer.epoch:
            self.file.checkpoint(trainer.state() | {"position|stage": np.int64(stage), "position|total_epochs": now["epoch"]})

    def _append_metrics(self, trainer: Trainer, metrics: Mapping[str, Evaluation], now: dict[str, Any]) -> None:
        seconds, self.seconds = trainer.seconds - self.seconds, trainer.seconds
        for split, evaluation in metrics.items():
            row = now | {"loss": evaluation.loss, "error": evaluation.error}
            self.file.append(f"metrics/{split}", row | ({"seconds": seconds} if split == "train" else {}))

    def _append_variables(self, now: dict[str, Any]) -> None:
        network = self.job.network
        if self.record.populations:
            images = network.backend.asarray(self.job.data.test.x[: self.record.samples])
            activity = network.sweep(images).activity
            values = {name: getattr(activity[name.split(".")[0]], name.split(".")[1]) for name in self.record.populations}
            self._append("populations", values, now)
        self._append("projections", {name: network.parameters()[name] for name in self.record.projections}, now)

    def _append(self, kind: str, values: Mapping[str, Any], now: dict[str, Any]) -> None:
        rows: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            owner, variable = name.split(".")
            rows.setdefault(owner, dict(now))[variable] = self.job.network.backend.to_host(value)
        for owner, row in rows.items():
            self.file.append(f"{kind}/{owner}", row)
