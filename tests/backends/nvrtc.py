"""Compile a file of CUDA source with NVIDIA's run-time compiler and print what it complains of; nothing where it compiles.

    python nvrtc.py LIBRARY SOURCE ARCHITECTURE

A process of its own, so that a compiler that crashes is a failed test and not the end of all.
"""

import ctypes
import sys
from pathlib import Path


def complaints(path, source, architecture):
    """Return the compiler's log of a source that does not compile; empty where it does."""
    library, program = ctypes.CDLL(path), ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    options = [f"-arch={architecture}".encode(), b"--std=c++17"]
    status = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, text)
    return text.value.decode() if status else ""


if __name__ == "__main__":
    print(complaints(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8"), sys.argv[3]))
