"""Versions in JavaScript run on Cloudflare's own runtime."""

import json
import os
import signal

from edge_caller import DEMO
from javascript import js_bundle
from splitter_case import until

from phasegate.edge.workerd_config import quoted
from tests.toolchain import needs_workerd

pytestmark = needs_workerd
BINDINGS = (
    {"type": "plain_text", "name": "TEXT", "text": 'a "quoted"\n\\ line, é'},
    {"type": "secret_text", "name": "SECRET", "text": "hush-hush"},
    {"type": "json", "name": "JSON", "json": {"a": [1]}},
    {"type": "version_metadata", "name": "ME"},
)


async def created(api, **upload):
    return (await api.call("PUT", DEMO, files=js_bundle(**upload)))["version_id"]


async def test_a_version_sees_its_bindings_and_modules(api):
    """
    What was uploaded is what runs, by whatever name and with whatever characters.
    """
    wasm = b"\0asm\x01\0\0\0"
    more = (("deep/data.bin", b"\x00\xff", "application/octet-stream"), ("a.wasm", wasm, "application/wasm"))
    ignored = (("index.js.map", b"{}", "application/source-map"),)

    version = await created(api, bindings=BINDINGS, modules=(*more, *ignored))
    [text] = await api.visit("/env")

    seen = json.loads(text)
    assert seen["TEXT"] == BINDINGS[0]["text"]
    assert seen["SECRET"] == "hush-hush"
    assert seen["json"] == {"a": [1]}
    assert seen["ME"]["id"] == version
    assert seen["ME"]["tag"] == "v1"
    assert seen["word"] == "imported"
    assert seen["client"] == "127.0.0.1"
    assert seen["colo"] == "LOC"
    assert sorted(seen["names"]) == ["JSON", "ME", "SECRET", "TEXT", "VERSION"]


async def test_text_and_a_redirect_pass_through(api):
    """
    wrangler names text modules with a leading ``./``, and an answer of the code is nobody's to follow.
    """
    source = b"""import page from "./0f3c-page.html";
    export default { fetch(request) {
      const away = new URL(request.url).pathname === "/away";
      return away ? Response.redirect("http://elsewhere.example/", 302) : new Response(page);
    } };"""
    page = ("./0f3c-page.html", b"<b>page</b>", "text/plain")
    await created(api, source=source, modules=(page,))

    answers = await api.visit("/")
    redirect = await api.http.get(
        f"http://127.0.0.1:{api.edge.front_port}/away", headers={"host": "demo.localhost"}
    )

    assert answers == ["<b>page</b>"]
    assert (redirect.status_code, redirect.headers["location"]) == (302, "http://elsewhere.example/")


async def test_a_throw_is_told_from_an_answer_of_500(api):
    """
    An HTTP 500 that the code answers is a successful invocation, as on Cloudflare.
    """
    await created(api)

    await api.visit("/throw", "/bad", "/fine")
    [calculation] = await api.query(groups=("$workers.event.request.path", "$workers.outcome"))

    found = {tuple(each["value"] for each in one["groups"]) for one in calculation["aggregates"]}
    assert found == {("/throw", "exception"), ("/bad", "ok"), ("/fine", "ok")}


async def test_a_module_that_throws_at_start_is_refused(api):
    """
    Cloudflare's 10021, with what was thrown and where, before the version exists.
    """
    await created(api)
    broken = js_bundle("v2", source=b'console.log("loading");\nthrow new Error("boom");')

    response = await api.http.post(f"{api.account}{DEMO}/versions", files=broken)
    listed = await api.call("GET", f"{DEMO}/versions")

    [error] = response.json()["errors"]
    assert response.status_code == 400
    assert error["code"] == 10021
    assert "Uncaught Error: boom" in error["message"]
    assert "index.js:2" in error["message"]
    assert len(listed["items"]) == 1


async def test_two_versions_share_the_traffic(api):
    """
    One process for each, and the splitter in front as for any other version.
    """
    first = await created(api)
    second = (await api.call("POST", f"{DEMO}/versions", files=js_bundle("v2")))["id"]

    await api.split((second, 20), (first, 80))
    answers = await api.visit(*["/"] * 100)

    assert answers.count("v2") == 20
    assert answers.count("v1") == 80
    assert set(api.edge.running) == {first, second}


async def test_a_version_that_is_killed_comes_back(api):
    """
    The socket that the dead process left behind must not stand in the way.
    """
    version = await created(api)
    [running] = await api.edge_call("GET", "/edge/running")
    os.kill(running["pid"], signal.SIGKILL)
    await until(lambda: not api.edge.running)

    [answer] = await api.visit("/")
    [again] = await api.edge_call("GET", "/edge/running")

    assert answer == "v1"
    assert again["id"] == version
    assert again["pid"] != running["pid"]
    assert again["exits"] == 1
    assert again["memory"] > 10_000_000


async def test_memory_ends_where_cloudflare_ends_it(api):
    """
    A leak costs the version its life at 128 MB, not this machine its memory.
    """
    leak = b"""const held = [];
    export default { fetch() {
      held.push(Array.from({ length: 400000 }, (_, i) => i + 0.5));
      return new Response(String(held.length));
    } };"""
    await created(api, source=leak)

    answers = await api.visit(*["/"] * 60)

    alive = [int(answer) for answer in answers if answer.strip().isdigit()]
    assert 10 < max(alive) < 60
    assert any("1101" in answer for answer in answers)


def test_any_text_survives_the_configuration():
    """
    A secret may hold every character.
    """
    assert quoted('a"b\\c\n\x00é') == '"a\\"b\\\\c\\n\\x00é"'
