"""What the keeper shows of a release while no run lives."""

from datetime import datetime

from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.report.evidence import progress_markdown, verdict_markdown


class MarkdownPictures:
    """Implements ``Pictures`` with the report's own Markdown."""

    def progress(self, state: ReleaseState, now: datetime) -> str:
        """Phase, weight, times, what is asked."""
        return progress_markdown(state, now)

    def verdict(self, state: ReleaseState, minutes: tuple[Minute, ...]) -> str:
        """The newest verdict with its table and picture."""
        return verdict_markdown(state, state.verdict, minutes)
