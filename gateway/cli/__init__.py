"""The command line; one file a command, imported when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from gateway import __version__

COMMANDS = {
    "serve": "Run the gateway.",
    "config": "Check, show or describe the configuration.",
    "doctor": "Say what keeps the gateway from working, and what to do about it.",
    "route": "Say where a request would go, and why.",
    "keys": "Make, list and check clients' keys.",
    "jobs": "List, show and forget paid jobs.",
    "edit": "Edit a picture through a gateway.",
    "emulate": "Run the embedded Black Forest Labs emulator.",
    "demo": "Edit a sample picture and show where the time went.",
}


class Commands(click.Group):
    """Imports a command's module when it is needed, so that `gateway edit` starts without the server."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gateway.cli.{name}"), name)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """OpenAI's Images API in front, FLUX.1 Kontext and others behind."""
