"""What a run was made with: versions, time, and the commit of a source checkout."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from neurosim.backends import limits

PACKAGES = ("brian2", "h5py", "llvmlite", "numpy", "scipy")
CHECKOUT = Path(__file__).parents[2]


def provenance() -> dict[str, str | int]:
    """Return attributes of a run file that need no run.

    neurosim_version, created (ISO 8601, UTC), versions (JSON), git_commit; threads of a matrix product, blas, and processors that
    this process may use.  Another number of threads, or another BLAS, sums up in another order.
    """
    limits.limit_threads()
    versions = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    return {
        "neurosim_version": _version("neurosim"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": json.dumps(versions),
        "git_commit": _commit(),
        "threads": limits.threads(),
        "blas": limits.blas(),
        "processors": limits.processors(),
    }


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
