"""How many windows slide over an image."""

from __future__ import annotations

from neurosim.errors import quoted, require

Pair = tuple[int, int]  # of rows and columns


def counted(image: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Return the rows and columns of windows of ``kernel`` over ``image``, ``stride`` apart, ``padding`` zeros on each side of it.

    Raises InputError where the numbers describe no windows.
    """
    for name, pair, least in (("image", image, 1), ("kernel", kernel, 1), ("stride", stride, 1), ("padding", padding, 0)):
        whole = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(n, int) and n >= least for n in pair)
        require(whole, f"windows: {name} {quoted(pair)}: expected two whole numbers of {least} or more; give rows and columns")
    rows, columns = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(image, kernel, stride, padding, strict=True))
    require(
        rows > 0 and columns > 0,
        f"windows: kernel {quoted(kernel)} over an image of {quoted(image)} with padding {quoted(padding)}: expected a kernel that "
        "fits; give a smaller one, or more padding",
    )
    return rows, columns
