"""What reaches all hidden populations as one number for each sample is a broadcast, and no transport of weights or labels."""

from dataclasses import replace

import pytest

from neurosim.checking.checking import measure
from neurosim.checking.subject import list_subjects
from neurosim.feedback import Claims, FeedbackPathway
from neurosim.feedback.feedback_alignment import FeedbackAlignment

CLAIMS = ("weight_transport", "labels_at_hidden", "raw_input_at_hidden", "scalar_broadcast", "update_locking")


class Told(FeedbackPathway):
    """All populations are told the loss, and the sum of all there is in the network."""

    name, title, citation = "told", "Told one number", "none (2026)"
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, scalar_broadcast=True)

    def teach(self, sweep, target, draws):
        network, teaching = self.network, {self.network.output: self.output_teaching(sweep, target)}
        told = self.task.losses(network.backend, sweep.rate[network.output], target) + sweep.rate[network.input].sum(axis=1)
        told = (told + sum(p.w.sum() for p in network.projections.values()))[:, None]
        for k, name in enumerate(network.hidden):
            teaching[name] = network.populations[name].teach(self.factor(k, told, target) * sweep.rate[name], sweep[name])
        return teaching

    def factor(self, k, told, target):
        return told


class TellsEachItsOwn(Told):
    """One number for each population."""

    def factor(self, k, told, target):
        return told if k else 1 + 0 * told


class TellsLabels(Told):
    """Some populations are told the label's number besides."""

    def factor(self, k, told, target):
        return told + (k == 1) * target.argmax(axis=1)[:, None]


@pytest.mark.parametrize(
    ("scheme", "found"),
    [
        (Told, ["none", "no", "no", "yes", "yes"]),
        (TellsEachItsOwn, ["full", "yes", "yes", "yes", "yes"]),
        (TellsLabels, ["full", "yes", "yes", "no", "yes"]),
    ],
)
def test_a_number_that_all_are_told_alike_is_a_broadcast_only(scheme, found):
    """Backward locking is left out: the populations' own rates are in their errors."""
    measured = [measure(*list_subjects(scheme, {}), "claims", name).outcome.measured for name in CLAIMS]
    assert measured == found


class LeaksASize(FeedbackAlignment):
    """Errors as in feedback alignment, times the size of all weights: no broadcast alone, so the factor is a transport."""

    name = "leaks_a_size"

    def teach(self, sweep, target, draws):
        taught = super().teach(sweep, target, draws)
        size = sum((p.w * p.w).sum() for p in self.network.projections.values())
        for name in self.network.hidden:
            one = taught[name]
            taught[name] = replace(one, error=one.error * size, error_on_activation=one.error_on_activation * size)
        return taught


def test_a_factor_on_errors_that_are_more_than_a_number_is_no_broadcast():
    found = [measure(*list_subjects(LeaksASize, {"rule": None}), "claims", name) for name in CLAIMS]
    assert [one.outcome.measured for one in found] == ["full", "no", "no", "no", "yes"]
    assert not found[0].passed
