"""Versions of a service and who gets what share of the traffic."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Version(BaseModel):
    """One uploaded version: the platform's id and the tag people call it by."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1)
    tag: str = ""

    @property
    def label(self) -> str:
        """The tag when there is one, else the first eight characters of the id."""
        return self.tag or self.id[:8]

    def named(self, said: str) -> bool:
        """
        Whether *said* is this version: a health body says the tag, ``X-Version-Id`` the id.

        What an answer fails with has the header alone, so both are always looked at.
        """
        return bool(said) and said in (self.id, self.tag)


class Share(BaseModel):
    """One version's part of the traffic; ``weight`` in percent."""

    model_config = ConfigDict(frozen=True)

    version: str
    weight: float = Field(ge=0, le=100)


class Split(BaseModel):
    """
    Who gets what share: one or two versions whose weights sum to 100.

    Order carries no meaning: two splits with the same shares are equal.
    """

    model_config = ConfigDict(frozen=True)

    shares: tuple[Share, ...] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(share.weight for share in self.shares)
        if abs(total - 100) > 0.001:
            raise ValueError(f"the weights of a split sum to 100, these sum to {total:g}")
        if len({share.version for share in self.shares}) != len(self.shares):
            raise ValueError("a split names each version once")
        return self

    @classmethod
    def whole(cls, version: str) -> "Split":
        """Everything to one version."""
        return cls(shares=(Share(version=version, weight=100),))

    @classmethod
    def between(cls, stable: str, canary: str, *, canary_weight: float) -> "Split":
        """*canary_weight* percent to the canary and the rest to stable; 0 and 100 are legal."""
        if canary_weight == 100:
            return cls.whole(canary)
        shares = (
            Share(version=canary, weight=canary_weight),
            Share(version=stable, weight=100 - canary_weight),
        )
        return cls(shares=shares)

    def weight(self, version: str) -> float:
        """The percentage that *version* takes; 0 when it is not part of the split."""
        return next((share.weight for share in self.shares if share.version == version), 0.0)

    def same_traffic(self, other: "Split") -> bool:
        """Whether both send every version the same share (a version at 0 % takes none)."""
        names = {share.version for share in self.shares + other.shares}
        return all(abs(self.weight(name) - other.weight(name)) <= 0.001 for name in names)

    def same_listing(self, other: "Split") -> bool:
        """Whether both list the same versions with the same shares; one at 0 % is reached by override."""
        listed, others = ({share.version for share in split.shares} for split in (self, other))
        return listed == others and self.same_traffic(other)


class LiveSplit(BaseModel):
    """
    A split as read from the platform, with the platform's own id and time for it.

    ``before`` is the id of the deployment that it replaced, where that is known.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    split: Split
    created_at: datetime | None = None
    message: str = ""
    before: str = ""
