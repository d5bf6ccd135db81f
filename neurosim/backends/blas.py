"""The library that multiplies matrices on the CPU: NumPy's own, or Intel's MKL where it is installed.

MKL brings threads of its own, and loops over many elements are shared among them (``Mkl.shared``).  Threads of two libraries
in one process would wait for each other's cores; so one library does all that is large, and NumPy's BLAS only what it does on
one thread.
"""

from __future__ import annotations

import abc
import ctypes
import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController

from neurosim import reprs
from neurosim.backends import limits, llvm_events, llvm_loops
from neurosim.errors import BackendError, UnknownNameError

Call = tuple[Callable[..., Any], tuple[Any, ...]]

NAMES = ("auto", "openblas", "mkl")
VARIABLE = "NEUROSIM_BLAS"

SMALL = 2**18  # multiplications and additions up to which OpenBLAS stays on one thread, where it is the faster library
MANY = 2**14  # numbers of which MKL's functions are faster than NumPy's, on two threads
LEAST = 2**13  # elements that a thread takes, at least: fewer take no longer than to wake it
ROW_MAJOR, COLUMN_MAJOR, PLAIN, TRANSPOSED, UPPER, LOWER = 101, 102, 111, 112, 121, b"L"  # of CBLAS and LAPACKE
INTEL_THREADS, REPRODUCIBLE = 0, 2  # of MKL
ACCURATE_AND_SILENT = 0x102  # of its vector functions: within one unit in the last place, and an error sets nothing
# NumPy's names: MKL's
FUNCTIONS = {"tanh": "Tanh", "exp": "Exp", "log": "Ln", "sin": "Sin", "cos": "Cos", "log1p": "Log1p", "expm1": "Expm1"}
LETTERS = {np.dtype(np.float32): ("s", ctypes.c_float), np.dtype(np.float64): ("d", ctypes.c_double)}
CHOLESKY = {
    np.dtype(np.float32): (lapack.spotrf, lapack.spotri), np.dtype(np.float64): (lapack.dpotrf, lapack.dpotri),
}  # fmt: skip


def select_blas(name: str | None = None) -> Blas:
    """Return the library called ``name``, one object for each.

    name : ``openblas``, NumPy's own, whichever it was built with; ``mkl``; ``auto``, MKL where its package is installed, and
        NumPy's own elsewhere; by default what the environment variable NEUROSIM_BLAS says, or ``auto``

    Raises
    ------
    UnknownNameError
        ``name`` is none of these.
    BackendError
        MKL was asked for and cannot be used.
    """
    name = os.environ.get(VARIABLE, "").strip() or "auto" if name is None else name
    if name not in NAMES:
        raise UnknownNameError("blas", name, NAMES)
    if name == "openblas":
        return _numpys()
    found = _mkl()
    if isinstance(found, Mkl):
        return found
    if name == "mkl":
        raise BackendError(found)
    return _numpys()


@functools.cache
def _numpys() -> NumpyBlas:
    return NumpyBlas()


@functools.cache  # also that it is not there: to look for packages takes milliseconds
def _mkl() -> Mkl | str:
    try:
        return Mkl()
    except BackendError as cause:
        return str(cause)


