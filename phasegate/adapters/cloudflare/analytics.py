"""
Invocations per version from Cloudflare's GraphQL analytics: the second source of metrics.

``workersInvocationsAdaptive`` counts a Worker that answered 500 as a success, lags by a minute
or two, is sampled, and knows neither path nor HTTP status. Durations are in microseconds. Which
quantiles exist differs between accounts, so they are asked for first (introspection).
"""

from datetime import datetime, timedelta
from typing import Any

from phasegate.adapters.cloudflare.client import CloudflareClient
from phasegate.adapters.cloudflare.wire import Wire, parse
from phasegate.domain.errors import MetricsAway, PhasegateError
from phasegate.domain.sources import Invocations

# It is asked again at the next comparison anyway.
BUDGET = 5.0
_QUANTILES = "AccountWorkersInvocationsAdaptiveQuantiles"
# The best that exists is used; a higher quantile than asked for would not be comparable.
_WANTED = ("wallTimeP95", "wallTimeP90")
_FIELDS = 'query Fields { __type(name: "%s") { fields { name } } }'
_COUNT = """
query Invocations($account: String!, $worker: String!, $from: Time!, $to: Time!) {
  viewer { accounts(filter: {accountTag: $account}) {
    workersInvocationsAdaptive(limit: 1000, filter: {
      scriptName: $worker, datetime_geq: $from, datetime_leq: $to}) {
      dimensions { scriptVersion } sum { requests errors } avg { sampleInterval } %s
    } } } }
"""


class _Dimensions(Wire):
    scriptVersion: str | None = None


class _Sum(Wire):
    requests: float
    errors: float


class _Average(Wire):
    sampleInterval: float | None = None


class _Row(Wire):
    dimensions: _Dimensions
    sum: _Sum
    avg: _Average = _Average()
    quantiles: dict[str, float | None] | None = None


class _Account(Wire):
    workersInvocationsAdaptive: tuple[_Row, ...]


class _Viewer(Wire):
    accounts: tuple[_Account, ...]


class _Data(Wire):
    viewer: _Viewer


class CloudflareAnalytics:
    """Implements ``SecondSource``. The token needs Account Analytics Read."""

    def __init__(self, client: CloudflareClient) -> None:
        self._client = client
        self._quantile: str | None = None

    async def count(
        self, worker: str, *, since: datetime, until: datetime
    ) -> tuple[tuple[Invocations, ...], str]:
        """
        What each version served in ``[since, until)``, whole seconds, and the question in words.

        Invocations that name no version come under the empty one. Raises MetricsAway.
        """
        try:
            quantile = await self._best_quantile()
            data = await self._client.query(
                _COUNT % (f"quantiles {{ {quantile} }}" if quantile else ""),
                {
                    "account": self._client.account_id,
                    "worker": worker,
                    "from": _iso(since),
                    # The data set counts whole seconds, and "up to" includes the last one.
                    "to": _iso(until - timedelta(seconds=1)),
                },
                budget=BUDGET,
            )
            rows = _rows(parse(_Data, data, asked="GraphQL workersInvocationsAdaptive"))
        except PhasegateError as failure:
            raise MetricsAway(f"GraphQL analytics: {failure}") from failure
        words = f"GraphQL workersInvocationsAdaptive, {worker}, [{_iso(since)}, {_iso(until)})"
        return tuple(_invocations(row, quantile) for row in rows), words

    async def _best_quantile(self) -> str:
        """The name of the quantile that is asked for, empty when the account has none; asked once."""
        if self._quantile is None:
            shown = await self._client.query(_FIELDS % _QUANTILES, {}, budget=BUDGET)
            self._quantile = next((name for name in _WANTED if name in _names(shown)), "")
        return self._quantile


def _names(shown: Any) -> frozenset[str]:
    kind = shown.get("__type") if isinstance(shown, dict) else None
    fields = kind.get("fields") if isinstance(kind, dict) else None
    return frozenset(str(field.get("name")) for field in fields or () if isinstance(field, dict))


def _rows(data: _Data) -> tuple[_Row, ...]:
    return tuple(row for account in data.viewer.accounts for row in account.workersInvocationsAdaptive)


def _invocations(row: _Row, quantile: str) -> Invocations:
    micros = (row.quantiles or {}).get(quantile)
    return Invocations(
        version=row.dimensions.scriptVersion or "",
        requests=round(row.sum.requests),
        errors=round(row.sum.errors),
        sampling=max(row.avg.sampleInterval or 1.0, 1.0),
        quantile=quantile if micros is not None else "",
        wall=micros / 1000 if micros is not None else None,
    )


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
