"""
The comparison of a canary with its control over all phases in which both serve.

Evidence is averaged, never the greatest taken: half the errors of all requests and half the mean
over the endpoints make the evidence of errors; that and latency's make E, in shares fixed at deploy.
"""

from dataclasses import dataclass, field
from datetime import datetime
from math import log
from typing import Any

from phasegate.domain.judge import alone, climate, course, latency, setting, stream
from phasegate.domain.judge.alone import Alone
from phasegate.domain.judge.history import History
from phasegate.domain.judge.ladder import Ladder
from phasegate.domain.judge.latency import SHARE_THIN, Latency, Rules
from phasegate.domain.judge.likelihood import log_sum
from phasegate.domain.judge.matched import NONE, Matched, added, by_endpoint, matched
from phasegate.domain.judge.path import UNTRODDEN, Path
from phasegate.domain.judge.starts import Purse
from phasegate.domain.judge.stream import Stream
from phasegate.domain.judge.tally import Pair
from phasegate.domain.observation import Minute
from phasegate.domain.plan import Phase, RolloutPlan

MOST_ENDPOINTS = 20
REST = "(rest)"
# Endpoints unknown at the first comparison are rare: their stream must not cost the others half of the mean.
REST_SHARE = 0.05
# Latency's part of all evidence before it was chosen by the traffic.
SHARE_BEFORE = 0.5
_HALF = log(0.5)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is fixed when a trial is set up: the plan's part in it."""

    plan: RolloutPlan
    canary: str
    control: str
    rules: Rules

    @classmethod
    def of(cls, plan: RolloutPlan, *, canary: str, control: str) -> "Terms":
        """The terms of *plan*."""
        times = plan.comparison.latency_tolerance
        return cls(plan, canary, control, Rules(plan.counted, plan.cuts, times, course.course(plan)))

    @property
    def with_latency(self) -> bool:
        """Without a ladder the cuts are too few to compare distributions."""
        return bool(self.plan.telemetry.ladder)


