"""The commands that stay: the keeper and the local edge."""

import click

from phasegate.cli_errors import reports_errors


@click.command()
@click.option("--name", default="", help="Name in the ledger; default host and process.")
@click.option("--once", is_flag=True, help="Look at every active release once and end.")
@click.option("--verbose", is_flag=True, help="Log every look.")
@reports_errors
def keeper(name: str, once: bool, verbose: bool) -> None:
    """Watch every active release: judge, protect, take back, wake the runs. Ends on SIGTERM or Ctrl-C."""
    import asyncio
    import logging
    import sys

    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format=form, stream=sys.stderr)
    for noisy in ("httpx", "httpcore", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.run(_keep(name, once))


async def _keep(name: str, once: bool) -> None:
    import asyncio
    import signal

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
        click.echo(f"keeper {watcher.name} watches", err=True)
        await watcher.run(stop)


@click.command()
@click.option(
    "--api-port", type=click.IntRange(0, 65535), default=0, help="Port of the API; 0 takes a free one."
)
@click.option(
    "--front-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the front door; 0 takes a free one.",
)
@click.option(
    "--state",
    type=click.Path(file_okay=False),
    default=None,
    help="Directory to keep versions and databases in.",
)
@click.option(
    "--telemetry-lag", type=click.FloatRange(0, 3600), default=0.0, help="Seconds until an event is visible."
)
@click.option("--sampling", type=click.IntRange(1, 1000), default=1, help="Keep every N-th event.")
@reports_errors
def edge(api_port: int, front_port: int, state: str | None, telemetry_lag: float, sampling: int) -> None:
    """
    Run a local Cloudflare and print its addresses, account and token as one line of JSON.

    Any Cloudflare client can be pointed at it. Ends on SIGTERM or Ctrl-C and leaves no process.
    """
    from datetime import timedelta
    from pathlib import Path

    from phasegate.edge.config import EdgeConfig
    from phasegate.edge.server import run

    run(
        EdgeConfig(
            api_port=api_port,
            front_port=front_port,
            state=Path(state) if state else None,
            telemetry_lag=timedelta(seconds=telemetry_lag),
            sampling=sampling,
        )
    )
