"""How much is read at a time."""

from __future__ import annotations

import asyncio

from gateway.chain.reading import AHEAD, LARGEST, SMALLEST, Reading


class Inner(asyncio.Protocol):
    def __init__(self) -> None:
        self.got: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.got.append(data)


def test_many_connections_read_small_pieces() -> None:
    """One reads 256 KiB, hundreds share what is allowed for all, and nobody gets less than 16 KiB."""
    count = 0
    reading = Reading(Inner(), memoryview(bytearray(LARGEST)), lambda: count)
    sizes = {}
    for count in (0, 1, 64, 128, 500, 2000):
        sizes[count] = len(reading.get_buffer(-1))
    assert (sizes[0], sizes[1], sizes[64]) == (LARGEST, LARGEST, LARGEST)
    assert (sizes[128], sizes[2000]) == (AHEAD // 128, SMALLEST)
    assert sizes[500] * 500 <= AHEAD


def test_what_was_read_is_handed_on_as_its_own_bytes() -> None:
    """The next read into the shared buffer changes nothing that was handed on."""
    inner, shared = Inner(), bytearray(LARGEST)
    reading = Reading(inner, memoryview(shared), lambda: 1)
    for piece in (b"first", b"second"):
        reading.get_buffer(-1)[: len(piece)] = piece
        reading.buffer_updated(len(piece))
    assert inner.got == [b"first", b"second"]