@dataclass
class Trial:
    """*history* until the first comparison; then the streams. ``running`` in phases with a control."""

    terms: Terms
    history: History
    running: bool = False
    total: Stream | None = None
    endpoints: dict[str, Stream] = field(default_factory=dict)
    latency: Latency | None = None
    ours: Ladder | None = None
    theirs: Ladder | None = None
    since: datetime | None = None
    path: Path = UNTRODDEN
    alone: Alone | None = None
    latency_share: float = SHARE_THIN

    @classmethod
    def start(cls, terms: Terms) -> "Trial":
        """Nothing is known."""
        return cls(terms, History.start(terms.plan.counted))

    def learn(self, minute: Minute) -> None:
        """Take an interval from before the release; after the first comparison it comes too late."""
        if self.total is None:
            self.history.add(
                minute,
                control=self.terms.control,
                cuts=self.terms.plan.counted,
                interval=self.terms.plan.interval,
            )

    def enter(self, phase: Phase) -> None:
        """A phase begins; where the weight rises evidence carries over."""
        self.running = course.has_control(phase) and bool(self.terms.control)
        self.alone = None
        if not self.running and self.total is not None and phase.takes_traffic and phase.soak:
            intervals = max(1, round(phase.soak.duration / self.terms.plan.interval))
            last, how = self.total.found.climates.control.likeliest, self.total.how
            self.alone = alone.begin(last, how.alternatives, intervals=intervals)
        if self.running and self.total is not None:
            self.total = self.total.raised()
            self.endpoints = {name: one.raised() for name, one in self.endpoints.items()}
            self.latency = latency.raised(self.latency) if self.latency else None

    def add(self, minute: Minute) -> None:
        """Compare one interval."""
        terms = self.terms
        if self.alone is not None:
            self.alone = self.alone.add(added(by_endpoint(minute, terms.canary).values()))
        if not self.running:
            return
        found = matched(minute, canary=terms.canary, control=terms.control, cuts=terms.plan.counted)
        canary, control = found.total
        if self.total is None:
            if not canary[1] or not control[1]:
                return
            self._begin(found, minute.start)
        if self.total is not None:
            self.total = self.total.add(minute.start, canary, control)
        self._add_endpoints(found, minute.start)
        self._add_latency(found)
        if canary[1] and control[1]:
            self.path = self.path.add(minute.end, self.log_evidence)

    @property
    def log_errors(self) -> float:
        """ln E of the errors."""
        if self.total is None:
            return 0.0
        named = len(self.endpoints) - 1
        if named < 2:
            return self.total.log_evidence  # the only endpoint is the whole
        each = log((1 - REST_SHARE) / named)
        spread = log_sum(
            one.log_evidence + (log(REST_SHARE) if name == REST else each)
            for name, one in self.endpoints.items()
        )
        return log_sum((_HALF + self.total.log_evidence, _HALF + spread))

    @property
    def log_latency(self) -> float:
        """ln E of the latency."""
        return self.latency.log_evidence if self.latency else 0.0

    @property
    def log_evidence(self) -> float:
        """ln E of everything; at ln(1/alpha) the canary is harmful."""
        if not self.terms.with_latency:
            return self.log_errors
        errors, slow = log(1 - self.latency_share), log(self.latency_share)
        return log_sum((errors + self.log_errors, slow + self.log_latency))

    def guilty(self) -> tuple[str, ...]:
        """The endpoints that are worse, by e-BH: the k with most evidence, if the k-th has m/(k alpha)."""
        if len(self.endpoints) < 3:
            return ()  # the only endpoint and the rest: there is nothing to tell apart
        ranked = sorted(self.endpoints, key=lambda name: (-self.endpoints[name].log_evidence, name))
        named = 0
        for rank, name in enumerate(ranked, start=1):
            if self.endpoints[name].log_evidence >= log(len(ranked) / rank / self.terms.plan.alpha):
                named = rank
        return tuple(name for name in ranked[:named] if name != REST)

    def _begin(self, found: Matched, start: datetime) -> None:
        """Without a history the first interval's requests tell the traffic; its errors are not looked at."""
        terms, self.since = self.terms, start
        served, interval = _served(found), terms.plan.interval
        now = float(sum(served.values()))
        usual = self.history.traffic(interval) or now
        self.total = self._stream(None, usual)
        for name in _largest(self.history.endpoints, served):
            # An endpoint that history does not know has the traffic of the first interval.
            known = name in self.history.endpoints
            self.endpoints[name] = self._stream(name, usual if known else float(served[name]))
        self.endpoints[REST] = self._stream(REST, 0.0)
        if terms.with_latency:
            self.latency = latency.begin(terms.rules, self.history.known)
            self.latency_share = latency.share(usual, terms.rules.course)
        self.history.fine, self.history.coarse = [], []

    def _stream(self, endpoint: str | None, traffic: float) -> Stream:
        past = self.history.past(endpoint, traffic=traffic)
        how = self.terms.plan.comparison
        return stream.begin(
            setting.setting(past, self.terms.rules.course, rho=how.error_tolerance, strict=how.strict)
        )

    def _add_endpoints(self, found: Matched, start: datetime) -> None:
        """Endpoints that were unknown at the first comparison share one stream: m must not grow later."""
        canary, control = _folded(found.canary, self.endpoints), _folded(found.control, self.endpoints)
        for name in {**canary, **control}:
            self.endpoints[name] = self.endpoints[name].add(
                start, canary.get(name, NONE), control.get(name, NONE)
            )

    def _add_latency(self, found: Matched) -> None:
        ours, theirs = found.canary_latency, found.control_latency
        if self.latency is None or ours is None or theirs is None:
            return
        self.latency = latency.compared(self.latency, ours, theirs, rules=self.terms.rules)
        if ours.total and theirs.total:
            self.ours = self.ours + ours if self.ours else ours
            self.theirs = self.theirs + theirs if self.theirs else theirs

    def state(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "running": self.running,
            "history": self.history.state(),
            "total": stream.state(self.total) if self.total else None,
            "endpoints": {name: stream.state(one) for name, one in self.endpoints.items()},
            "latency": _latency_state(self.latency) if self.latency else None,
            "latency_share": self.latency_share,
            "sums": [_ladder_state(self.ours), _ladder_state(self.theirs)],
            "since": self.since.isoformat() if self.since else None,
            "path": self.path.state(),
            "alone": self.alone.state() if self.alone else None,
        }

    @classmethod
    def load(cls, terms: Terms, state: dict[str, Any]) -> "Trial":
        """Read what :meth:`state` wrote."""
        each = climate.pace(terms.rules.course.minutes)
        ours, theirs = (_ladder(one) for one in state["sums"])
        return cls(
            terms,
            History.load(state["history"]),
            state["running"],
            stream.load(state["total"], each=each) if state["total"] else None,
            {name: stream.load(one, each=each) for name, one in state["endpoints"].items()},
            _latency(state["latency"]) if state["latency"] else None,
            ours,
            theirs,
            datetime.fromisoformat(state["since"]) if state["since"] else None,
            Path.load(state["path"]),
            Alone.load(state["alone"]) if state["alone"] else None,
            # Stored before shares were chosen it has none.
            state.get("latency_share", SHARE_BEFORE),
        )


def _served(found: Matched) -> dict[str, int]:
    return {
        name: found.canary.get(name, NONE)[1] + found.control.get(name, NONE)[1] for name in found.endpoints
    }


def _largest(known: dict[str, Pair], served: dict[str, int]) -> list[str]:
    """The endpoints with the most requests, those of the history first; at most twenty."""
    usual = sorted(known, key=lambda name: (-known[name][1], name))
    new = sorted(served.keys() - known.keys(), key=lambda name: (-served[name], name))
    return [name for name in (*usual, *new) if name != REST][:MOST_ENDPOINTS]


def _folded(counts: Any, known: dict[str, Stream]) -> dict[str, Pair]:
    folded: dict[str, Pair] = {}
    for name, pair in counts.items():
        place = name if name in known else REST
        folded[place] = added((folded.get(place, NONE), pair))
    return folded


def _ladder_state(ladder: Ladder | None) -> list[int] | None:
    return [*ladder.slow, ladder.total] if ladder else None


def _ladder(state: list[int] | None) -> Ladder | None:
    return Ladder(tuple(state[:-1]), state[-1]) if state else None


def _latency_state(one: Latency) -> list[Any]:
    return [
        _ladder_state(one.known),
        [list(race) for race in one.races],
        stream.stakes(one.stakes),
        stream.purse_state(one.purse),
        one.running,
        _ladder_state(one.begun),
    ]


def _latency(state: list[Any]) -> Latency:
    # Stored before there were slowdowns it has five parts.
    known, races, stakes, purse, running, begun = (*state, None)[:6]
    return Latency(
        _ladder(known) or Ladder((), 0),
        tuple((cut, psi) for cut, psi in races),
        stream.unstaked(stakes),
        Purse(*purse),
        running,
        _ladder(begun),
    )
