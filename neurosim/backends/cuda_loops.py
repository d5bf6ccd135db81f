"""Kernels for a GPU, as CUDA source: the same expressions as on the CPU, functions of a counter for random numbers.

Every kernel is right for any number of blocks and threads, one included: that is how its source can be compiled as C++ and tested
where there is no GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.backends import philox
from neurosim.capture.graph import Node, Shape
from neurosim.capture.plan import loop_shape, nest, nest_of, spread

TYPES = {
    np.dtype(np.float32): "float", np.dtype(np.float64): "double", np.dtype(bool): "unsigned char",
    np.dtype(np.uint32): "unsigned int", np.dtype(np.int64): "whole",
}  # fmt: skip
INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "greater": ">", "greater_equal": ">=", "less": "<",
    "less_equal": "<=", "equal": "==", "not_equal": "!=", "logical_and": "&&", "logical_or": "||",
}  # fmt: skip
FUNCTIONS = {
    name: name for name in ("sqrt", "exp", "log", "tanh", "sin", "cos", "tan", "log1p", "expm1", "floor", "ceil", "sinh", "cosh")
} | {
    "absolute": "fabs", "power": "pow", "arctan": "atan", "arcsin": "asin", "arccos": "acos", "log10": "log10", "trunc": "trunc",
}  # fmt: skip
DIVISIONS = {  # as NumPy rounds them: towards minus infinity, so that a remainder has the sign of the divisor
    "remainder": "KIND r = fmodSUFFIX(a, b); return r != 0 && (r < 0) != (b < 0) ? r + b : r;",
    "floor_divide": (
        "if (b == 0) return a / b; KIND r = fmodSUFFIX(a, b), q = (a - r) / b; if (r != 0 && (r < 0) != (b < 0)) q -= 1; "
        "KIND f = floorSUFFIX(q); return q - f > (KIND)0.5 ? f + 1 : f;"
    ),
}
PREFIX = {"negative": "-", "logical_not": "!"}
OTHERS = frozenset({"maximum", "minimum", "sign", "where", "cast", "unit", "full", "assign", "entry", "put"})
ELEMENTWISE = frozenset(INFIX) | frozenset(FUNCTIONS) | frozenset(PREFIX) | frozenset(DIVISIONS) | OTHERS
HEAD = 'typedef long long whole;\nextern "C" __global__ void NAME('
EACH = """  for (whole k = blockIdx.x * (whole)blockDim.x + threadIdx.x; k < rows * columns; k += (whole)gridDim.x * blockDim.x) {
    whole i = k / columns, j = k - i * columns;
"""


def fused(node: Node) -> bool:
    """Return whether an operation has its place in an elementwise kernel; totals have kernels of their own."""
    return node.op in ELEMENTWISE


@dataclass(frozen=True)
class Loop:
    """The source of one kernel (named ``NAME``), the places of its arrays, its numbers, and the rows and columns it runs over."""

    source: str
    places: tuple[Any, ...]
    numbers: tuple[float, ...]
    rows: int
    columns: int


def written(nodes: Sequence[Node], space: Shape, where: Callable[[Node], Any]) -> Loop:
    """Return the kernel of ``nodes`` over ``space``; ``where`` gives the place of a value, None where only this kernel reads it."""
    return _Kernel(nodes, space, where).loop()


class _Kernel:
    def __init__(self, nodes: Sequence[Node], space: Shape, where: Callable[[Node], Any]) -> None:
        self.nodes, self.space, self.where = nodes, space, where
        self.places: dict[Any, tuple[str, str]] = {}  # place -> (type, name)
        self.numbers: dict[float, str] = {}
        self.names: dict[Node, str] = {}
        self.count = 0
        self.loads: list[str] = []
        self.nest = nest_of(nodes, space)  # where rows and columns do not do
        self.lines: list[str] = []
        self.stores: list[str] = []

    def loop(self) -> Loop:
        for node in self.nodes:
            name = self._new_name()
            self.lines.append(f"{_type(node)} {name} = {self._expression(node)};")
            self.names[node] = name
            if node.op == "put":
                self.stores.append(f"{self._pointer(node)}[{node.size} * *{self._pointer(node.inputs[2])} + k] = {name};")
            elif node.op == "assign" or self.where(node) is not None:
                self.stores.append(f"{self._pointer(node)}[k] = {name};")
        parameters = [f"{kind}* {name}" for kind, name in self.places.values()]
        parameters += [f"double {name}" for name in self.numbers.values()]
        body = "\n".join(f"    {line}" for line in [*self.loads, *self.lines, *self.stores])
        head = f"{HEAD}{', '.join([*parameters, 'whole rows', 'whole columns'])}) {{\n"
        rows, columns = loop_shape(self.space)
        return Loop(f"{head}{EACH}{body}\n  }}\n}}\n", tuple(self.places), tuple(self.numbers), rows, columns)

    def _new_name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def _pointer(self, node: Node) -> str:
        return self.places.setdefault(self.where(node), (_type(node), f"p{len(self.places)}"))[1]

    def _value(self, node: Node, dtype: np.dtype[Any] | None = None) -> str:
        """Return a value as C text, of ``dtype`` where that is given."""
        if node.op == "constant":
            return f"({TYPES[dtype or np.dtype(float)]}){self._number(node.detail)}"
        if node not in self.names and node.base in self.names and node.shape == node.base.shape:
            self.names[node] = self.names[node.base]
        if node not in self.names:
            lies = spread(self.space, node.shape)
            if self.nest is not None and lies not in ("full", "one"):
                index = place_of("k", self.nest.sizes, self.nest.strides[node.shape])
            else:
                index = {"full": "k", "row": "j", "column": "i", "one": "0"}[lies]
            name = self._new_name()
            self.loads.append(f"{_type(node)} {name} = {self._pointer(node)}[{index}];")
            self.names[node] = name
        return self.names[node] if dtype in (None, node.dtype) else f"({TYPES[dtype]}){self.names[node]}"  # type: ignore[index]

    def _number(self, value: float) -> str:
        return self.numbers.setdefault(value, f"c{len(self.numbers)}")

    def _expression(self, node: Node) -> str:
        op, dtype = node.op, node.dtype
        assert dtype is not None
        if op == "full":
            return f"({TYPES[dtype]}){self._number(node.detail)}"
        if op == "unit":
            bits = self._value(node.inputs[0])
            return f"(float)({bits} >> 8) * {2**-24!r}f" if dtype == np.float32 else f"(double){bits} * {2**-32!r}"
        if op == "entry":
            (stack, turn), (first, by) = node.inputs, node.detail
            return f"{self._pointer(stack)}[{first} + {by} * *{self._pointer(turn)} + k]"
        if op in ("cast", "assign", "put"):
            value = self._value(node.inputs[0], dtype)
            return f"({value}) != 0" if dtype == np.bool_ and node.inputs[0].dtype != np.bool_ else value
        if op == "where":
            a, b = (self._value(value, dtype) for value in node.inputs[1:])
            return f"{self._value(node.inputs[0])} ? {a} : {b}"
        common = np.result_type(*(n.detail if n.dtype is None else n.dtype for n in node.inputs)) if dtype == np.bool_ else dtype
        return _formula(op, "f" if common == np.float32 else "", [self._value(value, common) for value in node.inputs])


def _formula(op: str, suffix: str, values: list[str]) -> str:
    """Return the C text of an arithmetic operation."""
    if op in INFIX:
        return f"{values[0]} {INFIX[op]} {values[1]}"
    if op in PREFIX:
        return f"{PREFIX[op]}{values[0]}"
    if op in ("maximum", "minimum"):
        a, b = values
        return f"({b} {'>' if op == 'maximum' else '<'} {a}) ? {b} : {a}"  # a NaN in the first place stays
    if op == "sign":
        return f"{values[0]} > 0 ? 1 : ({values[0]} < 0 ? -1 : {values[0]})"
    if op in DIVISIONS:
        kind = "float" if suffix else "double"
        body = DIVISIONS[op].replace("KIND", kind).replace("SUFFIX", suffix)
        return f"[]({kind} a, {kind} b) -> {kind} {{ {body} }}({', '.join(values)})"
    return f"{FUNCTIONS[op]}{suffix}({', '.join(values)})"


def place_of(number: str, sizes: Sequence[int], strides: Sequence[int]) -> str:
    """Return the C text of where element ``number`` of an array of ``sizes`` lies in one with ``strides``."""
    terms, after = [], math.prod(sizes)
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        after //= size
        if stride and size > 1:
            at = f"{number} / {after}" if after > 1 else number
            at = f"({at}) % {size}" if axis and after * size < math.prod(sizes) else f"({at})"
            terms.append(at if stride == 1 else f"{at} * {stride}")
    return " + ".join(terms) or "0"


def _type(node: Node) -> str:
    assert node.dtype is not None
    return TYPES[node.dtype]


# ---------------------------------------------------------------------- kernels that are no loop over elements

WIDTH, HEIGHT = 32, 8  # threads of a block that adds up columns
THREADS = 256  # threads of every other block
FEW = 32  # elements of a total over some axes that one thread adds up; more take a block


def total(node: Node) -> tuple[str, str]:
    """Return (source, over) of a sum or maximum: over ``rows``, ``columns`` or ``axes``; a total over both is one row.

    Over axes, rows are the totals and columns the elements of each.
    """
    space, axes, kind = node.inputs[0].shape, node.detail, _type(node)
    start, step = ("0", "a + b") if node.op == "sum" else ("-1.0 / 0.0", "b > a ? b : a")
    head = f"{HEAD}const {kind}* in, {kind}* out, whole rows, whole columns) {{\n"
    head += f"  auto join = []({kind} a, {kind} b) {{ return {step}; }};\n"
    if len(space) > 1 and axes == (0,):
        return head + TOTAL_OF_ROWS.format(kind=kind, start=start, width=WIDTH, height=HEIGHT), "rows"
    if axes not in (tuple(range(1, len(space))), tuple(range(len(space)))):
        loop = nest(space, [space, node.shape])
        kept, summed = (
            [(size, stride) for size, stride, own in zip(loop.sizes, loop.strides[space], loop.strides[node.shape], strict=True)
             if bool(own) is wanted]
            for wanted in (True, False)
        )  # fmt: skip
        first, other = (place_of(name, *zip(*axes, strict=True)) if axes else "0" for name, axes in (("i", kept), ("j", summed)))
        text = TOTAL_OF_FEW if node.inputs[0].size // node.size <= FEW else TOTAL_OF_AXES
        return head + text.format(kind=kind, start=start, threads=THREADS, first=first, other=other), "axes"
    return head + TOTAL_OF_COLUMNS.format(kind=kind, start=start, threads=THREADS), "columns"


TOTAL_OF_ROWS = """  __shared__ {kind} part[{height}][{width}];
  for (whole first = blockIdx.x * (whole)blockDim.x; first < columns; first += (whole)gridDim.x * blockDim.x) {{
    whole j = first + threadIdx.x;
    {kind} held = {start};
    for (whole i = threadIdx.y; i < rows && j < columns; i += blockDim.y) held = join(held, in[i * columns + j]);
    part[threadIdx.y][threadIdx.x] = held;
    __syncthreads();
    if (threadIdx.y == 0 && j < columns) {{
      for (unsigned int y = 1; y < blockDim.y; ++y) held = join(held, part[y][threadIdx.x]);
      out[j] = held;
    }}
    __syncthreads();
  }}
}}
"""

TOTAL_OF_COLUMNS = """  __shared__ {kind} part[{threads}];
  for (whole i = blockIdx.x; i < rows; i += gridDim.x) {{
    {kind} held = {start};
    for (whole j = threadIdx.x; j < columns; j += blockDim.x) held = join(held, in[i * columns + j]);
    part[threadIdx.x] = held;
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {{
      __syncthreads();
      if (threadIdx.x < half) part[threadIdx.x] = join(part[threadIdx.x], part[threadIdx.x + half]);
    }}
    if (threadIdx.x == 0) out[i] = part[0];
    __syncthreads();
  }}
}}
"""


TOTAL_OF_FEW = """  for (whole i = blockIdx.x * (whole)blockDim.x + threadIdx.x; i < rows; i += (whole)gridDim.x * blockDim.x) {{
    const {kind}* from = in + ({first});
    {kind} held = {start};
    for (whole j = 0; j < columns; ++j) held = join(held, from[{other}]);
    out[i] = held;
  }}
}}
"""

TOTAL_OF_AXES = """  __shared__ {kind} part[{threads}];
  for (whole i = blockIdx.x; i < rows; i += gridDim.x) {{
    const {kind}* from = in + ({first});
    {kind} held = {start};
    for (whole j = threadIdx.x; j < columns; j += blockDim.x) held = join(held, from[{other}]);
    part[threadIdx.x] = held;
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {{
      __syncthreads();
      if (threadIdx.x < half) part[threadIdx.x] = join(part[threadIdx.x], part[threadIdx.x + half]);
    }}
    if (threadIdx.x == 0) out[i] = part[0];
    __syncthreads();
  }}
}}
"""


def joined(node: Node) -> str:
    """Return the source that writes one of a ``join``'s parts into its columns: its axis and those after it, as one."""
    head = f"{HEAD}const {_type(node)}* in, {_type(node)}* out, whole rows, whole columns, whole width, whole first) {{\n"
    return f"{head}{EACH}    out[i * width + first + j] = in[k];\n  }}\n}}\n"


