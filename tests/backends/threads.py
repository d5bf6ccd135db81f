"""Runs a circuit's kernel where there is no GPU: as C++, a block's threads as fibers, with every race counted (``threads.cpp``)."""

import ctypes
import hashlib
import subprocess
from pathlib import Path

PRELUDE = Path(__file__).with_name("threads.cpp")
BLOCKS = 3
ORDERS = {"first to last": 0, "last to first": 1, "shuffled": 2}


class BlockKernel:
    """What stands for a cupy.RawKernel of several threads: compiled at the first call.

    order : in which the threads have their turns
    races, outside : places that two threads touched without waiting for each other; reads and writes of what is no array
    where : bytes from the start of a trial's memory to the first such place
    max_dynamic_shared_size_bytes : how much memory a launch may give each block to itself
    """

    order = 0
    every: list = []

    def __init__(self, source, name, folder):
        self.source, self.name, self.folder = source, name, Path(folder)
        self.library = None
        self.races = self.outside = 0
        self.where = -1
        self.max_dynamic_shared_size_bytes = 48 << 10
        BlockKernel.every.append(self)

    def compile(self):
        text = PRELUDE.read_text(encoding="utf-8") + self.source
        path = self.folder / f"{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.cpp"
        if not path.with_suffix(".so").exists():
            path.write_text(text, encoding="utf-8")
            options = ["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-shared", "-fPIC"]
            subprocess.run(["g++", *options, path, "-o", path.with_suffix(".so")], check=True, capture_output=True, text=True)
        self.library = ctypes.CDLL(str(path.with_suffix(".so")))

    def __call__(self, grid, block, arguments, shared_mem=0):
        if self.library is None:
            self.compile()
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        tables, own, trials, end = arguments
        given = [(ctypes.c_void_p(array.ctypes.data), ctypes.c_longlong(array.nbytes)) for array in (tables, own)]
        numbers = [ctypes.c_longlong(int(trials)), ctypes.c_longlong(int(end)), block[0], min(grid[0], BLOCKS), BlockKernel.order]
        numbers.append(ctypes.c_longlong(shared_mem))
        self.library.launch(getattr(self.library, self.name), *given[0], *given[1], *numbers)
        seen = (ctypes.c_longlong * 4)()
        self.library.found(seen)
        self.races, self.outside = self.races + seen[0], self.outside + seen[1]
        if seen[3]:
            raise RuntimeError("threads of a block wait for ever")
        self.where = seen[2] if self.where < 0 else self.where
