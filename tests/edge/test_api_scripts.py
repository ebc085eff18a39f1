"""Settings, secrets and inherited bindings."""

from edge_caller import DEMO, bundle, split

SECRET = {"name": "KEY", "type": "secret_text", "text": "hunter2"}


async def test_a_secret_is_never_shown(api):
    """
    A secret goes in and does not come out.
    """
    version = await api.create(bindings=[SECRET])

    shown = [
        (await api.http.get(api.account + DEMO + path)).text
        for path in (f"/versions/{version}", "/secrets", "/settings", "/versions")
    ]

    assert all("hunter2" not in text for text in shown)
    assert await api.call("GET", f"{DEMO}/secrets") == [{"name": "KEY", "type": "secret_text"}]


async def test_going_back_behind_a_secret_needs_force(api):
    """
    An older version has the older secret, and Cloudflare asks before bringing it back.
    """
    old = await api.create()
    await api.call("PUT", f"{DEMO}/secrets", json=SECRET)

    refused = await api.refusal("POST", f"{DEMO}/deployments", json=split((old, 100)))
    made = await api.split((old, 100), force="true")

    assert refused == (400, 10220)
    assert made["versions"] == [{"version_id": old, "percentage": 100}]


async def test_a_secret_cannot_be_edited_during_a_canary(api):
    """
    Cloudflare refuses while the newest version does not have all traffic.
    """
    stable, canary = await api.create(), await api.upload()
    await api.split((canary, 10), (stable, 90))

    refused = await api.refusal("PUT", f"{DEMO}/secrets", json=SECRET)

    assert refused == (400, 10215)


async def test_kept_and_inherited_bindings_come_from_the_newest_version(api):
    """
    An upload without secrets keeps those that are there.
    """
    await api.create(bindings=[SECRET])

    kept = await api.upload(keep_bindings=["secret_text"])
    inherited = await api.upload(bindings=[{"name": "KEY", "type": "inherit"}])

    for version in (kept, inherited):
        shown = await api.call("GET", f"{DEMO}/versions/{version}")
        names = [binding["name"] for binding in shown["resources"]["bindings"]]
        assert names == ["VERSION", "KEY"]


async def test_what_cannot_be_inherited_is_refused(api):
    """
    A missing secret is found at upload, not in production.
    """
    await api.create()

    refused = await api.refusal(
        "POST", f"{DEMO}/versions", files=bundle(bindings=[{"name": "KEY", "type": "inherit"}])
    )

    assert refused == (400, 10057)


async def test_settings_that_are_not_versioned_hold_at_once(api):
    """
    Tags and observability are of the Worker, not of a version.
    """
    await api.create()

    await api.call("PATCH", f"{DEMO}/script-settings", json={"tags": ["cf:service=demo"]})
    await api.call("POST", f"{DEMO}/subdomain", json={"enabled": False})

    assert (await api.call("GET", f"{DEMO}/settings"))["tags"] == ["cf:service=demo"]
    assert (await api.call("GET", "/workers/workers/demo"))["tags"] == ["cf:service=demo"]
    assert (await api.call("GET", f"{DEMO}/subdomain"))["enabled"] is False
