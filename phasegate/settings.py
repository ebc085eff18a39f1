"""What is configured, from the environment (``PHASEGATE_…``); secrets never show in text."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as Unreadable

from phasegate.domain.errors import SettingsError
from phasegate.domain.quantities import Duration

PLANS = Path("deployments/plans")


class TokenRole(StrEnum):
    """What a token is used for; each may be a token of its own, with no more permissions than that needs."""

    READER = "reader"
    ROLLOUT = "rollout"
    MIGRATE = "migrate"


class Settings(BaseSettings):
    """Addresses, account and token. Every field is an environment variable with the prefix ``PHASEGATE_``."""

    model_config = SettingsConfigDict(env_prefix="PHASEGATE_", extra="ignore", frozen=True)

    def __init__(self, **given: Any) -> None:
        """Read the environment. Raises SettingsError naming every variable that cannot be used."""
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise SettingsError("\n".join(map(_words, error.errors(include_input=False)))) from None
        except Unreadable as error:
            raise SettingsError(f"PHASEGATE_…: {error}; lists and mappings are written as JSON") from None

    ledger: str = Field(
        default="", repr=False, description="SQLite file or SQLAlchemy URL; default .phasegate/ledger.db"
    )
    plans: tuple[Path, ...] = Field(
        default=(), description="Directories with plans; default deployments/plans"
    )
    project: Path = Field(
        default=Path(), description="Directory that relative paths of plans and bundles start at"
    )
    api_url: str = "https://api.cloudflare.com/client/v4"
    account_id: str = ""
    token: SecretStr = Field(default=SecretStr(""), description="Token for every role without one of its own")
    token_reader: SecretStr = Field(default=SecretStr(""), description="Token that reads splits and metrics")
    token_rollout: SecretStr = Field(default=SecretStr(""), description="Token that uploads and sets splits")
    token_migrate: SecretStr = Field(default=SecretStr(""), description="Token that changes D1 databases")
    front_door: str = Field(
        default="https://{worker}.workers.dev",
        description="Where users reach a Worker; {worker} stands for its name",
    )
    channels: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Channel name -> webhook address"
    )
    prefect_api_url: str = Field(
        default="http://127.0.0.1:4200/api", description="Address of the Prefect API"
    )
    prefect_ui_url: str = Field(default="", description="Address of the Prefect UI, for links")
    release_deployment: str = Field(
        default="release/release", description="Prefect deployment that runs a release: flow/name"
    )
    rollback_deployment: str = Field(
        default="rollback/rollback", description="Prefect deployment that runs a rollback: flow/name"
    )
    prefect_auth: SecretStr = Field(default=SecretStr(""), description="user:password of the Prefect API")
    api_timeout: float = Field(default=15.0, gt=0, description="Seconds that one API call may take")
    wait_in_place: Duration = Field(
        default=timedelta(seconds=60),
        description="A run waits this long in its process; for a longer wait it suspends",
    )
    run_silent: Duration = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="A run whose process gives no sign of life for so long is replaced",
    )
    production_env: str = Field(
        default="", description="Production's environment in wrangler's configuration; default the top level"
    )
    staging_env: str = Field(
        default="staging", description="Staging's environment in wrangler's configuration"
    )

    @property
    def plan_places(self) -> tuple[Path, ...]:
        """Where plans are looked for: what is configured; else the project's own, then the shipped ones."""
        if self.plans:
            return self.plans
        shipped = Path(__file__).resolve().parent.parent / PLANS
        own = self.project / PLANS
        return (own, shipped) if own.resolve() != shipped else (shipped,)

    def token_for(self, role: TokenRole) -> SecretStr:
        """The token of *role*, or the one for everything; empty when neither is set."""
        own: SecretStr = getattr(self, f"token_{role}")
        return own if own.get_secret_value() else self.token


def _words(fault: Any) -> str:
    """The variable and what is wrong with it, without pydantic's own prefix."""
    field, *inside = map(str, fault["loc"])
    place = "".join(f", {key!r}" for key in inside)
    return f"PHASEGATE_{field.upper()}{place}: {str(fault['msg']).removeprefix('Value error, ')}"
