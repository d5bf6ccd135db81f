"""Every scheme's claims, measured: what is declared moves something when it is perturbed, and what is not moves nothing."""

import dataclasses

import pytest

from neurosim.feedback import Claims, pathways
from neurosim.network import Network

CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]
MEASURED_HERE = [f.name for f in dataclasses.fields(Claims) if f.name not in ("scalar_broadcast", "history", "future")]


@pytest.mark.parametrize("claim", MEASURED_HERE)
@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_what_is_claimed_is_what_is_measured(measured, scheme, options, claim):
    pathway = scheme(**options)
    pathway.attach(Network.layered((6,), [5, 4, 4], 3), 3, seed=0)
    assert measured(claim, scheme, options) == getattr(pathway.claims, claim)


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_claims_are_the_same_before_and_after_a_pathway_is_attached(scheme, options):
    attached, alone = scheme(**options), scheme(**options)
    network = Network.layered((6,), [5, 4, 4], 3)
    attached.attach(network, 3, seed=0)
    assert alone.claims_on(network.hidden) == attached.claims_on(network.hidden) == attached.claims
