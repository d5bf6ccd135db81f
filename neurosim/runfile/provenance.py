"""What a run was made with: versions, time, and the commit of a source checkout."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from neurosim.backends import Backend, NumpyBackend, limits
from neurosim.backends.blas import Blas, select_blas
from neurosim.errors import quoted

PACKAGES = ("brian2", "h5py", "llvmlite", "numpy", "scipy")
CHECKOUT = Path(__file__).parents[2]
log = logging.getLogger(__name__)


def provenance(backend: Backend | None = None) -> dict[str, str | int]:
    """Return attributes of a run file that need no run.

    backend : what computes; by default NumPy

    neurosim_version, created (ISO 8601, UTC), versions (JSON), git_commit; threads of a matrix product, blas, and processors that
    this process may use.  Another number of threads, or another BLAS, sums up in another order.
    """
    versions = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    return {
        "neurosim_version": _version("neurosim"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": json.dumps(versions),
        "git_commit": _commit(),
        **_products(backend),
        "processors": limits.processors(),
    }


def warn_of_other_arithmetic(path: str | os.PathLike[str], before: Mapping[str, Any], backend: Backend) -> None:
    """Log a warning where a run began with other threads, another BLAS or another GPU: it sums up in another order now.

    before : the attributes of its file
    """
    now = _products(backend) if isinstance(backend, NumpyBackend) else {"device": backend.describe()}
    different = [name for name in now if name in before and before[name] != now[name]]
    told = ", ".join(f"{name} was {quoted(before[name])} and is {quoted(now[name])} now" for name in different)
    if told:
        log.warning("run file %s: since the run was started, %s: the results will differ in their last digits", path, told)


def _products(backend: Backend | None) -> dict[str, str | int]:
    """Return what multiplies matrices on the CPU; beside a GPU, that is what NumPy brings."""
    library: Blas = backend.blas if isinstance(backend, NumpyBackend) else select_blas(None if backend is None else "openblas")
    return {"threads": library.threads(), "blas": library.describe()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the commit this package runs from, or "" where it is no git checkout."""
    if not (CHECKOUT / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
