"""How a canary is judged: absolute limits, health, proof of success, silence, alerts."""

from phasegate.domain.judge.judge import Judge

__all__ = ["Judge"]
