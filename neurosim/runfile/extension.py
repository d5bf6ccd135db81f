"""A run that is given other epochs than it had: what its file says of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import h5py

from neurosim.runfile.guard import attributes
from neurosim.runfile.provenance import provenance

NAME = "extended"
MOST = 50  # extensions that are told, the first and the last ones: an attribute may not grow without end


@dataclass(frozen=True)
class Extension:
    """How a run is given other epochs.

    model : the text of its model file from now on
    before, after : epochs of the whole run as they were planned, and as they are now; done : how many were done by then
    within : whether steps of the next epoch were
    stages : of the model; the last one is given the other epochs
    schedules : what depends on the planned epochs, a line each
    differs : whether what is done depended on them, so that this is not the run that was given ``after`` epochs from the start
    """

    model: str = field(repr=False)
    before: int
    after: int
    done: int
    within: bool = False
    stages: int = 1
    schedules: tuple[str, ...] = ()
    differs: bool = False

    def __str__(self) -> str:
        last = f", the last of its {self.stages} stages goes on" if self.stages > 1 else ""
        return f"{self.after} in all; {self.before} were planned, {self.done} are done{last}"

    def write(self, file: h5py.File) -> None:
        """Write it into a file that is being made: the model, and one entry more in the attribute ``extended``."""
        del file["model"]
        file["model"] = self.model
        known = extensions(attributes(file))
        entry = {name: value for name, value in asdict(self).items() if name != "model"} | provenance()
        known = [*known[:1], *known[1:][-(MOST - 2) :], entry]
        file.attrs[NAME] = json.dumps(known)


def extensions(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the attributes of a run file say of its extensions, the first one first; nothing where that is no such list."""
    try:
        found = json.loads(str(said.get(NAME, "[]")))
    except (ValueError, RecursionError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
