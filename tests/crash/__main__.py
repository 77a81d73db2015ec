"""`make crash`: the gateway killed at every point between accept and delivered, and what has to be true afterwards."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from tests.crash.armed import WRONG, labels
from tests.crash.load import LOAD, TROUBLE
from tests.crash.run import crash, plan

NAMES = (*labels(), "random", LOAD, TROUBLE)


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides the points and their order.")
@click.option("--label", multiple=True, type=click.Choice(NAMES), help="Only these points.")
@click.option("--build", type=click.Choice(["-", *WRONG]), default="-", help="A wrong build, which has to be caught.")
def main(rounds: int, seed: int, label: tuple[str, ...], build: str) -> None:
    """Kill, restart, repeat, judge; exit code 1 when something is not as it has to be."""
    with tempfile.TemporaryDirectory() as folder:
        turns = plan(rounds, seed, label)
        found = asyncio.run(crash(Path(folder), turns, seed=seed, build=build, tell=lambda line: click.echo(line)))
    for line in found:
        click.echo(f"WRONG  {line}")
    click.echo(f"{rounds} rounds with seed {seed}: {len(found)} things are wrong" if found else "all is well")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
