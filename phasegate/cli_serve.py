"""The commands that stay: the keeper and the local edge."""

import click

from phasegate.cli_errors import reports_errors


@click.command()
@click.option("--name", default="", help="Name in the ledger; default host and process.")
@click.option("--once", is_flag=True, help="Look at every active release once and end; no sign of life.")
@click.option("--health-port", type=click.IntRange(0, 65535), default=None, help="Serve GET /health there.")
@click.option("--health-host", default="127.0.0.1", show_default=True, help="Address of that port.")
@click.option("--verbose", is_flag=True, help="Log every look.")
@reports_errors
def keeper(name: str, once: bool, health_port: int | None, health_host: str, verbose: bool) -> None:
    """Watch every active release: judge, protect, take back, wake the runs. Ends on SIGTERM or Ctrl-C."""
    import asyncio
    import logging
    import sys

    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format=form, stream=sys.stderr)
    for noisy in ("httpx", "httpcore", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.run(_keep(name, once, port=health_port, host=health_host))


async def _keep(name: str, once: bool, *, port: int | None, host: str) -> None:
    import asyncio
    import signal
    from contextlib import AsyncExitStack

    from phasegate.domain.errors import SettingsError
    from phasegate.keeper.liveness import feed_systemd, serve_health
    from phasegate.keeper.loop import Keeper
    from phasegate.settings import Settings
    from phasegate.wiring import driver_name, outside

    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    async with outside(Settings(), role="keeper") as hands:
        watcher = Keeper(hands, name or driver_name("keeper"))
        if once:
            await watcher.tick()
            return
        async with AsyncExitStack() as stack:
            if port is not None:
                try:
                    port = await stack.enter_async_context(serve_health(watcher.health, host=host, port=port))
                except OSError as taken:
                    raise SettingsError(f"--health-port: {host}:{port} cannot be used: {taken}") from None
                click.echo(f"health at http://{host}:{port}/health", err=True)
            feeding = asyncio.create_task(feed_systemd(watcher.health))
            stack.callback(feeding.cancel)
            click.echo(f"keeper {watcher.name} watches", err=True)
            await watcher.run(stop)


PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--api-port", type=PORT, default=0, help="Port of the API; 0 takes a free one.")
@click.option("--front-port", type=PORT, default=0, help="Port of the front door; 0 takes a free one.")
@click.option("--state", type=click.Path(file_okay=False), default=None, help="Directory to keep it in.")
@click.option("--telemetry-lag", default="0s", show_default=True, help="Age at which an event is visible.")
@click.option("--sampling", type=click.IntRange(1, 1000), default=1, help="Keep every N-th event.")
@click.option("--rate-limit/--no-rate-limit", default=True, help="Cloudflare's 1,200 calls in five minutes.")
@click.option("--max-live", type=click.IntRange(1, 1000), default=12, help="So many versions run at once.")
@click.option("--die-with-parent", is_flag=True, help="End when standard input closes.")
@reports_errors
def edge(
    api_port: int,
    front_port: int,
    state: str | None,
    telemetry_lag: str,
    sampling: int,
    rate_limit: bool,
    max_live: int,
    die_with_parent: bool,
) -> None:
    """
    Run a local Cloudflare and print its addresses, account and token as one line of JSON.

    Any Cloudflare client can be pointed at it. Ends on SIGTERM or Ctrl-C and leaves no process.
    """
    from dataclasses import replace
    from pathlib import Path

    from phasegate.domain.errors import FixTheInput
    from phasegate.domain.quantities import parse_duration
    from phasegate.edge.__main__ import run
    from phasegate.edge.config import ConfigError, EdgeConfig
    from phasegate.edge.server import EdgeError

    try:
        config = EdgeConfig(
            api_port=api_port,
            front_port=front_port,
            directory=Path(state) if state else None,
            telemetry_lag=parse_duration(telemetry_lag),
            sampling=float(sampling),
            max_live=max_live,
        )
        run(config if rate_limit else replace(config, rate_limit=None), die_with_parent=die_with_parent)
    except (ConfigError, EdgeError, ValueError) as error:
        raise FixTheInput(str(error)) from None
