"""The last 64 KiB of a stream, kept without copying them along the way."""

from __future__ import annotations

from collections import deque

Chunk = bytes | bytearray | memoryview

# Phones and editors append data of their own behind a picture's end mark; it is looked for this far back.
TAIL_BYTES = 64 * 1024

_GATHER_BYTES = 4096


class Tail:
    """The last `TAIL_BYTES` of a stream: large chunks by reference, small ones gathered."""

    def __init__(self) -> None:
        self._pieces: deque[Chunk] = deque()
        self._gathered = bytearray()
        self._length = 0  # of the pieces

    def add(self, chunk: Chunk) -> None:
        if len(chunk) < _GATHER_BYTES:
            self._gathered += chunk
            if len(self._gathered) >= _GATHER_BYTES:
                self._push(self._gathered)
                self._gathered = bytearray()
            return
        if self._gathered:
            self._push(self._gathered)
            self._gathered = bytearray()
        self._push(chunk)

    def read(self) -> bytes:
        pieces = (*self._pieces, self._gathered)
        return b"".join(memoryview(piece)[-TAIL_BYTES:] for piece in pieces)[-TAIL_BYTES:]

    def _push(self, piece: Chunk) -> None:
        self._pieces.append(piece)
        self._length += len(piece)
        while self._length - len(self._pieces[0]) >= TAIL_BYTES:
            self._length -= len(self._pieces.popleft())
