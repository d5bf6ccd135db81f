"""What this process may use of the machine: a batch job, a container or a shell may allow less than there is.

Memory is limited by control groups (both versions, and every group above this one counts), ``ulimit -v`` and ``ulimit -d``;
processors by ``taskset``, cpusets and the quotas of control groups.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import ThreadpoolController, threadpool_limits

ROOT = Path("/")
CHOSEN = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS")
UNLIMITED = 2**60  # bytes; what the first version of control groups says where there is no limit is more


@dataclass(frozen=True, order=True)
class Room:
    """Bytes of memory that are free, and what makes it so few."""

    bytes: int
    limit: str


def free_memory(root: Path = ROOT) -> Room:
    """Return the memory that this process may still take.

    root : where ``proc`` and the control groups' file systems lie
    """
    available = Room(psutil.virtual_memory().available, "all that this machine has free")
    return min([available, *_groups_rooms(root), *_shells_rooms(root)])


def _groups_rooms(root: Path) -> Iterator[Room]:
    """Yield what each memory control group above this process leaves; its cache of files can be dropped, and so is free."""
    for version, files, cached in (
        (1, ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("total_inactive_file", "total_active_file")),
        (2, ("memory.max", "memory.current"), ("inactive_file", "active_file")),
        (2, ("memory.high", "memory.current"), ("inactive_file", "active_file")),  # above it a process is all but stopped
    ):
        for folder in _groups(root, version, "memory"):
            limit, used = (_number(folder / name) for name in files)
            if limit is not None and used is not None and limit < UNLIMITED:
                statistics = _table(folder / "memory.stat")
                held = used - sum(statistics.get(name, 0) for name in cached)
                yield Room(max(0, limit - held), f"the control group's limit of {limit / 2**20:,.0f} MiB")


def _shells_rooms(root: Path) -> Iterator[Room]:
    """Yield what ``ulimit`` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return
    sizes = _table(root / "proc/self/status")
    for kind, option, size in ((resource.RLIMIT_AS, "-v", "VmSize:"), (resource.RLIMIT_DATA, "-d", "VmData:")):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            yield Room(max(0, limit - 1024 * sizes.get(size, 0)), f"ulimit {option} {limit // 1024}")


def processors(root: Path = ROOT) -> int:
    """Return how many processors this process may keep busy, a part of one counted as one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(share) for share in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the processors that each control group above this process grants."""
    for folder in _groups(root, 1, "cpu"):
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            yield quota / period
    for folder in _groups(root, 2, "cpu"):
        most, _, each = _text(folder / "cpu.max").strip().partition(" ")
        if most.isdecimal() and each.isdecimal() and int(each):
            yield int(most) / int(each)


# ---------------------------------------------------------------------- threads


@functools.cache
def limit_threads() -> None:
    """Let BLAS run no more threads than it has processors, once; what the user chose in the environment stays.

    A BLAS sees ``taskset``, but not the quota of a control group, and threads beyond that wait for each other.
    """
    if not any(name in os.environ for name in CHOSEN):
        most = processors()
        if any(library["num_threads"] > most for library in _libraries()):
            threadpool_limits(limits=most, user_api="blas")


def threads() -> int:
    """Return how many threads a matrix product runs on."""
    return max((int(library["num_threads"]) for library in _numpys()), default=1)


def blas() -> str:
    """Return NumPy's BLAS: its name, version, and the processor it is written for."""
    told = (" ".join(str(library.get(key) or "") for key in ("internal_api", "version", "architecture")) for library in _numpys())
    return next((" ".join(text.split()) for text in told), "unknown")


def _numpys() -> list[dict[str, Any]]:
    """Return the BLAS that NumPy multiplies with; SciPy may bring another one along."""
    found = _libraries()
    return [library for library in found if "numpy" in library["filepath"]] or found[:1]


def _libraries() -> list[dict[str, Any]]:
    import numpy  # noqa: F401 which loads its BLAS

    return list(ThreadpoolController().select(user_api="blas").info())


# ---------------------------------------------------------------------- control groups


def _groups(root: Path, version: int, controller: str) -> Iterator[Path]:
    """Yield the folder of this process's control group, and those of the groups above it as far as they can be seen."""
    own = _own(root, version, controller)
    for start, place in _mounts(root, version, controller):
        if own is not None:
            inside = os.path.relpath(own, start)
            # seen from within a container, its own group may be the root of what is mounted
            folder = place if inside.startswith("..") else place / inside
            yield folder
            while folder != place:
                folder = folder.parent
                yield folder


def _own(root: Path, version: int, controller: str) -> str | None:
    """Return the path of this process's control group in its hierarchy, as ``/proc/self/cgroup`` has it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if (controller in controllers.split(",")) if version == 1 else (number == "0" and not controllers):
            return path
    return None


def _mounts(root: Path, version: int, controller: str) -> Iterator[tuple[str, Path]]:
    """Yield of each mount of the hierarchy which group is its root, and where it lies."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        places, (kind, _, options) = fields.split()[3:5], (*rest.split(), "", "", "")[:3]
        known = kind == "cgroup2" if version == 2 else kind == "cgroup" and controller in options.split(",")
        if known and len(places) == 2:
            start, place = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), part) for part in places)
            yield start, root / place.lstrip("/")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not there, or not ours to read
        return ""


def _number(path: Path) -> int | None:
    """Return the number a file holds; None where there is none, as in ``max``."""
    text = _text(path).strip()
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _table(path: Path) -> dict[str, int]:
    """Return the numbers of a file of ``name number`` on each line."""
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
