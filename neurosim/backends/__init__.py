"""Where the arithmetic happens: NumPy on the CPU, CuPy on a GPU.  Nothing outside this folder names either device."""

from __future__ import annotations

from neurosim.backends.base import Backend, Draws, HostDraws, Program, RecordedDraws, as_seed
from neurosim.backends.numpy_backend import DraftBackend, NumpyBackend
from neurosim.errors import BackendError, UnknownNameError

__all__ = [
    "Backend", "DraftBackend", "Draws", "HostDraws", "NumpyBackend", "Program", "RecordedDraws", "as_seed", "devices", "select",
]  # fmt: skip

NAMES = ("auto", "numpy", "cupy", "cupy-tf32")


def select(name: str = "auto") -> Backend:
    """Return the backend called ``name``; ``auto`` takes CuPy when a device answers and NumPy otherwise.

    Raises
    ------
    UnknownNameError
        ``name`` is none of ``auto``, ``numpy``, ``cupy``, ``cupy-tf32``.
    BackendError
        CuPy was asked for and no CUDA device answers.
    """
    if name not in NAMES:
        raise UnknownNameError("backend", name, NAMES)
    if name == "numpy":
        return NumpyBackend()
    from neurosim.backends.cupy_backend import CupyBackend

    try:
        return CupyBackend(tf32=name == "cupy-tf32")
    except BackendError:
        if name != "auto":
            raise
        return NumpyBackend()


def devices() -> list[str]:
    """Return the CUDA devices that this process may use, each as ``CUDA_VISIBLE_DEVICES`` names it for a process of its own."""
    from neurosim.backends.cupy_backend import visible_devices

    return visible_devices()
