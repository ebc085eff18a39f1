"""After a rollback: recovered, not recovered, or to be watched on."""

from datetime import datetime, timedelta

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.observation import Counts, Minute, Probe
from phasegate.domain.recovery import Recovery, recovery
from tests.ledger_cases import PLAN, STABLE, T0

ROLLOUT = load_plan(PLAN, search=())
STEADY = ROLLOUT.recovery.steady_for + ROLLOUT.telemetry.settle


def minutes(*, errors: int = 0, slow: int = 0, total: int = 1000, count: int = 90) -> tuple[Minute, ...]:
    """Minutes of the known-good version from T0 on."""
    counts = Counts(
        version=STABLE.id, endpoint="GET /", total=total, errors=errors, slow=((500, slow), (1000, 0))
    )
    length = timedelta(minutes=1)
    return tuple(Minute(start=T0 + n * length, length=length, counts=(counts,)) for n in range(count))


def probe(*, ok: bool = True) -> Probe:
    """A health check now."""
    return Probe(at=T0, ok=ok, url="http://front/health", faults=() if ok else ("status 503",))


def seen(at: datetime, *, served: tuple[Minute, ...] = (), health: Probe | None = None) -> Recovery:
    """The recovery at one instant of minutes that had ended by then."""
    settled = tuple(m for m in served if m.end <= at - ROLLOUT.telemetry.settle)
    return recovery(ROLLOUT, STABLE, minutes=settled, probe=health, restored_at=T0, now=at)


def test_criteria_that_hold_for_long_enough_are_a_recovery():
    """
    Error rate, latency and health hold over the plan's time on the known-good version.
    """
    got = seen(T0 + STEADY, served=minutes(), health=probe())

    assert got.recovered is True
    assert "failed 0 of" in got.detail


def test_it_is_too_early_to_say_before_the_plans_time():
    """
    A few good minutes are not yet a recovery.
    """
    got = seen(T0 + STEADY - timedelta(minutes=1), served=minutes(), health=probe())

    assert got.recovered is None


def test_silence_is_not_recovery():
    """
    Without requests nobody knows; after the limit the answer is no.
    """
    early = seen(T0 + STEADY, health=probe())
    late = seen(T0 + ROLLOUT.recovery.limit, health=probe())

    assert early.recovered is None
    assert late.recovered is False
    assert "no requests" in late.detail


def test_counts_that_come_late_are_evidence_all_the_same():
    """
    A busy machine is behind with its telemetry; what it has seen since the rollback covers the plan's time.
    """
    enough = int(ROLLOUT.recovery.steady_for / timedelta(minutes=1))
    late = T0 + 2 * STEADY

    got = seen(late, served=minutes(count=enough), health=probe())
    too_few = seen(late, served=minutes(count=enough - 1), health=probe())

    assert got.recovered is True
    assert too_few.recovered is None
    assert "watched for less than" in too_few.detail


def test_errors_that_go_on_are_no_recovery():
    """
    The old version fails too: the cause is elsewhere, and a person must look.
    """
    got = seen(T0 + ROLLOUT.recovery.limit, served=minutes(errors=20), health=probe())

    assert got.recovered is False
    assert "error rate 2%" in got.detail


def test_slowness_that_goes_on_is_no_recovery():
    """
    P95 below 500 ms means that at most one in twenty is slower.
    """
    got = seen(T0 + ROLLOUT.recovery.limit, served=minutes(slow=60), health=probe())

    assert got.recovered is False
    assert "slower than the P95" in got.detail


def test_a_failing_health_check_is_no_recovery():
    """
    The contract is asked of the front door, whatever the counts say.
    """
    got = seen(T0 + ROLLOUT.recovery.limit, served=minutes(), health=probe(ok=False))

    assert got.recovered is False
    assert "status 503" in got.detail
