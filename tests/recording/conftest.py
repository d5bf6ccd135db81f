"""Run files with made-up numbers."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def synthetic():
    """The module that writes run files with made-up numbers."""
    spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).parents[1] / "synthetic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made_up(synthetic, tmp_path):
    """The path of one."""
    return synthetic.synthetic_run(tmp_path / "run.h5", spikes=True)
