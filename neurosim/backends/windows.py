"""The windows that slide over an image, along one axis: how many there are, and which of their elements lie in the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from neurosim.errors import quoted, require

Pair = tuple[int, int]  # of rows and columns


class Part(NamedTuple):
    """Of one element of the windows: in which ``windows`` it lies in the image, and which ``elements`` of the image it is there."""

    windows: slice
    elements: slice


@dataclass(frozen=True)
class Extent:
    """Windows of ``kernel`` elements over an axis of ``size``, ``stride`` apart, with ``padding`` zeros before and after it."""

    size: int
    kernel: int
    stride: int
    padding: int

    @property
    def count(self) -> int:
        """The number of windows that fit."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def part(self, k: int) -> Part:
        """Return where element ``k`` of the windows lies in the image; windows in which it lies in the padding are left out."""
        first = max(0, -(-(self.padding - k) // self.stride))
        end = max(first, min(self.count, (self.size - 1 + self.padding - k) // self.stride + 1))
        start = first * self.stride + k - self.padding
        return Part(slice(first, end), slice(start, start + max(0, (end - first - 1) * self.stride + (end > first)), self.stride))


def extents(image: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Extent, Extent]:
    """Return the windows over rows and over columns; raise InputError where the numbers describe none."""
    for name, pair, least in (("kernel", kernel, 1), ("stride", stride, 1), ("padding", padding, 0)):
        whole = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(n, int) and n >= least for n in pair)
        require(whole, f"windows: {name} {quoted(pair)}: expected two whole numbers of {least} or more; give rows and columns")
    rows, columns = (Extent(*numbers) for numbers in zip(image, kernel, stride, padding, strict=True))
    fits = rows.count > 0 and columns.count > 0
    require(fits, f"windows: kernel {quoted(kernel)} over an image of {image} with padding {quoted(padding)}: expected a kernel "
            "that fits; give a smaller one, or more padding")  # fmt: skip
    return rows, columns
