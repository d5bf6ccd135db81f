"""CuPy on one CUDA device.  The same shape as ``numpy_backend``; the only file that names cupy."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.backends.base import Array, Backend, Kernel
from neurosim.errors import BackendError


class CupyBackend(Backend):
    """Arrays are ``cupy.ndarray``; matrix products go to cuBLAS.

    Raises
    ------
    BackendError
        CuPy is not installed, or no CUDA device answers.
    """

    name = "cupy"

    def __init__(self) -> None:
        try:
            import cupy

            self.device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
        except Exception as cause:  # an absent driver raises CUDA's own error types, which cannot be imported without it
            reason = str(cause).splitlines()[0]
            raise BackendError(
                f"backend 'cupy': no CUDA device answers ({reason}): expected a GPU with its driver and CuPy; "
                "install neurosim[cuda12] or neurosim[cuda13] on a machine with a GPU, or use --backend numpy"
            ) from cause
        self.xp = cupy

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        return self.xp.asarray(values, dtype)

    def to_host(self, array: Array) -> np.ndarray:
        return self.xp.asnumpy(array)

    def kernel(self, source: str) -> Kernel:
        return functools.partial(_run, self.xp, source)

    def describe(self) -> str:
        return f"GPU {self.device}"


@functools.cache
def _elementwise(xp: Any, source: str, arrays: tuple[str, ...], constants: tuple[str, ...]) -> Any:
    """Build the CUDA kernel of ``source``: assigned arrays are outputs that also hold the old value."""
    lines = ast.parse(source).body
    assigned = list(dict.fromkeys(line.targets[0].id for line in lines))  # type: ignore[attr-defined]
    written = [name for name in assigned if name in arrays]
    inputs = [f"T {name}" for name in (*arrays, *constants) if name not in written]
    temporaries = "".join(f"T {name};\n" for name in assigned if name not in arrays)
    body = temporaries + "".join(f"{ast.unparse(line)};\n" for line in lines)
    return xp.ElementwiseKernel(", ".join(inputs), ", ".join(f"T {name}" for name in written), body), written


def _run(xp: Any, source: str, arrays: Mapping[str, Array], constants: Mapping[str, float]) -> None:
    dtype = next(iter(arrays.values())).dtype.type
    kernel, written = _elementwise(xp, source, tuple(sorted(arrays)), tuple(sorted(constants)))
    inputs = [arrays[name] for name in sorted(arrays) if name not in written]
    kernel(*inputs, *(dtype(constants[name]) for name in sorted(constants)), *(arrays[name] for name in written))
