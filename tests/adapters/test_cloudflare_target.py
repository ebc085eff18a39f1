"""Traffic of Workers when the platform answers late, wrongly, not at all, or for somebody else too."""

import json
from collections.abc import AsyncIterator

import pytest
from cloudflare_platform import TROUBLE, Fault, Platform, acted, aiming_at, answered, refused, weights
from loopback import Loopback, serve
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTarget
from phasegate.domain.errors import CannotRestore, Drift, SettingsError, TargetAway, Unconfirmed
from phasegate.domain.versions import Split


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def server(platform: Platform) -> AsyncIterator[Loopback]:
    async with serve(platform.answer) as server:
        yield server


@pytest.fixture
async def target(server: Loopback) -> AsyncIterator[CloudflareTarget]:
    async with aiming_at(server) as target:
        yield target


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_a_split_is_written_once_whatever_happens_to_the_answer(platform, target, trouble):
    """
    A second deployment of the same split is noise in the log that an incident is read from.
    """
    stable, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id
    platform.faults.append(Fault("POST", "deployments", TROUBLE[trouble]))

    live = await target.set_split(
        "api", Split.between(stable, canary, canary_weight=10), message="canary 10", was=was
    )

    assert weights(live.split) == {stable: 90, canary: 10}
    assert live.message == "canary 10"
    assert live.id == platform.workers["api"].deployments[0]["id"]
    assert platform.effects == ["deployment"]


@pytest.mark.parametrize("trouble", sorted(set(TROUBLE) - {"fresh"}))
@pytest.mark.parametrize("part", ["deployments", "versions"])
async def test_a_reading_survives_one_trouble(platform, target, trouble, part):
    """
    Reading is repeated freely.
    """
    stable, canary = platform.worker("api", 90, 10)
    platform.faults.append(Fault("GET", part, TROUBLE[trouble]))

    live, versions = await target.live("api"), await target.versions("api")

    assert weights(live.split) == {stable: 90, canary: 10}
    assert [(version.id, version.tag) for version in versions] == [(canary, "v1"), (stable, "v0")]


async def test_a_deletion_survives_one_trouble_and_a_missing_worker(platform, target):
    """
    Cleaning up twice leaves the same nothing.
    """
    platform.worker("api-staging", 100)
    platform.faults.append(Fault("DELETE", "api-staging", acted(None)))

    await target.delete("api-staging")
    await target.delete("api-staging")

    assert platform.workers == {}


async def test_a_split_that_is_live_is_not_written_again(platform, target):
    """
    A driver that died after its write is taken up without a second one.
    """
    stable, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id
    platform.deploy("api", {stable: 90, canary: 10}, "by the driver that died")

    split = Split.between(stable, canary, canary_weight=10)
    live = await target.set_split("api", split, message="m", was=was)

    assert weights(live.split) == {stable: 90, canary: 10}
    assert platform.effects == ["deployment"]


async def test_a_reading_that_lags_is_not_the_effect_of_a_take_back(platform, target):
    """
    What was live before the promotion has the wanted traffic, but the canary still has its share.
    """
    stable, canary = platform.worker("api", 100, 0)
    was = platform.deploy("api", {stable: 90, canary: 10}, "promotion")
    platform.readings_behind = 1

    split = Split.between(stable, canary, canary_weight=0)
    live = await target.set_split("api", split, message="back", was=was)

    assert live.id == platform.workers["api"].deployments[0]["id"]
    assert platform.effects == ["deployment", "deployment"]


async def test_a_canary_at_zero_becomes_part_of_the_split(platform, target):
    """
    Only then do override headers reach it, though no traffic changes.
    """
    stable, other = platform.worker("api", 100, 0)
    was = platform.deploy("api", {stable: 100}, "alone")

    live = await target.set_split("api", Split.between(stable, other, canary_weight=0), message="m", was=was)

    assert weights(live.split) == {stable: 100, other: 0}


async def test_somebody_elses_split_is_not_overwritten(platform, target):
    """
    The API knows no If-Match: reading before writing is the only guard.
    """
    stable, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id
    platform.deploy("api", {canary: 100}, "hotfix by ada")
    platform.effects.clear()

    with pytest.raises(Drift, match=r"somebody else deployed: hotfix by ada"):
        await target.set_split("api", Split.between(stable, canary, canary_weight=10), message="m", was=was)

    assert platform.effects == []


async def test_somebody_elses_split_during_an_unclear_write_is_drift(platform, target):
    """
    What is neither the old nor the wanted split was made by somebody else.
    """
    stable, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id
    platform.before_write = lambda: platform.deploy("api", {canary: 100}, "hotfix") and None
    platform.faults.append(Fault("POST", "deployments", lambda act: platform.before_write()))

    with pytest.raises(Drift, match="hotfix"):
        await target.set_split("api", Split.between(stable, canary, canary_weight=10), message="m", was=was)


