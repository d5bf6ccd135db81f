"""The mutation check: a scheme whose update is zeroed or negated turns its reference test red."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from neurosim.feedback import pathways

MUTANTS = Path(__file__).with_name("mutants.py")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", sorted(name for name, scheme in pathways().items() if scheme.needs_error))
def test_no_mutant_of_the_update_survives(scheme):
    done = subprocess.run([sys.executable, MUTANTS, scheme], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
