"""What a run says of how it was made."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from neurosim.runfile import provenance


def test_versions_time_and_commit():
    said = provenance()
    assert json.loads(said["versions"])["numpy"] == np.__version__
    assert json.loads(said["versions"])["python"] == ".".join(map(str, sys.version_info[:3]))
    created = datetime.fromisoformat(said["created"])
    assert created.utcoffset() == timedelta(0) and datetime.now(UTC) - created < timedelta(minutes=1)
    assert len(said["git_commit"]) in (0, 40)


def test_threads_and_blas():
    (numpys, *_) = [one for one in threadpool_info() if one["user_api"] == "blas" and "numpy" in one["filepath"]] or [None]
    said = provenance()
    if numpys is None:
        pytest.skip("threadpoolctl does not know NumPy's BLAS")
    assert said["threads"] == numpys["num_threads"]
    assert numpys["internal_api"] in said["blas"] and numpys["version"] in said["blas"] and numpys["architecture"] in said["blas"]
    assert 1 <= said["processors"] <= os.cpu_count()
