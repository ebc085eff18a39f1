"""Every setting is in the documentation, and a wrong one is named as it is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareTelemetry
from phasegate.adapters.plan_yaml import load_plan
from phasegate.adapters.prefect_api import PrefectApi
from phasegate.cli import COMMANDS, PURPOSE
from phasegate.cli_group import group
from phasegate.domain.errors import SettingsError
from phasegate.settings import Settings
from phasegate.wiring import metrics

pytestmark = pytest.mark.patient

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = {"PHASEGATE_ACCOUNT_ID": "a1", "PHASEGATE_PROJECT": str(ROOT)}


def test_the_documentation_has_every_variable() -> None:
    told = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in Settings.model_fields if f"`PHASEGATE_{name.upper()}`" not in told] == []


def test_the_example_has_every_channel_of_the_production_plan() -> None:
    told = (ROOT / "docs" / "settings.md").read_text()
    plan = load_plan("production", search=(ROOT / "deployments" / "plans",))
    assert [name for name in plan.told if f'"{name}"' not in told and f"`{name}`" not in told] == [
        "slack:#incidents"
    ]


def test_a_wrong_value_in_a_mapping_is_named_by_variable_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHASEGATE_CHANNELS", '{"pagerduty": 5}')
    with pytest.raises(SettingsError, match=r"^PHASEGATE_CHANNELS, 'pagerduty': "):
        Settings()


def test_credentials_in_the_address_of_prefect_are_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="set PHASEGATE_PREFECT_AUTH") as refused:
        PrefectApi("https://ada:s3cret@prefect.example/api", auth=SecretStr(""), timeout=1)
    assert "s3cret" not in str(refused.value)
    assert "ada" not in str(refused.value)


def ran(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and output of a command that must end without a traceback."""
    result = CliRunner().invoke(group(COMMANDS, purpose=PURPOSE), arguments, env={**ACCOUNT, **environment})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_an_address_that_is_none_is_one_line() -> None:
    show = ("plan", "show", "production", "--service", "x")
    code, told = ran(*show, PHASEGATE_API_URL="http://127.0.0.1:port/x", PHASEGATE_TOKEN="t" * 40)
    assert code == 2
    assert told.startswith("phasegate: PHASEGATE_API_URL is no address: ")


async def test_what_only_reads_needs_only_the_readers_token() -> None:
    lacking = Settings(account_id="a1", token_rollout=SecretStr("t" * 40))
    with pytest.raises(SettingsError, match="PHASEGATE_TOKEN_READER must be set"):
        async with metrics(lacking):
            pass

    given = Settings(account_id="a1", token_reader=SecretStr("t" * 40))
    async with metrics(given) as source:
        assert isinstance(source, CloudflareTelemetry)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("rollback", "r1", "--reason", "why", "--by", "a"), "--by"),
        (("restore", "r1", "--reason", "why", "--approver", "a", "--role", "x"), "--approver"),
    ],
)
def test_a_short_name_is_asked_for_by_its_option(command: tuple[str, ...], option: str) -> None:
    code, told = ran("d1", *command)
    assert code == 2
    assert told.startswith(f"phasegate: {option}: ")
