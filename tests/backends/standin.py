"""A stand-in for CuPy where there is no GPU: its kernels compiled as C++ and run by one thread a block, its arrays NumPy's.

A circuit's kernel, in which the threads of a block work together, is run by ``threads``.

It writes down what a step must not do while it is captured: ask for memory, wait for the device, bring numbers from the host.
"""

import contextlib
import ctypes
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np

from neurosim.backends import cupy_backend

spec = importlib.util.spec_from_file_location("threads", Path(__file__).with_name("threads.py"))
threads = importlib.util.module_from_spec(spec)
spec.loader.exec_module(threads)

PRELUDE = """
#include <cmath>
using std::isfinite;
#define __global__
#define __shared__ static
#define __syncthreads()
struct Three { unsigned int x, y, z; };
static Three blockIdx{0, 0, 0}, threadIdx{0, 0, 0}, blockDim{1, 1, 1}, gridDim{1, 1, 1};
extern "C" void place(unsigned int block, unsigned int blocks) { blockIdx.x = block; gridDim.x = blocks; }
"""
BLOCKS = 3
CTYPES = {np.int64: ctypes.c_int64, np.float64: ctypes.c_double, np.uint32: ctypes.c_uint32, np.int32: ctypes.c_int32}


def available():
    """Return whether there is a compiler."""
    return shutil.which("g++") is not None


class Array(np.ndarray):
    """What stands for cupy.ndarray."""

    @property
    def data(self):
        return Pointer(self.ctypes.data)


class Pointer:
    """What stands for cupy.cuda.MemoryPointer."""

    def __init__(self, ptr):
        self.ptr = ptr

    def copy_from_device_async(self, other, size):
        sys.modules["cupy"].launch(ctypes.memmove, (self.ptr, other.ptr, size))


class Kernel:
    """What stands for cupy.RawKernel: compiled with all others that wait for it, at the first call."""

    waiting: list = []

    def __init__(self, source, name, options=(), folder=None):
        digest = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
        self.name = f"k{digest}"
        self.source = source.replace(name, self.name)
        self.folder = folder
        self.function = None
        Kernel.waiting.append(self)

    def __call__(self, grid, block, arguments):
        if self.function is None:
            compile_all(self.folder)
        given = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else CTYPES[type(a)](a) for a in arguments]
        for number in range(min(grid[0], BLOCKS)):
            self.place(number, min(grid[0], BLOCKS))
            self.function(*given)


def compile_all(folder):
    """Compile every kernel that waits, in one go."""
    kernels, Kernel.waiting = Kernel.waiting, []
    sources = {kernel.name: kernel.source for kernel in kernels}
    text = PRELUDE + "\n".join(sources.values())
    path = Path(folder) / f"{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.cpp"
    path.write_text(text, encoding="utf-8")
    command = ["g++", "-std=c++17", "-O1", "-w", "-shared", "-fPIC", str(path), "-o", str(path.with_suffix(".so"))]
    subprocess.run(command, check=True, capture_output=True, text=True)
    library = ctypes.CDLL(str(path.with_suffix(".so")))
    for kernel in kernels:
        kernel.function, kernel.place = getattr(library, kernel.name), library.place


class Stream:
    """What stands for cupy.cuda.Stream; what is launched during a capture is kept and run by its graph."""

    def __init__(self, cupy):
        self.cupy, self.ptr = cupy, 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def is_capturing(self):
        return self.cupy.capturing is not None

    def begin_capture(self):
        assert not self.is_capturing()
        self.cupy.capturing = []

    def end_capture(self):
        graph, self.cupy.capturing = Graph(self.cupy.capturing), None
        return graph


class Graph:
    """The launches of a capture, replayed by one call."""

    def __init__(self, launches):
        self.launches = launches

    def launch(self, stream):
        for function, arguments in self.launches:
            function(*arguments)


