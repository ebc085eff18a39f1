"""What becomes of a release when somebody else deploys its service: hold, restore, or abandon."""

from phasegate.actions.gates import fallen
from phasegate.actions.outside import Outside
from phasegate.actions.raising import ANY
from phasegate.actions.rollback import close, restore
from phasegate.actions.telling import tell
from phasegate.actions.traffic import Change, drift_words, drifted, read_live, shift, words
from phasegate.domain.criteria import Level
from phasegate.domain.drift import DriftSettled, OnForeign, Settling
from phasegate.domain.errors import Drift, FixTheInput, Refused, RunsAway
from phasegate.domain.events import Acted, Event, Outcome
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.production import Seen, compare, still_ours
from phasegate.domain.versions import LiveSplit

PLAN = "the plan"
# Whoever deploys again after each restoring will not stop; two machines must not fight over production.
MOST_RESTORED = 3


async def refuse_foreign(outside: Outside, release: str) -> ReleaseState:
    """Note a split that somebody else deployed and raise Drift; nothing is changed."""
    live, state, seen = await _look(outside, release)
    if seen in (Seen.EXPECTED, Seen.BEHIND):
        return state
    state = await outside.journal.record(release, lambda s: drifted(s, live))
    raise Drift(drift_words(state, live))


async def mind_drift(outside: Outside, release: str) -> ReleaseState:
    """
    Compare what is live with the ledger and do what the plan says about a difference.

    While a release is taken back, a split with the candidate is replaced and any other
    foreign one is left alone. Raises Drift while a person has to decide, TargetAway. A split
    that is the one last known needs no look at the ledger.
    """
    before = await outside.journal.known(release)
    live = await read_live(outside, before)
    if _undisturbed(before, live):
        return before
    live, state, seen = await _beside(outside, before, live)
    if seen is Seen.BEHIND or state.ended is not None:
        return state
    if seen is Seen.EXPECTED:
        return await outside.journal.record(release, lambda s: _taken_over(s, live))
    if seen is Seen.LATE:
        return await _put_back(outside, state, live, because="a write that was given up landed late")
    state = await outside.journal.record(release, lambda s: drifted(s, live))
    if state.aborting and still_ours(state, live):
        return await restore(outside, release, again=True)
    return await _follow(outside, state, live)


async def _look(outside: Outside, release: str) -> tuple[LiveSplit, ReleaseState, Seen]:
    """A split that changes hands while it is read is read again at the next look."""
    before = await outside.journal.state(release)
    return await _beside(outside, before, await read_live(outside, before))


def _undisturbed(state: ReleaseState, live: LiveSplit) -> bool:
    same = live.id in (state.live.id, *state.known) and live.split.same_traffic(state.live.split)
    return same and state.pending is None and state.drift is None


async def _beside(
    outside: Outside, before: ReleaseState, live: LiveSplit
) -> tuple[LiveSplit, ReleaseState, Seen]:
    state = await outside.journal.state(before.release)
    if (state.live, state.pending) != (before.live, before.pending):
        return live, state, Seen.BEHIND
    return live, state, compare(state, live, now=outside.clock.now())


def _taken_over(state: ReleaseState, live: LiveSplit) -> Event | None:
    """The expected traffic is live; when somebody deployed it once more, that deployment is known now."""
    same = live.id == state.live.id or live.id in state.known
    if state.pending is not None or (same and state.drift is None):
        return None
    if not live.split.same_traffic(state.live.split):
        return None
    return Acted(intent="", worker=state.service, live=state.live if same else live)


async def _follow(outside: Outside, state: ReleaseState, live: LiveSplit) -> ReleaseState:
    settled = state.settled
    if settled is not None and settled.found.id == live.id:
        # Whoever decided did not live to do it.
        if settled.choice is Settling.ACCEPT:
            return await _abandon(outside, state, live, by=settled.by, reason=settled.reason)
        return await _put_back(outside, state, live, because=f"{settled.by}: {settled.reason}")
    policy = _policy(state, live)
    if policy is OnForeign.HOLD:
        raise Drift(drift_words(state, live))
    if policy is OnForeign.ABANDON:
        return await accept(outside, state.release, by=PLAN, reason="drift.on_foreign is abandon")
    return await bring_back(outside, state.release, by=PLAN, reason="drift.on_foreign is restore")


