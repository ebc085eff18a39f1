"""What serves production while a release is taken back, in words that a person can act on."""

from phasegate.domain.ledger import ReleaseState
from phasegate.domain.versions import Split


def taken_back(state: ReleaseState) -> bool:
    """Whether the known-good version was brought back and the candidate, as last seen, serves nobody."""
    return state.restored_at is not None and not state.exposed and not _candidate_in(state, _serving(state))


def how_it_stands(state: ReleaseState) -> str:
    """One sentence: what serves as last seen, and first of all when the release is not taken back."""
    split = _serving(state)
    shares = " and ".join(f"{_label(state, share.version)} {share.weight:g} %" for share in split.shares)
    if state.aborting and (state.exposed or _candidate_in(state, split)):
        return f"NOT taken back: as last seen, {state.service} is served by {shares}"
    if split.weight(state.known_good.id) < 100:
        return f"As last seen, {state.service} is served by {shares}"
    unsure = state.aborting and state.restored_at is None
    return f"{state.known_good.label} serves 100 % as last seen" + (", which was not confirmed" * unsure)


def _serving(state: ReleaseState) -> Split:
    return state.drift.found.split if state.drift is not None else state.live.split


def _candidate_in(state: ReleaseState, split: Split) -> bool:
    return state.canary is not None and state.aborting and split.weight(state.canary.id) > 0


def _label(state: ReleaseState, version: str) -> str:
    known = {each.id: each.label for each in (state.known_good, state.canary) if each is not None}
    return known.get(version, version[:8])
