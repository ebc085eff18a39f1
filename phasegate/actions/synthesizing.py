"""Send synthetic requests to canary and control alike, within the plan's bounds, and store the counts."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations

from phasegate.actions.marking import synthetic_minutes, synthetic_name, unrecognised
from phasegate.actions.outside import Outside
from phasegate.domain.errors import Superseded
from phasegate.domain.events import Event, SyntheticSending
from phasegate.domain.judge.too_low import too_low
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Counts, Minute, Probe
from phasegate.domain.phase import Phase
from phasegate.domain.quantities import format_duration
from phasegate.domain.synthetic import Synthetic, SyntheticRequest, synthetic_in
from phasegate.domain.versions import Version

# A sender that is this late in its interval would send the rest of it too fast.
LATE = 0.25
MIDDLE = 0.9


@dataclass(frozen=True)
class Answer:
    """What came back of one request to *version*; *other* is the one that was asked the same."""

    version: Version
    other: Version
    request: SyntheticRequest
    probe: Probe

    @property
    def named(self) -> bool:
        """Whether the answer says that it is the asked version's."""
        return self.version.named(self.probe.served_by)

    @property
    def stray(self) -> bool:
        """Whether the answer says that it is the other version's: then it counts for neither."""
        return not self.named and self.other.named(self.probe.served_by)


async def send_interval(outside: Outside, state: ReleaseState, phase: Phase, *, start: datetime) -> bool:
    """
    Send what is due in the interval that begins at *start*, and store the counts; False when none is due.

    One keeper sends in an interval: whoever takes its lease. That lease is not the one for traffic
    changes, which never wait for it, and its fence counts the intervals of the phase, so that the
    ceiling holds whoever crashes. Raises what the ledger raises.
    """
    rule, canary = synthetic_in(state.plan, phase), state.canary
    # While the split is being changed, or is not ours, nobody knows whom an override reaches.
    if rule is None or canary is None or outside.marked is None or state.pending or state.drift:
        return False
    due, because = await _due(outside, state, phase, rule)
    await _note(outside, state, phase, sending=due, because=because)
    now = outside.clock.now()
    if not due or now > start + LATE * state.plan.interval:
        return False
    name = f"{state.release}/{phase.name}/{synthetic_name(state.service)}"
    holder = f"{outside.journal.driver} in the interval of {start.isoformat()}"
    try:
        lease = await outside.journal.ledger.take(name, holder=holder, ttl=state.plan.interval, now=now)
    except Superseded:
        return False
    asking: list[asyncio.Task[Answer]] = []
    try:
        # Intervals whose sender crashed are in no count, but in the fence.
        if _planned(state, rule, intervals=lease.fence) <= (rule.ceiling or 0):
            await _begin(outside, state, phase, rule, asking, start=start)
    finally:
        await outside.journal.ledger.give_back(lease)
    return await _store(outside, state, rule, asking, start=start) if asking else False


def _planned(state: ReleaseState, rule: Synthetic, *, intervals: int) -> int:
    return 2 * rule.pairs(state.plan.interval) * intervals


async def _store(
    outside: Outside,
    state: ReleaseState,
    rule: Synthetic,
    asking: list[asyncio.Task[Answer]],
    *,
    start: datetime,
) -> bool:
    """Wait for the answers, each of which has its limit, and the interval's end; then store the counts."""
    try:
        answers = await asyncio.gather(*asking)
    finally:
        for task in asking:
            task.cancel()
    end = start + state.plan.interval
    await outside.clock.sleep(max(end - outside.clock.now(), timedelta(0)))
    minute = _counted(state, rule, answers, start=start)
    await outside.journal.ledger.add_minutes(state.release, synthetic_name(state.service), (minute,))
    return True


async def _due(outside: Outside, state: ReleaseState, phase: Phase, rule: Synthetic) -> tuple[bool, str]:
    """Whether traffic is too low now, within the phase and its bounds; and why, or why not."""
    soak, canary, now = state.soaks.get(phase.name), state.canary, outside.clock.now()
    if soak is None or canary is None or now >= soak.until:
        return False, "the soak is over"
    users = await outside.journal.ledger.minutes(state.release, state.service)
    sent = [minute for minute in await synthetic_minutes(outside, state) if minute.start >= soak.since]
    if unrecognised(sent, users):
        return False, "telemetry cannot tell them from the requests of users"
    if _planned(state, rule, intervals=len(sent) + 1) > (rule.ceiling or 0):
        return False, f"the ceiling of {rule.ceiling:,} requests is reached"
    if sent and rule.limit is not None and now >= sent[0].start + rule.limit:
        return False, f"the limit of {format_duration(rule.limit)} is over"
    low = too_low(
        state.plan,
        phase,
        users,
        soaks={name: soak.since for name, soak in state.soaks.items()},
        until=soak.until,
        now=now,
        canary=canary.id,
        control=state.known_good.id,
    )
    if low is None:
        return False, "it is not known how many requests users send"
    return bool(low), low or "users send enough requests"


