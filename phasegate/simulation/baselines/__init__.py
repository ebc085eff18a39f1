"""
Judges of other kinds, for comparison: each with the defaults that its model documents.

They are written from the documentation, look at the error rate alone, and take no part in a release.
"""

from phasegate.simulation.baselines.failed_checks import FailedChecks
from phasegate.simulation.baselines.failure_limit import FailureLimit
from phasegate.simulation.baselines.mann_whitney import MannWhitney
from phasegate.simulation.baselines.msprt import Msprt
from phasegate.simulation.baselines.z_test import ZTest
from phasegate.simulation.judging import BacktestJudge

__all__ = ["FailedChecks", "FailureLimit", "MannWhitney", "Msprt", "ZTest", "all_baselines"]


def all_baselines(limit: float = 0.01) -> tuple[BacktestJudge, ...]:
    """One of each; *limit* is the error rate above which the fixed thresholds fail."""
    return FailureLimit(limit), FailedChecks(limit), MannWhitney(), ZTest(), Msprt()
