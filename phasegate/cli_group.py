"""The program as click knows it: lists its commands without importing them."""

import importlib
from collections.abc import Mapping

import click

from phasegate import __version__


class _Lazy(click.Group):
    """Imports a command when it runs; ``places``: its name -> ``module:function`` and its line of help."""

    places: Mapping[str, tuple[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.places:
            return None
        module, name = self.places[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(self.places.items())])


def group(commands: Mapping[str, tuple[str, str]], *, purpose: str) -> click.Group:
    """The program with *commands*; *purpose* is the sentence under its usage."""
    program = _Lazy(name="phasegate", help=purpose, context_settings={"help_option_names": ["-h", "--help"]})
    program.places = commands
    return click.version_option(__version__, prog_name="phasegate")(program)
