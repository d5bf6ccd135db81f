"""The mutation check: a scheme whose update is zeroed or negated turns its reference test red."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from neurosim.feedback import pathways

MUTANTS = Path(__file__).with_name("mutants.py")
SCHEMES = sorted(name for name, scheme in pathways().items() if scheme.needs_error)
SHARES = 4  # processes: what each imports takes as long as the tests of a scheme


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_no_mutant_of_the_update_survives(share):
    schemes = SCHEMES[share::SHARES]
    done = subprocess.run([sys.executable, MUTANTS, *schemes], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {"alive": {scheme: [] for scheme in schemes}, "control": True}
