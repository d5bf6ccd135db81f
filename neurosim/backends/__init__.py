"""Where the arithmetic happens: NumPy on the CPU, CuPy on a GPU.  Nothing outside this folder names either device."""

from __future__ import annotations

from neurosim.backends.base import Backend, Draws
from neurosim.backends.numpy_backend import NumpyBackend
from neurosim.errors import BackendError, UnknownNameError

__all__ = ["Backend", "Draws", "NumpyBackend", "select"]

NAMES = ("auto", "numpy", "cupy")


def select(name: str = "auto") -> Backend:
    """Return the backend called ``name``; ``auto`` takes CuPy when a device answers and NumPy otherwise.

    Raises
    ------
    UnknownNameError
        ``name`` is none of ``auto``, ``numpy``, ``cupy``.
    BackendError
        ``cupy`` was asked for and no CUDA device answers.
    """
    if name not in NAMES:
        raise UnknownNameError("backend", name, NAMES)
    if name == "numpy":
        return NumpyBackend()
    from neurosim.backends.cupy_backend import CupyBackend

    try:
        return CupyBackend()
    except BackendError:
        if name == "cupy":
            raise
        return NumpyBackend()
