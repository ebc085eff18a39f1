"""What the ledger keeps of the world: intervals, health checks, signs of life."""

from datetime import timedelta

import pytest

from phasegate.domain.errors import Refused
from phasegate.domain.observation import Counts, Minute, Probe
from tests.ledger_cases import MINUTE, T0, opened

pytestmark = pytest.mark.patient


def a_minute(number: int, *, total: int = 10) -> Minute:
    """The interval that starts *number* minutes after T0."""
    counts = Counts(version="v2", endpoint="/api/rates", total=total, errors=1, slow=((500, 3), (2000, 1)))
    return Minute(start=T0 + MINUTE * number, length=MINUTE, counts=(counts,), query="SELECT 1")


def a_probe(number: int, *, url: str = "http://front/health") -> Probe:
    """A health check *number* seconds after T0."""
    at = T0 + timedelta(seconds=number)
    return Probe(at=at, ok=False, url=url, status=503, elapsed=timedelta(milliseconds=12), faults=("status",))


@pytest.fixture
async def release(ledger) -> str:
    """A release that exists."""
    await ledger.open("r1", opened(), by="ada", at=T0)
    return "r1"


async def test_an_interval_is_stored_once_and_never_overwritten(ledger, release):
    """
    What was judged must be what a later look shows.
    """
    first = [a_minute(0), a_minute(1)]

    assert await ledger.add_minutes(release, "rates", first) == 2
    assert await ledger.add_minutes(release, "rates", [a_minute(1, total=99), a_minute(2), a_minute(2)]) == 1
    assert await ledger.add_minutes(release, "rates", []) == 0
    assert await ledger.minutes(release, "rates") == (*first, a_minute(2))


async def test_intervals_are_read_in_order_and_only_later_ones(ledger, release):
    """
    The judge is fed what it has not seen.
    """
    await ledger.add_minutes(release, "rates", [a_minute(number) for number in (3, 1, 2, 0)])
    await ledger.add_minutes(release, "rates-staging", [a_minute(7)])

    assert await ledger.minutes(release, "rates", after=a_minute(1).start) == (a_minute(2), a_minute(3))
    assert await ledger.minutes(release, "rates-staging") == (a_minute(7),)
    assert await ledger.minutes("r2", "rates") == ()


async def test_a_whole_day_of_intervals_is_stored_in_one_call(ledger, release):
    """
    A keeper that was away catches up; databases limit the parameters of a statement.
    """
    day = [a_minute(number) for number in range(24 * 60)]

    assert await ledger.add_minutes(release, "rates", day) == len(day)
    assert await ledger.minutes(release, "rates") == tuple(day)


async def test_health_checks_are_kept_by_time_and_address(ledger, release):
    """
    Stable and canary are asked at the same moment.
    """
    both = (a_probe(1), a_probe(1, url="http://front/health?canary"))
    for probe in (a_probe(2), *both, a_probe(1)):
        await ledger.add_probe(release, probe)

    assert await ledger.probes(release) == (*both, a_probe(2))
    assert await ledger.probes(release, after=T0 + timedelta(seconds=1)) == (a_probe(2),)


async def test_observations_of_an_unknown_release_are_refused(ledger, release):
    """
    They would belong to nothing.
    """
    with pytest.raises(Refused, match="'r9' is not in the ledger; nearest: r1"):
        await ledger.add_minutes("r9", "rates", [a_minute(0)])
    with pytest.raises(Refused, match="'r9' is not in the ledger"):
        await ledger.add_probe("r9", a_probe(0))


async def test_the_last_sign_of_life_is_the_newest_of_any_keeper(ledger):
    """
    Two keepers may run; one that is behind does not hide the other.
    """
    assert await ledger.last_beat() is None

    await ledger.beat("one", at=T0 + MINUTE)
    await ledger.beat("two", at=T0)
    await ledger.beat("one", at=T0 - MINUTE)

    assert await ledger.last_beat() == T0 + MINUTE
