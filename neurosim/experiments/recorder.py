"""What a run writes at each evaluation: metrics, chosen variables, and a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.recording import RunFile
from neurosim.training import Evaluation, Observer, Trainer

if TYPE_CHECKING:
    from neurosim.experiments.run import Job

OVERHEAD = 4096  # bytes HDF5 needs for one dataset beside its values


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
        state = trainer.state() | {"position|stage": np.int64(stage), "position|total_epochs": now["epoch"]}
        variables = self._variables(now)
        arrays = [*state.values(), *(value for row in variables.values() for value in row.values())]
        with self.file.room(sum(array.nbytes + OVERHEAD for array in arrays)):
            self._append_metrics(trainer, metrics, now)
            for group, row in variables.items():
                self.file.append(group, row)
            if trainer.epoch:
                self.file.checkpoint(state)

    def _append_metrics(self, trainer: Trainer, metrics: Mapping[str, Evaluation], now: dict[str, Any]) -> None:
        seconds, self.seconds = trainer.seconds - self.seconds, trainer.seconds
        for split, evaluation in metrics.items():
            row = now | {"loss": evaluation.loss, "error": evaluation.error}
            self.file.append(f"metrics/{split}", row | ({"seconds": seconds} if split == "train" else {}))

    def _variables(self, now: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the chosen variables' values by the group they go to: name -> (samples, *shape), or a projection's weights."""
        network, rows = self.job.network, dict[str, dict[str, Any]]()
        images = network.backend.asarray(self.job.data.test.x[: self.record.samples])
        activity = network.sweep(images).activity if self.record.populations else {}
        for name in self.record.populations:
            population, variable = name.split(".")
            rows.setdefault(f"populations/{population}", dict(now))[variable] = getattr(activity[population], variable)
        for name in self.record.projections:
            projection, variable = name.split(".")
            rows.setdefault(f"projections/{projection}", dict(now))[variable] = network.parameters()[name]
        return {group: {k: network.backend.to_host(value) for k, value in row.items()} for group, row in rows.items()}