async def _note(outside: Outside, state: ReleaseState, phase: Phase, *, sending: bool, because: str) -> None:
    """Only a change is an event: the ledger is no log."""
    event = SyntheticSending(phase=phase.name, sending=sending, because=because)

    def news(now: ReleaseState) -> Event | None:
        known = now.synthetic if now.synthetic and now.synthetic.phase == phase.name else None
        same = known.sending is sending if known else not sending
        return None if same or now.aborting or now.ended or now.phase != phase.name else event

    if news(state) is not None:
        await outside.journal.record(state.release, news)


async def _begin(
    outside: Outside,
    state: ReleaseState,
    phase: Phase,
    rule: Synthetic,
    asking: list[asyncio.Task[Answer]],
    *,
    start: datetime,
) -> None:
    """Spread over the interval's middle, so that none crosses its ends; until the release is called off."""
    interval, pairs = state.plan.interval, rule.pairs(state.plan.interval)
    for number in range(pairs):
        at = start + interval * ((1 - MIDDLE) / 2 + MIDDLE * number / pairs)
        await outside.clock.sleep(max(at - outside.clock.now(), timedelta(0)))
        # A process that was held up must not send the rest faster.
        if outside.clock.now() > at + LATE * interval or not await _goes_on(outside, state, phase):
            return
        request = rule.requests[number % len(rule.requests)]
        for versions in permutations(_in_turn(state, number)):
            asking.append(asyncio.create_task(_ask(outside, state, rule, request, versions)))


async def _goes_on(outside: Outside, state: ReleaseState, phase: Phase) -> bool:
    """As the last look left it: the look records a breach in this very process."""
    now = await outside.journal.known(state.release)
    soak = now.soaks.get(phase.name)
    over = soak is None or outside.clock.now() >= soak.until
    return not (over or now.aborting or now.ended or now.pending or now.drift or now.phase != phase.name)


def _in_turn(state: ReleaseState, number: int) -> tuple[Version, ...]:
    """Now one and now the other goes first: whoever comes second may find a cache filled."""
    both = tuple(version for version in (state.canary, state.known_good) if version)
    return both if number % 2 else both[::-1]


async def _ask(
    outside: Outside,
    state: ReleaseState,
    rule: Synthetic,
    request: SyntheticRequest,
    versions: tuple[Version, ...],
) -> Answer:
    door, overrides = outside.target.front_door(state.service), f'{state.service}="{versions[0].id}"'
    probe = await outside.checks.ask(door, request, within=rule.within, overrides=overrides)
    return Answer(versions[0], versions[-1], request, probe)


def _counted(state: ReleaseState, rule: Synthetic, answers: Sequence[Answer], *, start: datetime) -> Minute:
    right = [answer for answer in answers if not answer.stray]
    named = sum(answer.named for answer in right)
    query = (
        f"{len(answers):,} synthetic requests by version override, {rule.rate:g} a second to each version; "
        f"{named:,} answers named their version, {len(answers) - len(right):,} were another's and left out"
    )
    return Minute(
        start=start,
        length=state.plan.interval,
        counts=tuple(_counts(right, cuts=state.plan.cuts)),
        own=tuple(_counts([answer for answer in right if answer.probe.status is not None], cuts=())),
        unattributed=len(answers) - len(right),
        query=query,
        synthetic=True,
    )


def _counts(answers: list[Answer], *, cuts: tuple[int, ...]) -> Iterator[Counts]:
    found: dict[tuple[str, str], list[Probe]] = defaultdict(list)
    for answer in answers:
        endpoint = f"{answer.request.method} {answer.request.path.partition('?')[0]}"
        found[answer.version.id, endpoint].append(answer.probe)
    for (version, endpoint), probes in sorted(found.items()):
        millis = [probe.elapsed / timedelta(milliseconds=1) for probe in probes]
        yield Counts(
            version=version,
            endpoint=endpoint,
            total=len(probes),
            errors=sum(not probe.ok for probe in probes),
            slow=tuple((cut, sum(took > cut for took in millis)) for cut in cuts),
        )
