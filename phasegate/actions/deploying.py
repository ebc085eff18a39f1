"""Make the candidate exist in an environment, and give it its share of the traffic."""

from phasegate.actions.collecting import staging_name
from phasegate.actions.outside import Outside
from phasegate.actions.raising import present, raisable
from phasegate.actions.traffic import Change, shift, words
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import Refused
from phasegate.domain.events import Acted, Candidate, Uploaded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment, Phase
from phasegate.domain.versions import Split, Version


async def upload(
    outside: Outside, release: str, *, environment: Environment, bundle: Bundle | None
) -> ReleaseState:
    """
    Upload the candidate to *environment*, once; an already uploaded candidate is found by its id.

    Raises BundleError when the platform refuses it, Refused when a candidate given
    by version has no twin in staging.
    """
    state = await outside.journal.state(release)
    if environment in state.uploaded:
        return state
    worker = state.service if environment is Environment.PRODUCTION else staging_name(state.service)
    if bundle is None:
        version = await existing(outside, state.opened.candidate, worker)
    else:
        version = await _put(outside, worker, bundle, environment=environment, release=release)
    event = Uploaded(environment=environment, version=version)
    return await outside.journal.record(release, lambda s: None if environment in s.uploaded else event)


async def _put(
    outside: Outside, worker: str, bundle: Bundle, *, environment: Environment, release: str
) -> Version:
    if await outside.target.live(worker) is None:
        return await outside.target.create(worker, bundle, environment=environment, release=release)
    return await outside.target.upload(worker, bundle, environment=environment, release=release)


async def existing(outside: Outside, candidate: Candidate, worker: str) -> Version:
    """The candidate as it was uploaded to *worker*, by its id or tag; raises Refused when it is not there."""
    for version in await outside.target.versions(worker):
        if version.id == candidate.version or (candidate.tag and version.tag == candidate.tag):
            return version
    name = candidate.tag or candidate.version
    raise Refused(
        f"{worker} has no version {name!r}; upload the same bundle there first, or release the bundle itself"
    )


async def stage(outside: Outside, release: str) -> ReleaseState:
    """Give staging the candidate whole; it takes no production traffic."""
    state = await outside.journal.state(release)
    version, worker = state.uploaded[Environment.STAGING], staging_name(state.service)
    live = await outside.target.live(worker)
    if live is None:
        raise Refused(f"the staging Worker {worker} vanished; start the release again")
    if live.split.weight(version.id) != 100:
        message = f"phasegate {release}: staging"
        live = await outside.target.set_split(worker, Split.whole(version.id), message=message, was=live.id)
    acted = Acted(intent="", worker=worker, live=live)
    return await outside.journal.record(release, lambda s: None if s.staged == live else acted)


async def promote(outside: Outside, release: str, phase: Phase) -> ReleaseState:
    """
    Give the candidate the share of *phase*; Refused once the release is being taken back.

    Raises Superseded when the release is in another phase: this driver has slept while
    another went on, and its weight is none of the present.
    """
    state = await outside.journal.state(release)
    if state.canary is None:
        raise Refused(f"{release} has no version in production to promote")
    present(state, phase.name)
    split = Split.between(state.known_good.id, state.canary.id, canary_weight=phase.weight)
    if state.live.split.same_listing(split) and state.pending is None:
        # A freeze stops what would be raised: a soak that ends in one has its traffic already.
        return state
    raisable(state, phase.name, now=outside.clock.now())
    because = f"{phase.title}: {words(split)}"
    return await shift(outside, release, Change(split, because, raising=phase.name))
