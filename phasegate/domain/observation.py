"""Counts per interval, version and endpoint: what the judge is given. Empty is a value."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field


class Counts(BaseModel):
    """
    What one version answered on one endpoint in one interval.

    ``slow`` holds ``(cut in milliseconds, requests slower than the cut)`` with
    growing cuts; "P95 > 2000 ms" is "more than 5 % slower than the 2000 ms cut".
    ``errors`` are answers of 500 and above and invocations that threw.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    endpoint: str
    total: int = Field(ge=0)
    errors: int = Field(ge=0)
    slow: tuple[tuple[int, int], ...] = ()


class Minute(BaseModel):
    """
    One interval ``[start, start + length)`` of one worker.

    No counts at all means that nobody was served (or nothing was seen): neither
    healthy nor harmful. ``unattributed`` counts rows that named no version. Counts are
    rows really stored, and one row stands for ``sampling`` requests. ``own`` is what was taken out
    of the counts because we sent it. A ``synthetic`` interval holds requests of our own alone, as
    their sender counted them: an error is any other answer than the one asked for, and none; ``own``
    is then what was answered at all.
    """

    model_config = ConfigDict(frozen=True)

    start: datetime
    length: timedelta
    counts: tuple[Counts, ...] = ()
    unattributed: int = 0
    sampling: float = 1.0
    query: str = ""
    own: tuple[Counts, ...] = ()
    synthetic: bool = False

    @property
    def end(self) -> datetime:
        """The first instant after this interval."""
        return self.start + self.length

    def total(self, version: str) -> int:
        """Requests that *version* served in this interval, over all endpoints."""
        return sum(count.total for count in self.counts if count.version == version)

    def errors(self, version: str) -> int:
        """Failed requests of *version* in this interval, over all endpoints."""
        return sum(count.errors for count in self.counts if count.version == version)

    def slower(self, version: str, *, cut: int) -> int:
        """Requests of *version* slower than *cut* milliseconds, over all endpoints."""
        return sum(dict(count.slow).get(cut, 0) for count in self.counts if count.version == version)


class Batch(BaseModel):
    """
    What one collection brought: complete intervals and how far the source is settled.

    ``settled_until`` is the watermark: intervals that end later may still grow.
    """

    model_config = ConfigDict(frozen=True)

    minutes: tuple[Minute, ...]
    settled_until: datetime


class Probe(BaseModel):
    """One health check through the front door: what was asked, what came, what was wrong."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    ok: bool
    url: str
    status: int | None = None
    elapsed: timedelta = timedelta(0)
    served_by: str = ""
    faults: tuple[str, ...] = ()
