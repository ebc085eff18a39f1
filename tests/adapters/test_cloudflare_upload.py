"""Versions made from a bundle: exactly one for each release, whatever happens to the answers."""

from collections.abc import AsyncIterator

import pytest
from cloudflare_platform import TROUBLE, Fault, Platform, acted, aiming_at, answered, refused, weights
from loopback import Loopback, serve

from phasegate.adapters.cloudflare import CloudflareTarget
from phasegate.domain.bundle import Bundle, Module
from phasegate.domain.errors import BundleError, Refused, Unconfirmed
from phasegate.domain.plan import Environment

SECRET = "hunter2-hunter2"
METADATA = {
    "main_module": "entry.py",
    "bindings": [{"type": "secret_text", "name": "KEY", "text": SECRET}],
    "annotations": {"workers/tag": "1.2.3", "workers/message": "the author's words"},
}
STAGING = {**METADATA, "bindings": [{"type": "d1", "name": "DB", "id": "staging"}]}
BUNDLE = Bundle(
    modules=(Module(name="entry.py", content_type="text/x-python", data=b"app = None\n"),),
    metadata={Environment.PRODUCTION: METADATA, Environment.STAGING: STAGING},
)


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
async def test_an_upload_makes_one_version_whatever_happens_to_the_answer(platform, target, trouble):
    """
    Two versions of one build would split what is known about it.
    """
    platform.worker("api", 100)
    platform.faults.append(Fault("POST", "versions", TROUBLE[trouble]))

    version = await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")

    assert version.id == platform.workers["api"].versions[0]["id"]
    assert version.tag == "1.2.3"
    assert platform.effects == ["version"]


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_a_worker_is_created_once_whatever_happens_to_the_answer(platform, target, trouble):
    """
    A PUT replaces what is live; it must not be sent at a Worker that exists.
    """
    platform.faults.append(Fault("PUT", "api-staging", TROUBLE[trouble]))

    version = await target.create("api-staging", BUNDLE, environment=Environment.STAGING, release="r-1")

    assert weights((await target.live("api-staging")).split) == {version.id: 100}
    assert platform.effects == ["version", "deployment"]
    assert platform.workers["api-staging"].versions[0]["sent"]["bindings"] == STAGING["bindings"]


async def test_the_same_release_and_bundle_are_one_version(platform, target):
    """
    A resumed run finds what it uploaded; another release uploads its own.
    """
    platform.worker("api", 100)

    first = await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")
    again = await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")
    other = await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-10")

    assert first == again != other
    assert platform.effects == ["version", "version"]


async def test_an_upload_keeps_the_tag_the_secrets_and_the_authors_words(platform, target, server):
    """
    People look versions up by their tag; secrets set on the Worker must survive the upload.
    """
    platform.worker("api", 100)

    await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")

    sent = platform.workers["api"].versions[0]["sent"]
    assert sent["annotations"]["workers/tag"] == "1.2.3"
    assert sent["annotations"]["workers/message"] == f"phasegate r-1 {BUNDLE.digest}: the author's words"
    assert sent["keep_bindings"] == ["secret_text", "secret_key"]
    assert ("POST", "/accounts/acct/workers/scripts/api/versions?bindings_inherit=strict") in server.calls


async def test_a_refused_bundle_says_why_without_its_secrets(platform, target):
    """
    The author corrects it from Cloudflare's words.
    """
    platform.worker("api", 100)
    words = f"Uncaught Error: boom with {SECRET}"
    platform.faults.append(Fault("POST", "versions", answered(refused(400, 10021, words))))

    with pytest.raises(BundleError, match=r"Uncaught Error: boom with \[hidden\] \[code 10021\]") as refusal:
        await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")

    assert SECRET not in str(refusal.value)


async def test_a_bundle_for_a_worker_that_does_not_exist_is_refused(target):
    """
    A version can only be added to a Worker that is there.
    """
    with pytest.raises(BundleError, match="does not exist"):
        await target.upload("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")


async def test_creating_a_worker_that_exists_is_refused(platform, target):
    """
    A PUT would put the bundle in front of every user at once.
    """
    platform.worker("api", 100)

    with pytest.raises(Refused, match="'api' exists already"):
        await target.create("api", BUNDLE, environment=Environment.PRODUCTION, release="r-1")

    assert platform.effects == []


async def test_creating_twice_gives_the_same_version(platform, target):
    """
    A resumed run finds the Worker that it made.
    """
    first = await target.create("api", BUNDLE, environment=Environment.STAGING, release="r-1")

    again = await target.create("api", BUNDLE, environment=Environment.STAGING, release="r-1")

    assert first == again
    assert platform.effects == ["version", "deployment"]


async def test_a_creation_is_known_without_annotations_when_it_was_accepted(platform, target):
    """
    Should a PUT drop the message, our own accepted PUT is proof enough.
    """
    platform.keeps_annotations_of_put = False

    version = await target.create("api", BUNDLE, environment=Environment.STAGING, release="r-1")

    assert version.id == platform.workers["api"].versions[0]["id"]


async def test_an_unclear_creation_without_annotations_calls_a_person(platform, target):
    """
    The Worker may be somebody else's; it is not replaced.
    """
    platform.keeps_annotations_of_put = False
    platform.faults.append(Fault("PUT", "api", acted(None)))

    with pytest.raises(Unconfirmed, match="nothing shows that this release created it"):
        await target.create("api", BUNDLE, environment=Environment.STAGING, release="r-1")

    assert platform.effects == ["version", "deployment"]
