"""What happened, in words: one line for each event, the same on every screen."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from phasegate.domain.checklist import Outcome
from phasegate.domain.events import Event, Settling
from phasegate.domain.quantities import format_duration
from phasegate.domain.versions import Split, Version

Tags = Mapping[str, str]
_NO_TAGS: Tags = MappingProxyType({})


def describe(event: Event, *, tags: Tags = _NO_TAGS) -> str:
    """One line about *event*; *tags* gives versions the name people call them by (id -> tag)."""
    return " ".join(_WORDS[event.kind](event, tags).split())


def split_text(split: Split, *, tags: Tags = _NO_TAGS) -> str:
    """Who gets what: ``v2 10 %, v1 90 %``; a version that gets nothing is left out."""
    shares = [share for share in split.shares if share.weight > 0]
    return ", ".join(f"{name(share.version, tags)} {share.weight:g} %" for share in shares)


def name(version: str, tags: Tags) -> str:
    """The version's tag, else the first eight characters of its id."""
    return tags.get(version) or version[:8]


def clock_text(at: datetime) -> str:
    """A time inside a sentence: ``2026-03-01 14:05:00 UTC``."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _known(version: Version) -> str:
    return version.label


def _opened(e: Any, tags: Tags) -> str:
    candidate = e.candidate.tag or e.candidate.version[:8] or e.candidate.bundle or "a version"
    wanted = f"release of {candidate} to {e.service} opened by {e.requested_by}: {e.reason}"
    return f"{wanted}; known good is {_known(e.known_good)}, live is {split_text(e.live.split, tags=tags)}"


def _share(e: Any, _: Tags) -> str:
    if e.observed is None:
        return f"{e.phase}: no traffic seen yet at a weight of {e.weight:g} %"
    verb = "follows" if e.followed else "does not follow"
    return f"{e.phase}: the observed share, {e.observed:.1f} %, {verb} the weight of {e.weight:g} %"


def _checked(e: Any, _: Tags) -> str:
    passed = [result for result in e.results if result.outcome is Outcome.PASSED]
    rest = [
        f"{r.key} {r.outcome}" + (f" ({r.detail})" if r.detail else "") for r in e.results if r not in passed
    ]
    text = f"{e.phase}: {len(passed)} of {len(e.results)} checks passed"
    return f"{text}; {', '.join(rest)}" if rest else text


def _loaded(e: Any, _: Tags) -> str:
    reason = str(e.report.get("reason", ""))
    text = f"{e.phase}: the load test " + (
        "gave evidence" if e.report.get("conclusive") else "is inconclusive"
    )
    return f"{text}: {reason}" if reason else text


def _soaking(e: Any, _: Tags) -> str:
    return f"{e.phase}: soaks for {format_duration(e.until - e.since)}, until {clock_text(e.until)}"


def _judged(e: Any, _: Tags) -> str:
    reasons = "; ".join(reason.text for reason in e.verdict.because())
    return f"{e.verdict.phase}: {'final verdict' if e.final else 'verdict'}: {e.verdict.finding}: {reasons}"


def _decided(e: Any, _: Tags) -> str:
    low = " (low traffic accepted, as the plan allows)" if e.decision.accepted_low_traffic else ""
    reasons = "; ".join(reason.text for reason in e.decision.because)
    return f"{e.phase}: decided to {e.decision.action}{low}" + (f": {reasons}" if reasons else "")


def _asked(e: Any, _: Tags) -> str:
    kind = "hold question" if e.hold else "gate"
    roles = ", ".join(e.roles)
    return f"{e.phase}: {kind} {e.gate!r} asks {roles}; silence after {clock_text(e.expires_at)} means reject"


def _answered(e: Any, _: Tags) -> str:
    verb = {"approve": "approves", "reject": "rejects", "extend": "asks for a longer soak"}[e.choice]
    return f"{e.approver} as {e.role} {verb} ({e.key})" + (f": {e.reason}" if e.reason else "")


def _breached(e: Any, _: Tags) -> str:
    return f"{e.phase}: rollback threshold exceeded: {'; '.join(reason.text for reason in e.because)}"


def _drifted(e: Any, tags: Tags) -> str:
    expected, found = split_text(e.expected, tags=tags), split_text(e.found.split, tags=tags)
    return f"somebody else changed the traffic: expected {expected}; found {found}"


def _settled(e: Any, tags: Tags) -> str:
    what = "leaves" if e.choice is Settling.ACCEPT else "decides to replace"
    return f"{e.by} {what} the foreign split {split_text(e.found.split, tags=tags)}: {e.reason}"


def _examined(e: Any, _: Tags) -> str:
    known = "the way back is free" if e.free else "the way back is not free"
    asked = [o.text for o in e.obstacles if o.asks]
    open_ = [f"not examined: {o.text}" for o in e.obstacles if not o.asks]
    return _with(f"{e.phase}: {known}", "; ".join(asked + open_))


def _cross_checked(e: Any, _: Tags) -> str:
    said = "; ".join(e.differences) or "both sources agree"
    return f"{e.phase}: metrics compared up to {clock_text(e.until)}: {said}"


def _sending(e: Any, _: Tags) -> str:
    return f"{e.phase}: synthetic requests {'are sent' if e.sending else 'are no longer sent'}: {e.because}"


def _synthetic_checked(e: Any, _: Tags) -> str:
    said = "; ".join(e.differences) or "telemetry counted what their sender saw"
    return f"{e.phase}: synthetic requests compared up to {clock_text(e.until)}: {said}"


def _planned(e: Any, _: Tags) -> str:
    each = [f"{one.name}" + (f" ({'; '.join(one.contracts)})" if one.contracts else "") for one in e.pending]
    return f"{e.environment} database {e.database}: due are {', '.join(each) or 'no migrations'}"


def _database_back(e: Any, _: Tags) -> str:
    schema = "is" if e.as_before else "is not"
    text = f"the {e.environment} database was taken back ({e.way}); its schema {schema} that from before"
    return _with(f"{text}; bookmark {e.previous} undoes it", e.detail)


def _notice(e: Any, _: Tags) -> str:
    return f"notice {e.id} ({e.level}) to {', '.join(e.channels) or 'nobody'}: {e.subject}"


def _delivered(e: Any, _: Tags) -> str:
    verb = "was delivered to" if e.ok else "could not be delivered to"
    return f"notice {e.notice} {verb} {e.channel}" + (f": {e.detail}" if e.detail else "")


def _with(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


_WORDS: dict[str, Callable[[Any, Tags], str]] = {
    "opened": _opened,
    "driven": lambda e, _: f"run {e.run} drives the release",
    "phase-began": lambda e, _: f"{e.phase}: begins",
    "uploaded": lambda e, _: f"the candidate is version {_known(e.version)} in {e.environment}",
    "intended": lambda e, tags: f"about to set {e.worker} to {split_text(e.split, tags=tags)}: {e.because}",
    "acted": lambda e, tags: f"{e.worker} now serves {split_text(e.live.split, tags=tags)} (read back)",
    "dropped": lambda e, _: f"traffic change {e.intent} has no effect: {e.why}",
    "share-seen": _share,
    "checked": _checked,
    "loaded": _loaded,
    "soaking": _soaking,
    "extended": lambda e, _: f"{e.phase}: the soak is extended until {clock_text(e.until)}: {e.because}",
    "judged": _judged,
    "decided": _decided,
    "asked": _asked,
    "answered": _answered,
    "answer-refused": lambda e, _: (
        f"the answer of {e.approver} as {e.role} ({e.key}) does not count: {e.why}"
    ),
    "expired": lambda e, _: f"nobody answered in time ({e.key}): rejected",
    "withdrawn": lambda e, _: f"the question ({e.key}) is withdrawn: {e.because}",
    "breached": _breached,
    "abort-asked": lambda e, _: f"{e.by} wants the release taken back: {e.reason}",
    "phase-ended": lambda e, _: f"{e.phase}: passed",
    "known-good": lambda e, _: f"known good is now {_known(e.version)}",
    "drifted": _drifted,
    "drift-settled": _settled,
    "examined": _examined,
    "restore-refused": lambda e, _: f"the platform refuses the known-good version: {e.why}",
    "cross-checked": _cross_checked,
    "synthetic-sending": _sending,
    "synthetic-checked": _synthetic_checked,
    "verified": lambda e, tags: _with(
        f"after the rollback {name(e.version, tags) or 'no version'} answers "
        + ("and is healthy" if e.ok else "and is not healthy"),
        e.detail,
    ),
    "recovered": lambda e, _: _with(
        "the service has recovered" if e.recovered else "the service has not recovered", e.detail
    ),
    "migrations-planned": _planned,
    "migrating": lambda e, _: f"the {e.environment} database is migrated; before it was at {e.bookmark}",
    "migrated": lambda e, _: (
        f"the {e.environment} database has {', '.join(e.names)} and is at bookmark {e.bookmark}"
    ),
    "return-intended": lambda e, _: (
        f"{e.by} takes the {e.environment} database back ({e.way}) from {e.bookmark}: {e.reason}"
        + (f"; accepted: {e.accepted}" if e.accepted else "")
    ),
    "database-returned": _database_back,
    "notice": _notice,
    "delivered": _delivered,
    "stalled": lambda e, _: f"{e.phase}: cannot go on at present: {e.because}",
    "noted": lambda e, _: e.text,
    "ended": lambda e, _: _with(f"the release ended: {e.outcome}", e.summary),
}