def transposed(node: Node) -> str:
    """Return the source that writes a transposed copy; rows and columns are those of the copy."""
    head = f"{HEAD}const {_type(node)}* in, {_type(node)}* out, whole rows, whole columns) {{\n"
    return f"{head}{EACH}    out[k] = in[j * rows + i];\n  }}\n}}\n"


def picked(node: Node, sizes: Sequence[int], strides: Sequence[int], start: int, by: int | None = None) -> str:
    """Return the source that copies the elements at ``strides`` from ``start`` in order; ``sizes`` are those of the copy.

    by : how much further along they start at each turn of a loop, whose number the kernel is then given
    """
    turn, moved = ("", "") if by is None else ("const whole* turn, ", f"{by} * *turn + ")
    head = f"{HEAD}const {_type(node)}* in, {_type(node)}* out, {turn}whole rows, whole columns) {{\n"
    return f"{head}{EACH}    out[k] = in[{start} + {moved}{place_of('k', sizes, strides)}];\n  }}\n}}\n"


def gathered(kind: str) -> str:
    """Return the source that brings the rows of a batch: number ``order[position * rows + i]`` of all images."""
    head = f"{HEAD}const {kind}* all, {kind}* out, const whole* order, const whole* position, whole rows, whole columns) {{\n"
    return f"{head}{EACH}    out[k] = all[order[*position * rows + i] * columns + j];\n  }}\n}}\n"


