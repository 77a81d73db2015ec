"""
How much a connection reads at a time. An event loop reads up to 256 KiB before anybody can say stop: from a thousand
uploads at once that is memory no budget knows of. So few connections read large pieces, many read small ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LARGEST = 256 * 1024
SMALLEST = 16 * 1024
# All connections' next pieces together.
AHEAD = 16 * 1024 * 1024


class Reading(asyncio.BufferedProtocol):
    """Hands to `inner` what was read into one buffer that all connections of a server share."""

    def __init__(self, inner: asyncio.Protocol, buffer: memoryview, connections: Callable[[], int]) -> None:
        self._inner, self._buffer, self._connections = inner, buffer, connections
        # Straight through, without a call in between; a method on an instance is what mypy does not like.
        self.connection_made = inner.connection_made  # type: ignore[method-assign]
        self.connection_lost = inner.connection_lost  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: max(SMALLEST, min(LARGEST, AHEAD // (self._connections() or 1)))]

    def buffer_updated(self, nbytes: int) -> None:
        self._inner.data_received(bytes(self._buffer[:nbytes]))
