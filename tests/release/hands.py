"""What else can happen to production: somebody deploys, secrets change, a reading lags."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from phasegate.domain.plan import DriftPolicy, Environment, OnForeign, RolloutPlan
from phasegate.domain.versions import LiveSplit, Split
from phasegate.keeper.watch import Watch
from phasegate.wiring import read_bundle
from tests.release.stage import SERVICE, Stage
from tests.release.test_keeper_takes_back import RELEASE


async def deploy(world: Stage, split: Split, *, message: str = "a hotfix") -> LiveSplit:
    """Somebody else sets a split."""
    target = world.hands.target
    live = await target.live(SERVICE)
    assert live is not None
    return await target.set_split(SERVICE, split, message=message, was=live.id)


async def foreign_version(world: Stage, version: str = "0.1.13-errors") -> str:
    """Somebody else uploads a version of their own; its id."""
    bundle = read_bundle(world.settings, str(world.bundles[version]))
    uploaded = await world.hands.target.upload(
        SERVICE, bundle, environment=Environment.PRODUCTION, release="foreign"
    )
    return uploaded.id


def planned(world: Stage, policy: OnForeign, **changes: Any) -> RolloutPlan:
    """The demo's plan with *policy* for foreign deployments."""
    return world.plan(drift=DriftPolicy(on_foreign=policy), **changes)


async def looked(world: Stage, *, times: int = 1) -> Watch:
    """A keeper looks at the release; no run is there."""
    watch = Watch(world.hands)
    for _ in range(times):
        await watch.look_at(RELEASE)
    return watch


async def kinds(world: Stage) -> list[str]:
    """What is in the ledger, in order."""
    return [row.event.kind for row in await world.hands.journal.ledger.events(RELEASE)]


async def pages(world: Stage) -> list[str]:
    """The subjects of everything that people were told."""
    return [notice.subject for notice in (await world.state(RELEASE)).notices.values()]


def change_secrets(world: Stage) -> None:
    """What an edit of secrets by itself does: older versions know others from now on."""
    assert world.edge.workdir is not None
    with sqlite3.connect(world.edge.workdir / "state" / "state.sqlite", timeout=10) as rows:
        rows.execute("UPDATE scripts SET secret_state = secret_state + 1 WHERE name = ?", (SERVICE,))
    rows.close()


@dataclass(frozen=True)
class Lagging:
    """A platform whose readings come from a place that is behind: it shows *older* for *reads* readings."""

    target: Any
    older: LiveSplit
    reads: list[int]

    async def live(self, worker: str) -> LiveSplit | None:
        if self.reads:
            self.reads.pop()
            return self.older
        live: LiveSplit | None = await self.target.live(worker)
        return live

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


def behind(world: Stage, older: LiveSplit, *, reads: int) -> Stage:
    """The same world, seen through a platform that lags."""
    lagging = Lagging(world.hands.target, older, list(range(reads)))
    return replace(world, hands=replace(world.hands, target=lagging))
