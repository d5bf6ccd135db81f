"""What is to be recorded in time, as a user writes it: ``cells.v[0:5] every 1 ms``; and the circuit that records it."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from neurosim.circuit import Assignment, Block, Circuit, Place, Record, Update
from neurosim.circuit import Deliver as Synapses
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.runfile.request import LONGEST, Some

SCALES = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
TIME = re.compile(rf"({NUMBER})\s*\*?\s*(s|ms|us|seconds?|ticks?)")
TEXT = re.compile(r"(?P<variable>[^\s\[\]]+)(?:\[(?P<which>[^\]]*)\])?(?:\s+every\s+(?P<every>.+))?")
KINDS = {"f": "float", "b": "bool", "i": "int"}
EXAMPLE = "'cells.v[0:5] every 1 ms'"


def seconds(text: str, what: str) -> float:
    """Return a time such as ``1 s``, ``2.5*ms`` or ``10 us`` as seconds; raise InputError, naming ``what``, where it is none."""
    said = TIME.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if said is None or said[2].startswith("tick"):
        raise InputError(f"{what} {quoted(text)}: expected a time, such as '1 s' or '20 ms'; change it")
    return float(said[1]) * SCALES.get(said[2], 1.0)


@dataclass(frozen=True)
class StateRequest:
    """Variables to record in time.

    variable : ``group.variable``, or a pattern with ``*`` and ``?``; which : neurons or synapses
    every : seconds, or ticks where ``is_ticks``
    """

    variable: str
    which: Some = Some()
    every: float = 1.0
    is_ticks: bool = True

    @staticmethod
    def of(text: str) -> StateRequest:
        """Return the request that ``text`` says: GROUP.VARIABLE[WHICH] every TIME; all but the variable optional.

        The time is in s, ms, us or ticks; by default each tick.

        Raises InputError where it says none.
        """
        said = TEXT.fullmatch(text.strip()) if len(text) <= LONGEST else None
        every = said["every"] if said else None
        time = TIME.fullmatch(every.strip()) if every else None
        readable = said is not None and "." in said["variable"] and (every is None or time is not None)
        require(readable, f"record {quoted(text)}: expected GROUP.VARIABLE[WHICH] every TIME, as in {EXAMPLE}; change it")
        assert said is not None
        which = Some((said["which"] or "").strip())
        if time is None:
            return StateRequest(said["variable"], which)
        is_ticks = time[2].startswith("tick")
        return StateRequest(said["variable"], which, float(time[1]) * (1 if is_ticks else SCALES.get(time[2], 1.0)), is_ticks)

    def ticks(self, dt: float) -> int:
        """Return how many ticks of ``dt`` seconds lie between two recordings; raise InputError where they are no whole number."""
        found = self.every if self.is_ticks else self.every / dt
        whole = found > 0.5 and abs(found - round(found)) < 1e-6 * found
        told = f"record {quoted(self.variable)}: every {found * dt:g} s"
        require(whole, f"{told}: expected a multiple of dt, {dt:g} s; change it")
        return round(found)

    def __str__(self) -> str:
        which = f"[{self.which.text}]" if self.which.text else ""
        return f"{self.variable}{which} every {self.every:g} {'ticks' if self.is_ticks else 's'}"


def recorded(circuit: Circuit, requests: Iterable[str]) -> Circuit:
    """Return a circuit that records what is asked for at the start of a tick, as a StateMonitor of Brian2 does.

    requests : see ``StateRequest.of``; where two name one variable, the later one counts

    Raises InputError where a request names nothing, or not what can be recorded.
    """
    chosen: dict[str, StateRequest] = {}
    for request in map(StateRequest.of, requests):
        names = fnmatch.filter(sorted(circuit.arrays), request.variable)
        if not names:
            raise UnknownNameError("record: variable", request.variable, sorted(circuit.arrays))
        chosen |= dict.fromkeys(names, request)
    actions = [_record(circuit, name, request) for name, request in chosen.items()]
    return replace(circuit, actions=(*actions, *circuit.actions))


def _record(circuit: Circuit, name: str, request: StateRequest) -> Record:
    variable, values = name.rpartition(".")[2], circuit.arrays[name]
    numbers = request.which.numbers(len(values))
    elements = np.arange(len(values), dtype=np.int32) if numbers is None else np.asarray(numbers, np.int32)
    local = f"_to_record_{variable}"
    value = Assignment(local, "=", ast.Name(variable), local=True, kind=KINDS[values.dtype.kind])
    block = Block({}, {variable: Place(name, "element")}, (), (value,))
    pre, post = _sides(circuit, name)
    units = {variable: circuit.units.get(name, "1")}
    return Record(name, elements, block, {variable: local}, request.ticks(circuit.dt), pre, post, units)


def _sides(circuit: Circuit, name: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the neurons before and after each synapse whose variable this is; None where it is none of synapses."""
    for action in circuit.actions:
        if isinstance(action, Synapses | Update) and action.pre is not None and action.post is not None:
            own = {place.array for place in action.block.places.values() if place.index == "element"}
            if name in own and len(action.pre) == len(circuit.arrays[name]):
                return action.pre, action.post
    return None, None
