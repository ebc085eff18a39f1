"""Fold what was observed into a verdict. The same observations give the same verdict, whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.actions.collecting import floor, staging_name
from phasegate.actions.marking import sends, synthetic_name
from phasegate.actions.outside import Outside
from phasegate.actions.remembering import history
from phasegate.domain.errors import MetricsAway
from phasegate.domain.judge import Judge
from phasegate.domain.judge.fold import Entry, Seen, feed, in_order
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute, Probe
from phasegate.domain.plan import Environment, Phase
from phasegate.domain.verdict import Finding, Verdict


@dataclass
class Bench:
    """The judge of one release with how far it has read, so that each tick reads only what is new."""

    judge: Judge
    phases: tuple[str, ...] = ()
    read_until: datetime | None = None
    probed_until: datetime | None = None
    counted_until: datetime | None = None
    asked_until: datetime | None = None
    looked_at: datetime | None = None


@dataclass(frozen=True)
class Known:
    """What a judge has been told: the end of the newest interval, the time of the newest health check."""

    until: datetime | None = None
    probed: datetime | None = None


@dataclass(frozen=True)
class News:
    """What a look has just stored; *whole* when nothing else can be new, so that nothing need be read."""

    minutes: tuple[Minute, ...] = ()
    probes: tuple[Probe, ...] = ()
    whole: bool = True


EVERYTHING = News(whole=False)
# What one driver stores another meets when it stores the same; this is for what was never the same.
BACKSTOP = 5


class Judging:
    """Keeps a judge per release; losing it costs one fold of the stored observations."""

    def __init__(self) -> None:
        self._benches: dict[str, Bench] = {}

    def known(self, state: ReleaseState) -> Known:
        """How far the judge of the watched phase has read; nothing for one that has read nothing."""
        if state.watched is None or _key(state) not in self._benches:
            return Known()
        bench = self._benches[_key(state)]
        return Known(bench.counted_until, bench.probed_until)

    async def verdict(
        self, outside: Outside, state: ReleaseState, *, away: bool = False, news: News | None = EVERYTHING
    ) -> Verdict | None:
        """
        Judge the watched phase of *state* on everything stored; None while nothing is watched.

        *away* says that the metrics source did not answer this time; without *news*, or with all of it
        at hand, the ledger is read once in a few intervals only, for what another driver saw alone.
        """
        if state.watched is None:
            return None
        bench = self._bench(state)
        if self._is_behind(outside, state, bench) or (news is not None and not news.whole):
            await self._read(outside, state, bench)
        elif news is not None:
            _take_in(bench, (), news.minutes, news.probes, state)
        now = _judged_at(state, outside.clock.now())
        if away:
            bench.judge.away(now)
        return bench.judge.verdict(now)

    def forget(self, release: str) -> None:
        """Drop the judge of a release that is over."""
        for key in [key for key in self._benches if key.startswith(f"{release}/")]:
            del self._benches[key]

    def _is_behind(self, outside: Outside, state: ReleaseState, bench: Bench) -> bool:
        """A phase that has begun is entered at once; a clock that was put back is no reason to wait."""
        now, looked = outside.clock.now(), bench.looked_at
        recent = looked is not None and timedelta(0) <= now - looked < BACKSTOP * state.plan.interval
        return not recent or _phase(state).name not in bench.phases

    def _bench(self, state: ReleaseState) -> Bench:
        key = _key(state)
        if key not in self._benches:
            self._benches[key] = Bench(_judge(state))
        return self._benches[key]

    async def _read(self, outside: Outside, state: ReleaseState, bench: Bench) -> None:
        """Feed minutes and probes in order of time, entering each phase where its soak began."""
        ledger, worker = outside.journal.ledger, _worker(state)
        bench.looked_at = outside.clock.now()
        minutes = await ledger.minutes(state.release, worker, after=bench.read_until)
        if minutes and bench.read_until is None and _environment(state) is Environment.PRODUCTION:
            for minute in await history(outside, state):
                bench.judge.learn(minute)
        if sends(state) and _environment(state) is Environment.PRODUCTION:
            asked = synthetic_name(state.service)
            minutes += await ledger.minutes(state.release, asked, after=bench.asked_until)
        probes = await ledger.probes(state.release, after=bench.probed_until)
        environment = _environment(state)
        entries = [
            Entry(name, soak.since)
            for name, soak in state.soaks.items()
            if name not in bench.phases and state.plan.phase(name).environment is environment
        ]
        door = outside.target.front_door(worker)
        own = [probe for probe in probes if probe.url.startswith(f"{door}/")]
        _take_in(bench, entries, minutes, own, state)


def refuse_incomplete(state: ReleaseState, phase: Phase, verdict: Verdict, *, asked_at: datetime) -> None:
    """
    Raise MetricsAway when *verdict* lacks intervals of *phase* that had settled at *asked_at*.

    A source that is away, or went away half-way, must not end a soak before its time. Harm counts
    on any evidence; a silence that holds is decided as such, and a person may pass what is unknown.
    """
    if verdict.finding is Finding.HARMFUL or verdict.silent or phase.name in state.holds_passed:
        return
    since = state.soaks[phase.name].since + (phase.soak.warmup if phase.soak else timedelta(0))
    due = floor(_judged_at(state, asked_at) - state.plan.telemetry.settle, state.plan.interval)
    known = verdict.judged_until or since
    if known < due and due - state.plan.interval >= since:
        raise MetricsAway(
            f"telemetry tells of {phase.title} until {known:%Y-%m-%d %H:%M:%S} UTC only; "
            "nothing is passed on evidence that ends before its soak"
        )


def _take_in(
    bench: Bench,
    entries: Sequence[Entry],
    minutes: Sequence[Minute],
    probes: Sequence[Probe],
    state: ReleaseState,
) -> None:
    for _, what in in_order(entries, minutes, probes, settle=state.plan.telemetry.settle):
        _feed(bench, what)


def _feed(bench: Bench, what: Seen) -> None:
    """What was seen before the first soak began belongs to no phase."""
    match what:
        case Entry():
            bench.phases = (*bench.phases, what.phase)
        case Minute(synthetic=True):
            bench.asked_until = what.start
        case Minute():
            bench.read_until, bench.counted_until = what.start, what.end
        case Probe():
            bench.probed_until = what.at
    if bench.phases:
        feed(bench.judge, what)


def _judged_at(state: ReleaseState, now: datetime) -> datetime:
    """Staging is judged as of its load test's end: nobody uses it while people think about the gate."""
    if _environment(state) is Environment.PRODUCTION:
        return now
    return min(now, state.soaks[_phase(state).name].until + state.plan.telemetry.settle)


def _key(state: ReleaseState) -> str:
    return f"{state.release}/{_environment(state)}"


def _judge(state: ReleaseState) -> Judge:
    environment = _environment(state)
    control = state.known_good.id if environment is Environment.PRODUCTION else ""
    return Judge(state.plan, control=control, canary=state.uploaded[environment].id)


def _environment(state: ReleaseState) -> Environment:
    return _phase(state).environment


def _phase(state: ReleaseState) -> Phase:
    assert state.watched is not None
    return state.watched


def _worker(state: ReleaseState) -> str:
    staging = _environment(state) is Environment.STAGING
    return staging_name(state.service) if staging else state.service
