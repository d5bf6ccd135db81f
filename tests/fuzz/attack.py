"""Every command, and ``open_run`` with everything on it, on run files: a process that test_run_files.py starts once.

It reads a folder a line, and attacks its ``run.h5`` in a child of its own, which need not import anything again.  The child prints
one line for each command, and at the end the peak of memory, in bytes; what is no NeurosimError leaves a traceback.  That goes into
``stdout`` and ``stderr`` beside the folder.  The line that answers is the child's status.
"""

import importlib
import os
import sys
import traceback
from pathlib import Path

import hostile

from neurosim.cli import main
from neurosim.errors import NeurosimError

READING = ["check run.h5", "report run.h5 --overwrite", "export run.h5 --to csv --overwrite", "watch run.h5"]
WRITING = ["run --resume --out run.h5 --quiet"]
USED = ["check", "report", "export", "watch", "run", "show"]  # modules of commands
LIBRARIES = ["matplotlib.pyplot", "pandas", "sklearn", "sympy", "xarray"]


def command(line):
    try:
        print("ended", line, main(line.split()), flush=True)
    except Exception:
        print("ended", line, "traceback", flush=True)
        traceback.print_exc()


def attack():
    """Run everything in the folder at hand."""
    for line in READING:
        command(line)
    try:
        hostile.everything("run.h5")
        print("ended open_run 0", flush=True)
    except NeurosimError as error:
        print("ended open_run 2", flush=True)
        print(f"neurosim: {error}", file=sys.stderr)
    except Exception:
        print("ended open_run traceback", flush=True)
        traceback.print_exc()
    for line in WRITING:
        command(line)
    with open("/proc/self/status") as lines:  # ru_maxrss begins with that of the process that started this one
        print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), flush=True)


def child(folder):
    """Attack, as a process that writes beside ``folder``."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder.with_name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(folder)
    attack()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def serve():
    for name in [*LIBRARIES, *(f"neurosim.cli.{name}" for name in USED)]:
        importlib.import_module(name)
    for line in sys.stdin:
        number = os.fork()
        if not number:
            try:
                child(Path(line.rstrip("\n")))
            finally:
                os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
