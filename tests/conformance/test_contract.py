"""What every scheme, in every variant, keeps: teach and adapt change nothing, their proposals fit, a resumed run is the same."""

import re

import pytest

from neurosim.checking.checking import SCHEME, measure
from neurosim.checking.subject import list_subjects
from neurosim.feedback import pathways

CASES = [
    pytest.param(subject, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for subject, options in zip(list_subjects(scheme, {}), scheme.variants, strict=True)
]


@pytest.mark.parametrize("name", SCHEME["contract"])
@pytest.mark.parametrize("subject", CASES)
def test_every_scheme_keeps_the_contract(subject, name):
    found = measure(subject, "contract", name)
    assert found.passed, str(found)


@pytest.mark.parametrize("scheme", pathways().values(), ids=str)
def test_a_shipped_scheme_has_a_source_and_a_docstring(scheme):
    assert re.search(r"\d{4}", scheme.citation), "a citation has a year"
    assert vars(scheme)["__doc__"]
