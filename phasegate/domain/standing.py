"""Whether the known-good version can be brought back: known before traffic moves, or refused later."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from phasegate.domain.happening import Happening


class OverSecrets(StrEnum):
    """What a rollback does when the platform refuses a version because secrets changed since."""

    HOLD = "hold"
    FORCE = "force"


class Hurdle(StrEnum):
    """What may stand between a release and its way back."""

    NOT_DEPLOYABLE = "not-deployable"
    SECRETS = "secrets"
    DURABLE_OBJECTS = "durable-objects"
    BINDING = "binding"
    UNKNOWN = "unknown"
    NOT_EXAMINED = "not-examined"


class Obstacle(BaseModel):
    """One thing that may keep the known-good version from being brought back, in words for a person."""

    model_config = ConfigDict(frozen=True)

    hurdle: Hurdle
    text: str

    @property
    def asks(self) -> bool:
        """Whether a person has to answer for it; what nobody can examine is only said."""
        return self.hurdle is not Hurdle.NOT_EXAMINED


class Examined(Happening):
    """The way back was examined before production traffic moved; no obstacle means that it is free."""

    kind: Literal["examined"] = "examined"
    phase: str
    obstacles: tuple[Obstacle, ...]

    @property
    def free(self) -> bool:
        """Whether nothing is known to stand in the way."""
        return not any(obstacle.asks for obstacle in self.obstacles)


class RestoreRefused(Happening):
    """The platform refuses the known-good version; *secrets*: because they changed since it was live."""

    kind: Literal["restore-refused"] = "restore-refused"
    version: str
    why: str
    secrets: bool
