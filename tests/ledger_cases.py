"""Events of whole releases, for every test that needs a ledger with something in it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain import events as e
from phasegate.domain.criteria import Level
from phasegate.domain.ledger import GENESIS, chain
from phasegate.domain.plan import Environment
from phasegate.domain.verdict import Finding, Reason, Verdict
from phasegate.domain.versions import LiveSplit, Split, Version

T0 = datetime(2026, 2, 17, 3, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERVICE = "spring-rate-api"
STABLE = Version(id="11111111-aaaa", tag="v1")
CANARY = Version(id="22222222-bbbb", tag="v2")
PLAN = Path(__file__).parent.parent / "deployments" / "plans" / "production.yaml"


def opened(**changes: Any) -> e.Opened:
    """A release of v2 over v1 by the production plan."""
    fields = {
        "service": SERVICE,
        "plan": _plan(),
        "plan_digest": "5" * 64,
        "candidate": e.Candidate(bundle="dist", tag="v2"),
        "known_good": STABLE,
        "live": live(Split.whole(STABLE.id)),
        "reason": "faster rates",
        "requested_by": "ada",
    }
    return e.Opened(**{**fields, **changes})


@cache
def _plan() -> dict[str, Any]:
    return load_plan(PLAN, search=()).model_dump(mode="json")


def live(split: Split) -> LiveSplit:
    """*split* as the platform reports it."""
    return LiveSplit(id=f"on-platform-{split.weight(CANARY.id):g}", split=split)


def shifted(weight: float, *, because: str = "promoted") -> tuple[e.Event, ...]:
    """A traffic change of the service: intent and what was read back."""
    split = Split.between(STABLE.id, CANARY.id, canary_weight=weight)
    intent = e.Intended(
        id=f"to-{weight:g}", worker=SERVICE, split=split, was="before", because=because, fence=1
    )
    return (intent, e.Acted(intent=intent.id, worker=SERVICE, live=live(split)))


def judged(phase: str, finding: Finding, *, final: bool = True) -> e.Judged:
    """A verdict with one reason."""
    reason = Reason(
        criterion="error-rate",
        finding=finding,
        rule="absolute-limit",
        text="8 % of requests failed",
        value="8 %",
    )
    return e.Judged(verdict=Verdict(phase=phase, at=T0, finding=finding, reasons=(reason,)), final=final)


def soaking(phase: str) -> e.Soaking:
    """A soak of two hours."""
    return e.Soaking(phase=phase, since=T0, until=T0 + timedelta(hours=2))


def asked(key: str = "q1", *, phase: str = "staging", hold: bool = False) -> e.Asked:
    """The go or no-go question to two roles."""
    return e.Asked(
        key=key,
        phase=phase,
        gate="go-no-go",
        hold=hold,
        roles=("engineering-lead", "product-owner"),
        digest="d",
        evidence="all green",
        expires_at=T0 + timedelta(hours=4),
    )


def answered(role: str, *, key: str = "q1", choice: e.Choice = e.Choice.APPROVE) -> e.Answered:
    """One person's answer."""
    return e.Answered(
        key=key, choice=choice, approver=f"a {role}", role=role, reason="looks fine", digest="d"
    )


def good_release() -> tuple[e.Event, ...]:
    """From opened to promoted, through every phase and one gate of two roles."""
    return (
        opened(),
        e.Driven(run="run-1"),
        e.PhaseBegan(phase="staging"),
        e.Uploaded(environment=Environment.STAGING, version=Version(id="33333333-cccc", tag="v2")),
        e.Uploaded(environment=Environment.PRODUCTION, version=CANARY),
        asked(),
        answered("engineering-lead"),
        answered("product-owner"),
        e.PhaseEnded(phase="staging"),
        *production_phase("canary", 10),
        *production_phase("partial", 50),
        *production_phase("full", 100),
        e.KnownGood(version=CANARY),
        e.Ended(outcome=e.Outcome.PROMOTED, summary="v2 serves everybody"),
    )


def production_phase(name: str, weight: float) -> tuple[e.Event, ...]:
    """One phase that was passed."""
    return (
        e.PhaseBegan(phase=name),
        *shifted(weight),
        soaking(name),
        judged(name, Finding.HEALTHY),
        e.PhaseEnded(phase=name),
    )


def rolled_back_release() -> tuple[e.Event, ...]:
    """From opened to rolled back, after a breach in the canary phase."""
    breach = judged("canary", Finding.HARMFUL)
    return (
        *good_release()[:9],
        e.PhaseBegan(phase="canary"),
        *shifted(10),
        soaking("canary"),
        breach,
        e.Breached(phase="canary", because=breach.verdict.reasons),
        *shifted(0, because="8 % of requests failed"),
        e.Notice(
            id="n1", level=Level.CRITICAL, channels=("ops", "pager"), subject="taken back", text="v2 is out"
        ),
        e.Delivered(notice="n1", channel="ops", ok=True),
        e.Delivered(notice="n1", channel="pager", ok=False, detail="503"),
        e.Verified(ok=True, version=STABLE.id, detail="healthy in 12 ms"),
        e.Recovered(recovered=True, detail="steady for 15m"),
        e.Ended(outcome=e.Outcome.ROLLED_BACK, summary="v1 serves everybody"),
    )


def chained(events: Iterable[e.Event], *, release: str = "r1") -> tuple[e.Recorded, ...]:
    """*events* as rows a minute apart, with the hashes a ledger would give them."""
    rows: list[e.Recorded] = []
    for seq, event in enumerate(events, start=1):
        previous = rows[-1].hash if rows else GENESIS
        place: dict[str, Any] = {"release": release, "seq": seq, "at": T0 + MINUTE * seq, "by": "flow@host:1"}
        digest = chain(previous, event=event, **place)
        rows.append(e.Recorded(**place, event=event, previous=previous, hash=digest))
    return tuple(rows)
