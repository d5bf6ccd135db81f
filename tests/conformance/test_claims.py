"""Every scheme's claims, measured: what is declared moves something when it is perturbed, and what is not moves nothing."""

import pytest

from neurosim.checking.checking import SCHEME, measure
from neurosim.checking.subject import list_subjects
from neurosim.feedback import pathways

CASES = [
    pytest.param(subject, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}", marks=marks)
    for scheme in pathways().values()
    for number, (subject, options) in enumerate(zip(list_subjects(scheme, {}), scheme.variants, strict=True))
    for marks in [pytest.mark.slow if number else ()]
]


@pytest.mark.parametrize("name", SCHEME["claims"])
@pytest.mark.parametrize("subject", CASES)
def test_what_is_claimed_is_what_is_measured(subject, name):
    found = measure(subject, "claims", name)
    assert found.passed, str(found)
