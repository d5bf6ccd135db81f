"""What a run says of how it was made."""

import json
import sys
from datetime import UTC, datetime, timedelta

import numpy as np

from neurosim.recording import provenance


def test_versions_time_and_commit():
    said = provenance()
    assert json.loads(said["versions"])["numpy"] == np.__version__
    assert json.loads(said["versions"])["python"] == ".".join(map(str, sys.version_info[:3]))
    created = datetime.fromisoformat(said["created"])
    assert created.utcoffset() == timedelta(0) and datetime.now(UTC) - created < timedelta(minutes=1)
    assert len(said["git_commit"]) in (0, 40)
