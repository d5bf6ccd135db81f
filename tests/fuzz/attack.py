"""Every command, and ``open_run`` with everything on it, on one run file: run by test_run_files.py in a process of its own.

Prints one line for each; what is no NeurosimError leaves a traceback on stderr.  The last line is the peak of memory, in bytes.
"""

import sys
import traceback

import hostile

from neurosim.cli import main
from neurosim.errors import NeurosimError

READING = ["check run.h5", "report run.h5 --overwrite", "export run.h5 --to csv --overwrite", "watch run.h5"]
WRITING = ["run --resume --out run.h5 --quiet"]


def command(line):
    try:
        print("ended", line, main(line.split()), flush=True)
    except Exception:
        print("ended", line, "traceback", flush=True)
        traceback.print_exc()


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
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
