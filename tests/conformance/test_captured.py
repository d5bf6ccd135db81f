"""Every scheme's step, in every variant: captured it does what it does as array code, and once warm it asks for no memory."""

import pytest

from neurosim.checking.checking import SCHEME
from neurosim.checking.subject import list_subjects
from neurosim.feedback import pathways

CASES = [
    pytest.param(subject, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}", marks=marks)
    for scheme in pathways().values()
    for number, (subject, options) in enumerate(zip(list_subjects(scheme, {}), scheme.variants, strict=True))
    for marks in [pytest.mark.slow if number else ()]
]
NOT_CAPTURED = [("scheme 'synthetic_gradients'", "p_update=0.5")]  # whether a population learns is decided on the host, at random


@pytest.mark.parametrize("name", SCHEME["capture"])
@pytest.mark.parametrize("subject", CASES)
def test_a_captured_step_does_what_array_code_does(subject, name, measure):
    found = measure(subject, "capture", name)
    assert found.passed, str(found)


@pytest.mark.parametrize("subject", CASES)
def test_only_what_is_known_not_to_be_captured_is_not(subject, measure):
    refused = (subject.title, subject.variant) in NOT_CAPTURED
    assert (measure(subject, "capture", "step_is_captured").outcome.measured == "captured") != refused
