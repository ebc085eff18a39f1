"""Everything outside of phasegate that an action may use, in one hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from phasegate.actions.journal import Journal
from phasegate.actions.pauses import Pauses
from phasegate.ports import (
    Channel,
    Checks,
    Clock,
    Database,
    Marked,
    Metrics,
    Pictures,
    Runs,
    SecondSource,
    Target,
)


@dataclass(frozen=True)
class Outside:
    """
    The ports of one driver (a run or a keeper).

    ``channels`` maps a plan's channel name to its adapter; without a ``second`` source of
    metrics nothing is compared, without ``marked`` no synthetic request is sent. ``pauses`` are
    those of the channels.
    """

    journal: Journal
    target: Target
    database: Database
    metrics: Metrics
    checks: Checks
    channels: Mapping[str, Channel]
    runs: Runs
    clock: Clock
    pictures: Pictures
    second: SecondSource | None = None
    marked: Marked | None = None
    pauses: Pauses = field(default_factory=Pauses)
