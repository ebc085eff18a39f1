"""
What Cloudflare's API says, as far as phasegate reads it; fields it adds later are kept.

Shapes: Workers Scripts API (versions, deployments) and Workers Observability API
(telemetry query) of Cloudflare's v4 API.
"""

from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phasegate.domain.errors import TargetAway
from phasegate.domain.versions import LiveSplit, Share, Split, Version

MESSAGE = "workers/message"
TAG = "workers/tag"


class Wire(BaseModel):
    """A part of an answer; unknown fields are no error."""

    model_config = ConfigDict(frozen=True, extra="allow")


class VersionShare(Wire):
    """One version in a deployment; ``percentage`` 0..100, fractions allowed."""

    version_id: str
    percentage: float


class Deployment(Wire):
    """A split in force since ``created_on``."""

    id: str
    versions: tuple[VersionShare, ...]
    created_on: datetime | None = None
    annotations: dict[str, Any] | None = None

    @property
    def message(self) -> str:
        """What was noted when it was made."""
        return str((self.annotations or {}).get(MESSAGE, ""))

    def live(self, *, before: str) -> LiveSplit:
        """This deployment in the words of the domain; raises ValueError when it is no split of ours."""
        shares = tuple(Share(version=v.version_id, weight=v.percentage) for v in self.versions)
        return LiveSplit(
            id=self.id,
            split=Split(shares=shares),
            created_at=self.created_on,
            message=self.message,
            before=before,
        )


class Deployments(Wire):
    """``GET …/deployments``: newest first."""

    deployments: tuple[Deployment, ...] = ()

    def live(self) -> LiveSplit | None:
        """The deployment in force, None when there is none; raises TargetAway when it cannot be read."""
        if not self.deployments:
            return None
        newest = self.deployments[0]
        # The same write, sent twice after a lost answer, has replaced nothing but itself.
        older = (each.id for each in self.deployments[1:] if each.message != newest.message)
        try:
            return newest.live(before=next(older, ""))
        except ValueError as fault:
            raise TargetAway(f"deployment {self.deployments[0].id} is no split: {fault}") from None


class UploadedVersion(Wire):
    """One item of ``GET …/versions`` and the result of an upload."""

    id: str
    annotations: dict[str, Any] | None = None

    @property
    def message(self) -> str:
        """What was noted at upload."""
        return str((self.annotations or {}).get(MESSAGE, ""))

    def version(self) -> Version:
        """This version in the words of the domain."""
        return Version(id=self.id, tag=str((self.annotations or {}).get(TAG) or ""))


class UploadedVersions(Wire):
    """``GET …/versions?deployable=true``: newest first, at most 100."""

    items: tuple[UploadedVersion, ...] = ()


class Binding(Wire):
    """One binding of a version; what it leads to is in fields of its type. Values of secrets never come."""

    name: str
    type: str


class Resources(Wire):
    """What a version consists of, without its code."""

    bindings: tuple[Binding, ...] = ()


class VersionDetail(Wire):
    """``GET …/versions/<id>``."""

    id: str
    resources: Resources = Resources()


class Group(Wire):
    """The value of one group key."""

    key: str
    value: Any = None


class Aggregate(Wire):
    """
    One group of one calculation.

    ``value`` is the estimate, already multiplied by ``sampleInterval``; ``count``
    is the number of stored rows behind it.
    """

    value: float
    count: float | None = None
    sampleInterval: float | None = None
    groups: tuple[Group, ...] | None = None


class Calculation(Wire):
    """One calculation of a query with its groups."""

    alias: str | None = None
    aggregates: tuple[Aggregate, ...] = ()


class QueryResult(Wire):
    """The result of a telemetry query with the view ``calculations``."""

    calculations: tuple[Calculation, ...] = Field(min_length=1)


W = TypeVar("W", bound=Wire)


def parse(shape: type[W], result: Any, *, asked: str) -> W:
    """Read *result* as *shape*; raises TargetAway when the API speaks otherwise."""
    try:
        return shape.model_validate(result)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "result"
        raise TargetAway(f"{asked}: an answer of unknown shape at {where}: {first['msg']}") from None
