"""What a load test saw: counts, quantiles, and whether the generator itself can be believed."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from phasegate.adapters.load_sketch import LatencySketch

MAX_LAG_SHARE = 0.02
UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True)
class LoadPart:
    """The requests of one endpoint or one version; quantiles in milliseconds, None without an answer."""

    name: str
    total: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class LoadSample:
    """
    A look at a load test that is running.

    All counts are since the start, except ``p95_ms`` and ``rate``, which cover the
    time since the sample before. ``versions`` is ``{version: (failed, total)}``.
    """

    seconds: float
    sent: int
    completed: int
    failed: int
    dropped: int
    in_flight: int
    rate: float
    p95_ms: float | None
    versions: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class LoadReport:
    """
    What a load test saw; times in milliseconds, measured from the intended start.

    A request failed when it got no answer, or a status of 400 and more that was not expected.
    ``statuses`` counts every answer, ``errors`` what became of the requests without one. The
    quantiles cover answers and timeouts. ``conclusive`` is False, with a ``reason``, when the
    generator could not keep its own schedule: such a test neither passes nor fails anything.
    """

    seconds: float
    sent: int
    completed: int
    failed: int
    dropped: int
    statuses: dict[str, int]
    errors: dict[str, int]
    endpoints: tuple[LoadPart, ...]
    versions: tuple[LoadPart, ...]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    lag_p99_ms: float | None
    conclusive: bool
    reason: str

    @property
    def error_rate(self) -> float:
        """Failed requests as a fraction of those sent; 0 when none was sent."""
        return self.failed / self.sent if self.sent else 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as JSON types, with the error rate."""
        return asdict(self) | {"error_rate": self.error_rate}


@dataclass
class _Counted:
    total: int = 0
    failed: int = 0
    sketch: LatencySketch = field(default_factory=LatencySketch)

    def add(self, milliseconds: float | None, *, failed: bool) -> None:
        self.total += 1
        self.failed += failed
        if milliseconds is not None:
            self.sketch.add(milliseconds)

    def part(self, name: str) -> LoadPart:
        p50, p95, p99 = (self.sketch.quantile(share) for share in (0.50, 0.95, 0.99))
        return LoadPart(name, self.total, self.failed, p50, p95, p99)


class Tally:
    """Counts while the load test runs."""

    def __init__(self) -> None:
        self.sent = 0
        self.dropped = 0
        self._whole = _Counted()
        self._endpoints: dict[str, _Counted] = {}
        self._versions: dict[str, _Counted] = {}
        self._statuses: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._lag = LatencySketch()
        self._since_sample = LatencySketch()
        self._sampled = (0.0, 0)

    def start(self, lag_ms: float) -> None:
        """A request was started, so long after its intended time."""
        self.sent += 1
        self._lag.add(lag_ms)

    def answer(self, endpoint: str, version: str, status: int, *, milliseconds: float, failed: bool) -> None:
        """A request was answered."""
        self._statuses[str(status)] += 1
        self._add(endpoint, version, milliseconds, failed=failed)

    def no_answer(self, endpoint: str, error: str, *, milliseconds: float | None) -> None:
        """A request got none; with a latency when it waited for its whole timeout."""
        self._errors[error] += 1
        self._add(endpoint, UNKNOWN_VERSION, milliseconds, failed=True)

    def _add(self, endpoint: str, version: str, milliseconds: float | None, *, failed: bool) -> None:
        self._whole.add(milliseconds, failed=failed)
        self._endpoints.setdefault(endpoint, _Counted()).add(milliseconds, failed=failed)
        self._versions.setdefault(version, _Counted()).add(milliseconds, failed=failed)
        if milliseconds is not None:
            self._since_sample.add(milliseconds)

    def sample(self, seconds: float) -> LoadSample:
        """The counts so far, and the P95 since the sample before."""
        before, sent = self._sampled
        recent, self._since_sample = self._since_sample, LatencySketch()
        self._sampled = (seconds, self.sent)
        return LoadSample(
            seconds=round(seconds, 3),
            sent=self.sent,
            completed=self._whole.total,
            failed=self._whole.failed,
            dropped=self.dropped,
            in_flight=self.sent - self._whole.total,
            rate=round((self.sent - sent) / max(seconds - before, 1e-9), 2),
            p95_ms=recent.quantile(0.95),
            versions={name: (each.failed, each.total) for name, each in self._versions.items()},
        )

    def report(self, seconds: float, *, threshold_ms: float, stopped_early: bool) -> LoadReport:
        """The final report."""
        whole = self._whole.part("")
        lag = self._lag.quantile(0.99)
        doubt = self._doubt(lag, threshold_ms=threshold_ms, stopped_early=stopped_early)
        return LoadReport(
            seconds=round(seconds, 3),
            sent=self.sent,
            completed=whole.total,
            failed=whole.failed,
            dropped=self.dropped,
            statuses=dict(sorted(self._statuses.items())),
            errors=dict(sorted(self._errors.items())),
            endpoints=_parts(self._endpoints),
            versions=_parts(self._versions),
            p50_ms=whole.p50_ms,
            p95_ms=whole.p95_ms,
            p99_ms=whole.p99_ms,
            lag_p99_ms=lag,
            conclusive=not doubt,
            reason=doubt or f"{whole.total} requests, the generator's lag P99 was {lag or 0:.1f} ms",
        )

    def _doubt(self, lag_ms: float | None, *, threshold_ms: float, stopped_early: bool) -> str:
        """Why the test proves nothing; "" when it does."""
        allowed = MAX_LAG_SHARE * threshold_ms
        if lag_ms is None:
            return "no request was sent"
        if self.dropped:
            return f"{self.dropped} of {self.sent + self.dropped} starts were dropped: too many requests open"
        if lag_ms > allowed:
            return f"the generator's own lag P99 was {lag_ms:.1f} ms, more than {allowed:.1f} ms"
        return "it was stopped before its end" if stopped_early else ""


def _parts(counted: dict[str, _Counted]) -> tuple[LoadPart, ...]:
    return tuple(each.part(name) for name, each in sorted(counted.items()))
