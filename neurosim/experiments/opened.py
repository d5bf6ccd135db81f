"""A run file opened by an analyst: what it says, and the network it was about, as it was."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from neurosim.backends import Backend, DraftBackend, NumpyBackend
from neurosim.catalogue import NO_IMPORTS, Imports, Named
from neurosim.datasets.registry import REGISTRY, find
from neurosim.errors import InputError, RunFileError, quoted, require
from neurosim.experiments.estimate import readout_of
from neurosim.modelfile.building import build_network
from neurosim.modelfile.model_file import ModelFile, validated
from neurosim.modelfile.reading import Contents, parsed
from neurosim.modelfile.schema import Data, NetworkTable, Trained
from neurosim.network import Network
from neurosim.runfile import Run
from neurosim.tasks import Classification, Sizes

if TYPE_CHECKING:
    from neurosim.analysis.run_plots import RunPlots

DIGITS = 9  # of a number of neurons


class OpenRun(Run):
    """A run file, and the model that it holds."""

    def __init__(self, path: str | os.PathLike[str], imports: Imports = NO_IMPORTS) -> None:
        super().__init__(path)
        self._imports = imports

    def refresh(self) -> Self:
        """Return the run as the file says it now."""
        self.close()
        return type(self)(self.path, self._imports)

    @cached_property
    def plot(self) -> RunPlots:
        """The run's figures: ``run.plot.error()``, ``loss()``, ``alignment()``, ``histograms(name)``, ``raster(population)``."""
        from neurosim.analysis.run_plots import RunPlots

        return RunPlots(self)

    def model_file(self) -> ModelFile:
        """Return the model as run.

        Raises RunFileError where the file holds none (a trainer made in Python, by an earlier version), InputError where it needs
        classes of a module that was not named.
        """
        return ModelFile.of(str(self.attributes["model_name"]), self._contents(), self._imports)

    def _contents(self) -> Contents:
        require(bool(self.model), f"run file {self.path}: made by a trainer in Python: it holds no model", RunFileError)
        return parsed(self.model, f"run file {self.path}")

    def network(self, epoch: int | None = None, *, step: int | None = None) -> Network:
        """Return the network with its weights after some epochs, or steps, of the whole run (None: at the last checkpoint).

        Raises RunFileError if there is no such checkpoint, or it does not fit the model; InputError if the network needs classes of
        a module that was not named.
        """
        contents, state = self._contents(), self.checkpoint(epoch, step=step)
        source = f"run file {self.path}"
        table = validated(NetworkTable, contents.get("network", {}), f"{source}: network", self._imports)
        shape: tuple[int, ...] = ()
        targets, readout = 0, Classification.readout
        if table.hidden is not None or any(population.shape is None for population in table.populations or ()):
            shape, targets, readout = self._sizes(contents)
        seed = int(self.attributes["seed"])  # a trainer made in Python states every shape, whatever its data, task and encoder

        def built(backend: Backend) -> tuple[Network, dict[str, np.ndarray]]:
            network = build_network(table, shape, targets, seed=seed, backend=backend, readout=readout)
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

    def _sizes(self, contents: Contents) -> tuple[tuple[int, ...], int, str]:
        """Return the shape of an input, the size of a target, and the transfer of an output that states none.

        A user's path in a stranger's file is never looked at.
        """
        source, given = f"run file {self.path}", contents.get("data")
        chosen = {key: contents[key] for key in Trained.model_fields if key in contents}
        trained = validated(Trained, chosen, source, self._imports)
        if isinstance(given, dict) and (str(given.get("name")) not in REGISTRY or given.get("arrays")):
            return self._noted_sizes(trained)
        data = validated(Data, contents.get("data", {}), f"{source}: data")
        entry = find(data.name)
        made = trained.task.on(Sizes(entry.shape, entry.classes, entry.target_shape))
        return trained.shown(entry.shape), made.size, readout_of(made)

    def _noted_sizes(self, trained: Trained) -> tuple[tuple[int, ...], int, str]:
        """Return what the file notes of data that are no published ones."""
        noted = [str(self.attributes.get(key, "")).split() for key in ("data_shape", "data_classes", "data_target_shape")]
        known = all(number.isdecimal() and len(number) <= DIGITS for numbers in noted for number in numbers)
        found = f"run file {self.path}: shape, classes and shape of targets of its data: {quoted(noted)}"
        require(known and len(noted[1]) == 1, f"{found}: expected whole numbers; it is damaged", RunFileError)
        shape, (classes,), target_shape = (tuple(map(int, numbers)) for numbers in noted)
        made = trained.task.on(Sizes(shape, classes, target_shape))
        return trained.shown(shape), made.size, readout_of(made)


def _fitting(name: str, array: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """Return an array's value in a checkpoint."""
    found = state.get(f"network|{name}")
    fits = found is not None and found.shape == array.shape
    what = f"checkpoint: {quoted(name)} of shape {getattr(found, 'shape', None)}"
    require(fits, f"{what}: expected {array.shape}; the model does not fit")
    assert found is not None
    return found


def open_run(path: str | os.PathLike[str], *, imports: Named = ()) -> OpenRun:
    """Open the run file at ``path`` for reading (see ``runfile.Run``).  Close it, or use it in a ``with`` statement.

    imports : modules (or their names or paths) whose classes the network may use; their code runs

    Raises RunFileError if the file is missing, is not a run file, is damaged, or has a newer schema.
    """
    return OpenRun(path, Imports(imports))