async def test_the_split_of_a_deleted_worker_is_drift(target):
    """
    Somebody took the service away while it was being released.
    """
    with pytest.raises(Drift, match="'api' does not exist any more"):
        await target.set_split("api", Split.whole("v"), message="m", was="d")


@pytest.mark.parametrize("code", [10220, 10211, 10999])
async def test_a_version_that_cloudflare_refuses_is_never_forced(platform, target, server, code):
    """
    Secrets or Durable Objects changed since: a person decides, not ?force=true.
    """
    stable, _ = platform.worker("api", 0, 100)
    was = (await target.live("api")).id
    words = "secrets have changed since this version"
    platform.faults.append(Fault("POST", "deployments", answered(refused(400, code, words))))

    with pytest.raises(CannotRestore, match=rf"{words} \[code {code}\]"):
        await target.set_split("api", Split.whole(stable), message="back", was=was)

    assert platform.effects == []
    assert not any("force" in path for _, path in server.calls)


async def test_a_write_is_believed_when_it_is_read_back(platform, target):
    """
    A new deployment takes a while to show; the old one is no drift meanwhile.
    """
    _, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id

    def late() -> None:
        platform.readings_behind = 2

    platform.before_write = late
    live = await target.set_split("api", Split.whole(canary), message="m", was=was)

    assert weights(live.split) == {canary: 100}
    assert platform.effects == ["deployment"]


async def test_a_write_that_never_shows_is_unconfirmed(platform, target):
    """
    Accepted is not in force; nobody may build on it.
    """
    _, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id

    def never() -> None:
        platform.readings_behind = 10_000

    platform.before_write = never
    with pytest.raises(Unconfirmed, match="could not be read back"):
        await target.set_split("api", Split.whole(canary), message="m", was=was)


async def test_an_unclear_write_with_the_platform_away_is_unconfirmed(platform, target):
    """
    It may have acted, so it must not be reported as not done.
    """
    _, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id
    away = answered(refused(503, 1, "maintenance"))

    def down() -> None:
        platform.faults.append(Fault("GET", "deployments", away, times=1000))

    platform.before_write = down
    with pytest.raises(Unconfirmed, match=r"could not be read: GET .*maintenance"):
        await target.set_split("api", Split.whole(canary), message="m", was=was)


async def test_writes_that_are_turned_away_end_as_away(platform, target):
    """
    Reading proves that nothing happened: trying again later is right.
    """
    _, canary = platform.worker("api", 100, 0)
    was = (await target.live("api")).id
    platform.faults.append(Fault("POST", "deployments", TROUBLE["500 before"], times=1000))

    with pytest.raises(TargetAway, match=r"the split of api was not done: POST .*internal"):
        await target.set_split("api", Split.whole(canary), message="m", was=was)

    assert platform.effects == []


async def test_a_message_is_cut_between_characters_and_versions_keep_their_order(platform, target, server):
    """
    Cloudflare takes 1000 bytes; a constant order keeps objects and keys where they are.
    """
    stable, canary = platform.worker("api", 100, 0)

    for weight in (10, 50, 0):
        was = (await target.live("api")).id
        split = Split.between(stable, canary, canary_weight=weight)
        await target.set_split("api", split, message="é" * 600, was=was)

    sent = [json.loads(body) for _, body in server.requests if body]
    assert all(body["annotations"]["workers/message"] == "é" * 500 for body in sent)
    assert {tuple(v["version_id"] for v in body["versions"]) for body in sent} == {
        tuple(sorted((stable, canary)))
    }


async def test_a_missing_worker_is_none(target):
    """
    It is an answer, not a failure.
    """
    assert await target.live("api") is None
    assert await target.versions("api") == ()


async def test_an_answer_of_unknown_shape_is_no_split(platform, target):
    """
    What cannot be read must not be guessed.
    """
    platform.worker("api", 100)
    platform.workers["api"].deployments[0]["versions"][0]["percentage"] = 40

    with pytest.raises(TargetAway, match="is no split"):
        await target.live("api")


async def test_any_other_refusal_of_a_reading_names_the_setting(platform, target):
    """
    An unroutable account is a setting to correct.
    """
    platform.faults.append(Fault("GET", "deployments", answered(refused(404, 7003, "Could not route"))))

    with pytest.raises(SettingsError, match=r"Could not route \[code 7003\]"):
        await target.live("api")


def test_the_front_door_holds_the_name(target):
    """
    Every Worker has its own address.
    """
    assert target.front_door("api") == "https://api.example.dev"


def test_a_front_door_without_a_place_for_the_name_is_refused():
    """
    Staging would be validated at production's address.
    """
    client = CloudflareClient("https://example.com", "a", SecretStr("t"), timeout=1)

    with pytest.raises(SettingsError, match=r"must hold \{worker\}"):
        CloudflareTarget(client, front_door="https://example.com")