class Blas:
    """What stands for the cuBLAS library: matrices column by column, pointers to numbers."""

    def __init__(self, cupy):
        self.cupy, self.workspace = cupy, 0

    def cublasCreate_v2(self, handle):
        return 0

    def cublasDestroy_v2(self, handle):
        return 0

    def cublasSetStream_v2(self, handle, stream):
        self.workspace = 0
        return 0

    def cublasSetWorkspace_v2(self, handle, memory, size):
        self.workspace = size.value
        return 0

    def cublasSetMathMode(self, handle, mode):
        return 0

    def cublasSgemm_v2(self, *arguments):
        self.cupy.launch(self._product, (np.float32, *arguments))
        return 0

    def cublasDgemm_v2(self, *arguments):
        self.cupy.launch(self._product, (np.float64, *arguments))
        return 0

    def cublasSgemmStridedBatched(self, *arguments):
        self.cupy.launch(self._products, (np.float32, *arguments))
        return 0

    def cublasDgemmStridedBatched(self, *arguments):
        self.cupy.launch(self._products, (np.float64, *arguments))
        return 0

    def _products(
        self, dtype, handle, flip_a, flip_b, m, n, k, one, a, wide_a, step_a, b, wide_b, step_b, zero, c, wide_c, step_c, count
    ):
        size = np.dtype(dtype).itemsize
        for number in range(count.value):
            places = [
                ctypes.c_void_p(place.value + number * step.value * size) for place, step in ((a, step_a), (b, step_b), (c, step_c))
            ]
            first, second, out = places
            self._product(dtype, handle, flip_a, flip_b, m, n, k, one, first, wide_a, second, wide_b, zero, out, wide_c)

    def _product(self, dtype, handle, flip_a, flip_b, m, n, k, one, a, wide_a, b, wide_b, zero, c, wide_c):
        assert self.workspace, "a product without a workspace allocates inside the capture"
        assert (one._obj.value, zero._obj.value) == (1, 0)

        def matrix(pointer, width, rows, columns, flipped):
            stored = (columns, rows) if flipped else (rows, columns)
            found = view(pointer.value, width.value * stored[1], dtype).reshape(stored[1], width.value).T[: stored[0]]
            return found.T if flipped else found

        m, n, k = m.value, n.value, k.value
        out = view(c.value, wide_c.value * n, dtype).reshape(n, wide_c.value).T[:m]
        out[...] = matrix(a, wide_a, m, k, flip_a.value) @ matrix(b, wide_b, k, n, flip_b.value)


def view(pointer, size, dtype):
    """Return memory as an array."""
    kind = np.ctypeslib.as_ctypes_type(dtype)
    return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(kind)), (size,))


class Solver:
    """What stands for the cuSOLVER library."""

    def __init__(self, cupy):
        self.cupy = cupy

    def cusolverDnCreate(self, handle):
        return 0

    def cusolverDnDestroy(self, handle):
        return 0

    def cusolverDnSetStream(self, handle, stream):
        return 0

    def cusolverDnSpotrf_bufferSize(self, handle, lower, n, a, width, size):
        size._obj.value = 4 * n.value
        return 0

    cusolverDnDpotrf_bufferSize = cusolverDnSpotrf_bufferSize

    def cusolverDnSpotrf(self, handle, lower, n, a, width, scratch, size, failed):
        self.cupy.launch(self._factor, (np.float32, n.value, a.value, failed.value))
        return 0

    def cusolverDnDpotrf(self, handle, lower, n, a, width, scratch, size, failed):
        self.cupy.launch(self._factor, (np.float64, n.value, a.value, failed.value))
        return 0

    def cusolverDnSpotrs(self, handle, lower, n, columns, a, wide_a, b, wide_b, failed):
        self.cupy.launch(self._solve, (np.float32, n.value, a.value, b.value, failed.value))
        return 0

    def cusolverDnDpotrs(self, handle, lower, n, columns, a, wide_a, b, wide_b, failed):
        self.cupy.launch(self._solve, (np.float64, n.value, a.value, b.value, failed.value))
        return 0

    def _factor(self, dtype, n, a, failed):
        matrix = view(a, n * n, dtype).reshape(n, n)
        try:
            matrix[...] = np.linalg.cholesky(matrix)
            view(failed, 1, np.int32)[0] = 0
        except np.linalg.LinAlgError:
            view(failed, 1, np.int32)[0] = 1

    def _solve(self, dtype, n, a, b, failed):
        factor, wanted = view(a, n * n, dtype).reshape(n, n), view(b, n * n, dtype).reshape(n, n)
        wanted[...] = np.linalg.solve(factor @ factor.T, wanted)
        view(failed, 1, np.int32)[0] = 0


