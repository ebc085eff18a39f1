"""The program ``phasegate``. Nothing heavy is imported before a command needs it."""

import gc
import sys

COMMANDS = {
    "abort": ("phasegate.cli_release:abort", "Take a release back, from any state."),
    "answer": ("phasegate.cli_release:answer", "Answer the question a release waits for."),
    "backtest": ("phasegate.cli_backtest:backtest", "Try a plan on many releases, beside other judges."),
    "build": ("phasegate.cli_build:build", "Build a Worker project, without credentials."),
    "d1": ("phasegate.cli_d1:d1", "Show what a release did to its database, and take it back."),
    "doctor": ("phasegate.cli_doctor:doctor", "Say what is there and what is missing."),
    "drift": ("phasegate.cli_production:drift", "Decide about a foreign deployment."),
    "edge": ("phasegate.cli_serve:edge", "Run a local Cloudflare."),
    "judge": ("phasegate.cli_judge:judge", "Judge recorded minutes: would this plan have taken it back?"),
    "keeper": ("phasegate.cli_serve:keeper", "Watch every active release."),
    "ledger": ("phasegate.cli_ledger:ledger", "Show and verify what happened."),
    "plan": ("phasegate.cli_plan:plan", "Check and show rollout plans."),
    "preflight": ("phasegate.cli_production:preflight", "Say whether there is a way back."),
    "release": ("phasegate.cli_release:release", "Start a release, and wait for it if asked to."),
    "rollback": ("phasegate.cli_split:rollback", "Restore a known-good version at once."),
    "split": ("phasegate.cli_split:split", "Change traffic by hand, where no release does."),
}
PURPOSE = "Roll a backend change out in phases and never leave production unguarded."
_OPTIONS = {"--version": "Show the version and exit.", "-h, --help": "Show this message and exit."}


def main() -> None:
    """Run one command; which ones there are is said without importing click, which takes longer."""
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(overview())
        return
    # Modules make objects by the ten thousand while they are imported, and none of them is garbage.
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    from phasegate.cli_group import group

    group(COMMANDS, purpose=PURPOSE)(prog_name="phasegate")


def overview() -> str:
    """What ``phasegate --help`` prints, in click's own form."""
    commands = {name: text for name, (_, text) in sorted(COMMANDS.items())}
    head = f"Usage: phasegate [OPTIONS] COMMAND [ARGS]...\n\n  {PURPOSE}\n\n"
    return f"{head}Options:\n{_columns(_OPTIONS)}\n\nCommands:\n{_columns(commands)}"


def _columns(rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows.items())


if __name__ == "__main__":
    main()
