"""A run file opened by an analyst: what it says, and the network it was about, as it was."""

from __future__ import annotations

import os
from typing import Self

import numpy as np

from neurosim.backends import Backend, DraftBackend, NumpyBackend
from neurosim.catalogue import NO_IMPORTS, Imports, Named
from neurosim.datasets.registry import find
from neurosim.errors import InputError, RunFileError, quoted, require
from neurosim.experiments.estimate import readout_of
from neurosim.modelfile.building import build_network
from neurosim.modelfile.model_file import ModelFile, validated
from neurosim.modelfile.reading import Contents, parsed
from neurosim.modelfile.schema import Data, NetworkTable, Tasked
from neurosim.network import Network
from neurosim.runfile import Run
from neurosim.tasks import Classification, Sizes


class OpenRun(Run):
    """A run file, and the model that it holds."""

    def __init__(self, path: str | os.PathLike[str], imports: Imports = NO_IMPORTS) -> None:
        super().__init__(path)
        self._imports = imports

    def refresh(self) -> Self:
        """Return the run as the file says it now."""
        self.close()
        return type(self)(self.path, self._imports)

    def model_file(self) -> ModelFile:
        """Return the model as run.

        Raises RunFileError where the file holds none (a trainer made in Python, by an earlier version), InputError where it needs
        classes of a module that was not named.
        """
        return ModelFile.of(str(self.attributes["model_name"]), self._contents(), self._imports)

    def _contents(self) -> Contents:
        require(bool(self.model), f"run file {self.path}: of a trainer made in Python; it holds no model", RunFileError)
        return parsed(self.model, f"run file {self.path}")

    def network(self, epoch: int | None = None) -> Network:
        """Return the network with the weights it had after ``epoch`` epochs of the whole run (None: the last there are).

        Raises RunFileError where there is no such checkpoint, or it does not fit the model; InputError where it needs classes of a
        module that was not named.
        """
        contents, state = self._contents(), self.checkpoint(epoch)
        source = f"run file {self.path}"
        table = validated(NetworkTable, contents.get("network", {}), f"{source}: network", self._imports)
        shape, targets, readout = self._ends(contents)
        seed = int(self.attributes["seed"])

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

    def _ends(self, contents: Contents) -> tuple[tuple[int, ...], int | tuple[int, ...], str]:
        """Return the shapes of the network's input and output, and the transfer of an output that states none.

        Of a file that does not note them, they are those of its published data.
        """
        start, end = (self.attributes.get(key) for key in ("input_shape", "output_shape"))
        if isinstance(start, np.ndarray) and isinstance(end, np.ndarray) and start.dtype.kind == end.dtype.kind == "i":
            readout = str(self.attributes.get("readout", Classification.readout))
            return tuple(map(int, start.ravel())), tuple(map(int, end.ravel())), readout
        data = validated(Data, contents.get("data", {}), f"run file {self.path}: data", self._imports)
        if data.arrays:
            return (), 0, Classification.readout
        entry = find(data.name)
        choice = {key: contents[key] for key in ("task",) if key in contents}
        task = validated(Tasked, choice, f"run file {self.path}: task", self._imports).task.on(Sizes(entry.shape, entry.classes))
        return entry.shape, task.size, readout_of(task)


def _fitting(name: str, array: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """Return an array's value in a checkpoint."""
    found = state.get(f"network|{name}")
    fits = found is not None and found.shape == array.shape
    what = f"checkpoint: {quoted(name)} of shape {getattr(found, 'shape', None)}"
    require(fits, f"{what}: expected {array.shape}; the model does not fit")
    assert found is not None
    return found


def open_run(path: str | os.PathLike[str], *, imports: Named = ()) -> OpenRun:
    """Return the run file at ``path``, opened for reading; see ``recording.Run``, and close it or use it in a ``with`` statement.

    imports : names or paths of modules, or modules, of which its network may have classes; their code runs

    Raises RunFileError where it is missing, no run file, damaged, or of a newer schema.
    """
    return OpenRun(path, Imports(imports))
