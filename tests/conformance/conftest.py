"""What the conformance tests share."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def measured():
    """Return the function (claim, scheme, options) -> what is measured for it."""
    spec = importlib.util.spec_from_file_location("measuring", Path(__file__).with_name("measuring.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measured
