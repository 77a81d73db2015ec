"""
A request's body on its way, and afterwards whether the other side can have all of it.

The client library calls a body complete when the event loop has taken its last byte. It may still be in the loop's
buffer then, or in the kernel's: if the connection ends there, nobody has the whole request.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio import WriteTransport
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import AsyncIterablePayload

from gateway.upstream import tcp_info
from gateway.upstream.tcp_info import SIZE, TcpInfo

# Who ends a connection that still brings something is mostly gone: its kernel answers the next bytes with a reset,
# within a round trip, and after that what is left here never leaves.
PAUSE_S, PAUSES = 0.05, 20


@dataclass(frozen=True, slots=True)
class Lack:
    """
    Proof that the other side cannot have the whole body: there was no `connection`, not all of it was `written`, or the
    `kernel` did not send all that was.
    """

    proof: Literal["connection", "written", "kernel"]
    text: str


class Outgoing(AsyncIterablePayload):
    """
    One body for one request. `length` in bytes; None when only its end tells. Release it when the request is over.
    """

    def __init__(self, chunks: AsyncIterable[bytes], length: int | None) -> None:
        super().__init__(self._counted(chunks))
        self.length = length
        self._taken, self._ended = 0, False
        self._writer: AbstractStreamWriter | None = None
        self._tap: socket.socket | None = None
        self._before: TcpInfo | None = None
        self._written_before = 0

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self.release()
        self._writer, self._written_before = writer, writer.output_size
        # Before the first byte: what else the connection has carried is not of this request.
        self._tap = _tap(writer.transport)
        self._before = _ask(self._tap)
        await super().write_with_length(writer, content_length)

    async def lack(self) -> Lack | None:
        """None when the other side may have the whole, or get it. No byte of the body is sent from here on."""
        if self._writer is None:
            return Lack("connection", "nothing was written")
        if (not self._ended) if self.length is None else (self._taken < self.length):
            return Lack("written", f"{self._taken} of {self.length or 'more'} bytes were written")
        if self._tap is None or self._before is None:
            return None
        # What the event loop still holds never reaches the kernel, nor does what TLS has not encrypted yet.
        with suppress(OSError):
            self._tap.shutdown(socket.SHUT_WR)
        after = _ask(self._tap)
        for _ in range(PAUSES):
            if after is None or not (after.ended and after.unsent):
                break
            await asyncio.sleep(PAUSE_S)
            after = _ask(self._tap)
        most = tcp_info.at_most(self._before, after) if after is not None else None
        written = self._writer.output_size - self._written_before
        if most is None or most >= written:
            return None
        return Lack("kernel", f"at most {most} of {written} bytes left this machine")

    def release(self) -> None:
        """The connection ends where its transport does. Harmless when called again."""
        tap, self._tap = self._tap, None
        if tap is not None:
            tap.close()

    async def _counted(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        async for chunk in chunks:
            self._taken += len(chunk)
            yield chunk
        self._ended = True


def _tap(transport: WriteTransport | None) -> socket.socket | None:
    """The transport's connection under a descriptor of its own, which can be asked when the transport has gone."""
    # One that is closing may have given its descriptor away.
    if sys.platform != "linux" or transport is None or transport.is_closing():
        return None
    found = transport.get_extra_info("socket")
    try:
        descriptor = os.dup(found.fileno())
    except (AttributeError, OSError):
        return None
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None


def _ask(tap: socket.socket | None) -> TcpInfo | None:
    if tap is None:
        return None
    try:
        return tcp_info.read(tap.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SIZE))
    except OSError:
        return None
