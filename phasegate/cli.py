"""The program ``phasegate``. Nothing heavy is imported before a command needs it."""

import importlib

import click

from phasegate import __version__

_COMMANDS = {
    "abort": ("phasegate.cli_release:abort", "Take a release back, from any state."),
    "answer": ("phasegate.cli_release:answer", "Answer the question a release waits for."),
    "build": ("phasegate.cli_build:build", "Build a Worker project, without credentials."),
    "doctor": ("phasegate.cli_doctor:doctor", "Say what is there and what is missing."),
    "edge": ("phasegate.cli_serve:edge", "Run a local Cloudflare."),
    "keeper": ("phasegate.cli_serve:keeper", "Watch every active release."),
    "ledger": ("phasegate.cli_ledger:ledger", "Show and verify what happened."),
    "plan": ("phasegate.cli_plan:plan", "Check and show rollout plans."),
    "release": ("phasegate.cli_release:release", "Start a release, and wait for it if asked to."),
    "rollback": ("phasegate.cli_split:rollback", "Restore a known-good version at once."),
    "split": ("phasegate.cli_split:split", "Change traffic by hand, where no release does."),
}


class _Lazy(click.Group):
    """Lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="phasegate")
def main() -> None:
    """Roll a backend change out in phases and never leave production unguarded."""


if __name__ == "__main__":
    main()