def watched(node: Node) -> str:
    """Return the source that notes the first step, counted from 1, in which a value was no finite number."""
    head = f"{HEAD}const {_type(node)}* in, unsigned int* found, const unsigned int* step, whole rows, whole columns) {{\n"
    return f"{head}{EACH}    if (!isfinite(in[k]) && *found == 0) *found = *step + 1;\n  }}\n}}\n"


def poisoned(node: Node) -> str:
    """Return the source that writes not-a-numbers where one of two routines failed."""
    head = f"{HEAD}{_type(node)}* out, const int* failed, whole rows, whole columns) {{\n"
    return f"{head}{EACH}    if (failed[0] != 0 || failed[1] != 0) out[k] = 0.0 / 0.0;\n  }}\n}}\n"


def identity(node: Node) -> str:
    """Return the source that writes the identity matrix."""
    head = f"{HEAD}{_type(node)}* out, whole rows, whole columns) {{\n"
    return f"{head}{EACH}    out[k] = i == j ? 1 : 0;\n  }}\n}}\n"


ADVANCE = f"""{HEAD}unsigned int* step, whole* position) {{
  if (blockIdx.x == 0 && threadIdx.x == 0) {{ *step += 1; *position += 1; }}
}}
"""

COUNT = f"""{HEAD}whole* turn, whole by) {{
  if (blockIdx.x == 0 && threadIdx.x == 0) *turn = by ? *turn + by : 0;
}}
"""

