"""
A TCP proxy that cuts connections at a chosen moment, as load balancers, radio links and restarts do.

Cut means a reset for the client and an end for the server, which has everything that was sent until then.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

# How often a server that is not there is tried, each twentieth of a second.
HOLD = 200
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cut:
    """
    When a connection ends. Of several moments the first to come counts.

    Args:
        upload_bytes: after so many bytes of the request have passed.
        after_upload: once the whole request has passed and this has returned.
        answer_bytes: after so many bytes of the answer have passed.
        after_head: once the first piece of the answer has passed and this has returned.
    """

    upload_bytes: int | None = None
    after_upload: Callable[[], Awaitable[None]] | None = None
    answer_bytes: int | None = None
    after_head: Callable[[], Awaitable[None]] | None = None


class CuttingProxy:
    """
    `async with CuttingProxy("http://127.0.0.1:8080", [Cut(…)]) as proxy:` and talk to `proxy.url`.

    The first connection gets the first cut and so on; later ones pass untouched. `connections` counts all.
    """

    def __init__(self, url: str, cuts: Sequence[Cut]) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._target = (host, int(port))
        self._cuts = list(cuts)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.url = ""

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _onward(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A server that restarts is waited for, as a balancer with a queue does."""
        for _ in range(HOLD):
            with suppress(ConnectionRefusedError):
                return await asyncio.open_connection(*self._target)
            await asyncio.sleep(0.05)
        return await asyncio.open_connection(*self._target)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        cut = self._cuts[self.connections] if self.connections < len(self._cuts) else Cut()
        self.connections += 1
        onward, away = await self._onward()
        ways = {
            asyncio.ensure_future(_upload(reader, away, cut)),
            asyncio.ensure_future(_answer(onward, writer, cut)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            away.close()
            _reset(writer)


async def _upload(reader: asyncio.StreamReader, away: asyncio.StreamWriter, cut: Cut) -> None:
    """Returns at the end of the connection or when it is to be cut."""
    request = bytearray()
    while data := await reader.read(65536):
        if cut.upload_bytes is not None:
            data = data[: cut.upload_bytes - len(request)]
        request += data
        away.write(data)
        with suppress(ConnectionError):
            await away.drain()
        if len(request) == cut.upload_bytes:
            return
        if cut.after_upload is not None and _is_whole(request):
            await cut.after_upload()
            return


async def _answer(onward: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Cut) -> None:
    passed = 0
    while data := await onward.read(65536):
        if cut.answer_bytes is not None:
            data = data[: cut.answer_bytes - passed]
        passed += len(data)
        writer.write(data)
        with suppress(ConnectionError):
            await writer.drain()
        if passed == cut.answer_bytes:
            return
        if cut.after_head is not None:
            await cut.after_head()
            return


def _is_whole(request: bytes | bytearray) -> bool:
    """True when this is a complete request with a body."""
    head, end, body = bytes(request).partition(b"\r\n\r\n")
    if not end:
        return False
    declared = _LENGTH.search(head + b"\r\n")
    return len(body) >= int(declared[1]) if declared else body.endswith(b"0\r\n\r\n")


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket = writer.get_extra_info("socket")
    # Without lingering, closing is a reset: https://man7.org/linux/man-pages/man7/socket.7.html (SO_LINGER).
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
