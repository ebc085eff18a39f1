"""From a verdict to what happens to the traffic, with reasons."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from phasegate.domain.plan import LowTraffic, Phase
from phasegate.domain.verdict import Finding, Reason, Verdict


class Action(StrEnum):
    """What is done next."""

    PROMOTE = "promote"
    EXTEND = "extend"
    ASK = "ask"
    ABORT = "abort"


class Decision(BaseModel):
    """An action and every reason for it."""

    model_config = ConfigDict(frozen=True)

    action: Action
    because: tuple[Reason, ...]
    accepted_low_traffic: bool = False


def decide(phase: Phase, verdict: Verdict, *, extended: int, approved: bool) -> Decision:
    """
    Choose what happens once the soak of *phase* is over and it has been judged.

    A harmful verdict aborts even when somebody approved: approval may hurry a
    healthy canary, never carry a sick one. An inconclusive verdict is extended
    as often as the plan allows and then asked of a person, because silence is
    not health. *approved* answers the hold question of this phase, not its gate.
    """
    if verdict.finding is Finding.HARMFUL:
        return Decision(action=Action.ABORT, because=verdict.because())
    if verdict.finding is Finding.HEALTHY or approved:
        return Decision(action=Action.PROMOTE, because=verdict.reasons)
    if not verdict.violated and extended < (phase.soak.extensions if phase.soak else 0):
        return Decision(action=Action.EXTEND, because=verdict.because())
    if _may_accept(phase, verdict):
        return Decision(action=Action.PROMOTE, because=verdict.reasons, accepted_low_traffic=True)
    return Decision(action=Action.ASK, because=verdict.because())


def _may_accept(phase: Phase, verdict: Verdict) -> bool:
    if verdict.violated or verdict.doubtful or verdict.silent:
        return False
    return phase.low_traffic is LowTraffic.ACCEPT
