"""Generators of random numbers that a step might draw from behind the graph's back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class Randomness:
    """The states of Python's and NumPy's own generators, and of those among ``values``, as they are now."""

    def __init__(self, values: Iterable[Any]) -> None:
        self.generators: list[tuple[str, Callable[[], Any], Callable[[Any], Any], Any]] = []
        self._note("Python's random", random.getstate, random.setstate)
        self._note("np.random", np.random.get_state, np.random.set_state)
        for value in values:
            if isinstance(value, random.Random):
                self._note("a random.Random of its own", value.getstate, value.setstate)
            elif isinstance(value, np.random.RandomState):
                self._note("a RandomState of its own", value.get_state, value.set_state)
            elif isinstance(value, np.random.Generator | np.random.BitGenerator):
                bits = value.bit_generator if isinstance(value, np.random.Generator) else value
                self._note("a generator of its own", _getter(bits), _setter(bits))

    def __repr__(self) -> str:
        return f"<Randomness of {', '.join(name for name, *_ in self.generators)}>"

    def _note(self, name: str, get: Callable[[], Any], put: Callable[[Any], Any]) -> None:
        self.generators.append((name, get, put, get()))

    def drawn_from(self) -> str | None:
        """Return the name of a generator that was drawn from since, or None."""
        return next((name for name, get, _, state in self.generators if _plain(get()) != _plain(state)), None)

    def restore(self) -> None:
        """Let all stand where they stood."""
        for _, get, put, state in self.generators:
            if _plain(get()) != _plain(state):
                put(state)


def _plain(state: Any) -> Any:
    """Return a generator's state as what compares by ``==``."""
    if isinstance(state, np.ndarray):
        return state.tolist()
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return [_plain(value) for value in state] if isinstance(state, tuple | list) else state


def _getter(bits: Any) -> Callable[[], Any]:
    return lambda: bits.state


def _setter(bits: Any) -> Callable[[Any], None]:
    return lambda state: setattr(bits, "state", state)
