"""A person changes the split of a service that nobody releases now."""

from dataclasses import dataclass

from phasegate.actions.outside import Outside
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, FixTheInput, Refused
from phasegate.domain.events import Notice, Outcome
from phasegate.domain.versions import LiveSplit, Share, Split, Version

LOG = "deployment-log"
SHORTEST_ID = 8


@dataclass(frozen=True)
class Wanted:
    """A version, by its id, the beginning of its id or its tag, and its share in percent."""

    version: str
    weight: float


@dataclass(frozen=True)
class Changed:
    """What was live before, what is live now, and the names of the versions by their ids."""

    before: LiveSplit
    after: LiveSplit
    names: dict[str, str]

    def words(self, split: Split) -> str:
        """*split* as people say it."""
        return ", ".join(f"{self.names.get(s.version, s.version[:8])} {s.weight:g} %" for s in split.shares)


async def split_by_hand(
    outside: Outside, service: str, wanted: tuple[Wanted, ...], *, by: str, reason: str
) -> Changed:
    """
    Give the named versions their shares, at once, and write down who did it and why.

    Raises Refused while a release of the service is active, because its ledger would
    not know; FixTheInput for a version or a sum that cannot be; Drift when somebody
    else deploys at the same moment; CannotRestore when the platform refuses.
    """
    await _refuse_during_a_release(outside, service)
    live = await outside.target.live(service)
    if live is None:
        raise Refused(f"there is no Worker {service!r}")
    known = await outside.target.versions(service)
    shares = tuple(Share(version=_found(known, each.version).id, weight=each.weight) for each in wanted)
    try:
        split = Split(shares=shares)
    except ValueError as fault:
        raise FixTheInput(f"this is no split: {_first_line(fault)}") from None
    message = f"phasegate, by hand: {by}: {reason}"
    after = await outside.target.set_split(service, split, message=message, was=live.id)
    changed = Changed(live, after, {version.id: version.label for version in known})
    await _log(outside, service, changed, by=by, reason=reason)
    return changed


async def version_before(outside: Outside, service: str) -> str:
    """
    The version that the newest release replaced, if that release is what is live.

    Raises Refused when there is none: which version was good is then for a person to say.
    """
    rows = [row for row in await outside.journal.ledger.releases(service=service) if not row.active]
    live = await outside.target.live(service)
    if rows and live is not None:
        newest = await outside.journal.state(max(rows, key=lambda row: row.opened_at).release)
        promoted = newest.ended is not None and newest.ended.outcome is Outcome.PROMOTED
        if promoted and newest.canary is not None and live.split.weight(newest.canary.id) == 100:
            return newest.known_good.id
    raise Refused(
        f"the ledger does not say which version of {service} was good before the one that is live; "
        "name it with --version"
    )


async def _refuse_during_a_release(outside: Outside, service: str) -> None:
    active = await outside.journal.ledger.releases(active=True, service=service)
    if active:
        name = active[0].release
        raise Refused(
            f"{name} is active, and a split that its ledger does not know would be drift; "
            f"take it back with `phasegate abort {name}`, or answer it with `phasegate answer {name}`"
        )


def _found(known: tuple[Version, ...], name: str) -> Version:
    exact = [version for version in known if name in (version.id, version.tag)]
    begun = [version for version in known if len(name) >= SHORTEST_ID and version.id.startswith(name)]
    found = exact or begun
    if len(found) == 1:
        return found[0]
    newest = ", ".join(f"{version.id[:SHORTEST_ID]} {version.tag}".strip() for version in known[:5]) or "none"
    count = "no version" if not found else f"{len(found)} versions"
    raise FixTheInput(f"{count} called {name!r} can be deployed; the newest are {newest}")


async def _log(outside: Outside, service: str, changed: Changed, *, by: str, reason: str) -> None:
    channel = outside.channels.get(LOG)
    if channel is None:
        return
    was, now = changed.words(changed.before.split), changed.words(changed.after.split)
    text = f"{by} changed the split of {service} from {was} to {now}: {reason}"
    key = f"by-hand-{changed.after.id}"
    notice = Notice(id=key, level=Level.WARNING, channels=(LOG,), subject=f"{service}: by hand", text=text)
    try:
        await channel.send(notice, key=key)
    except Away:
        # The platform's own deployment carries the same words in its message.
        return


def _first_line(fault: ValueError) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if "Value error" in line]
    return lines[0].partition("Value error, ")[2].partition(" [type")[0] if lines else str(fault)
