"""Building and reading networks of Brian2 without a compiler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neurosim.equations.neuron_code import brian2


@contextmanager
def uncompiled() -> Iterator[None]:
    """Let Brian2 use NumPy within: nothing is compiled, and random synapses do not depend on the target that the user chose."""
    codegen = brian2().prefs.codegen
    before = codegen.target
    try:
        codegen.target = "numpy"
        yield
    finally:
        codegen.target = before
