"""Three tokens, each with what it needs: who may do what is asked without changing anything."""

from collections.abc import Mapping

import pytest
from cloudflare_cloud import WORKER, a_bundle, a_cloud
from pydantic import SecretStr

from phasegate.adapters.cloudflare.permissions import Permitted, check_permissions
from phasegate.domain.errors import SettingsError
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split
from phasegate.edge.auth import Permission as P
from phasegate.settings import Settings, TokenRole
from phasegate.wiring import cloudflare_client, outside

READER = frozenset({P.SCRIPTS_READ, P.OBSERVABILITY_WRITE, P.ANALYTICS_READ, P.D1_READ})
ROLES = {
    "full": frozenset(P),
    "reader-token": READER,
    "rollout-token": frozenset({P.SCRIPTS_WRITE}),
    "migrate-token": frozenset({P.D1_WRITE}),
}


def settings_of(cloud, home, **tokens: str) -> Settings:
    fields = {name: SecretStr(value) for name, value in tokens.items()}
    return Settings(
        api_url=cloud.edge.api_url,
        account_id=cloud.edge.account_id,
        front_door="http://{worker}.localhost",
        ledger=str(home / "ledger.db"),
        project=home,
        **fields,
    )


def three(cloud, home) -> Settings:
    return settings_of(
        cloud,
        home,
        token_reader="reader-token",
        token_rollout="rollout-token",
        token_migrate="migrate-token",
    )


async def test_three_least_tokens_have_all_they_need_and_nothing_is_changed(tmp_path):
    """
    Asking for a permission must not be what first changes production.
    """
    async with a_cloud(tokens=ROLES) as cloud:
        rows = await check_permissions(three(cloud, tmp_path))

        assert {row.status for row in rows} == {Permitted.OK}
        assert len(rows) == 6
        assert [write for write in await cloud.writes() if write != "POST graphql"] == []


async def test_what_is_missing_is_named_with_the_token_it_is_missing_from(tmp_path):
    """
    The row says what to do, not only that something is wrong.
    """
    poor: Mapping = {**ROLES, "reader-token": READER - {P.ANALYTICS_READ}}
    async with a_cloud(tokens=poor) as cloud:
        rows = await check_permissions(three(cloud, tmp_path))

        (missing,) = [row for row in rows if row.status is Permitted.MISSING]
        assert missing.name == "reader: Account Analytics Read"
        assert "PHASEGATE_TOKEN_READER" in missing.next


async def test_a_permission_too_many_and_one_token_for_all_are_warnings(tmp_path):
    """
    A reader that could deploy is a reader that somebody can deploy with.
    """
    wide: Mapping = {**ROLES, "reader-token": READER | {P.SCRIPTS_WRITE}}
    async with a_cloud(tokens=wide) as cloud:
        rich = await check_permissions(three(cloud, tmp_path))
        single = await check_permissions(settings_of(cloud, tmp_path, token="full"))

        assert [row.name for row in rich if row.status is Permitted.WARNING] == [
            "reader: Workers Scripts Write"
        ]
        assert [row.name for row in single if row.status is Permitted.WARNING] == ["tokens"]
        assert [row for row in single if row.status is Permitted.MISSING] == []


async def test_each_client_uses_the_least_token(tmp_path):
    """
    Reading goes by the reader's token and writing by the rollout's: a swap is refused with 403.
    """
    async with a_cloud(tokens=ROLES) as cloud:
        first, second = await cloud.live_at(0, 100)
        async with outside(three(cloud, tmp_path), role="test") as hands:
            live = await hands.target.live(WORKER)
            assert live is not None
            split = Split.between(first.id, second.id, canary_weight=10)
            await hands.target.set_split(WORKER, split, message="m", was=live.id)
            uploaded = await hands.target.upload(
                WORKER, a_bundle("v3"), environment=Environment.PRODUCTION, release="r-2"
            )
            found = await hands.target.obstacles(WORKER, first.id, candidate=uploaded.id)
        swapped = three(cloud, tmp_path).model_copy(update={"token_rollout": SecretStr("reader-token")})
        async with outside(swapped, role="test") as hands:
            with pytest.raises(SettingsError, match="PHASEGATE_TOKEN_ROLLOUT needs Workers Scripts Write"):
                await hands.target.set_split(WORKER, Split.whole(first.id), message="m", was="d")

        assert found == ()


async def test_a_global_api_key_is_refused(tmp_path, monkeypatch):
    """
    It may do everything the person may, and some tools print it.
    """
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "not-shown")
    settings = Settings(account_id="a", token=SecretStr("t"), project=tmp_path)

    with pytest.raises(SettingsError, match=r"CLOUDFLARE_API_KEY set.*API tokens") as refusal:
        async with outside(settings, role="test"):
            pass

    assert "not-shown" not in str(refusal.value)


def test_a_role_without_a_token_says_which_variable_is_missing(tmp_path):
    """
    PHASEGATE_TOKEN stands for every role that has none of its own.
    """
    settings = Settings(account_id="a", token_reader=SecretStr("t"), project=tmp_path)

    with pytest.raises(SettingsError, match="PHASEGATE_TOKEN_MIGRATE or PHASEGATE_TOKEN must be set"):
        cloudflare_client(settings, TokenRole.MIGRATE)
    assert settings.token_for(TokenRole.READER).get_secret_value() == "t"
