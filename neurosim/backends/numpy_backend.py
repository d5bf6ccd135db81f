"""NumPy on the CPU, with fused elementwise kernels compiled by Numba."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import platformdirs
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController

from neurosim.backends.base import Array, Backend, Kernel

FUNCTIONS = {"sqrt", "exp", "log", "tanh", "abs", "min", "max"}

HEADER = "import math\nfrom math import sqrt, exp, log, tanh\n\nimport numba\n\n\n"


class NumpyBackend(Backend):
    """Arrays are ``numpy.ndarray``; matrix products go to NumPy's BLAS."""

    name = "numpy"
    xp = np

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        return np.asarray(values, dtype)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def kernel(self, source: str) -> Kernel:
        return _compile(source)

    def positive_inverse(self, matrix: Array) -> Array:
        with _blas_pools().limit(limits=1, user_api="blas"):
            factor, failed = lapack.dpotrf(matrix, lower=1, clean=0)
            inverse, unsolved = lapack.dpotri(factor, lower=1, overwrite_c=1)
        if failed or unsolved:
            return np.full_like(matrix, np.nan)
        lower = np.tril(inverse)  # only this half was written
        return lower + np.tril(lower, -1).T

    def describe(self) -> str:
        return f"CPU {platform.machine()}, {os.cpu_count()} cores"


class _Literals(ast.NodeTransformer):
    """Turn number literals into arguments.

    Numba would read ``1`` beside a float32 as int64 and compute the line in float64, at half the vector width.
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        name = f"literal{len(self.values)}"
        self.values[name] = float(node.value)  # type: ignore[arg-type]
        return ast.copy_location(ast.Name(name, ast.Load()), node)


@functools.cache
def _blas_pools() -> ThreadpoolController:
    """Return the thread pools of NumPy's BLAS and of the other one that SciPy brings along.

    The threads of one wait for cores on which those of the other are still spinning.  With two threads each on two cores, an HSIC
    step of 784-240x7-10, batch 100, took 115 ms; with one while a matrix is factorised, 9 (``python -m benchmarks``, 2026-11-24).
    """
    return ThreadpoolController()


@functools.cache
def _compile(source: str) -> Kernel:
    """Return the kernel of ``source``: one loop over all elements, single-threaded, so that it leaves BLAS its threads."""
    literals = _Literals()
    body = [literals.visit(node) for node in ast.parse(source).body]
    assigned = list(dict.fromkeys(node.targets[0].id for node in body))
    names = {node.id for line in body for node in ast.walk(line) if isinstance(node, ast.Name)} - FUNCTIONS
    compiled: dict[tuple[str, ...], Any] = {}

    def run(arrays: Mapping[str, Array], constants: Mapping[str, float]) -> None:
        scalars = sorted(names - arrays.keys() - set(assigned))
        used = tuple(sorted(arrays))
        if used not in compiled:
            written = [name for name in assigned if name in arrays]
            compiled[used] = _load(_loop([ast.unparse(line) for line in body], used, scalars, written))
        dtype = next(iter(arrays.values())).dtype.type
        values = (dtype(literals.values[n] if n in literals.values else constants[n]) for n in scalars)
        compiled[used](*(arrays[n].reshape(-1) for n in used), *values)

    return run


def _loop(lines: list[str], arrays: tuple[str, ...], scalars: list[str], written: list[str]) -> str:
    """Write the Python source of one loop; array elements live in local names while it runs."""
    arguments = ", ".join([f"{name}_array" for name in arrays] + scalars)
    parts = [HEADER, '@numba.njit(fastmath=True, cache=True, error_model="numpy", nogil=True)\n']
    parts += [f"def kernel({arguments}):\n    for i in range({arrays[0]}_array.size):\n"]
    parts += [f"        {name} = {name}_array[i]\n" for name in arrays]
    parts += [f"        {line}\n" for line in lines]
    parts += [f"        {name}_array[i] = {name}\n" for name in written]
    return "".join(parts)


def _load(source: str) -> Any:
    """Import generated ``source`` from a file, because Numba keeps compiled code between runs only for files."""
    digest = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    path = _kernel_folder() / f"neurosim_kernel_{digest}.py"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(source)
        os.replace(file.name, path)  # two processes may write at once: each swaps in a whole file
    return _module(path).kernel


def _kernel_folder() -> Path:
    """Return a folder we may write to: the user's cache, or a temporary one where that is read-only."""
    folder = Path(platformdirs.user_cache_dir("neurosim"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="neurosim-kernels-"))


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # Numba finds a cached function's globals through its module's name
    spec.loader.exec_module(module)
    return module