class Cupy(types.ModuleType):
    """The module: the functions that the backend uses, over NumPy.

    free, pooled : bytes that the device has, and those that CuPy has kept of what was given up
    devices : how many there are; properties : of each
    capturing : the launches of a capture under way, or None
    forbidden : what was done during captures that must not be
    """

    ndarray = Array

    def __init__(self, folder):
        super().__init__("cupy")
        self.folder, self.capturing, self.forbidden, self.captures = folder, None, [], 0
        self.free, self.pooled, self.devices = 2**33, 0, 1
        self.solver = Solver(self)
        device = types.SimpleNamespace(get_cublas_handle=lambda: 1, get_cusolver_handle=lambda: 1)
        self.properties = {"name": b"stand-in"}
        self.cuda = types.SimpleNamespace(
            runtime=types.SimpleNamespace(
                getDeviceProperties=lambda number: self.properties,
                getDeviceCount=lambda: self.devices,
                memGetInfo=lambda: (self.free, 2**34),
            ),
            Device=lambda: types.SimpleNamespace(id=0),
            Stream=lambda: Stream(self),
            device=device,
        )
        self.linalg = np.linalg

    def RawKernel(self, source, name, options=()):
        strict = "--fmad=false" in options
        kernel = threads.BlockKernel(source, name, self.folder) if strict else Kernel(source, name, options, self.folder)
        return kernel if strict else lambda grid, block, arguments: self.launch(kernel, (grid, block, arguments))

    def launch(self, function, arguments):
        """Run a launch now, or keep it for the graph."""
        if self.capturing is None:
            function(*arguments)
        else:
            self.capturing.append((function, arguments))

    def _noted(self, what):
        if self.capturing is not None:
            self.forbidden.append(what)

    def asarray(self, values, dtype=None):
        self._noted("an array from the host")
        return np.array(values, dtype, order="C").view(Array)

    def asnumpy(self, values):
        self._noted("an array to the host")
        return np.array(values)

    def zeros(self, shape, dtype=np.float64):
        self._noted("memory")
        return np.zeros(shape, dtype).view(Array)

    def empty(self, shape, dtype):
        self._noted("memory")
        return np.empty(shape, dtype).view(Array)

    def ascontiguousarray(self, values):
        self._noted("memory")
        return np.ascontiguousarray(values).view(Array)

    def get_default_memory_pool(self):
        return types.SimpleNamespace(free_bytes=lambda: self.pooled)

    def eye(self, n, dtype):
        return np.eye(n, dtype=dtype).view(Array)

    def __getattr__(self, name):
        self._noted(name)
        return getattr(np, name)


@contextlib.contextmanager
def installed(folder, monkeypatch):
    """Yield the stand-in, in CuPy's place."""
    cupy = Cupy(folder)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    libraries = {"libcublas.so": Blas(cupy), "libcusolver.so": cupy.solver}
    monkeypatch.setattr(cupy_backend, "loaded_library", libraries.get)
    cupy_backend.raw_kernel.cache_clear()
    cupy_backend._identity.cache_clear()
    yield cupy
    cupy_backend.raw_kernel.cache_clear()
    cupy_backend._identity.cache_clear()
