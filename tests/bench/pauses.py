"""
How long an event loop keeps others waiting, sampled from within the process that is measured.

While somebody is connected to a Unix socket the loop is asked for a turn every millisecond; what it gives too late is
the pause. `python -m tests.bench.pauses SOCKET …` is `gateway …` with such a socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

EVERY_S = 0.001


async def listen(path: str) -> asyncio.Server:
    """Lives as long as somebody holds it."""
    return await asyncio.start_unix_server(_sample, path)


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[list[float]]:
    """The pauses, in seconds and ascending order, that fell into the block; filled in at its end."""
    pauses: list[float] = []
    reader, writer = await asyncio.open_unix_connection(str(path))
    await reader.readline()
    try:
        yield pauses
        writer.write_eof()
        pauses += sorted(json.loads(await reader.read()))
    finally:
        writer.close()


async def _sample(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"watching\n")
    pauses = []
    while not reader.at_eof():
        asked = time.monotonic()
        await asyncio.sleep(EVERY_S)
        pauses.append(max(0.0, time.monotonic() - asked - EVERY_S))
    writer.write(json.dumps(pauses).encode())
    await writer.drain()
    writer.close()


def main() -> None:
    from gateway.app import Gateway
    from gateway.cli import main as gateway
    from gateway.cli import serve

    path = sys.argv.pop(1)

    class Watched(Gateway):
        async def __aenter__(self) -> Gateway:
            self.listener = await listen(path)
            return await super().__aenter__()

    setattr(serve, "Gateway", Watched)  # noqa: B010 - a module's name, as a test would replace it
    gateway()


if __name__ == "__main__":
    main()
