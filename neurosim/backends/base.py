"""The contract every backend keeps, and the random numbers all of them share."""

from __future__ import annotations

import abc
import copy
import functools
import hashlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.backends import philox
from neurosim.backends.windows import Pair, counted
from neurosim.capture import Graph, Leaf, Recorded, Turn, run_kernel
from neurosim.capture.graph import FLOATS
from neurosim.capture.recorded import node_of
from neurosim.errors import NotCapturableError, quoted, require

Array = Any  # numpy.ndarray or cupy.ndarray: the two have no common type

Kernel = Callable[[Mapping[str, Array], Mapping[str, float]], None]


LARGEST_SEED = 2**63 - 1  # what TOML and HDF5 hold


def as_seed(seed: Any) -> int:
    """Return ``seed`` as a plain whole number, so that equal seeds draw equal numbers; raise InputError where it is none."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    require(0 <= number <= LARGEST_SEED, f"seed {quoted(seed)}: expected a whole number from 0 to {LARGEST_SEED}; change it")
    return number


def generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """Return the host's generator of one named stream: initial weights, the order of the data, augmentation.

    Philox is counter-based: the key is a digest of (seed, stream) and the step sits in the counter's highest word, so any
    draw can be had again from (seed, stream, step) alone.
    """
    digest = hashlib.blake2b(f"{as_seed(seed)}/{stream}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    key = np.frombuffer(digest, dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, step]))


def reason_of(cause: Exception) -> str:
    """Return an error that came up while a step was captured, as one line."""
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


class Draws(abc.ABC):
    """The random numbers of one tick of a training step, addressed by the name of what needs them (see ``backends.philox``)."""

    step: int
    tick: int | Turn = 0

    def __repr__(self) -> str:
        own = {"seed": self.seed} if hasattr(self, "seed") else {}
        return reprs.call(type(self).__name__, (), own | {"step": getattr(self, "step", None)})

    @abc.abstractmethod
    def uniform(self, stream: str, shape: tuple[int, ...], dtype: Any, *, part: int = 0) -> Array:
        """Uniform numbers in [0, 1) of ``shape``; a stream has as many independent ``part`` s as asked for."""

    def at(self, tick: int | Turn) -> Draws:
        """Return those of one tick of the step; the first tick's are the step's own."""
        other = copy.copy(self)
        other.tick = tick
        return other

    def normal(self, stream: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Standard normal numbers of ``shape`` (Box and Muller 1958; the sine half is not used)."""
        radius = np.sqrt(-2 * np.log(1 - self.uniform(stream, shape, dtype)))
        return radius * np.cos(2 * math.pi * self.uniform(stream, shape, dtype, part=1))