def _policy(state: ReleaseState, live: LiveSplit) -> OnForeign:
    """
    The plan's answer, where it is safe.

    A release is not ended by itself while the candidate takes traffic: nobody would watch it.
    """
    wanted = state.plan.drift.on_foreign
    if state.aborting or live.id in state.known:
        return OnForeign.HOLD
    if wanted is OnForeign.ABANDON and still_ours(state, live):
        return OnForeign.HOLD
    if wanted is OnForeign.RESTORE and state.drifts > MOST_RESTORED:
        return OnForeign.HOLD
    return wanted


async def accept(outside: Outside, release: str, *, by: str, reason: str) -> ReleaseState:
    """
    Leave the foreign split as it is and end the release.

    Raises Refused when what is live is what the release expects, FixTheInput without a name.
    """
    live, state = await _decided(outside, release, Settling.ACCEPT, by=by, reason=reason)
    return await _abandon(outside, state, live, by=by, reason=reason)


async def _abandon(
    outside: Outside, state: ReleaseState, live: LiveSplit, *, by: str, reason: str
) -> ReleaseState:
    release, left = state.release, _left(state, live)
    summary = (
        f"Abandoned: somebody else deployed {words(live.split)} ({live.message or 'no message'}), and {by} "
        f"left it so: {reason}.{left}"
    )
    state = await close(outside, release, outcome=Outcome.ABANDONED, summary=summary)
    subject = f"{release} abandoned"
    level = Level.CRITICAL if left else Level.WARNING
    await tell(outside, release, level=level, subject=subject, text=summary, once="ended")
    await _wake(outside, state)
    return await outside.journal.state(release)


def _left(state: ReleaseState, live: LiveSplit) -> str:
    if state.canary is None or not still_ours(state, live):
        return ""
    weight = live.split.weight(state.canary.id)
    return f" {state.canary.label} keeps {weight:g} %, and nobody watches it any more."


async def bring_back(outside: Outside, release: str, *, by: str, reason: str) -> ReleaseState:
    """
    Replace the foreign split by what the release expects, after which it goes on.

    A release that is being taken back expects the known-good version at 100 %. Raises as
    `accept` does, and what a traffic change raises.
    """
    live, state = await _decided(outside, release, Settling.RESTORE, by=by, reason=reason)
    state = await _put_back(outside, state, live, because=f"{by}: {reason}")
    await tell(
        outside,
        release,
        level=Level.WARNING,
        subject=f"{release}: a foreign deployment was replaced",
        text=f"Somebody else deployed {words(live.split)} ({live.message or 'no message'}). "
        f"It was replaced by {words(state.live.split)}, decided by {by}: {reason}. "
        "Next: whoever deployed it deploys again once the release has ended.",
        once=f"restored-over/{live.id}",
    )
    return state


async def _decided(
    outside: Outside, release: str, choice: Settling, *, by: str, reason: str
) -> tuple[LiveSplit, ReleaseState]:
    if len(by.strip()) < 3 or len(reason.strip()) < 3:
        raise FixTheInput("name who decides and why (--by and --reason, at least 3 characters each)")
    live, state, seen = await _look(outside, release)
    if state.ended is not None:
        raise Refused(f"{release} has ended already: {state.ended.summary}")
    if seen not in (Seen.FOREIGN, Seen.LATE):
        raise Refused(
            f"{state.service} serves what {release} expects ({words(live.split)}); there is nothing to decide"
        )
    await outside.journal.record(release, lambda s: drifted(s, live))
    event = DriftSettled(choice=choice, found=live, by=by, reason=reason)
    return live, await outside.journal.record(release, lambda s: None if s.settled == event else event)


async def _put_back(outside: Outside, state: ReleaseState, live: LiveSplit, *, because: str) -> ReleaseState:
    if state.aborting:
        return await restore(outside, state.release, again=True, over=live.id)
    raising = state.canary is not None and state.live.split.weight(state.canary.id) > 0
    text = f"put back what is expected: {because}"[:800]
    change = Change(state.live.split, text, raising=ANY if raising else "", over=live.id)
    return await shift(outside, state.release, change)


async def _wake(outside: Outside, state: ReleaseState) -> None:
    """A run that waits finds that its release has ended; one that cannot be woken is told about."""
    if not state.run:
        return
    try:
        await outside.runs.wake(state.run, answer=fallen(state))
    except RunsAway as away:
        text = f"The run {state.run} of the ended release could not be woken: {away}. Next: cancel it."
        subject = f"{state.release}: its run waits on"
        await tell(outside, state.release, level=Level.WARNING, subject=subject, text=text, once="asleep")
