"""Uploads, versions and deployments, as a client of Cloudflare sees them."""

import re

import pytest
from edge_caller import DEMO, bundle, serving, split, until

CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_a_worker_exists_once_first_deployed(api):
    """
    A version cannot be uploaded to a Worker that does not exist.
    """
    before = await api.refusal("POST", f"{DEMO}/versions", files=bundle())
    service = await api.refusal("GET", "/workers/services/demo")

    await api.create()

    assert before == (404, 10007)
    assert service == (404, 10090)
    assert (await api.call("GET", "/workers/services/demo"))["id"] == "demo"
    assert await api.visit("/") == ["v1"]


async def test_a_version_is_described_as_cloudflare_does(api):
    """
    Clients read the number, the annotations and the bindings.
    """
    await api.create()

    version = await api.call("POST", f"{DEMO}/versions?bindings_inherit=strict", files=bundle("v2"))

    assert version["number"] == 2
    assert CREATED.fullmatch(version["metadata"]["created_on"])
    assert version["annotations"] == {"workers/tag": "v2", "workers/triggered_by": "version_upload"}
    assert version["resources"]["bindings"] == [{"name": "VERSION", "type": "plain_text", "text": "v2"}]
    assert version["resources"]["script_runtime"]["compatibility_date"] == "2026-02-15"
    assert await api.call("GET", f"{DEMO}/versions/{version['id']}") == version


async def test_versions_are_listed_newest_first(api):
    """
    A client that looks for its upload finds it in front.
    """
    first = await api.create()
    second = await api.upload()

    listed = await api.call("GET", f"{DEMO}/versions?deployable=true")

    assert [item["id"] for item in listed["items"]] == [second, first]


async def test_a_split_takes_effect_and_is_listed_newest_first(api):
    """
    The newest deployment is what counts.
    """
    stable, canary = await api.create(), await api.upload()

    made = await api.split((canary, 10), (stable, 90))

    assert (await api.visit(*["/"] * 100)).count("v2") == 10
    listed = await api.call("GET", f"{DEMO}/deployments")
    assert listed["deployments"][0] == made
    assert made["versions"] == [
        {"version_id": canary, "percentage": 10},
        {"version_id": stable, "percentage": 90},
    ]
    assert await api.call("GET", f"{DEMO}/deployments/{made['id']}") == made


@pytest.mark.parametrize(
    ("shares", "code"),
    [((), 10195), ((50, 30, 20), 10195), ((10, 80), 10194), ((-1, 101), 10194), (("10", 90), 10001)],
)
async def test_a_wrong_split_is_refused_and_changes_nothing(api, shares, code):
    """
    One or two versions, each 0 to 100, together 100.
    """
    versions = [await api.create(), await api.upload(), "e3b0c442-98fc-4c14-9afb-f4c8996fb924"]

    refused = await api.refusal(
        "POST", f"{DEMO}/deployments", json=split(*zip(versions, shares, strict=False))
    )

    assert refused == (400, code)
    assert len((await api.call("GET", f"{DEMO}/deployments"))["deployments"]) == 1


async def test_an_unknown_version_is_refused(api):
    """
    Only what was uploaded to this Worker can serve.
    """
    await api.create()

    refused = await api.refusal("POST", f"{DEMO}/deployments", json=split(("nowhere", 100)))

    assert refused == (400, 10165)


async def test_a_version_with_no_share_still_runs(api):
    """
    At 0 percent a version is smoke-tested by override.
    """
    stable, canary = await api.create(), await api.upload()

    await api.split((canary, 0), (stable, 100))

    response = await api.http.get(
        f"http://127.0.0.1:{api.edge.front_port}/",
        headers={"host": "demo.localhost", "cloudflare-workers-version-overrides": f'demo="{canary}"'},
    )
    assert response.text == "v2"
    assert await api.visit("/") == ["v1"]


async def test_a_message_is_cut_at_a_thousand_bytes(api):
    """
    Cloudflare cuts it, so nothing may depend on its end.
    """
    version = await api.create()
    body = split((version, 100)) | {"annotations": {"workers/message": "é" * 600}}

    made = await api.call("POST", f"{DEMO}/deployments", json=body)

    assert made["annotations"]["workers/message"] == "é" * 500


