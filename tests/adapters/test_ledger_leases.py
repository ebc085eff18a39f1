"""Leases: two drivers of one release are impossible."""

import asyncio
from datetime import timedelta

import pytest

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import Superseded
from phasegate.domain.events import Noted
from tests.ledger_cases import T0, opened

TTL = timedelta(seconds=30)


async def test_each_new_holder_gets_a_higher_fence(ledger):
    """
    The number tells an old holder from the new one, whatever their clocks say.
    """
    first = await ledger.take("r1", holder="flow", ttl=TTL, now=T0)
    await ledger.give_back(first)
    second = await ledger.take("r1", holder="keeper", ttl=TTL, now=T0)
    third = await ledger.take("r1", holder="flow", ttl=TTL, now=T0 + TTL)

    assert (first.fence, second.fence, third.fence) == (1, 2, 3)
    assert third.expires_at == T0 + TTL + TTL


async def test_a_lease_in_force_is_refused_to_others(ledger):
    """
    The message says who drives, and until when.
    """
    await ledger.take("r1", holder="flow", ttl=TTL, now=T0)

    with pytest.raises(Superseded, match=r"driven by 'flow' until 03:00:30 UTC \(fence 1\)"):
        await ledger.take("r1", holder="keeper", ttl=TTL, now=T0 + TTL - timedelta(seconds=1))

    assert (await ledger.take("r2", holder="keeper", ttl=TTL, now=T0)).fence == 1


async def test_a_lease_that_has_run_out_can_still_be_seen_until_it_is_given_back(ledger):
    """
    One that ran out tells of a holder that died; one that was given back of a holder that ended.
    """
    nobody = await ledger.lease("r1")
    taken = await ledger.take("r1", holder="flow", ttl=TTL, now=T0)
    seen = await ledger.lease("r1")
    await ledger.give_back(taken)

    assert nobody is None
    assert seen == taken
    assert await ledger.lease("r1") is None


async def test_ones_own_lease_is_prolonged_with_the_same_fence_and_never_shortened(ledger):
    """
    A driver that renews does not fence itself out.
    """
    first = await ledger.take("r1", holder="flow", ttl=TTL, now=T0)

    longer = await ledger.take("r1", holder="flow", ttl=TTL, now=T0 + timedelta(seconds=20))
    short = await ledger.take("r1", holder="flow", ttl=timedelta(seconds=1), now=T0)

    assert longer.fence == first.fence
    assert longer.expires_at == T0 + timedelta(seconds=50)
    assert short.expires_at == longer.expires_at


async def test_only_the_holder_can_give_back_and_only_its_own_fence(ledger):
    """
    A driver that slept past its lease must not free the lease of the next one.
    """
    old = await ledger.take("r1", holder="flow", ttl=TTL, now=T0)
    await ledger.take("r1", holder="keeper", ttl=TTL, now=T0 + TTL)

    await ledger.give_back(old)

    with pytest.raises(Superseded, match="keeper"):
        await ledger.take("r1", holder="flow", ttl=TTL, now=T0 + TTL)


@pytest.mark.parametrize(
    ("fence", "later", "says"),
    [(2, 0, "with fence 1, not 2"), (0, 0, "with fence 1, not 0"), (1, 30, "ended at 03:00:30 UTC")],
)
async def test_an_event_with_a_fence_that_is_not_in_force_is_refused(ledger, fence, later, says):
    """
    Every action stands behind the lease, at the moment it is written.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    await ledger.take("r1", holder="flow", ttl=TTL, now=T0)
    at = T0 + timedelta(seconds=later)

    with pytest.raises(Superseded, match=says):
        await ledger.append("r1", Noted(text="x"), by="flow", at=at, expected=1, fence=fence)

    await ledger.append("r1", Noted(text="x"), by="flow", at=T0, expected=1, fence=1)
    assert len(await ledger.events("r1")) == 2


async def test_an_event_with_a_fence_needs_a_lease(ledger):
    """
    A lease that was given back fences like one that was never taken.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)

    with pytest.raises(Superseded, match="no lease in force"):
        await ledger.append("r1", Noted(text="x"), by="flow", at=T0, expected=1, fence=1)

    await ledger.give_back(await ledger.take("r1", holder="flow", ttl=TTL, now=T0))
    with pytest.raises(Superseded, match="no lease in force"):
        await ledger.append("r1", Noted(text="x"), by="flow", at=T0, expected=1, fence=1)


async def test_four_drivers_at_once_never_hold_a_lease_together(ledger, ledger_url):
    """
    Fences grow strictly, and between taking and giving back nobody else gets in.
    """
    inside: list[str] = []
    fences: list[int] = []

    async def drive(holder: str) -> None:
        own = SqlLedger(ledger_url)
        while len(fences) < 20:
            try:
                lease = await own.take("r1", holder=holder, ttl=TTL, now=T0)
            except Superseded:
                await asyncio.sleep(0)
                continue
            inside.append(holder)
            fences.append(lease.fence)
            await asyncio.sleep(0.005)
            assert inside == [holder]
            inside.remove(holder)
            await own.give_back(lease)
        await own.close()

    async with asyncio.timeout(60), asyncio.TaskGroup() as drivers:
        for number in range(4):
            drivers.create_task(drive(f"driver-{number}"))

    assert fences == list(range(1, len(fences) + 1))


@pytest.mark.parametrize(("holder", "ttl"), [("", TTL), ("flow", timedelta(0))])
async def test_a_lease_for_nobody_or_for_no_time_is_refused(ledger, holder, ttl):
    """
    Such a lease would guard nothing.
    """
    with pytest.raises(ValueError, match="needs a holder and a time above 0"):
        await ledger.take("r1", holder=holder, ttl=ttl, now=T0)
