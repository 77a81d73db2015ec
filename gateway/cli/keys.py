"""`gateway keys`: make keys for clients."""

from __future__ import annotations

import hashlib
import secrets

import click


@click.group()
def keys() -> None:
    """Make keys for clients."""


@keys.command()
@click.argument("name", default="client")
def new(name: str) -> None:
    """Make a key; NAME is what the logs call its owner. The key is shown once and kept nowhere."""
    from gateway.chain.settings import ID

    if not ID.fullmatch(name):
        raise click.BadParameter("1 to 64 letters, digits, dots, dashes or underscores.", param_hint="NAME")
    key = f"gw-{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    click.echo(f"Key for the client (shown once):\n\n  {key}\n")
    click.echo("For the configuration file, below auth.keys:\n")
    click.echo(f"  - id: {name}\n    hash: sha256:{digest}")
