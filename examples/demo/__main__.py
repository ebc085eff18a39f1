"""
The demo: release a good version 2, then a bad version 3 which is taken back.

Everything is real: HTTP service, requests over sockets, telemetry counted from
them, flow runs in Prefect. Only durations are short.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from examples.demo.processes import Processes, StartError
from examples.demo.screen import Screen
from examples.demo.show import Show, TooLong
from examples.demo.stage import GOOD, SERVICE, TARGETS, Stage, environment, front_door, set_up
from phasegate.domain.errors import PhasegateError
from phasegate.domain.events import Outcome
from phasegate.domain.ledger import ReleaseState
from phasegate.settings import Settings
from phasegate.wiring import build_runs, outside

FAULTS = ("latency", "errors", "health", "crash", "endpoint", "subtle")


def main() -> int:
    """Run the demo; 0 only if version 2 served 100 % and version 3 was taken back to it."""
    arguments = _arguments()
    home = Path(tempfile.mkdtemp(prefix="phasegate-demo-"))
    logs = home / "logs"
    logs.mkdir()
    screen = Screen()
    processes = Processes(logs, environment(home))
    signal.signal(signal.SIGTERM, _interrupt)
    code = 1
    try:
        code = _play(processes, home, arguments, screen)
    except (StartError, TooLong, PhasegateError) as trouble:
        screen.say(f"the demo failed: {trouble}")
    except KeyboardInterrupt:
        screen.say("interrupted")
    finally:
        processes.end_all()
    if code:
        screen.say(f"logs are kept in {logs}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--bad", choices=FAULTS, default="errors", help="what is wrong with version 3")
    parser.add_argument(
        "--keep", action="store_true", help="wait at the gates for a person, stay up at the end"
    )
    parser.add_argument("--target", choices=tuple(TARGETS), default="python", help="what runs the versions")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second of the steady stream")
    return parser.parse_args()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _play(processes: Processes, home: Path, arguments: argparse.Namespace, screen: Screen) -> int:
    bad = f"0.1.13-{arguments.bad}"
    stage = set_up(
        processes, home, versions=(bad,), rate=arguments.rate, say=screen.say, target=arguments.target
    )
    screen.say(f"Prefect UI: {stage.ui}   service: {front_door(stage.edge)}")
    code = asyncio.run(_releases(stage, bad, arguments, screen))
    if arguments.keep:
        screen.say(f"everything stays up; look at {stage.ui} and press Ctrl-C to end")
        signal.pause()
    return code


async def _releases(stage: Stage, bad: str, arguments: argparse.Namespace, screen: Screen) -> int:
    settings = Settings()
    runs = build_runs(settings)
    plan = "demo-keep" if arguments.keep else "demo"
    try:
        async with outside(settings, role="demo") as hands:
            show = Show(hands, runs, screen, plan=plan, keep=arguments.keep)
            good = await show.release(stage, GOOD[1], reason="calculations list with totals")
            taken = await show.release(stage, bad, reason=f"a change with a hidden fault ({arguments.bad})")
            live = await hands.target.live(SERVICE)
            weights = {share.version: share.weight for share in live.split.shares} if live else {}
            return await _summary(show, screen, good, taken, weights)
    finally:
        await runs.aclose()


async def _summary(
    show: Show, screen: Screen, good: ReleaseState, bad: ReleaseState, weights: dict[str, float]
) -> int:
    second = good.canary.id if good.canary else ""
    promoted = good.ended is not None and good.ended.outcome is Outcome.PROMOTED
    returned = bad.ended is not None and bad.ended.outcome is Outcome.ROLLED_BACK
    serves = weights.get(second, 0.0)
    served, failed, back = await show.failed_requests(bad)
    screen.say("summary, read back from the edge and the ledger:")
    for state in (good, bad):
        label = state.canary.label if state.canary else state.opened.candidate.tag
        screen.say(f"  {label}: {state.ended.summary if state.ended else 'not ended'}")
    took = f", back {back.total_seconds():.1f} s after the breach was noted" if back is not None else ""
    screen.say(f"  the bad version served {served:,} requests and failed {failed:,}{took}")
    screen.say(f"  the edge now sends {serves:g} % to {good.canary.label if good.canary else '?'}")
    right = promoted and returned and serves == 100
    screen.say("as it should be" if right else "NOT as it should be")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