class Blas(abc.ABC):
    """Products, inverses, and loops, each as a call that is bound to its arrays and can be repeated."""

    name: str

    def __repr__(self) -> str:
        return reprs.call(type(self).__name__, (), {})

    @abc.abstractmethod
    def describe(self) -> str:
        """Return its name, its version, and the processor it is written for."""

    @abc.abstractmethod
    def threads(self) -> int:
        """Return how many threads a product runs on."""

    @abc.abstractmethod
    def product(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call:
        """Return what writes ``a @ b`` into ``out``."""

    def added_product(self, a: np.ndarray, b: np.ndarray, scale: float, out: np.ndarray) -> Call | None:
        """Return what adds ``scale * (a @ b)`` to ``out``; None where the library does not do that at once."""
        return None

    @abc.abstractmethod
    def positive_inverse_into(self, matrix: np.ndarray, out: np.ndarray) -> None:
        """Write the inverse of a symmetric positive definite matrix, or not-a-numbers where it is not positive definite."""

    def function(self, name: str, x: np.ndarray, out: np.ndarray) -> Call | None:
        """Return what writes a function of every number of ``x`` into ``out``; None where NumPy does that as fast."""
        return None

    def event_product(
        self, a: np.ndarray, b: np.ndarray, out: np.ndarray, dense: Call, scratch: llvm_events.Scratch, scale: float | None = None
    ) -> Call:
        """Return what multiplies only what is not zero in ``a`` where that is faster, and calls ``dense`` where it is not.

        dense : what writes ``a @ b`` into ``out``, or, with a ``scale``, adds ``scale * (a @ b)`` to it
        """
        if not llvm_events.takes(a, b, out) or out.size * a.shape[1] <= SMALL:  # of few numbers, to look at them takes long
            return dense
        kernel, parts = llvm_events.split(a, b, out, scale, scratch, self.loop_threads())
        sparse, given = self._together(kernel, parts, llvm_events.POINTERS, llvm_events.NUMBERS)
        count, where, looked = llvm_events.count(a)
        most = llvm_events.worthwhile(out) * looked * len(parts) / self.threads()
        multiply, arguments = dense

        def choose() -> None:
            if count(*where) <= most:
                sparse(*given)
            else:
                multiply(*arguments)

        return choose, ()

    def loop_threads(self) -> int:
        """Return on how many threads loops of our own can run."""
        return 1

    def shared(self, loop: llvm_loops.Loop, call: Call) -> Call:
        """Return a loop's call, or one that does the same on several threads."""
        return call

    def random_bits(
        self, out: np.ndarray, key: tuple[int, ...], step: ctypes.c_uint32, turn: np.ndarray, ticks: tuple[int, int]
    ) -> Call:
        """Return what fills ``out`` with random bits, on several threads where they are many (see ``llvm_loops.random_calls``)."""
        parts = max(1, min(self.loop_threads(), out.size // LEAST))
        function, calls = llvm_loops.random_calls(out, key, step, turn, ticks, parts)
        return self._together(function, calls, llvm_loops.RANDOM_POINTERS, llvm_loops.RANDOM_NUMBERS)

    def _together(self, function: Any, calls: list[list[int]], pointers: int, numbers: int) -> Call:
        """Return what calls ``function`` with the words of each of ``calls``, on as many threads."""
        assert len(calls) == 1
        return function, tuple(calls[0])


class NumpyBlas(Blas):
    """What NumPy was built with; wheels bring OpenBLAS."""

    name = "openblas"

    def __init__(self) -> None:
        limits.limit_threads()

    def describe(self) -> str:
        return limits.blas()

    def threads(self) -> int:
        return limits.threads()

    def product(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call:
        return np.matmul, (a, b, out)

    def positive_inverse_into(self, matrix: np.ndarray, out: np.ndarray) -> None:
        np.copyto(out, matrix)
        factor, invert = CHOLESKY[out.dtype]
        with _pools().limit(limits=1, user_api="blas"):
            _, failed = factor(out.T, lower=1, clean=0, overwrite_a=1)  # out.T is in LAPACK's order: nothing is copied
            _, unsolved = invert(out.T, lower=1, overwrite_c=1)
        if failed or unsolved:
            out.fill(np.nan)
        _in_turn(llvm_loops.mirror(out))  # only one half was written


@functools.cache
def _pools() -> ThreadpoolController:
    """Return the thread pools of NumPy's BLAS and of the other one that SciPy brings along.

    The threads of one wait for cores on which those of the other are still spinning.  With two threads each on two cores, an HSIC
    step of 784-240x7-10, batch 100, took 115 ms; with one while a matrix is factorised, 9 (``python -m benchmarks``, 2026-11-24).
    """
    return ThreadpoolController()


# ---------------------------------------------------------------------- MKL


class Mkl(Blas):
    """Intel's Math Kernel Library, of the package ``mkl``.

    Raises BackendError where it is not installed or cannot be loaded.
    """

    name = "mkl"

    def __init__(self) -> None:
        limits.limit_threads()
        self._threads = _threads_asked() or limits.threads()
        try:
            self.openmp = _loaded_openmp()
            self.library: Any = ctypes.CDLL(str(_file_of("mkl", "mkl_rt")))
            self.library.MKL_Set_Threading_Layer(INTEL_THREADS)
            # sums in one order, whatever the arrays' addresses: a resumed run is bit-identical
            self.library.MKL_CBWR_Set(REPRODUCIBLE)
            self.library.MKL_Set_Dynamic(0)
            self.library.MKL_Set_Num_Threads(self._threads)
            self.products = {dtype: _product_of(self.library, *kind) for dtype, kind in LETTERS.items()}
            self.squares = {dtype: _square_of(self.library, *kind) for dtype, kind in LETTERS.items()}
            self.inverses = {dtype: _inverse_of(self.library, letter) for dtype, (letter, _) in LETTERS.items()}
            self.parallel, self.asked = _parallel_of(self.openmp)
        except (OSError, AttributeError) as cause:
            raise BackendError(f"blas mkl: cannot be loaded: {cause}; take --blas openblas") from cause

    def describe(self) -> str:
        version = _Version()
        self.library.MKL_Get_Version(ctypes.byref(version))
        processor = version.processor.decode("ascii", "replace")
        short = re.search(r"\(Intel\(R\) ([^)]+)\)", processor)  # of "... Extensions 512 (Intel(R) AVX-512) with support for ..."
        return f"mkl {metadata.version('mkl')} {short[1] if short else processor}"

    def threads(self) -> int:
        return self._threads

    def product(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call:
        lying = self._read(a, b, out)
        if lying is None:
            return np.matmul, (a, b, out)
        return self._square(a, lying[0], out) if _same(a, b.T) else self._product(a, b, lying, 1, 0, out)

    def added_product(self, a: np.ndarray, b: np.ndarray, scale: float, out: np.ndarray) -> Call | None:
        lying = self._read(a, b, out)
        return None if lying is None else self._product(a, b, lying, scale, 1, out)

    def function(self, name: str, x: np.ndarray, out: np.ndarray) -> Call | None:
        alike = x.dtype == out.dtype and x.shape == out.shape and x.flags.c_contiguous and out.flags.c_contiguous
        if name not in FUNCTIONS or out.dtype not in LETTERS or not alike or out.size < MANY:
            return None
        letter, _ = LETTERS[out.dtype]
        routine = getattr(self.library, f"vm{letter}{FUNCTIONS[name]}_64")
        routine.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        routine.restype = None
        return routine, (ctypes.c_int64(out.size), _address(x), _address(out), ctypes.c_int64(ACCURATE_AND_SILENT))

    def _read(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[_Lying, _Lying] | None:
        """Return how the two matrices lie; None where the product is NumPy's."""
        large = a.ndim == b.ndim == 2 and out.size * a.shape[1] > SMALL
        alike = large and a.dtype == b.dtype == out.dtype and out.dtype in LETTERS and out.flags.c_contiguous
        first, second = (_lying(a), _lying(b)) if alike else (None, None)
        return None if first is None or second is None else (first, second)

    def _product(
        self, a: np.ndarray, b: np.ndarray, lying: tuple[_Lying, _Lying], scale: float, keep: float, out: np.ndarray
    ) -> Call:
        """Return what writes ``scale * (a @ b) + keep * out`` into ``out``."""
        (m, k), n, (first, second) = a.shape, b.shape[1], lying
        alpha, beta = (LETTERS[out.dtype][1](number) for number in (scale, keep))
        sizes = [ctypes.c_int64(size) for size in (m, n, k)]
        ways = [ctypes.c_int(number) for number in (ROW_MAJOR, first.way, second.way)]
        given = (*ways, *sizes, alpha, first.address, first.step, second.address, second.step, beta, _address(out), sizes[1])
        return self.products[out.dtype], given

    def _square(self, a: np.ndarray, lying: _Lying, out: np.ndarray) -> Call:
        """Return what writes ``a @ a.T``, which is symmetric: one half is computed, and the other copied."""
        one, zero = (LETTERS[out.dtype][1](number) for number in (1, 0))
        sizes = [ctypes.c_int64(size) for size in a.shape]
        ways = [ctypes.c_int(number) for number in (ROW_MAJOR, UPPER, lying.way)]
        half = self.squares[out.dtype], (*ways, *sizes, one, lying.address, lying.step, zero, _address(out), sizes[0])
        return _in_turn, (half, llvm_loops.mirror(out))

    def positive_inverse_into(self, matrix: np.ndarray, out: np.ndarray) -> None:
        np.copyto(out, matrix)
        arguments = COLUMN_MAJOR, LOWER, len(out), out.ctypes.data, len(out)
        if any(routine(*arguments) for routine in self.inverses[out.dtype]):
            out.fill(np.nan)
        _in_turn(llvm_loops.mirror(out))

    def loop_threads(self) -> int:
        return 1 if self.parallel is None else self._threads

    def shared(self, loop: llvm_loops.Loop, call: Call) -> Call:
        parts = min(self.loop_threads(), loop.rows * loop.columns // LEAST)
        if loop.moves is None or parts < 2:
            return call
        function, (*pointers, _, _, _) = call
        return self._together(function, llvm_loops.split(loop, call, parts), len(pointers) + 1, 2)

    def _together(self, function: Any, calls: list[list[int]], pointers: int, numbers: int) -> Call:
        if len(calls) == 1:
            return super()._together(function, calls, pointers, numbers)
        job = llvm_loops.Job(function, calls, pointers, numbers, self.asked)
        return self.parallel, (job.function, job.address, ctypes.c_uint(len(calls)), ctypes.c_uint(0))


def _loaded_openmp() -> Any:
    """Return OpenMP, whose threads wait for the next product or loop as long as the environment says, or a millisecond.

    Its own default is 200, in which a core does nothing for anybody.  A step of back-propagation, 784-512-512-10, batch 128, two
    threads on two cores, takes 1.7 ms with 1, 1.8 with 200, and 3.2 with 0, which is too short (benchmarks/results/waiting-*.json).
    """
    waiting = "KMP_BLOCKTIME" in os.environ
    os.environ.setdefault("KMP_BLOCKTIME", "1")
    try:
        openmp: Any = ctypes.CDLL(str(_file_of("intel-openmp", "iomp5")))
        openmp.omp_get_max_threads()  # it reads the environment at the first call
    finally:
        if not waiting:
            del os.environ["KMP_BLOCKTIME"]
    return openmp


class _Version(ctypes.Structure):
    """What MKL_Get_Version fills in."""

    _fields_ = [
        ("major", ctypes.c_int), ("minor", ctypes.c_int), ("update", ctypes.c_int), ("status", ctypes.c_char_p),
        ("build", ctypes.c_char_p), ("processor", ctypes.c_char_p), ("platform", ctypes.c_char_p),
    ]  # fmt: skip


def _file_of(package: str, name: str) -> Path:
    """Return the shared library of an installed package; conda's MKL, which others may need, is not one."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise BackendError(f"blas mkl: package {package} is not installed; run: pip install 'neurosim[mkl]'") from None
    found = [file for file in files if name in file.name and (".so" in file.name or file.name.endswith(".dll"))]
    if not found:
        raise BackendError(f"blas mkl: package {package} has no library {name}; run: pip install --force-reinstall {package}")
    return Path(min(found, key=lambda file: len(file.name)).locate()).resolve()


def _threads_asked() -> int | None:
    """Return the threads that the environment gives to MKL, if it does."""
    text = os.environ.get("MKL_NUM_THREADS", "").strip()
    return int(text) if text.isdecimal() and int(text) else None


def _product_of(library: Any, letter: str, scalar: Any) -> Any:
    number, place, kind = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    function = getattr(library, f"cblas_{letter}gemm_64")
    function.argtypes = [kind, kind, kind, number, number, number, scalar, place, number, place, number, scalar, place, number]
    function.restype = None
    return function


def _square_of(library: Any, letter: str, scalar: Any) -> Any:
    number, place, kind = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    function = getattr(library, f"cblas_{letter}syrk_64")
    function.argtypes = [kind, kind, kind, number, number, scalar, place, number, scalar, place, number]
    function.restype = None
    return function


def _inverse_of(library: Any, letter: str) -> list[Any]:
    """Return what makes a Cholesky factor, and what makes the inverse of one."""
    functions = [getattr(library, f"LAPACKE_{letter}{name}_work_64") for name in ("potrf", "potri")]
    for function in functions:
        function.argtypes = [ctypes.c_int, ctypes.c_char, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
        function.restype = ctypes.c_int64
    return functions


def _parallel_of(openmp: Any) -> tuple[Any, list[int]]:
    """Return what runs a function on several of OpenMP's threads, or None, and where the functions lie that number them."""
    function = getattr(openmp, "GOMP_parallel", None)  # GCC's name for it, which Intel's library has everywhere but on Windows
    if function is not None:
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        function.restype = None
    asked = [getattr(openmp, name) for name in ("omp_get_thread_num", "omp_get_num_threads")]
    return function, [ctypes.cast(one, ctypes.c_void_p).value or 0 for one in asked]


@dataclass(frozen=True)
class _Lying:
    """How BLAS reads a matrix: as it lies or transposed, from where, and the elements between two of its lines."""

    way: int
    address: ctypes.c_void_p
    step: ctypes.c_int64


def _lying(matrix: np.ndarray) -> _Lying | None:
    """Return how BLAS reads a matrix; None where it cannot."""
    lines = llvm_events.Lines.of(matrix)
    return None if lines is None else _Lying(PLAIN if lines.rows else TRANSPOSED, _address(matrix), ctypes.c_int64(lines.step))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays show the same memory in the same way."""
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.strides == b.strides


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _in_turn(*calls: Call) -> None:
    for function, arguments in calls:
        function(*arguments)
