"""Severity P0-P3 and what each demands, as the runbook defines them."""

from datetime import timedelta
from enum import StrEnum


class Severity(StrEnum):
    """From everything down to a blemish."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


DEMANDS = {
    Severity.P0: "Immediate rollback + all-hands",
    Severity.P1: "Rollback if not resolved in 15 minutes",
    Severity.P2: "Investigate, may rollback",
    Severity.P3: "Monitor, fix in next release",
}


def severity(*, error_rate: float, p95: timedelta, available: bool) -> Severity:
    """
    Grade what is seen by the runbook's own limits.

    *error_rate* is a fraction. An application that answers nobody is P0; above
    5 % errors or a P95 above 5 s is P1; from 1 % errors on it is P2.
    """
    if not available:
        return Severity.P0
    if error_rate > 0.05 or p95 > timedelta(seconds=5):
        return Severity.P1
    if error_rate >= 0.01:
        return Severity.P2
    return Severity.P3
