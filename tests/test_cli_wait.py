"""What `phasegate release --wait` makes of how a release went, and of a ledger or a run that is away."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from phasegate import cli_wait
from phasegate.actions.gates import would_count
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.adapters.plan_yaml import load_plan
from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.cli_wait import Following
from phasegate.domain.errors import LedgerBusy, Refused
from phasegate.domain.events import Ended, Event, Expired, Opened, Outcome
from phasegate.domain.ledger import ReleaseState, replay
from tests.ledger_cases import T0, asked, chained, good_release, rolled_back_release
from tests.loopback import Reply, serve

NAME, RUN = "checkout-1", str(uuid.uuid4())
PLANS = Path(__file__).resolve().parent.parent / "deployments" / "plans"
SOON, LATER = timedelta(seconds=0.5), timedelta(seconds=20)


@dataclass
class Faulty:
    """A ledger that is away for the first looks."""

    ledger: SqlLedger
    away: int

    async def events(self, release: str, *, after: int = 0) -> object:
        """As the ledger's own."""
        if self.away:
            self.away -= 1
            raise LedgerBusy("the ledger cannot be reached")
        return await self.ledger.events(release, after=after)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_wait, "LOOK", 0.01)


async def filled(file: Path, events: Iterable[Event]) -> SqlLedger:
    """A ledger in which *events* have happened to the release."""
    ledger = SqlLedger(str(file))
    await ledger.ready()
    for seq, event in enumerate(events):
        if isinstance(event, Opened):
            await ledger.open(NAME, event, by="test", at=T0)
        else:
            await ledger.append(NAME, event, expected=seq, by="test", at=T0)
    return ledger


async def waited(
    ledger: object,
    *,
    state: str = "RUNNING",
    called: str = "Running",
    says: str = "",
    limit: timedelta = LATER,
) -> int:
    """The exit code while Prefect says of the run that it is in *state*, *called* so."""
    answer = {"state_type": state, "state_name": called, "state": {"name": called, "message": says}}
    async with serve(lambda *_: Reply(200, answer)) as prefect:
        runs = PrefectRuns(f"{prefect.url}/api", auth=SecretStr(""), ui_url=prefect.url, timeout=5)
        try:
            following = Following(ledger, runs, name=NAME, run=RUN, kept_in="here.db")  # type: ignore[arg-type]
            return await following.to_its_end(datetime.now(UTC) + limit)
        finally:
            await runs.aclose()


ABANDONED = (*good_release()[:9], Ended(outcome=Outcome.ABANDONED, summary="left as it is"))
NOBODY = (
    *good_release()[:5],
    asked(),
    Expired(key="q1"),
    Ended(outcome=Outcome.REFUSED, summary="nobody answered"),
)


@pytest.mark.parametrize(
    ("events", "code"),
    [(good_release(), 0), (rolled_back_release(), 3), (ABANDONED, 1), (NOBODY, 4)],
    ids=["promoted", "rolled back", "abandoned", "nobody answered"],
)
async def test_each_ending_has_its_code(tmp_path: Path, events: tuple[Event, ...], code: int) -> None:
    ledger = await filled(tmp_path / "ledger.db", events)
    assert await waited(ledger) == code
    await ledger.close()


@pytest.mark.parametrize(
    ("state", "called", "code"),
    [
        ("FAILED", "Refused", 2),
        ("FAILED", "RolledBack", 3),
        ("COMPLETED", "Promoted", 0),
        ("FAILED", "Failed", 1),
        ("CRASHED", "Crashed", 1),
        ("CANCELLED", "Cancelled", 1),
    ],
)
async def test_a_run_that_ends_unknown_to_the_ledger_says_itself_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, called: str, code: int
) -> None:
    ledger = await filled(tmp_path / "ledger.db", ())
    assert await waited(ledger, state=state, called=called, says="its own words") == code
    await ledger.close()
    told = capsys.readouterr().err
    assert f"{called}: its own words" in told
    assert ("is here.db the ledger of the workers?" in told) == (called in {"RolledBack", "Promoted"})


async def test_a_ledger_that_is_away_is_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = await filled(tmp_path / "ledger.db", good_release())
    assert await waited(Faulty(ledger, away=30), state="CRASHED", called="Crashed") == 0
    await ledger.close()
    assert capsys.readouterr().err.count("cannot be reached") == 1


@pytest.mark.parametrize(("upto", "waits"), [(6, True), (9, False)], ids=["asks", "was answered"])
async def test_who_is_waited_for_is_named_only_while_somebody_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upto: int, waits: bool
) -> None:
    ledger = await filled(tmp_path / "ledger.db", good_release()[:upto])
    assert await waited(ledger, limit=SOON) == 4
    await ledger.close()
    told = capsys.readouterr().err
    assert ("it waits for engineering-lead and product-owner" in told) == waits
    assert f"`phasegate ledger show {NAME} --follow`" in told


def test_a_wait_without_limit_outlasts_every_soak_and_question() -> None:
    plan = load_plan("production", search=(PLANS,))
    questions = [phase.gate.limit for phase in plan.phases if phase.gate]
    assert plan.longest > plan.shortest + sum(questions, timedelta(0)) + plan.recovery.limit


def standing() -> ReleaseState:
    """A release in whose question one role has approved."""
    return replay(chained(good_release()[:7]))


@pytest.mark.parametrize(
    ("approver", "role", "why"),
    [
        (standing().opened.requested_by, "product-owner", "requested this release and may not approve it"),
        (
            standing().answers[0].approver,
            "product-owner",
            "has already approved as engineering-lead; nobody answers in another role",
        ),
        (
            standing().answers[0].approver,
            "engineering-lead",
            "has already approved as engineering-lead; nobody approves twice",
        ),
        ("somebody", "janitor", "the roles are engineering-lead, product-owner"),
    ],
)
def test_an_answer_that_would_not_count_is_refused_at_the_terminal(
    approver: str, role: str, why: str
) -> None:
    state = standing()
    assert state.question is not None
    early = state.question.expires_at - timedelta(seconds=1)
    with pytest.raises(Refused, match=why):
        would_count(state, now=early, decision="approve", approver=approver, role=role, reason="looks well")


@pytest.mark.parametrize("role", ["engineering-lead", "product-owner"])
def test_who_has_approved_may_still_reject_at_the_terminal(role: str) -> None:
    state = standing()
    assert state.question is not None
    early = state.question.expires_at - timedelta(seconds=1)
    approver = state.answers[0].approver
    would_count(state, now=early, decision="reject", approver=approver, role=role, reason="a fault")
    with pytest.raises(Refused, match="only a rejection would count"):
        would_count(state, now=early, decision="extend", approver=approver, role=role, reason="longer")


def test_an_answer_that_counts_is_not() -> None:
    state = standing()
    assert state.question is not None
    given = {"decision": "approve", "approver": "Somebody Else", "role": "product-owner", "reason": "well"}
    would_count(state, now=state.question.expires_at - timedelta(seconds=1), **given)
    with pytest.raises(Refused, match="the question expired"):
        would_count(state, now=state.question.expires_at, **given)
