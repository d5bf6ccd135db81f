"""Machine code kept between processes, in the user's cache folder.

The cache saves time and is never the reason that something fails: what cannot be read is compiled anew, what cannot be written is
not kept.  LLVM ends the process on damaged code, and on code that is another kernel's, so that an entry is believed only if the
digest of its name and its code is right; and as it runs, only if it is a file of the user's own, which nobody else can write to.
Others may write to the folder: what lies there under an entry's name may be a pipe that never answers, or lead to anything.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

SUFFIX = ".o"  # an entry is the digest of its name and the code, then the code
DIGEST = 32  # bytes
LIMIT = 64 << 20  # bytes of all entries; an HSIC model of seven layers takes about a third of one MiB


def read(name: str) -> bytes | None:
    """Return the code kept under ``name``, or None where there is none that can be believed."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        with open(folder / f"{name}{SUFFIX}", "rb", opener=_neither_waiting_nor_following) as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            content = file.read()
            with contextlib.suppress(OSError):
                os.utime(file.name)  # the entries that go first are those not read for longest
    except OSError:
        return None
    digest, code = content[:DIGEST], content[DIGEST:]
    return code if code and digest == _digest(name, code) else None


def write(name: str, code: bytes) -> None:
    """Keep ``code`` under ``name``, whole or not at all."""
    folder = cache_folder()
    if folder is None:
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_digest(name, code) + code)
        os.replace(temporary, folder / f"{name}{SUFFIX}")  # two processes may write at once: each swaps in a whole file
    except BaseException as failure:  # a full disk, or Ctrl-C
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if not isinstance(failure, OSError):
            raise
        return
    with contextlib.suppress(OSError):
        _prune(folder)


@functools.cache
def cache_folder() -> Path | None:
    """Return the user's cache folder, or None where there is none to be had."""
    try:
        folder = Path(platformdirs.user_cache_dir("neurosim")) / "kernels"
        if not folder.is_absolute():  # without a home, it would lie in the working directory
            return None
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, KeyError):  # read-only, full, a file in its place; no home and no entry of the user's
        return None
    return folder


def _digest(name: str, code: bytes) -> bytes:
    return hashlib.blake2b(name.encode() + b"\n" + code, digest_size=DIGEST).digest()


def _neither_waiting_nor_following(path: str, flags: int) -> int:
    """Open what lies at ``path`` itself, at once: no link is followed, and a pipe is not waited for."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _is_ours(about: os.stat_result) -> bool:
    """Return whether it is a file as large as an entry may be, the user's own and writable for nobody else.

    Windows keeps its folders apart itself.
    """
    if not stat.S_ISREG(about.st_mode) or about.st_size > LIMIT:
        return False
    if not hasattr(os, "geteuid"):
        return True
    return about.st_uid == os.geteuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _prune(folder: Path) -> None:
    """Remove, once in a process, what was not read for longest, until the cache is half as large as it may be."""
    if folder in _pruned:
        return
    _pruned.add(folder)
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may have removed it
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= LIMIT:
        return
    for _, size, path in sorted(found):
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
        if total <= LIMIT // 2:
            return


_pruned: set[Path] = set()
