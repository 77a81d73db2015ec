"""`python -m tests.bench`: every number beside a reference in the same run. Absolute figures need a quiet machine."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.bench import pace_table, scenes
from tests.bench.processes import LOAD_CORE, MEASURED_CORE, BenchFailed
from tests.bench.stage import staged
from tests.bench.table import Row, lines


async def measure(effort: scenes.Effort) -> list[Row]:
    rows, started = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with staged(Path(folder)) as stage:
            async for row in scenes.Scenes(stage, effort).rows():
                rows.append(row)
                print(f"{time.monotonic() - started:5.0f} s  {row.name}", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="one short round, to see that all of it works")
    quick = options.parse_args().quick
    os.sched_setaffinity(0, {LOAD_CORE})
    started = time.monotonic()
    try:
        rows = uvloop.run(measure(scenes.QUICK if quick else scenes.FULL))
    except BenchFailed as failed:
        sys.exit(f"bench: {failed}")
    print(f"Gateway and reference on core {MEASURED_CORE}, vendors and load on core {LOAD_CORE}; every answer checked.")
    print(*lines(rows), sep="\n")
    print()
    pace_table.main()
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
