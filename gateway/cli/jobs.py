"""`gateway jobs`: what the ledger remembers of paid jobs; also while the gateway runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from gateway.cli.config import config_option, read_to_look
from gateway.stores.records import OPEN, State

if TYPE_CHECKING:
    import apsw

STATES = [state.value for state in State]
SETTLED = [state.value for state in State if state not in OPEN]
HOUR_S = 3600.0


@click.group()
def jobs() -> None:
    """List, show and forget paid jobs."""


@jobs.command(name="list")
@config_option
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(path: Path | None, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show submissions, newest first: state, job, caller, platform and model, and when it last changed."""
    from gateway.stores.sqlite.inspect import listed

    with _ledger(path) as (db, _):
        rows = listed(db, states, limit)
    for row in rows:
        if as_json:
            click.echo(orjson.dumps(row).decode())
        else:
            name, target = f"{row['job']}/{row['idx']}", f"{row['platform']}/{row['model']}"
            click.echo(f"{_date(row['changed'])}  {row['state']:<12}  {name:<32}  {row['caller']}  {target}")
    if not rows and not as_json:
        click.echo("No such jobs.", err=True)


@jobs.command()
@config_option
@click.argument("id")
def show(path: Path | None, id: str) -> None:
    """All that is known of one job; ID is its `x-job-id`."""
    from gateway.stores.sqlite.inspect import shown

    with _ledger(path) as (db, _):
        rows = shown(db, id.partition("/")[0])
    if not rows:
        raise click.ClickException(f"the ledger has no job {id}: see `gateway jobs list`")
    for number, row in enumerate(rows):
        if number:
            click.echo()
        for name, value in row.items():
            click.echo(f"{name:<16} {_date(value) if name in ('created', 'changed') else value}")


@jobs.command()
@config_option
@click.option("--older-than", "hours", type=click.FloatRange(min=0), required=True, help="Hours since the last change.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(SETTLED), help="Only jobs that ended so; all ends otherwise."
)
def prune(path: Path | None, hours: float, states: tuple[str, ...]) -> None:
    """Forget jobs that are over, and their pictures. What runs is never forgotten."""
    from gateway.stores.sqlite.inspect import pruned, tidied

    with _ledger(path, write=True) as (db, folder):
        gone = pruned(db, time.time() - hours * HOUR_S, states or tuple(SETTLED))
        files = tidied(db, folder)
    left = "their pictures go when the gateway starts again" if files is None else f"{files} pictures"
    click.echo(f"{gone} jobs forgotten; {left}")


@contextmanager
def _ledger(path: Path | None, *, write: bool = False) -> Iterator[tuple[apsw.Connection, Path]]:
    from gateway.stores.sqlite.broken import LedgerUnusable
    from gateway.stores.sqlite.inspect import opened

    folder = read_to_look(path).config.state_dir
    try:
        with opened(folder, write=write) as db:
            yield db, folder
    except LedgerUnusable as error:
        raise click.ClickException(str(error)) from None


def _date(stamp: Any) -> str:
    return f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%dT%H:%M:%SZ}"
