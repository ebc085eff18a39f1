"""A sick version often says who it is by a header alone; its failures count all the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.collecting import probe_candidate, probe_staging
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import verify
from phasegate.actions.staging import validate_staging
from phasegate.adapters.checks_http import HttpChecks
from phasegate.domain.checklist import Outcome
from phasegate.domain.events import Drifted, KnownGood, Uploaded
from phasegate.domain.plan import Environment
from phasegate.domain.versions import LiveSplit, Split, Version
from phasegate.keeper.loop import Keeper
from tests.ledger_cases import CANARY, STABLE
from tests.loopback import Reply, serve
from tests.release.model_platform import START, ModelClock
from tests.release.paper import RELEASE, paper_release
from tests.release.test_care_for_runs import Later
from tests.release.test_quiet_looks import MINUTE, soaking

pytestmark = pytest.mark.patient
STAGED = Version(id="33333333-cccc", tag="v2")
HEALTHY = {"status": "healthy", "timestamp": "now", "checks": {"assets": "ok", "database": "ok"}}


@dataclass(frozen=True)
class Door:
    """A platform whose front door is a server on loopback."""

    target: Any
    url: str

    def front_door(self, worker: str) -> str:
        """The same for every Worker."""
        return self.url

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


@dataclass
class Service:
    """What answers at the front door."""

    status: int = 500
    by: str = CANARY.id
    body: Any = None

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """The same to everybody."""
        return Reply(self.status, self.body, headers={"X-Version-Id": self.by} if self.by else {})


@asynccontextmanager
async def served(home: Path, service: Service) -> AsyncIterator[Outside]:
    """Half of the canary's soak is over, and *service* answers health checks over HTTP."""
    async with paper_release(home) as (paper, _), serve(service.answer) as door:
        hands, _, _ = await soaking(replace(paper, second=None), ModelClock(START))
        checks = HttpChecks(hands.clock, project=home)
        try:
            yield replace(hands, target=Door(hands.target, door.url), checks=checks)
        finally:
            await checks.aclose()


async def probed(hands: Outside) -> list[bool]:
    """Whether each health check that counted has passed."""
    return [probe.ok for probe in await hands.journal.ledger.probes(RELEASE)]


async def staged(hands: Outside) -> None:
    """The candidate has been uploaded to staging."""
    await hands.journal.record(RELEASE, lambda _: Uploaded(environment=Environment.STAGING, version=STAGED))


@pytest.mark.parametrize("status", [404, 500])
async def test_a_candidate_whose_errors_name_it_by_id_is_taken_back(tmp_path: Path, status: int):
    """
    The body that says the tag is what a broken health route no longer sends.
    """
    async with served(tmp_path, Service(status)) as hands:
        keeper = Keeper(hands, "k1")
        for _ in range(4):
            await keeper.tick()
            hands.clock.time += MINUTE  # type: ignore[attr-defined]
        state = await hands.journal.state(RELEASE)

    assert state.breach
    assert state.breach[0].rule in ("health-consecutive", "health-failing")
    assert f"status {status} instead of 200" in state.breach[0].text


@pytest.mark.parametrize(
    ("by", "counts"),
    [(CANARY.id, 1), (CANARY.tag, 1), ("", 1), ("build 7", 1), (STABLE.id, 0), (STABLE.tag, 0)],
)
async def test_only_an_answer_of_the_known_good_version_says_nothing_of_the_candidate(
    tmp_path: Path, by: str, counts: int
):
    """
    Failures under a name that nobody knows are the candidate's: it was asked by its id.
    """
    async with served(tmp_path, Service(by=by)) as hands:
        await probe_candidate(hands, await hands.journal.state(RELEASE))

        assert await probed(hands) == [False] * counts


async def test_beside_a_foreign_split_only_the_candidates_own_names_count(tmp_path: Path):
    """
    The override reaches nobody there: a sick hotfix of somebody else accuses no candidate.
    """
    found = LiveSplit(id="foreign", split=Split.whole("hotfix"))
    service = Service(by="hotfix")
    async with served(tmp_path, service) as hands:
        foreign = Drifted(expected=Split.whole(CANARY.id), found=found)
        state = await hands.journal.record(RELEASE, lambda _: foreign)
        await probe_candidate(hands, state)
        strange = await probed(hands)
        service.by = CANARY.id
        await probe_candidate(hands, state)

        assert strange == []
        assert await probed(hands) == [False]


@pytest.mark.parametrize(("by", "counts"), [(STAGED.id, 1), (STAGED.tag, 1), ("an older one", 0)])
async def test_staging_that_fails_under_its_id_has_failed(tmp_path: Path, by: str, counts: int):
    """
    In staging the one before may still answer, and its name is not known.
    """
    async with served(tmp_path, Service(by=by)) as hands:
        await staged(hands)
        await probe_staging(hands, await hands.journal.state(RELEASE))

        assert await probed(hands) == [False] * counts


@pytest.mark.parametrize(
    ("by", "outcome"), [(STAGED.id, Outcome.PASSED), (STAGED.tag, Outcome.PASSED), ("v1", Outcome.FAILED)]
)
async def test_staging_may_name_itself_by_id(tmp_path: Path, by: str, outcome: Outcome):
    """
    A version knows its id from the platform; its tag only when somebody built that in.
    """
    async with served(tmp_path, Service(200, "", {**HEALTHY, "version": by})) as hands:
        await staged(hands)
        patient = replace(hands, clock=Later(hands.clock.now()))
        state = await hands.journal.state(RELEASE)
        phase = state.plan.phase("staging").model_copy(update={"validation": None})
        state = await validate_staging(patient, RELEASE, phase)

    assert [result.outcome for result in state.checks["staging"]] == [outcome]
    assert ("expected v2" in state.checks["staging"][0].detail) == (outcome is Outcome.FAILED)


@pytest.mark.parametrize(
    ("tag", "by", "ok"),
    [
        (STABLE.tag, STABLE.tag, True),
        (STABLE.tag, STABLE.id, True),
        (STABLE.tag, CANARY.id, False),
        (STABLE.tag, "build 6", False),
        ("", "build 6", True),
        ("", CANARY.id, False),
        ("", CANARY.tag, False),
    ],
)
async def test_a_restored_version_is_known_by_id_and_tag(tmp_path: Path, tag: str, by: str, ok: bool):
    """
    One without a tag may call itself as it likes; what names the candidate is never it.
    """
    async with served(tmp_path, Service(200, by, {**HEALTHY, "version": by})) as hands:
        good = KnownGood(version=STABLE.model_copy(update={"tag": tag}))
        await hands.journal.record(RELEASE, lambda _: good)
        state = await verify(hands, RELEASE)

    assert state.verified is not None
    assert state.verified.ok == ok
    assert ("answered by" in state.verified.detail) != ok


async def test_a_restored_version_that_is_sick_is_not_taken_for_another(tmp_path: Path):
    """
    Whoever reads why the rollback was not verified must not look for a wrong version.
    """
    async with served(tmp_path, Service(by=STABLE.id)) as hands:
        state = await verify(hands, RELEASE)

    assert state.verified is not None
    assert not state.verified.ok
    assert "status 500 instead of 200" in state.verified.detail
    assert "answered by" not in state.verified.detail
