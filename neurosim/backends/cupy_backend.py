"""CuPy on one CUDA device: matrix products by cuBLAS, everything else in kernels of our own, the step as a CUDA graph.

The same shape as ``numpy_backend``; the only file that names cupy.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.backends import cuda_loops
from neurosim.backends.base import Array, Backend, Program
from neurosim.capture import Graph, Item, Node, Recorded, check_order, planned, scheduled
from neurosim.capture.plan import strides_of
from neurosim.errors import BackendError, NotCapturableError

OUT_OF_PLACE = frozenset({"matmul", "join", "copy", "slice", "part", "bits", "call", "watch", "sum", "max", "repeat"})
WORKSPACE = 32 << 20  # bytes for cuBLAS, its maker's size for Hopper
ELEMENTS = 4  # that one thread takes, at most, where there are enough of them
TF32 = 3  # CUBLAS_TF32_TENSOR_OP_MATH

log = logging.getLogger(__name__)

Launch = Callable[[], Any]


def visible_devices() -> list[str]:
    """Return the CUDA devices that this process may use, each as ``CUDA_VISIBLE_DEVICES`` names it for a process of its own."""
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception:  # as above: there is none
        return []
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


class CupyBackend(Backend):
    """Arrays are ``cupy.ndarray``.

    tf32 : whether float32 products may round their operands to ten bits of mantissa, several times as fast

    Raises
    ------
    BackendError
        CuPy is not installed, or no CUDA device answers.
    """

    def __init__(self, *, tf32: bool = False) -> None:
        try:
            import cupy

            self.device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
        except Exception as cause:  # an absent driver raises CUDA's own error types, which cannot be imported without it
            reason = str(cause).splitlines()[0]
            raise BackendError(
                f"backend 'cupy': no CUDA device answers ({reason}): expected a GPU with its driver and CuPy; "
                "install neurosim[cuda12] or neurosim[cuda13] on a machine with a GPU, or use --backend numpy"
            ) from cause
        self.name = "cupy-tf32" if tf32 else "cupy"
        self.tf32 = tf32
        self.cupy = self.xp = cupy
        self.array = cupy.ndarray

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle a backend as how it is made: modules and devices cannot be; arrays go through the host."""
        return functools.partial(CupyBackend, tf32=self.tf32), ()

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        if isinstance(values, Recorded):
            return values if dtype is None or values.dtype == dtype else values.astype(dtype)
        return self.cupy.asarray(values, dtype)

    def to_host(self, array: Array) -> np.ndarray:
        return self.cupy.asnumpy(array)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.cupy.zeros(shape, dtype)

    def identity(self, n: int, dtype: Any) -> Array:
        return _identity(self.cupy, n, np.dtype(dtype))

    def program(self, graph: Graph) -> Program:
        return CupyProgram(self, graph)

    def free_bytes(self) -> int:
        free, _ = self.cupy.cuda.runtime.memGetInfo()
        return int(free + self.cupy.get_default_memory_pool().free_bytes())  # CuPy keeps what it has given up

    def positive_inverse_into(self, matrix: Array, out: Array) -> None:
        out[...] = self.cupy.linalg.inv(matrix)

    def solve_columns_into(self, w: Array, gram: Array, target: Array, sparsity: float, out: Array) -> None:
        kernel = raw_kernel(self.cupy, cuda_loops.SOLVE_COLUMNS)
        grid, block = (w.shape[1],), (cuda_loops.THREADS,)
        kernel(grid, block, (w, gram, target, out, np.float64(sparsity), *map(np.int64, w.shape)))

    def windows_into(self, x: Array, *numbers: Any) -> None:
        self._windows_into("windows", x, *numbers)

    def unwindows_into(self, values: Array, *numbers: Any) -> None:
        self._windows_into("unwindows", values, *numbers)

    def _windows_into(self, name: str, value: Array, *numbers: Any) -> None:
        *sizes, out = numbers
        kernel = raw_kernel(self.cupy, windowed(name, value, out, sizes))
        given = (self.cupy.ascontiguousarray(value), out, np.int64(1), np.int64(out.size))
        kernel((-(-out.size // cuda_loops.THREADS),), (cuda_loops.THREADS,), given)

    def describe(self) -> str:
        return f"GPU {self.device}"


def windowed(name: str, value: Any, out: Any, numbers: Sequence[int]) -> str:
    """Return the source of ``windows`` or ``unwindows`` of ``value`` into ``out``, arrays or nodes; numbers as in the routine."""
    back = name == "unwindows"
    images, windows = (out, value) if back else (value, out)
    return cuda_loops.windowed(back, out.dtype, images.shape, windows.shape, numbers[-4:-2], numbers[-2:])


@functools.lru_cache(maxsize=4)
def _identity(cupy: Any, n: int, dtype: np.dtype[Any]) -> Array:
    return cupy.eye(n, dtype=dtype)


@functools.cache
def raw_kernel(cupy: Any, source: str) -> Any:
    """Return the compiled kernel of ``source``; CuPy keeps it on disk between runs."""
    return cupy.RawKernel(source.replace("NAME", "neurosim_kernel"), "neurosim_kernel", options=("--std=c++17",))


class CupyProgram(Program):
    """A list of launches on arrays that were laid out beforehand: run once as it is, then captured, then replayed as one graph."""

    def __init__(self, backend: CupyBackend, graph: Graph) -> None:
        self.backend, self.cupy = backend, backend.cupy
        self.items = scheduled(graph, cuda_loops.fused)
        check_order(self.items)
        self.plan = planned(self.items, lambda item: item.op not in OUT_OF_PLACE)
        self.buffers = [self.cupy.zeros(size, np.uint8) for size in self.plan.sizes]
        given = {node for item in self.items for node in item.reads if node.op == "input"}
        self.inputs = {node.detail: self.cupy.zeros(node.shape, node.dtype) for node in given}
        self.nbytes = self.plan.nbytes + sum(array.nbytes for array in self.inputs.values())
        self.step, self.position = self.cupy.zeros(1, np.uint32), self.cupy.zeros(1, np.int64)
        self.made: dict[Node, Array] = {}  # arrays that the step made on the host, always the same, brought here once
        self.expected = 0  # what ``step`` holds on the device
        self.labels = watched(self.items)
        self.turns: dict[Node, Array] = {}  # the number of the turn of each loop that asks for it
        self.still = self.cupy.zeros(1, np.int64)
        self.found = self.cupy.zeros(max(len(self.labels), 1), np.uint32)
        self.data: dict[str, Array] = {}
        self.rows = self.cupy.zeros(1, np.int64)
        self.stream = self.cupy.cuda.Stream()
        self.libraries = _Libraries(self.cupy, self.stream, backend.tf32)
        self.launches = [*(launch for item in self.items for launch in self._launches(item)), self._advance()]
        self._gather_anew()

    @classmethod
    def empty(cls, backend: CupyBackend) -> CupyProgram:
        """Return a program that does nothing, to ``play`` launches of one's own."""
        return cls(backend, Graph())

    def hold(self, data: Mapping[str, Array]) -> None:
        self.data = {name: self.cupy.asarray(data[name], values.dtype) for name, values in self.inputs.items()}
        self._gather_anew()

    def order(self, rows: np.ndarray) -> None:
        if len(self.rows) != len(rows):
            self.rows = self.cupy.zeros(len(rows), np.int64)
            self._gather_anew()
        self.rows[...] = self.cupy.asarray(rows, np.int64)
        self.position.fill(0)

    def run(self, step: int) -> None:
        self._at(step)
        self.play("gathering", self.gathering)

    def run_on(self, batch: Mapping[str, Array], step: int) -> None:
        self._at(step)
        for name, values in self.inputs.items():
            values[...] = self.cupy.asarray(batch[name], values.dtype)
        self.play("given", self.launches)

    def check(self) -> None:
        found = self.cupy.asnumpy(self.found)
        if found.any():
            first = int(np.argmin(np.where(found == 0, np.iinfo(np.uint32).max, found)))
            self.found.fill(0)
            raise FloatingPointError(self.labels[first], "no finite number", int(found[first]) - 1)

    # ------------------------------------------------------------------ replay

    def _at(self, step: int) -> None:
        """Let the device's counter stand at ``step``; it counts on by itself."""
        if self.expected != step:
            self.step.fill(step)
        self.expected = step + 1

    def _gather_anew(self) -> None:
        """Make the launches that read data and order where these lie now, and forget the graphs of those before."""
        self.gathering = [*self._gathers(), *self.launches]
        self.played: set[str] = set()
        self.graphs: dict[str, Any] = {}

    def play(self, name: str, launches: list[Launch]) -> None:
        """Launch all one by one the first time, which loads them; capture the second; replay from then on."""
        with self.stream:
            if name in self.played and name not in self.graphs:
                self.graphs[name] = self._captured(launches)
            graph = self.graphs.get(name)
            if graph is not None:
                graph.launch(self.stream)
            else:
                for launch in launches:
                    launch()
        self.played.add(name)

    def _captured(self, launches: list[Launch]) -> Any:
        try:
            self.stream.begin_capture()
            for launch in launches:
                launch()
            return self.stream.end_capture()
        except Exception as reason:  # CUDA's own error types; the step itself is sound, it has run once
            self._end_capture()
            log.warning("the step's CUDA graph could not be captured, and its kernels are launched one by one: %s", reason)
            return None

    def _end_capture(self) -> None:
        """Leave a capture that failed: until it is ended, the device takes nothing else."""
        if self.stream.is_capturing():
            with contextlib.suppress(Exception):  # it reports once more that the capture is no good
                self.stream.end_capture()

    # ------------------------------------------------------------------ memory

    def _place(self, node: Node) -> Any:
        """Return what stands for a value's memory: a leaf or input itself, a buffer's number, or None."""
        return self.plan.where(node)

    def _memory(self, place: Any) -> Array:
        if isinstance(place, int):
            return self.buffers[place]
        if place.op == "input":
            return self.inputs[place.detail]
        if place.op == "turn":
            if place not in self.turns:
                self.turns[place] = self.cupy.zeros(1, np.int64)
            return self.turns[place]
        if not isinstance(place.detail, self.backend.array):  # made by the step, whose module was NumPy while it was recorded
            if place not in self.made:
                self.made[place] = self.cupy.asarray(place.detail)
            return self.made[place]
        return place.detail

    def _array(self, node: Node) -> Array:
        return self._memory(self._place(node))

    # ------------------------------------------------------------------ launches

    def _launches(self, item: Item) -> list[Launch]:
        """Return the launches of an item."""
        if item.space is not None:
            loop = cuda_loops.written(item.nodes, item.space, self._place)
            arrays = [self._memory(place) for place in loop.places]
            return [self._elementwise(loop.source, [*arrays, *map(np.float64, loop.numbers)], loop.rows, loop.columns)]
        node = item.nodes[0]
        if node.op == "repeat":
            return self._repeat(item)
        made: list[Launch] = getattr(self, f"_{node.op}")(node)
        return made

    def _elementwise(self, source: str, arguments: list[Any], rows: int, columns: int, *rest: int) -> Launch:
        kernel = raw_kernel(self.cupy, source)
        blocks = -(-rows * columns // cuda_loops.THREADS)
        grid = (max(1, min(blocks, max(1024, blocks // ELEMENTS))),)
        given = (*arguments, np.int64(rows), np.int64(columns), *map(np.int64, rest))
        return lambda: kernel(grid, (cuda_loops.THREADS,), given)

    def _matmul(self, node: Node) -> list[Launch]:
        """Return cuBLAS's product; it counts columns first, so that c = a b is asked for as c' = b' a'."""
        a, b = node.inputs
        (m, k), n = a.shape[-2:], b.shape[-1]
        arrays = [self._array(value) for value in (b, a, node)]
        flags = [int(value.op == "transpose") for value in (b, a)]
        widths = [value.shape[-2 if value.op == "transpose" else -1] for value in (b, a)]
        count = math.prod(node.shape[:-2])
        steps = [math.prod(value.shape[-2:]) if math.prod(value.shape[:-2]) > 1 else 0 for value in (b, a, node)]
        return [self.libraries.product(node.dtype, flags, (n, m, k), arrays, widths, count, steps)]

    def _total(self, node: Node) -> list[Launch]:
        source, over = cuda_loops.total(node)
        space = node.inputs[0].shape
        rows = space[0] if len(space) > 1 and len(node.detail) < len(space) else 1
        if over == "axes":
            rows = node.size
        columns = node.inputs[0].size // rows
        kernel = raw_kernel(self.cupy, source)
        arguments = (self._array(node.inputs[0]), self._array(node), np.int64(rows), np.int64(columns))
        few = over == "axes" and columns <= cuda_loops.FEW
        by_row = (-(-rows // cuda_loops.THREADS) if few else rows,), (cuda_loops.THREADS,)
        by_column = (-(-columns // cuda_loops.WIDTH),), (cuda_loops.WIDTH, cuda_loops.HEIGHT)
        grid, block = by_column if over == "rows" else by_row
        return [lambda: kernel(grid, block, arguments)]

    _sum = _max = _total

    def _join(self, node: Node) -> list[Launch]:
        launches, first = [], 0
        rows = math.prod(node.shape[: node.detail])
        for part in node.inputs:
            columns = part.size // rows
            arrays = [self._array(part), self._array(node)]
            launches.append(self._elementwise(cuda_loops.joined(node), arrays, rows, columns, node.size // rows, first))
            first += columns
        return launches

    def _copy(self, node: Node) -> list[Launch]:
        (value,) = node.inputs
        if value.op == "transpose" and len(value.shape) == 2:
            return [self._elementwise(cuda_loops.transposed(node), [self._array(value), self._array(node)], *node.shape)]
        return [self._picked(node, value)]

    def _slice(self, node: Node) -> list[Launch]:
        (value,) = node.inputs
        source = cuda_loops.picked(node, node.shape, *_strides(value, node.detail))
        return [self._elementwise(source, [self._array(value), self._array(node)], 1, node.size)]

    def _part(self, node: Node) -> list[Launch]:
        value, turn = node.inputs
        bounds, axis, by = node.detail
        source = cuda_loops.picked(node, node.shape, *_strides(value, bounds), by * strides_of(value.shape)[axis])
        return [self._elementwise(source, [self._array(one) for one in (value, node, turn)], 1, node.size)]

    def _picked(self, place: Node, value: Node) -> Launch:
        """Return the launch that copies ``value``, a transpose or in order, into ``place``."""
        order = value.detail if value.op == "transpose" else range(len(value.shape))
        own = strides_of(value.inputs[0].shape if value.op == "transpose" else value.shape)
        source = cuda_loops.picked(place, value.shape, [own[axis] for axis in order], 0)
        return self._elementwise(source, [self._array(value), self._array(place)], 1, value.size)

    def _repeat(self, item: Item) -> list[Launch]:
        """Return the launches that bring what is carried to its place, and those of every turn: the same kernels each time."""
        body = item.turns
        assert body is not None
        starts = dict(zip(item.nodes[0].detail.carried, item.nodes[0].inputs, strict=False))
        begin = [self._picked(place, starts[place]) for place in body.carried]
        turns = [launch for inner in item.body for launch in self._launches(inner)]
        if body.turn is not None:
            begin, turns = [*begin, self._count(body.turn, 0)], [*turns, self._count(body.turn, 1)]
        return begin + turns * body.times

    def _count(self, turn: Node, by: int) -> Launch:
        """Return the launch that adds ``by`` to the number of the turn, or, by 0, sets it to 0."""
        kernel, number = raw_kernel(self.cupy, cuda_loops.COUNT), self._memory(turn)
        return lambda: kernel((1,), (1,), (number, np.int64(by)))

    def _bits(self, node: Node) -> list[Launch]:
        kernel, blocks = raw_kernel(self.cupy, cuda_loops.random_words()), -(-node.size // 4)
        *key, tick, by = node.detail
        turn = self._memory(node.inputs[0]) if node.inputs else self.still
        arguments = (self._array(node), np.int64(blocks), *map(np.uint32, key), self.step, np.int64(tick), np.int64(by), turn)
        return [lambda: kernel((-(-blocks // cuda_loops.THREADS),), (cuda_loops.THREADS,), arguments)]

    def _watch(self, node: Node) -> list[Launch]:
        (value,) = node.inputs
        number = self.labels.index(node.detail)
        found = self.found[number : number + 1]
        return [self._elementwise(cuda_loops.watched(value), [self._array(value), found, self.step], 1, value.size)]

    def _call(self, node: Node) -> list[Launch]:
        name, *constants = node.detail
        if name == "positive_inverse":
            return self._inverse(node)
        if name in ("windows", "unwindows"):
            return [self._windowed(node.inputs[0], node, name, constants)]
        kernel = raw_kernel(self.cupy, cuda_loops.SOLVE_COLUMNS)
        arrays = [self._array(value) for value in (*node.inputs, node)]
        arguments = (*arrays, np.float64(constants[0]), *map(np.int64, node.shape))
        return [lambda: kernel((node.shape[1],), (cuda_loops.THREADS,), arguments)]

    def _windowed(self, value: Node, node: Node, name: str, numbers: Sequence[int]) -> Launch:
        source = windowed(name, value, node, numbers)
        return self._elementwise(source, [self._array(value), self._array(node)], 1, node.size)

    def _inverse(self, node: Node) -> list[Launch]:
        """Return the solution of (matrix) x = identity by Cholesky's factor, poisoned where there is none."""
        n, out, matrix = node.shape[0], self._array(node), self._array(node.inputs[0])
        factor, failed = self.cupy.zeros(node.nbytes, np.uint8), self.cupy.zeros(2, np.int32)
        identity = self._elementwise(cuda_loops.identity(node), [out], n, n)
        poisoned = self._elementwise(cuda_loops.poisoned(node), [out, failed], n, n)
        size = node.nbytes

        def copied() -> None:
            factor.data.copy_from_device_async(matrix.data, size)

        return [copied, identity, *self.libraries.inverse(node.dtype, n, factor, out, failed), poisoned]

    def _gathers(self) -> list[Launch]:
        launches = []
        for name, data in self.data.items():
            values = self.inputs[name]
            kind = cuda_loops.TYPES[values.dtype]
            arrays = [data, values, self.rows, self.position]
            launches.append(self._elementwise(cuda_loops.gathered(kind), arrays, len(values), values.size // len(values)))
        return launches

    def _advance(self) -> Launch:
        kernel = raw_kernel(self.cupy, cuda_loops.ADVANCE)
        return lambda: kernel((1,), (1,), (self.step, self.position))


def watched(items: Sequence[Item]) -> list[str]:
    """Return what items watch, in order, those of repeated bodies too."""
    return [label for item in items for label in ([item.nodes[0].detail] if item.op == "watch" else watched(item.body))]


def _strides(value: Node, bounds: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Return how many elements lie from one index of each axis to the next in a slice of ``value``, and where it starts."""
    own = strides_of(value.shape)
    strides = [step * stride for (_, _, step), stride in zip(bounds, own, strict=True)]
    return strides, sum(first * stride for (first, _, _), stride in zip(bounds, own, strict=True))


class _Libraries:
    """cuBLAS and cuSOLVER for one program.

    Through handles of our own, whose stream and memory are set once.  A handle of cuBLAS without memory allocates inside the
    capture, and CuPy's functions set the stream before each call, which takes the memory away again; those of cuSOLVER refuse to
    be captured.
    """

    def __init__(self, cupy: Any, stream: Any, tf32: bool) -> None:
        self.cupy, self.stream = cupy, stream
        cupy.cuda.device.get_cublas_handle()  # loads it
        self.cublas: Any = loaded_library("libcublas.so")
        self.cusolver: Any = None
        self.solver = ctypes.c_void_p()
        self.memory = cupy.zeros(WORKSPACE, np.uint8)
        self.numbers = {np.float32: ctypes.c_float, np.float64: ctypes.c_double}
        self.handle = ctypes.c_void_p()
        _succeed(self.cublas.cublasCreate_v2(ctypes.byref(self.handle)))
        _succeed(self.cublas.cublasSetStream_v2(self.handle, ctypes.c_void_p(stream.ptr)))
        _succeed(self.cublas.cublasSetWorkspace_v2(self.handle, ctypes.c_void_p(self.memory.data.ptr), ctypes.c_size_t(WORKSPACE)))
        _succeed(self.cublas.cublasSetMathMode(self.handle, TF32 if tf32 else 0))

    def __del__(self) -> None:
        if self.handle:
            self.cublas.cublasDestroy_v2(self.handle)
        if self.solver:
            self.cusolver.cusolverDnDestroy(self.solver)

    def product(
        self, dtype: Any, flags: list[int], sizes: tuple[int, int, int], arrays: list[Array], widths: list[int],
        count: int = 1, steps: Sequence[int] = (),
    ) -> Launch:  # fmt: skip
        """Return the launch of one product, or of ``count`` whose operands lie ``steps`` elements apart; all in cuBLAS's order."""
        letter = "S" if dtype == np.float32 else "D"
        function = getattr(self.cublas, f"cublas{letter}gemm_v2" if count == 1 else f"cublas{letter}gemmStridedBatched")
        one, zero = (self.numbers[np.dtype(dtype).type](value) for value in (1, 0))
        b, a, out = (ctypes.c_void_p(array.data.ptr) for array in arrays)
        (n, m, k), (width_b, width_a) = map(ctypes.c_int, sizes), map(ctypes.c_int, widths)
        transposed = [ctypes.c_int(flag) for flag in flags]
        given: tuple[Any, ...] = (*transposed, n, m, k, ctypes.byref(one), b, width_b, a, width_a, ctypes.byref(zero), out, n)
        if count > 1:
            first, second, third = map(ctypes.c_longlong, steps)
            given = (
                *transposed, n, m, k, ctypes.byref(one), b, width_b, first, a, width_a, second, ctypes.byref(zero), out, n, third,
                ctypes.c_int(count),
            )  # fmt: skip

        def launch(held: list[Array] = arrays) -> None:  # pointers alone would not keep the arrays alive
            _succeed(function(self.handle, *given))

        return launch

    def inverse(self, dtype: Any, n: int, factor: Array, out: Array, failed: Array) -> list[Launch]:
        """Return the launches of factor and solution, in place; ``failed`` takes what they say of themselves."""
        library, letter = self._cusolver(), "S" if dtype == np.float32 else "D"
        asked, potrf, potrs = (
            getattr(library, f"cusolverDn{letter}{name}") for name in ("potrf_bufferSize", "potrf", "potrs")
        )  # fmt: skip
        lower, width, size = ctypes.c_int(0), ctypes.c_int(n), ctypes.c_int()
        matrix, right = (ctypes.c_void_p(array.data.ptr) for array in (factor, out))
        first, second = (ctypes.c_void_p(failed.data.ptr + k * failed.itemsize) for k in range(2))
        _succeed(asked(self.solver, lower, width, matrix, width, ctypes.byref(size)), "cuSOLVER")
        memory = self.cupy.zeros(max(size.value, 1), dtype)
        scratch = ctypes.c_void_p(memory.data.ptr)

        def factorise(held: Array = memory) -> None:
            _succeed(potrf(self.solver, lower, width, matrix, width, scratch, size, first), "cuSOLVER")

        def solve() -> None:
            _succeed(potrs(self.solver, lower, width, width, matrix, width, right, width, second), "cuSOLVER")

        return [factorise, solve]

    def _cusolver(self) -> Any:
        """Return cuSOLVER, loaded and joined to the program's stream by the first step that needs it."""
        if self.cusolver is None:
            self.cupy.cuda.device.get_cusolver_handle()  # loads it
            self.cusolver = loaded_library("libcusolver.so")
            _succeed(self.cusolver.cusolverDnCreate(ctypes.byref(self.solver)), "cuSOLVER")
            _succeed(self.cusolver.cusolverDnSetStream(self.solver, ctypes.c_void_p(self.stream.ptr)), "cuSOLVER")
        return self.cusolver


def _succeed(status: int, library: str = "cuBLAS") -> None:
    """Raise RuntimeError where a library reports a failure."""
    if status:
        raise RuntimeError(f"{library} reports status {status}")


def loaded_library(name: str) -> Any:
    """Return a library that CuPy has loaded; raise NotCapturableError where it cannot be found."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(encoding="utf-8").splitlines() if maps.exists() else []
    paths = [line.split(maxsplit=5)[-1] for line in lines if name in line]
    if not paths:
        raise NotCapturableError(f"the {name} that CuPy loaded cannot be found in /proc/self/maps, which a graph needs")
    return ctypes.CDLL(paths[0])
