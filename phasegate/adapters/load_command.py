"""The load generator as a program of its own: ``python -m phasegate.adapters.load``."""

import argparse
import asyncio
import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import uvloop

from phasegate.adapters.load import run_load
from phasegate.adapters.load_plan import BAD_INPUT, LoadPlan, plan_from_file
from phasegate.adapters.load_report import LoadReport, LoadSample
from phasegate.domain.errors import Away, FixTheInput

SERVICE_AWAY = 3


def main(arguments: list[str] | None = None) -> int:
    """
    Send load until the time is over or SIGTERM or SIGINT comes, then print the report as JSON.

    Exit code 0: it ran, whatever it saw; 2: bad input; 3: no session or the setup failed.
    """
    options = _parser().parse_args(arguments)
    try:
        plan = _plan(options)
        report = uvloop.run(_run(options.url, plan, options.progress_file))
    except FixTheInput as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except Away as error:
        print(error, file=sys.stderr)
        return SERVICE_AWAY
    print(json.dumps(report.to_json(), indent=2))
    return 0


async def _run(url: str, plan: LoadPlan, progress_file: Path | None) -> LoadReport:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as stack:
        if progress_file is None:
            return await run_load(url, plan, stop=stop)
        file = stack.enter_context(_opened(progress_file))

        def write(sample: LoadSample) -> None:
            file.write(json.dumps(asdict(sample)) + "\n")
            file.flush()

        return await run_load(url, plan, on_progress=write, stop=stop)


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w")
    except OSError as error:
        raise FixTheInput(f"{path}: the progress file cannot be written: {error.strerror}") from error


def _plan(options: argparse.Namespace) -> LoadPlan:
    duration = timedelta(seconds=options.seconds) if options.seconds else None
    headers = dict(_header(text) for text in options.header)
    threshold = timedelta(milliseconds=options.threshold_ms)
    return plan_from_file(
        options.mix, rate=options.rate, duration=duration, threshold=threshold, headers=headers
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise FixTheInput(f"--header takes 'Name: value', not {text!r}")
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m phasegate.adapters.load", description=__doc__)
    parser.add_argument("--url", required=True, help="the service, as http://name.localhost:8700")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long; 0 means until SIGTERM")
    parser.add_argument("--mix", type=Path, required=True, help="JSON file with the mix of requests")
    parser.add_argument("--progress-file", type=Path, help="one JSON line a second is written here")
    parser.add_argument("--threshold-ms", type=float, default=500.0, help="the latency limit at stake")
    parser.add_argument("--header", action="append", default=[], help="'Name: value', on every request")
    return parser
