"""Many classifications, one verdict."""

from itertools import permutations

import pytest
from judge_cases import T0

from phasegate.domain.verdict import Finding, Reason, Verdict, worst


def a_reason(finding: Finding, criterion: str = "error-rate") -> Reason:
    return Reason(criterion=criterion, finding=finding, rule="absolute-limit", text="told")


@pytest.mark.parametrize("findings", list(permutations(Finding)))
def test_the_worst_wins_in_any_order(findings):
    """
    One harmful finding outweighs every healthy one.
    """
    assert worst(findings) is Finding.HARMFUL
    assert worst((Finding.HEALTHY, Finding.INCONCLUSIVE)) is Finding.INCONCLUSIVE


def test_no_finding_is_not_health():
    """
    Nothing judged is nothing known.
    """
    assert worst(()) is Finding.INCONCLUSIVE


def test_a_verdict_needs_a_reason():
    """
    An answer that cannot say why is refused.
    """
    with pytest.raises(ValueError, match="reasons"):
        Verdict(phase="canary", at=T0, finding=Finding.HEALTHY, reasons=())


def test_because_names_what_decided():
    """
    Whoever reads "harmful" should not have to look for the line that says so.
    """
    bad, open_ = a_reason(Finding.HARMFUL), a_reason(Finding.INCONCLUSIVE, "latency")

    verdict = Verdict(phase="canary", at=T0, finding=Finding.HARMFUL, reasons=(open_, bad))

    assert verdict.because() == (bad,)


def test_because_is_never_empty():
    """
    When no single reason is as bad as the whole, all of them carry it.
    """
    only = a_reason(Finding.HEALTHY)

    verdict = Verdict(phase="canary", at=T0, finding=Finding.INCONCLUSIVE, reasons=(only,))

    assert verdict.because() == (only,)
