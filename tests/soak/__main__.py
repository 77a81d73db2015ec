"""`make soak`: hours of service in minutes, with every kind of client and a vendor full of faults."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from tests.soak.soak import soak


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Of load.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides what clients do.")
def main(minutes: float, seed: int) -> None:
    """Load with faults; exit code 1 when something is not as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(soak(Path(folder), minutes * 60, seed, lambda line: click.echo(line, err=True)))
    for name, value in report.rows:
        click.echo(f"{name:18} {value}")
    for line in report.wrong:
        click.echo(f"WRONG  {line}")
    click.echo("all is well" if not report.wrong else f"{len(report.wrong)} things are wrong")
    sys.exit(bool(report.wrong))


main()