async def test_a_version_that_throws_at_start_is_refused(api):
    """
    Cloudflare validates an upload by starting it.
    """
    await api.create()

    refused = await api.refusal(
        "POST", f"{DEMO}/versions", files=bundle("v2", source=b"raise RuntimeError('boom')")
    )

    assert refused == (400, 10021)
    assert len((await api.call("GET", f"{DEMO}/versions"))["items"]) == 1


async def test_another_language_is_refused_in_words(api):
    """
    This edge runs Python and JavaScript modules, and says so.
    """
    parts = bundle(main_module="index.wasm")
    parts["index.wasm"] = ("index.wasm", b"", "application/wasm")

    response = await api.http.put(api.account + DEMO, files=parts)

    assert response.status_code == 400
    assert "allowed: text/x-python, application/javascript+module" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nno-disposition: 1\r\n\r\ndata\r\n--x--"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{nope\r\n--x--',
        ),
    ],
)
async def test_a_malformed_upload_is_one_clear_error(api, content_type, body):
    """
    A cut or strange body is the client's fault, never a 500.
    """
    response = await api.http.put(api.account + DEMO, content=body, headers={"content-type": content_type})

    assert response.status_code in (400, 415)
    assert response.json()["errors"][0]["message"]


async def test_a_module_may_hold_any_bytes(api):
    """
    Line ends and dashes inside a module are its own.
    """
    parts = bundle()
    odd = b"\r\n--not-the-boundary\r\n\r\n\x00\xff--\r\n"
    parts["data.bin"] = ("data.bin", odd, "application/octet-stream")
    source = b"""
from pathlib import Path
DATA = Path(__file__).with_name("data.bin").read_bytes()

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": DATA.hex().encode()})
"""
    parts["main.py"] = ("main.py", source, "text/x-python")

    await api.call("PUT", DEMO, files=parts)

    assert await api.visit("/") == [odd.hex()]


async def test_a_version_that_left_the_deployment_is_stopped(api):
    """
    Processes cost memory, so only those that may be asked are kept.
    """
    stable, canary = await api.create(), await api.upload()
    await api.split((canary, 10), (stable, 90))

    await api.split((stable, 100))

    async def alone() -> bool:
        return api.edge.running == (stable,)

    await until(alone)


async def test_a_deleted_worker_is_gone(api):
    """
    Staging is cleaned up after use.
    """
    await api.create()

    await api.call("DELETE", DEMO)

    assert await api.refusal("GET", f"{DEMO}/deployments") == (404, 10007)
    assert "no Worker answers" in (await api.visit("/"))[0]


async def test_what_was_deployed_survives_a_restart(tmp_path):
    """
    An edge with a directory takes up where it ended: split, versions and data.
    """
    config = {"directory": tmp_path / ("long" * 30), "account_id": "a" * 32}
    async with serving(**config) as api:
        database = (await api.call("POST", "/d1/database", json={"name": "notes"}))["uuid"]
        sql = "CREATE TABLE notes (text); INSERT INTO notes VALUES ('kept')"
        await api.call("POST", f"/d1/database/{database}/query", json={"sql": sql})
        bindings = [{"name": "DB", "type": "d1", "id": database}]
        stable, canary = await api.create(bindings=bindings), await api.upload(bindings=bindings)
        made = await api.split((canary, 50), (stable, 50))
        bookmark = await api.call("GET", f"/d1/database/{database}/time_travel/bookmark")

    async with serving(**config) as api:
        assert (await api.call("GET", f"{DEMO}/deployments"))["deployments"][0] == made
        assert await api.call("GET", f"/d1/database/{database}/time_travel/bookmark") == bookmark
        assert sorted(await api.visit("/", "/")) == ["v1", "v2"]
        assert await api.visit("/count") == ["1"]


async def test_a_database_serves_the_versions(api):
    """
    All versions of a Worker share its database.
    """
    database = (await api.call("POST", "/d1/database", json={"name": "notes"}))["uuid"]
    await api.create(bindings=[{"name": "DB", "type": "d1", "id": database}])

    failed = await api.visit("/count")
    sql = "CREATE TABLE notes (text); INSERT INTO notes VALUES ('a'), ('b')"
    await api.call("POST", f"/d1/database/{database}/query", json={"sql": sql})

    assert failed != ["2"]
    assert await api.visit("/count") == ["2"]
