"""Locality cards of every rule and of every model file: nothing undeclared, and both ways of asking agree.

Those of every scheme, in every variant, are among its claims (``test_claims.py``).
"""

import pytest

from neurosim.checking import card
from neurosim.checking.checking import RULE, measure
from neurosim.checking.declared import list_undeclared
from neurosim.checking.small import shrink
from neurosim.checking.subject import list_subjects
from neurosim.experiments.estimate import about, drafted
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import models
from neurosim.plasticity import rules


@pytest.mark.parametrize("name", RULE["claims"])
@pytest.mark.parametrize("rule", rules())
def test_a_rule_reads_what_it_names(rule, name):
    found = measure(*list_subjects(rule, {}), "claims", name)
    assert found.passed, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models()))
def test_a_models_card_shows_what_its_scheme_declares(name):
    table = ModelFile.load(name).table
    _, trainers = drafted(table, entry=about(table.data))
    for trainer in trainers:
        found, network = card(trainer), shrink(trainer.network)
        claims = trainer.pathway.claims_on(network.hidden)
        assert "small" in found.network and found.rows
        assert not found.unexplained and not list_undeclared(found, claims, network)