# one block for each postsynaptic neuron: its weights depend on one another, but on no other neuron's
SOLVE_COLUMNS = f"""{HEAD}
  const float* w, const float* gram, const float* target, float* out, double sparsity, whole rows, whole columns
) {{
  __shared__ float part[{THREADS}];
  for (whole o = blockIdx.x; o < columns; o += gridDim.x) {{
    for (whole k = threadIdx.x; k < rows; k += blockDim.x) out[k * columns + o] = w[k * columns + o];
    __syncthreads();
    for (whole j = 0; j < rows; ++j) {{
      float held = 0;
      for (whole k = threadIdx.x; k < rows; k += blockDim.x) held += gram[j * rows + k] * out[k * columns + o];
      part[threadIdx.x] = held;
      for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {{
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
      }}
      if (threadIdx.x == 0 && gram[j * rows + j] > 0) {{
        float variance = gram[j * rows + j], limit = (float)sparsity / variance;
        float solved = out[j * columns + o] + (target[j * columns + o] - part[0]) / variance;
        out[j * columns + o] = solved > limit ? solved - limit : (solved < -limit ? solved + limit : 0);
      }}
      __syncthreads();
    }}
  }}
}}
"""


WINDOWS = """{head}const {kind}* in, {kind}* out, whole rows, whole columns) {{
{each}    whole x = k % {across}, y = k / {across} % {down}, q = k / {windows} % {kw}, p = k / {by_kernel} % {kh};
    whole image = k / {by_image}, row = y * {sh} + p - {ph}, column = x * {sw} + q - {pw};
    bool inside = row >= 0 && row < {height} && column >= 0 && column < {width};
    out[k] = inside ? in[(image * {height} + row) * {width} + column] : 0;
  }}
}}
"""

