"""Severity follows the runbook's own limits."""

from datetime import timedelta

import pytest

from phasegate.domain.incident import DEMANDS, Severity, severity

FAST = timedelta(milliseconds=100)


@pytest.mark.parametrize(
    ("rate", "p95", "grade"),
    [
        (0.0, FAST, Severity.P3),
        (0.0099, FAST, Severity.P3),
        (0.01, FAST, Severity.P2),
        (0.05, FAST, Severity.P2),
        (0.0501, FAST, Severity.P1),
        (0.0, timedelta(seconds=5), Severity.P3),
        (0.0, timedelta(milliseconds=5001), Severity.P1),
    ],
)
def test_the_limits_are_those_of_the_runbook(rate, p95, grade):
    """
    "Error rate > 5%" and "P95 > 5000ms" are P1, "1-5%" is P2: the bounds themselves are P2.
    """
    assert severity(error_rate=rate, p95=p95, available=True) is grade


def test_an_application_that_answers_nobody_is_p0():
    """
    No error rate is needed to see that it is gone.
    """
    assert severity(error_rate=0.0, p95=FAST, available=False) is Severity.P0


def test_every_severity_demands_something():
    """
    The runbook's response, word for word.
    """
    assert DEMANDS == {
        Severity.P0: "Immediate rollback + all-hands",
        Severity.P1: "Rollback if not resolved in 15 minutes",
        Severity.P2: "Investigate, may rollback",
        Severity.P3: "Monitor, fix in next release",
    }
