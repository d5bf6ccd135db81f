"""Spoil schemes in every way named here and print, as JSON, the mutants of each that its reference test lets live.

    python tests/conformance/mutants.py SCHEME...

A mutant multiplies by 0 or by -1: the hidden populations' errors, the output's error, or the pathway's own proposals.
"""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from neurosim.checking.signs import scale_adapt, scale_teach
from neurosim.feedback import FeedbackPathway, pathways

REFERENCE = Path(__file__).parents[1] / "reference"
IN_TIME = REFERENCE.with_name("training") / "test_time.py"


def reference(scheme: str) -> Path:
    """Return the test file that checks the scheme against an independent derivation."""
    own = REFERENCE / ("test_spiking.py" if scheme == "decolle" else f"test_{scheme}.py")
    if own.exists():
        return own
    return IN_TIME if pathways()[scheme].answers == "trial" else REFERENCE / "test_gradients.py"


def names_of(scheme: FeedbackPathway, at_output: bool) -> list[str]:
    return [scheme.network.output] if at_output else scheme.network.hidden


def spoiled_teach(original: Callable, at_output: bool, factor: float) -> Callable:
    return lambda self, *args: scale_teach(functools.partial(original, self), names_of(self, at_output), factor)(*args)


def spoiled_trial(original: Callable, at_output: bool, factor: float) -> Callable:
    def spoiled(self, *args):
        ticks = original(self, *args)
        return [scale_teach(lambda *_, answer=answer: answer, names_of(self, at_output), factor)(*args) for answer in ticks]

    return spoiled


def spoiled_adapt(original: Callable, factor: float) -> Callable:
    return lambda self, *args: scale_adapt(functools.partial(original, self), factor)(*args)


def mutants(scheme: type[FeedbackPathway]) -> dict[str, dict[str, Callable]]:
    """Return description -> methods to put in place of the scheme's own."""
    found = {}
    method, spoil = ("teach_trial", spoiled_trial) if scheme.answers == "trial" else ("teach", spoiled_teach)
    original = getattr(scheme, method)
    for factor in (0.0, -1.0):
        found[f"output errors times {factor}"] = {method: spoil(original, True, factor)}
        if scheme.name != "frozen":  # the control teaches no hidden population
            found[f"hidden errors times {factor}"] = {method: spoil(original, False, factor)}
        if scheme.adapt is not FeedbackPathway.adapt and scheme.name != "segregated_dendrites":  # whose feedback never learns
            found[f"own proposals times {factor}"] = {"adapt": spoiled_adapt(scheme.adapt, factor)}
        if scheme.adapt_to_proposals is not FeedbackPathway.adapt_to_proposals:
            found[f"own proposals times {factor}"] = {"adapt_to_proposals": spoiled_adapt(scheme.adapt_to_proposals, factor)}
    return found


def passes(scheme: str) -> bool:
    """Return whether the scheme's reference test is green."""
    arguments = [str(reference(scheme)), "-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no"]
    return pytest.main(arguments) == pytest.ExitCode.OK


def survivors(scheme: type[FeedbackPathway]) -> list[str]:
    """Return the mutants under which the reference test stays green."""
    alive = []
    for description, methods in mutants(scheme).items():
        with mock.patch.multiple(scheme, **methods):
            if passes(scheme.name):
                alive.append(description)
    return alive


if __name__ == "__main__":
    alive = {scheme: survivors(pathways()[scheme]) for scheme in sys.argv[1:]}
    control = passes(sys.argv[-1])  # after all mutants, in the same process: what turned them red was the mutants
    print("\n" + json.dumps({"alive": alive, "control": control}))