class HostDraws(Draws):
    """Numbers drawn now, on the host, and brought to the backend."""

    def __init__(self, backend: Backend, seed: int, step: int) -> None:
        self.backend, self.seed, self.step = backend, seed, step

    def uniform(self, stream: str, shape: tuple[int, ...], dtype: Any, *, part: int = 0) -> Array:
        assert isinstance(self.tick, int)
        words = philox.words(philox.key_of(self.seed, stream), part, self.step, math.prod(shape), self.tick)
        return self.backend.asarray(philox.unit(words, np.dtype(dtype)).reshape(shape))

    def normal(self, stream: str, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.backend.asarray(super().normal(stream, shape, dtype))


class RecordedDraws(Draws):
    """Numbers to be drawn whenever the recorded step is replayed."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self.graph, self.seed, self.step = graph, seed, 0

    def uniform(self, stream: str, shape: tuple[int, ...], dtype: Any, *, part: int = 0) -> Array:
        return Recorded(self.graph, self.graph.unit(philox.key_of(self.seed, stream), part, shape, dtype, self.tick))


class Program(abc.ABC):
    """A captured step: ``hold`` the data, ``order`` them, ``run`` batch after batch, ``check``.

    inputs : name -> the array a step's input lies in; a step that does not read one has none
    nbytes : the bytes of its buffers, inputs included
    """

    inputs: Mapping[str, Array]
    nbytes: int

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {reprs.brief(getattr(self, 'inputs', {}))}>"

    @abc.abstractmethod
    def hold(self, data: Mapping[str, Array]) -> None:
        """Take all training data, input name -> (n, ...): batches are gathered from them."""

    @abc.abstractmethod
    def order(self, rows: np.ndarray) -> None:
        """Take the order of an epoch, (n,) numbers of samples, and start at its first batch."""

    @abc.abstractmethod
    def run(self, step: int) -> None:
        """Run the step on the next batch, with the random numbers of ``step``."""

    @abc.abstractmethod
    def run_on(self, batch: Mapping[str, Array], step: int) -> None:
        """Run the step on a batch that is given: input name -> values."""

    def check(self) -> None:
        """Raise FloatingPointError(what, value, step) where something watched was no finite number since the last check.

        On a CPU ``run`` raises it itself, before the step has changed anything.
        """


class Backend(abc.ABC):
    """An array module, its matrix product, its captured steps, and the way back to the host.

    tf32 : whether float32 products may round their operands to ten bits of mantissa
    """

    name: str
    tf32: bool = False
    xp: Any
    array: type  # of this backend's arrays

    def __repr__(self) -> str:
        return reprs.call(type(self).__name__, (), {"tf32": True} if self.tf32 else {})

    @abc.abstractmethod
    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """Return ``values`` as an array of this backend."""

    @abc.abstractmethod
    def to_host(self, array: Array) -> np.ndarray:
        """Return ``array`` as a NumPy array."""

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Let ``xp`` be a module whose functions recorded arrays understand, which is NumPy."""
        own, self.xp = vars(self).get("xp"), np
        try:
            yield
        finally:
            if own is None:
                del self.xp  # the class's shows again
            else:
                self.xp = own

    def initial(self, draw: Callable[[], np.ndarray], shape: tuple[int, ...], dtype: Any) -> Array:
        """Return what ``draw`` returns, of ``shape``, as weights to start from."""
        return self.asarray(np.ascontiguousarray(draw(), dtype))

    @abc.abstractmethod
    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return zeros on the device, also while a step is recorded."""

    @abc.abstractmethod
    def identity(self, n: int, dtype: Any) -> Array:
        """Return the identity matrix, always the same array."""

    def capture(self, graph: Graph) -> Program:
        """Return the recorded step as a program: ordered, fused, its buffers planned.

        Raises NotCapturableError where an operation has no place in one.
        """
        try:
            return self.program(graph)
        except NotCapturableError:
            raise
        except Exception as cause:  # whatever goes wrong here, array code can still run
            raise NotCapturableError(reason_of(cause)) from cause

    @abc.abstractmethod
    def program(self, graph: Graph) -> Program:
        """Return the program that ``capture`` asks for."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Name the device the arithmetic runs on."""

    @abc.abstractmethod
    def free_bytes(self) -> int:
        """Return how much memory arrays could still take."""

    @abc.abstractmethod
    def positive_inverse_into(self, matrix: Array, out: Array) -> None:
        """Write the inverse of a symmetric positive definite matrix, float32 or float64; of one that is not, not-a-numbers."""

    @abc.abstractmethod
    def solve_columns_into(self, w: Array, gram: Array, target: Array, sparsity: float, out: Array) -> None:
        """Write what one sweep of coordinate descent makes of the weights ``w`` (see ``plasticity.co_activation``)."""

    @abc.abstractmethod
    def windows_into(self, x: Array, *numbers: Any) -> None:
        """Write what ``windows`` returns into the last argument; before it stand kernel, stride and padding, two numbers each."""

    @abc.abstractmethod
    def unwindows_into(self, values: Array, *numbers: Any) -> None:
        """Write what ``unwindows`` returns into the last argument; before it stand stride and padding, two numbers each."""

    def kernel(self, source: str) -> Kernel:
        """Return the elementwise kernel made from assignments in ``source``; in a captured step it is one loop.

        ``source`` holds lines ``name = expression``.  The kernel is called with the arrays (all of one shape and dtype;
        those assigned to are written in place) and the scalar constants; every other name is a temporary.
        """
        return functools.partial(run_kernel, source)

    def matmul(self, a: Array, b: Array) -> Array:
        """Matrix product."""
        return self.xp.matmul(a, b)

    def subnormals_as_zero(self) -> AbstractContextManager[None]:
        """Return a context in which numbers too small for full precision are zero, where they would take long."""
        return nullcontext()

    @property
    def event_driven(self) -> Backend:
        """This backend; where there is a faster way for a first factor that is mostly zeros, such as spikes, products take it."""
        return self

    def positive_inverse(self, matrix: Array) -> Array:
        """Return the inverse of a symmetric positive definite matrix, (n, n) in float32 or float64, in its dtype.

        Of a matrix that is not positive definite to rounding, return not-a-numbers.
        """
        return self._routine("positive_inverse", (matrix,))

    def solve_columns(self, w: Array, gram: Array, target: Array, sparsity: float) -> Array:
        """Return the weights ``w`` after one sweep of coordinate descent (see ``plasticity.co_activation``)."""
        return self._routine("solve_columns", (w, gram, target), sparsity)

    def windows(self, x: Array, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Array:
        """Return the windows that slide over images: ``out[b, c, i, j, y, x] = padded[b, c, y * stride + i, x * stride + j]``.

        x : (batch, channels, height, width), with ``padding`` zeros around it
        Returns (batch, channels, *kernel, rows, columns).  A convolution is a matrix product with it, a pooling its maximum over
        the kernel's axes; ``unwindows`` is its transpose.  Raises InputError where the kernel does not fit or a number is none.
        """
        require(len(x.shape) == 4, f"windows: images of shape {x.shape}: expected (batch, channels, height, width); reshape them")
        windows = counted(x.shape[2:], kernel, stride, padding)
        return self._routine("windows", (x,), *kernel, *stride, *padding, shape=(*x.shape[:2], *kernel, *windows))

    def unwindows(self, values: Array, image: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Array:
        """Return images to which every window has added its values where it lies: the transpose of ``windows``.

        values : (batch, channels, *kernel, rows, columns), as ``windows`` of images of height and width ``image`` returns them
        Returns (batch, channels, *image).  Raises InputError where ``values`` are not the windows of such images.
        """
        require(
            len(values.shape) == 6 and values.dtype in FLOATS,
            f"unwindows: {values.dtype} of shape {values.shape}: expected float32 or float64 and 6 axes; give what windows returns",
        )
        expected = counted(image, values.shape[2:4], stride, padding)
        require(
            values.shape[4:] == expected,
            f"unwindows: {values.shape[4:]} windows over an image of {image}: expected {expected}; give the image, stride and "
            "padding of the windows",
        )
        return self._routine("unwindows", (values,), *stride, *padding, shape=(*values.shape[:2], *image))

    def _routine(self, name: str, arrays: tuple[Array, ...], *constants: float, shape: tuple[int, ...] | None = None) -> Array:
        """Return what a routine makes of its arrays, in ``shape`` or that of the first; in a recorded step, write the call down."""
        shape = arrays[0].shape if shape is None else shape
        recorded = next((array for array in arrays if isinstance(array, Recorded)), None)
        if recorded is not None:
            graph, nodes = recorded.graph, [node_of(recorded.graph, array) for array in arrays]
            return Recorded(graph, graph.call(name, nodes, shape, nodes[0].dtype, *constants))
        out = self.xp.empty(shape, arrays[0].dtype)
        getattr(self, f"{name}_into")(*arrays, *constants, out)
        return out

    def full(self, shape: tuple[int, ...], dtype: Any, value: float, beside: Any) -> Array:
        """Return an array of one ``value``; ``beside`` is one it will be used with, which in a recorded step is of that step."""
        if isinstance(beside, Recorded):
            return Recorded(beside.graph, beside.graph.full(shape, dtype, value))
        zeros = self.zeros(shape, dtype)
        return zeros + np.dtype(dtype).type(value) if value else zeros  # a draft's take no memory, and a sum would

    def lasting(self, shape: tuple[int, ...], dtype: Any, beside: Array) -> Array:
        """Return zeros that outlive the step in which they are asked for; ``beside`` is an array they belong to."""
        zeros = self.zeros(shape, dtype)
        return Leaf(beside.graph, zeros) if isinstance(beside, Recorded) else zeros

    def check_finite(self, what: str, values: Array) -> None:
        """Raise FloatingPointError(what, sum, None) unless ``values`` are finite; in a captured step, whenever it is replayed."""
        if isinstance(values, Recorded):
            values.graph.watched.append((what, values.node))
        elif not math.isfinite(total := float(values.sum())):
            raise FloatingPointError(what, total, None)

    def draws(self, seed: int, step: int) -> Draws:
        """Return the random numbers of ``step`` of the run seeded with ``seed``."""
        return HostDraws(self, seed, step)
