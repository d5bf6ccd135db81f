"""A run file opened by an analyst: what it says, and the network it was about, as it was."""

from __future__ import annotations

import os

import numpy as np

from neurosim.backends import Backend, DraftBackend, NumpyBackend
from neurosim.datasets.registry import find
from neurosim.errors import InputError, RunFileError, require
from neurosim.experiments.building import build_network
from neurosim.experiments.model_file import ModelFile
from neurosim.experiments.reading import parsed
from neurosim.network import Network
from neurosim.recording import Run


class OpenRun(Run):
    """A run file, and the model that it holds."""

    def model_file(self) -> ModelFile:
        """Return the model as run; raise RunFileError for a run of a trainer made in Python, which has none."""
        require(bool(self.model), f"run file {self.path}: of a trainer made in Python; it holds no model", RunFileError)
        return ModelFile.of(str(self.attributes["model_name"]), parsed(self.model, f"run file {self.path}"))

    def network(self, epoch: int | None = None) -> Network:
        """Return the network with the weights it had after ``epoch`` epochs of the whole run (None: the last there are).

        Raises RunFileError where there is no such checkpoint, or it does not fit the model.
        """
        table, state = self.model_file().table, self.checkpoint(epoch)
        entry = find(table.data.name)
        seed = int(self.attributes["seed"])

        def built(backend: Backend) -> tuple[Network, dict[str, np.ndarray]]:
            network = build_network(table.network, entry.shape, entry.classes, seed=seed, backend=backend)
            arrays = network.parameters() | network.memory()
            return network, {name: _fitting(name, array, state) for name, array in arrays.items()}

        try:
            built(DraftBackend())  # which takes no memory: a model that does not fit its weights may be of any size
            network, values = built(NumpyBackend())
            for name, array in (network.parameters() | network.memory()).items():
                array[...] = values[name]
        except (InputError, MemoryError) as cause:
            raise RunFileError(f"run file {self.path}: {cause}") from cause
        return network


def _fitting(name: str, array: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """Return an array's value in a checkpoint."""
    found = state.get(f"network|{name}")
    fits = found is not None and found.shape == array.shape
    require(fits, f"checkpoint: {name!r} of shape {getattr(found, 'shape', None)}: expected {array.shape}; the model does not fit")
    assert found is not None
    return found


def open_run(path: str | os.PathLike[str]) -> OpenRun:
    """Return the run file at ``path``, opened for reading; see ``recording.Run``, and close it or use it in a ``with`` statement.

    Raises RunFileError where it is missing, no run file, damaged, or of a newer schema.
    """
    return OpenRun(path)
