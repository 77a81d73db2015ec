"""`gateway keys`: make keys for clients, list those there are, and say what one of them opens."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from gateway.cli.config import config_option, read_to_look
from gateway.cli.opening import opening, relays

if TYPE_CHECKING:
    from gateway.chain.settings import KeySettings

# Options of `new` that go below `limits`, by the name they have there.
LIMITS = ("requests", "images", "megapixels", "jobs", "credits_day", "credits_month", "cents_day", "cents_month")
COLUMNS = ("id", "state", "expires", "weight", "models", "paths", "limits", "hash")


@click.group()
def keys() -> None:
    """Make, list and check clients' keys."""


@keys.command()
@click.argument("name", default="client")
@click.option("--models", multiple=True, metavar="GLOB", help="Models it may use; comma lists or repeated.")
@click.option("--paths", multiple=True, metavar="GLOB", help="Paths it may call, such as /v1/images/*.")
@click.option("--expires", metavar="DATE", help="When it stops opening, UTC: 2027-01-31 or 2027-01-31T12:00:00Z.")
@click.option("--weight", type=float, help="Share of busy slots, relative to other keys'; 1 unless set.")
@click.option("--requests", type=int, help="Requests a minute.")
@click.option("--images", type=int, help="Pictures a minute.")
@click.option("--megapixels", type=float, help="Megapixels a minute.")
@click.option("--jobs", type=int, help="Jobs at the same time.")
@click.option("--credits-day", type=float, help="Credits a day, and so on.")
@click.option("--credits-month", type=float)
@click.option("--cents-day", type=float)
@click.option("--cents-month", type=float)
def new(name: str, **options: Any) -> None:
    """Make a key; NAME is what the logs call its owner. The key is shown once and kept nowhere."""
    from gateway.chain.doorman import digest

    key = f"gw-{secrets.token_urlsafe(32)}"
    written: dict[str, Any] = {"id": name, "hash": f"sha256:{digest(key).hex()}"}
    for option in ("models", "paths"):
        if options[option]:
            written[option] = [glob for text in options[option] for glob in text.split(",") if glob]
    if limits := {limit: options[limit] for limit in LIMITS if options[limit] is not None}:
        written["limits"] = limits
    for option in ("weight", "expires"):
        if options[option] is not None:
            written[option] = options[option]
    _check_entry(written)
    click.echo(f"Key for the client (shown once):\n\n  {key}\n")
    click.echo("For the configuration file, below auth.keys:\n")
    entry = yaml.safe_dump([written], sort_keys=False, allow_unicode=True)
    click.echo("".join(f"  {line}\n" for line in entry.splitlines()), nl=False)


@keys.command(name="list")
@config_option
def list_(path: Path | None) -> None:
    """Show the configured keys: what each may use, and whether it still opens."""
    known = read_to_look(path).config.auth.keys
    if not known:
        click.echo("No keys: the gateway serves this machine's own programs only.", err=True)
        return
    now = time.time()
    rows = [COLUMNS, *(_row(key, now) for key in known)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@keys.command()
@config_option
def check(path: Path | None) -> None:
    """Read a key, from a prompt or from standard input, and say what it opens; exit code 1 for nothing."""
    from gateway.chain.doorman import digest

    config = read_to_look(path).config
    known = config.auth.keys
    # Never an argument: those are in the shell's history and in everybody's list of processes.
    sent = click.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    wanted = f"sha256:{digest(sent.strip()).hex()}"
    found = next((key for key in known if key.hash == wanted), None) if sent.strip() else None
    if found is None:
        raise click.ClickException(f"no entry has this key; there are {len(known)}")
    row = dict(zip(COLUMNS, _row(found, time.time()), strict=True))
    for name in ("id", "state", "expires", "weight", "models", "paths", "limits"):
        click.echo(f"{name:<8} {row[name]}")
    click.echo(f"{'opens':<8} {opening(found, relays=relays(config))}")
    if row["state"] == "expired":
        raise click.exceptions.Exit(1)


def _check_entry(written: dict[str, Any]) -> None:
    """What the file would refuse is refused here, before a key is handed out. Raises: BadParameter."""
    from pydantic import ValidationError

    from gateway.chain.settings import KeySettings
    from gateway.config.wording import plain_words

    try:
        entry = KeySettings.model_validate(written)
        if _expired(entry, time.time()):
            raise click.BadParameter("lies in the past: the key would never open anything", param_hint="--expires")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = next(str(part) for part in first["loc"] if part != "limits" and not isinstance(part, int))
        hint = "NAME" if place == "id" else f"--{place.replace('_', '-')}"
        raise click.BadParameter(plain_words(first["type"], first["msg"]), param_hint=hint) from None


def _expired(key: KeySettings, now: float) -> bool:
    return key.expires is not None and key.expires.timestamp() <= now


def _row(key: KeySettings, now: float) -> tuple[str, ...]:
    """Its cells by `COLUMNS`; of the hash as much as tells two entries apart."""
    shown = key.model_dump(mode="json")
    return (
        key.id,
        "expired" if _expired(key, now) else "active",
        shown["expires"] or "never",
        f"{key.weight:g}",
        _listed(key.models, "all"),
        _listed(key.paths, "by model" if key.models else "all"),
        _listed((f"{name}={value:.15g}" for name, value in shown["limits"].items() if value is not None), "none"),
        key.hash.removeprefix("sha256:")[:8],
    )


def _listed(items: Iterable[str] | None, otherwise: str) -> str:
    return ",".join(items or ()) or otherwise
