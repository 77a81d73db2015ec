"""Writing a blob into a room of the spool, and reading it again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from blake3 import blake3

from gateway.domain.size import Pixels
from gateway.stores.files import drop, write_parts
from gateway.stores.spool import GATHER, PIECE, Room, Spool, out_of_room

# What all uploads together may hold in memory on its way to files; past it they write smaller pieces.
UNWRITTEN = 8 * 1024 * 1024


class SpooledBlob:
    """
    Implements `domain.blob.Blob`. Every holder calls `release` once; the last one gives the room back.

    The bytes are in `parts`, or in the unlinked `file`, or in the private file at `path`, which is opened for each
    reading.
    """

    __slots__ = (
        *("_file", "_holders", "_kind", "_parts", "_path", "_spool"),
        *("digest", "length", "media_type", "orientation", "pixels"),
    )

    def __init__(
        self,
        spool: Spool,
        parts: list[bytes],
        file: int | None,
        path: Path | None,
        length: int,
        *,
        digest: str,
        media_type: str,
        pixels: Pixels,
        orientation: int = 1,
    ) -> None:
        self._spool, self._parts, self._file, self._path = spool, parts, file, path
        self._kind = "memory" if file is None and path is None else "disk"
        self._holders = 1
        self.length, self.digest, self.media_type = length, digest, media_type
        self.pixels, self.orientation = pixels, orientation

    @property
    def in_memory(self) -> bool:
        return self._kind == "memory"

    def hold(self) -> SpooledBlob:
        self._holders += 1
        return self

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._parts = []
            drop(self._file, self._path)
            self._spool.give(self._kind, self.length)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        stop = self.length if stop is None else min(stop, self.length)
        if self.in_memory:
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
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC) if self._path else self._file
        assert descriptor is not None
        try:
            async for piece in self._spool.read(descriptor, start, stop):
                yield piece
        finally:
            if self._path:
                os.close(descriptor)

    def pieces(self, size: int) -> Iterator[bytes]:
        """All bytes in order, of a file in pieces of `size`. Blocks. Raises: OSError."""
        if self.in_memory:
            yield from self._parts
            return
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC) if self._path else self._file
        assert descriptor is not None
        try:
            for start in range(0, self.length, size):
                yield os.pread(descriptor, min(size, self.length - start), start)
        finally:
            if self._path:
                os.close(descriptor)

    async def park(self) -> None:
        """Move the bytes to a file, if nobody but the caller holds them."""
        if not self.in_memory or self._holders > 1:
            return
        try:
            parts, (file, path) = self._parts, self._spool.open_named()
        except OSError:
            return
        try:
            await self._spool.in_thread(lambda: write_parts(file, parts))
        except BaseException as error:
            drop(file, path)
            if isinstance(error, OSError):
                return
            raise
        if self._holders != 1 or self._parts is not parts:
            drop(file, path)
            return
        os.close(file)
        self._spool.take("disk", self.length, force=True)
        self._path, self._kind, self._parts = path, "disk", []
        self._spool.give("memory", self.length)


class BlobWriter:
    """
    One blob being written. End it with `finish` or `discard`.

    An upload's file is unlinked and open, as its connection is. What has been paid for may rest for an hour: its file
    has a name and is closed at the end; when the disk fails it stays in memory.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._hash = blake3()
        self._parts: list[bytes] = []
        self._small = bytearray()
        self._pending = 0
        self._file: int | None = None
        self._path: Path | None = None
        self._flushed = 0
        self.length = 0

    async def write(self, chunk: bytes) -> None:
        """Raises: OutOfRoom when neither memory nor disk takes it."""
        kind = self._room.use(len(chunk))
        self._hash.update(chunk)
        self._keep(chunk)
        self.length += len(chunk)
        if kind == "memory":
            return
        if self._file is None and not self._to_disk(len(chunk)):
            return
        self._pending += len(chunk)
        spool = self._room.spool
        spool.unwritten += len(chunk)
        if self._pending >= PIECE or spool.unwritten > UNWRITTEN:
            await self._flush()

    async def finish(self, media_type: str, pixels: Pixels, orientation: int = 1) -> SpooledBlob:
        """The blob, with the type, the size and the orientation that were read from its bytes."""
        if self._file is not None:
            await self._flush()
        self._join()
        if self._path is not None and self._file is not None:
            os.close(self._file)
            self._file = None
        return SpooledBlob(
            self._room.spool,
            self._parts,
            self._file,
            self._path,
            self.length,
            digest=self._hash.hexdigest(),
            media_type=media_type,
            pixels=pixels,
            orientation=orientation,
        )

    def discard(self) -> None:
        """Give everything back; harmless after `finish` has failed."""
        self._settle()
        drop(self._file, self._path)
        self._room.spool.give("memory" if self._file is None else "disk", self.length)
        self._parts, self._small, self.length, self._file, self._path = [], bytearray(), 0, None, None

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

    def _to_disk(self, newest: int) -> bool:
        spool, earlier = self._room.spool, self.length - newest
        try:
            if self._room.paid:
                self._file, self._path = spool.open_named()
            else:
                self._file = spool.open_file()
        except OSError as error:
            spool.take("memory", newest, force=True)
            spool.give("disk", newest)
            if self._room.stay_in_memory():
                return False
            raise out_of_room(str(error)) from error
        if earlier:
            spool.take("disk", earlier, force=True)
            spool.give("memory", earlier)
        self._pending = earlier
        spool.unwritten += earlier
        return True

    async def _flush(self) -> None:
        self._join()
        parts, self._parts = self._parts, []
        file = self._file
        assert file is not None
        try:
            await self._room.spool.in_thread(lambda: write_parts(file, parts))
            self._flushed += self._pending
        except OSError as error:
            if not self._room.stay_in_memory():
                raise out_of_room(str(error)) from error
            await self._to_memory(file, parts)
        finally:
            self._settle()

    async def _to_memory(self, file: int, unwritten: list[bytes]) -> None:
        """Only what had reached the file before it failed has to be read back from it."""
        spool, flushed = self._room.spool, self._flushed
        try:
            earlier = await spool.in_thread(lambda: os.pread(file, flushed, 0))
        except OSError as error:
            raise out_of_room(str(error)) from error
        if len(earlier) < flushed:
            raise out_of_room("a spooled file is shorter than it was written")
        self._parts = [earlier, *unwritten] if earlier else unwritten
        spool.take("memory", self.length, force=True)
        spool.give("disk", self.length)
        drop(file, self._path)
        self._file = self._path = None