# each element of an image collects what lies on it, so that no two threads write to one place
UNWINDOWS = """{head}const {kind}* in, {kind}* out, whole rows, whole columns) {{
{each}    whole column = k % {width} + {pw}, row = k / {width} % {height} + {ph}, image = k / {pixels};
    {kind} held = 0;
    for (whole p = 0; p < {kh}; ++p) for (whole q = 0; q < {kw}; ++q) {{
      whole down = row - p, across = column - q;
      if (down < 0 || across < 0 || down % {sh} != 0 || across % {sw} != 0) continue;
      down /= {sh}; across /= {sw};
      if (down < {down} && across < {across}) held += in[(((image * {kh} + p) * {kw} + q) * {down} + down) * {across} + across];
    }}
    out[k] = held;
  }}
}}
"""


def windowed(back: bool, dtype: Any, images: Shape, windows: Shape, stride: Sequence[int], padding: Sequence[int]) -> str:
    """Return the source of ``Backend.windows``, or, ``back``, of ``unwindows``, for images and windows of these shapes."""
    (height, width), (kh, kw, down, across) = images[2:], windows[2:]
    (sh, sw), (ph, pw) = stride, padding
    numbers = {
        "height": height, "width": width, "pixels": height * width, "kh": kh, "kw": kw, "down": down, "across": across,
        "sh": sh, "sw": sw, "ph": ph, "pw": pw,
        "windows": down * across, "by_kernel": down * across * kw, "by_image": down * across * kw * kh,
    }  # fmt: skip
    return (UNWINDOWS if back else WINDOWS).format(head=HEAD, each=EACH, kind=TYPES[np.dtype(dtype)], **numbers)


def random_words() -> str:
    """Return the source of Philox4x32-10 (see ``capture.philox``), a block of four words an iteration."""
    m0, m1 = philox.MULTIPLIERS
    w0, w1 = philox.WEYL
    return f"""typedef unsigned int word;
{HEAD}word* out, whole blocks, word key0, word key1, word part, const word* step, whole tick, whole by, const whole* turn) {{
  for (whole b = blockIdx.x * (whole)blockDim.x + threadIdx.x; b < blocks; b += (whole)gridDim.x * blockDim.x) {{
    word c0 = (word)b, c1 = part, c2 = *step, c3 = (word)(tick + by * *turn), k0 = key0, k1 = key1;
    for (int round = 0; round < {philox.ROUNDS}; ++round) {{
      unsigned long long first = {m0}ull * c0, second = {m1}ull * c2;
      word next0 = (word)(second >> 32) ^ c1 ^ k0, next2 = (word)(first >> 32) ^ c3 ^ k1;
      c1 = (word)second; c3 = (word)first; c0 = next0; c2 = next2;
      k0 += {w0}u; k1 += {w1}u;
    }}
    out[b] = c0; out[b + blocks] = c1; out[b + 2 * blocks] = c2; out[b + 3 * blocks] = c3;
  }}
}}
"""
