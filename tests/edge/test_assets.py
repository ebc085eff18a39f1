"""Static assets: uploaded by digest, served before the code, and with the version that brought them."""

import base64

import pytest
from edge_caller import DEMO
from javascript import js_bundle

from tests.toolchain import needs_workerd

PAGE, STYLE = b"<h1>one page</h1>", b"h1 { color: red }"
MANIFEST = {
    "/index.html": {"hash": "a" * 32, "size": len(PAGE)},
    "/site/style.css": {"hash": "b" * 32, "size": len(STYLE)},
}
FILES = {"a" * 32: ("text/html", PAGE), "b" * 32: ("text/css", STYLE)}


async def send(api, token, *digests):
    """Upload files with the session's token, as wrangler does."""
    parts = {digest: (digest, base64.b64encode(FILES[digest][1]), FILES[digest][0]) for digest in digests}
    return await api.http.post(
        f"{api.account}/workers/assets/upload?base64=true",
        files=parts,
        headers={"authorization": f"Bearer {token}"},
    )


async def begin(api):
    return await api.call("POST", f"{DEMO}/assets-upload-session", json={"manifest": MANIFEST})


async def completed(api):
    """The completion token of the assets."""
    session = await begin(api)
    return (await send(api, session["jwt"], *FILES)).json()["result"]["jwt"]


async def create(api, **config):
    assets = {"jwt": await completed(api), "config": config}
    bindings = ({"name": "ASSETS", "type": "assets"},)
    await api.call("PUT", DEMO, files=js_bundle(assets=assets, bindings=bindings))


async def test_only_missing_files_are_asked_for(api):
    """
    The completion token is given when the last file has come, and at once for files that are known.
    """
    first = await begin(api)
    half = await send(api, first["jwt"], "a" * 32)
    whole = await send(api, first["jwt"], "b" * 32)
    again = await begin(api)

    assert first["buckets"] == [["a" * 32, "b" * 32]]
    assert (half.status_code, half.json()["result"]["jwt"]) == (202, None)
    assert whole.status_code == 201
    assert whole.json()["result"]["jwt"].count(".") == 2
    assert again["buckets"] == []


@needs_workerd
async def test_a_file_is_served_before_the_code(api):
    """
    And everything else goes to the code.
    """
    await create(api)

    answers = await api.visit("/", "/site/style.css", "/other")

    assert answers == [PAGE.decode(), STYLE.decode(), "v1"]


@needs_workerd
async def test_the_code_can_ask_for_assets(api):
    """
    The binding falls back to the page of a single-page application, the front does not.
    """
    await create(api, not_found_handling="single-page-application")

    answers = await api.visit("/asset", "/elsewhere")

    assert answers == [PAGE.decode(), "v1"]


@needs_workerd
async def test_the_code_may_come_first(api):
    """
    For the routes that the configuration names.
    """
    await create(api, run_worker_first=["/site/*"])

    answers = await api.visit("/site/style.css", "/")

    assert answers == ["v1", PAGE.decode()]


@pytest.mark.parametrize("token", ["", "a.b.c", "upload"])
async def test_assets_without_a_completion_token_are_refused(api, token):
    """
    A version whose files are not here would serve holes.
    """
    if token == "upload":
        token = (await begin(api))["jwt"]

    status, code = await api.refusal("PUT", DEMO, files=js_bundle(assets={"jwt": token}))

    assert (status, code) == (401, 10000)


async def test_a_stranger_uploads_nothing(api):
    """
    The session's token is the only key to this endpoint.
    """
    response = await send(api, api.edge.token, "a" * 32)

    assert response.status_code == 401
