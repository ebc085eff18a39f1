"""Static assets go with a version: brought over by digest, and named by its upload."""

from collections.abc import AsyncIterator

import pytest
from cloudflare_cloud import WORKER, Cloud, a_bundle, a_cloud

from phasegate.adapters.cloudflare.assets import digest
from phasegate.domain.bundle import Asset, Bundle, Module
from phasegate.domain.plan import Environment
from tests.toolchain import needs_workerd

pytestmark = needs_workerd
CODE = b"export default { fetch() { return new Response('code') } };"
PAGE = Asset(path="/index.html", content_type="text/html", data=b"<h1>first</h1>")
STYLE = Asset(path="/style.css", content_type="text/css", data=b"h1 {}")


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with a_cloud() as cloud:
        yield cloud


def with_assets(tag: str, *assets: Asset) -> Bundle:
    described = {
        "main_module": "index.js",
        "compatibility_date": "2026-02-15",
        "bindings": [{"name": "ASSETS", "type": "assets"}],
        "annotations": {"workers/tag": tag},
        "assets": {"config": {"not_found_handling": "none"}},
    }
    module = Module(name="index.js", content_type="application/javascript+module", data=CODE)
    metadata = dict.fromkeys(Environment, described)
    return Bundle(modules=(module,), metadata=metadata, assets=assets)


async def text(cloud: Cloud, path: str) -> str:
    """What a user sees there."""
    url = f"http://127.0.0.1:{cloud.edge.front_port}{path}"
    headers = {"host": f"{WORKER}.localhost"}
    return (await cloud.http.get(url, headers=headers)).text


async def upload_calls(cloud: Cloud) -> int:
    calls = cloud.edge.calls.describe()
    return sum(call["path"].endswith("/workers/assets/upload") for call in calls)


async def test_a_version_brings_its_files(cloud):
    """
    Files that are there already are not sent again, and the old version's stay until it is replaced.
    """
    changed = Asset(path=PAGE.path, content_type=PAGE.content_type, data=b"<h1>second</h1>")
    production = Environment.PRODUCTION

    await cloud.target.create(WORKER, with_assets("v1", PAGE, STYLE), environment=production, release="r-0")
    same = with_assets("v2", PAGE, STYLE)
    await cloud.target.upload(WORKER, same, environment=production, release="r-1")
    sent = await upload_calls(cloud)
    other = with_assets("v3", changed, STYLE)
    await cloud.target.upload(WORKER, other, environment=production, release="r-2")

    assert sent == 1
    assert await upload_calls(cloud) == 2
    assert await text(cloud, "/") == "<h1>first</h1>"
    assert await text(cloud, "/elsewhere") == "code"


async def test_a_lost_answer_is_asked_for_again(cloud):
    """
    Both calls may be repeated, because equal digests are equal files.
    """
    lost = {"kind": "timeout_after", "seconds": 0, "match": {"path": "assets"}, "per_call": True}
    await cloud.fail(lost)
    bundle = with_assets("v1", PAGE)

    await cloud.target.create(WORKER, bundle, environment=Environment.PRODUCTION, release="r-0")

    assert await text(cloud, "/") == "<h1>first</h1>"


def test_a_digest_is_of_bytes_and_extension():
    """
    The same bytes under another extension are served as another type, so they are another file.
    """
    renamed = PAGE.model_copy(update={"path": "/index.txt"})

    assert len(digest(PAGE)) == 32
    assert digest(PAGE) == digest(PAGE.model_copy(update={"path": "/other.html"}))
    assert digest(PAGE) != digest(renamed)


def test_a_bundle_without_assets_keeps_its_digest():
    """
    Digests are in ledgers that were written before bundles had assets.
    """
    small = a_bundle("v1", app="# as small as it may be\n")

    assert small.digest == "e7e11b71d2b677da6f4e6c4250ae55b863f29a646937f35d9d92f5867609f7c3"
    assert with_assets("v1", PAGE).digest != with_assets("v1").digest
