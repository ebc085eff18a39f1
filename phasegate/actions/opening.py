"""How a release begins: everything is read and fixed before anything moves."""

from datetime import datetime

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.actions.turns import Turn, take_turn, tell_turn
from phasegate.domain.bundle import Bundle
from phasegate.domain.criteria import Level
from phasegate.domain.digest import plan_digest
from phasegate.domain.errors import Refused, ServiceTaken
from phasegate.domain.events import Candidate, Opened
from phasegate.domain.freeze import frozen
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.versions import LiveSplit, Version

REFUSED = Turn()


async def open_release(
    outside: Outside,
    release: str,
    *,
    service: str,
    plan: RolloutPlan,
    candidate: Candidate,
    reason: str,
    requested_by: str,
    break_glass: str = "",
    turn: Turn = REFUSED,
) -> ReleaseState:
    """
    Fix the plan, the candidate and the known-good version in the ledger.

    Raises Refused when the service does not exist, is split already, serves the
    candidate, has another active release, or the plan's freeze forbids to begin now
    and nobody broke the glass. *break_glass* is why that is right; it is kept and paged.
    *turn* says whether another active release is waited for or taken back first.
    """
    since = outside.clock.now()
    _refuse_frozen(plan, since, break_glass=break_glass)
    while True:
        before = await take_turn(outside, release, service=service, turn=turn, by=requested_by, since=since)
        # A wait may have led into a freeze, and what serves now is what was brought back.
        frozen_now = _refuse_frozen(plan, outside.clock.now(), break_glass=break_glass)
        opened = await _opened(outside, service, plan, candidate, reason=reason, requested_by=requested_by)
        if frozen_now:
            opened = opened.model_copy(update={"break_glass": break_glass})
        try:
            state = await outside.journal.open(release, opened)
        except ServiceTaken:
            if turn == REFUSED:
                raise
            continue
        if before:
            state = await tell_turn(outside, state, turn, before=before)
        return await _tell_broken(outside, state) if state.opened.break_glass else state


def _refuse_frozen(plan: RolloutPlan, now: datetime, *, break_glass: str) -> bool:
    """Whether the glass is broken now."""
    freeze = frozen(plan.freezes, now)
    if freeze and not break_glass:
        raise Refused(
            f"nothing is released until {freeze[0]:%Y-%m-%d %H:%M %Z}: {freeze[1]}; start it then, "
            "or say in --break-glass why it cannot wait"
        )
    return freeze is not None


async def _opened(
    outside: Outside,
    service: str,
    plan: RolloutPlan,
    candidate: Candidate,
    *,
    reason: str,
    requested_by: str,
) -> Opened:
    live = await outside.target.live(service)
    if live is None:
        raise Refused(
            f"there is no Worker {service!r} to release to; deploy a first version, then start again"
        )
    good = await known_good(outside, service, live)
    if candidate.version and candidate.version == good.id:
        raise Refused(f"{good.label} already serves 100 % of {service}; there is nothing to release")
    return Opened(
        service=service,
        plan=plan.model_dump(mode="json"),
        plan_digest=plan_digest(plan),
        candidate=candidate,
        known_good=good,
        live=live,
        reason=reason,
        requested_by=requested_by,
    )


async def _tell_broken(outside: Outside, state: ReleaseState) -> ReleaseState:
    text = f"{state.opened.requested_by} releases in a freeze, because: {state.opened.break_glass}"
    subject = f"{state.release}: the glass was broken"
    return await tell(
        outside, state.release, level=Level.CRITICAL, subject=subject, text=text, once="break-glass"
    )


async def known_good(outside: Outside, service: str, live: LiveSplit) -> Version:
    serving = [share.version for share in live.split.shares if share.weight == 100]
    if not serving:
        raise Refused(
            f"{service} is split already ({live.message or 'no message'}); "
            "a release starts from one version at 100 %. Finish or take back that split first"
        )
    known = {version.id: version for version in await outside.target.versions(service)}
    return known.get(serving[0], Version(id=serving[0]))


async def find_candidate(outside: Outside, service: str, *, version: str) -> Candidate:
    """An uploaded version by its id or tag; raises Refused naming the newest ones when there is none."""
    versions = await outside.target.versions(service)
    matches = [known for known in versions if version in (known.id, known.tag)]
    if len(matches) != 1:
        newest = ", ".join(known.label for known in versions[:5]) or "none"
        found = "no version" if not matches else f"{len(matches)} versions"
        raise Refused(f"{service} has {found} called {version!r}; the newest are {newest}")
    return Candidate(version=matches[0].id, tag=matches[0].tag)


def bundle_candidate(path: str, bundle: Bundle) -> Candidate:
    """A bundle as candidate: its path and what its bytes amount to."""
    return Candidate(bundle=path, digest=bundle.digest, tag=bundle.tag)
