"""The table of a check: every finding on a line, a failure's reason below it, and the truth of the whole."""

import pytest

from neurosim.checking import Finding, Outcome, Result

PASSED = Finding("no options", "contract", "works", Outcome("can be asked", "yes"))
FAILED = Finding("gain=2", "claims", "weight_transport", Outcome("none", "full", "claims none; measured: full, through a__b.w"))


def test_a_result_is_true_where_nothing_failed():
    assert Result("scheme 'mine'", (PASSED,), 1.0)
    assert not Result("scheme 'mine'", (PASSED, FAILED), 1.0)


def test_the_table_shows_all():
    result = Result("scheme 'mine'", (PASSED, FAILED), 1.25)
    assert str(result) == repr(result) == "\n".join([
        "scheme 'mine': 1 of 2 passed in 1.2 s",
        "with no options",
        "contract  property          expected      measured",
        "  passed  works             can be asked  yes",
        "with gain=2",
        "claims    property          expected      measured",
        "  FAILED  weight_transport  none          full",
        "          claims none; measured: full, through a__b.w",
    ])  # fmt: skip


def test_a_finding_is_had_by_name_a_failed_one_first():
    again = Finding("gain=2", "contract", "works", Outcome("can be asked", "no", "raised ValueError: x"))
    result = Result("scheme 'mine'", (PASSED, again), 1.0)
    assert result["works"] is again
    with pytest.raises(KeyError):
        result["others"]
