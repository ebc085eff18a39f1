"""A real HTTP server on loopback, and short load plans for it."""

import socket
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from phasegate.adapters.load import LoadPlan, Request

HELLO = Request(method="GET", path="/hello")


def a_plan(*mix, rate=50.0, seconds=1.0, threshold_ms=60_000, **more):
    """A short plan; its generous threshold keeps a busy test machine from making it inconclusive."""
    duration = None if seconds is None else timedelta(seconds=seconds)
    threshold = timedelta(milliseconds=threshold_ms)
    return LoadPlan(rate=rate, duration=duration, mix=mix or (HELLO,), threshold=threshold, **more)


@asynccontextmanager
async def a_server(handler):
    """Serve every path by one handler; yields the base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hello(request):
    return web.Response(text="hello", headers={"X-Version": "v1"})


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
