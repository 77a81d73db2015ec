"""Writing a blob into a room of the spool, and reading it again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from blake3 import blake3

from gateway.domain.errors import OutOfRoom
from gateway.domain.size import Pixels
from gateway.stores.spool import Room, Spool

# A thread hop costs about 50 µs: files are written and read in pieces of this size.
PIECE = 256 * 1024
# What all uploads together may hold in memory on its way to files; past it they write smaller pieces.
UNWRITTEN = 8 * 1024 * 1024
# The same of what is read back from them.
UNSENT = 16 * 1024 * 1024
# What slow networks bring in a kilobyte at a time is kept and handed on in pieces of this size.
GATHER = 64 * 1024


class SpooledBlob:
    """Implements `domain.blob.Blob`. Every holder calls `release` once; the last one gives the room back."""

    __slots__ = ("_file", "_holders", "_kind", "_parts", "_spool", "digest", "length", "media_type", "pixels")

    def __init__(
        self,
        spool: Spool,
        parts: list[bytes],
        file: int | None,
        length: int,
        *,
        digest: str,
        media_type: str,
        pixels: Pixels,
    ) -> None:
        self._spool, self._parts, self._file = spool, parts, file
        self._kind = "memory" if file is None else "disk"
        self._holders = 1
        self.length, self.digest, self.media_type, self.pixels = length, digest, media_type, pixels

    @property
    def in_memory(self) -> bool:
        return self._file is None

    def hold(self) -> SpooledBlob:
        self._holders += 1
        return self

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._parts = []
            if self._file is not None:
                os.close(self._file)
            self._spool.give(self._kind, self.length)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        stop = self.length if stop is None else min(stop, self.length)
        if self._file is None:
            position = 0
            for part in self._parts:
                first, last = max(start - position, 0), min(stop - position, len(part))
                if first < last:
                    if position > start:
                        # The socket's buffer may swallow many pieces without a pause; other requests need their turn.
                        await asyncio.sleep(0)
                    yield part if last - first == len(part) else part[first:last]
                position += len(part)
            return
        descriptor = self._file
        self._spool.readers += 1
        try:
            while start < stop:
                # Each reader holds a piece for as long as its socket takes nothing: many readers hold small ones.
                wanted = min(max(GATHER, min(PIECE, UNSENT // self._spool.readers)), stop - start)
                offset = start
                piece = await self._spool.in_thread(lambda: os.pread(descriptor, wanted, offset))  # noqa: B023 - runs before the next turn
                if not piece:
                    raise OSError("a spooled file is shorter than it was written")
                yield piece
                start += len(piece)
        finally:
            self._spool.readers -= 1

    async def park(self) -> None:
        """Move the bytes to a file, if nobody but the caller holds them."""
        if self._file is not None or self._holders > 1:
            return
        try:
            parts, file = self._parts, self._spool.open_file()
        except OSError:
            return
        try:
            await self._spool.in_thread(lambda: _write(file, parts))
        except BaseException as error:
            os.close(file)
            if isinstance(error, OSError):
                return
            raise
        if self._holders != 1 or self._parts is not parts:
            os.close(file)
            return
        self._spool.take("disk", self.length, force=True)
        self._file, self._kind, self._parts = file, "disk", []
        self._spool.give("memory", self.length)


class BlobWriter:
    """One blob being written. End it with `finish` or `discard`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._hash = blake3()
        self._parts: list[bytes] = []
        self._small = bytearray()
        self._pending = 0
        self._file: int | None = None
        self.length = 0

    async def write(self, chunk: bytes) -> None:
        """Raises: OutOfRoom when neither memory nor disk takes it."""
        kind = self._room.use(len(chunk))
        self._hash.update(chunk)
        self._keep(chunk)
        self.length += len(chunk)
        if kind == "memory":
            return
        if self._file is None:
            self._to_disk(len(chunk))
        self._pending += len(chunk)
        spool = self._room.spool
        spool.unwritten += len(chunk)
        if self._pending >= PIECE or spool.unwritten > UNWRITTEN:
            await self._flush()

    async def finish(self, media_type: str, pixels: Pixels) -> SpooledBlob:
        """The blob, with the type and the size that were read from its bytes."""
        if self._file is not None:
            await self._flush()
        self._join()
        return SpooledBlob(
            self._room.spool,
            self._parts,
            self._file,
            self.length,
            digest=self._hash.hexdigest(),
            media_type=media_type,
            pixels=pixels,
        )

    def discard(self) -> None:
        """Give everything back; harmless after `finish` has failed."""
        self._settle()
        if self._file is not None:
            os.close(self._file)
        self._room.spool.give("memory" if self._file is None else "disk", self.length)
        self._parts, self._small, self.length, self._file = [], bytearray(), 0, None

    def _settle(self) -> None:
        self._room.spool.unwritten -= self._pending
        self._pending = 0

    def _keep(self, chunk: bytes) -> None:
        if len(chunk) < GATHER // 4:
            self._small += chunk
            if len(self._small) >= GATHER:
                self._join()
        else:
            self._join()
            self._parts.append(chunk)

    def _join(self) -> None:
        if self._small:
            self._parts.append(bytes(self._small))
            self._small.clear()

    def _to_disk(self, newest: int) -> None:
        earlier = self.length - newest
        try:
            self._file = self._room.spool.open_file()
        except OSError as error:
            self._room.spool.give("disk", newest)
            self._room.spool.take("memory", newest, force=True)
            raise _full(error) from error
        if earlier:
            self._room.spool.take("disk", earlier, force=True)
            self._room.spool.give("memory", earlier)
        self._pending = earlier
        self._room.spool.unwritten += earlier

    async def _flush(self) -> None:
        self._join()
        parts, self._parts = self._parts, []
        file = self._file
        assert file is not None
        try:
            await self._room.spool.in_thread(lambda: _write(file, parts))
        except OSError as error:
            raise _full(error) from error
        finally:
            self._settle()


def _write(file: int, parts: list[bytes]) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(file, view) :]


def _full(error: OSError) -> OutOfRoom:
    return OutOfRoom(
        "The gateway has no room for another upload just now. Try again later.", retry_after_s=5, detail=str(error)
    )
