"""
Finished pictures as files, by what is in them: a picture that is made twice is kept once.

A file appears under its name whole and synced, or not at all. It goes when no row of the ledger names it any more.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Set
from pathlib import Path

import structlog

from gateway.domain.blob import Blob
from gateway.domain.size import Pixels
from gateway.stores.blobs import SpooledBlob
from gateway.stores.files import write_parts
from gateway.stores.links import Links
from gateway.stores.spool import PIECE, Spool, out_of_room

log = structlog.get_logger("gateway.results")

# Digest, size in pixels, length in bytes, format.
REF = re.compile(r"([0-9a-f]{64})-([1-9][0-9]{0,5})x([1-9][0-9]{0,5})-([1-9][0-9]{0,11})\.(png|jpeg|webp)", re.ASCII)
HALF = ".tmp"


class DiskBlob:
    """Implements `Blob` over one file, which is opened for each reading."""

    __slots__ = ("_path", "_spool", "digest", "length", "media_type", "orientation", "pixels")

    def __init__(self, spool: Spool, path: Path, found: re.Match[str]) -> None:
        digest, width, height, length, kind = found.groups()
        self._spool, self._path = spool, path
        self.digest, self.length, self.media_type = digest, int(length), f"image/{kind}"
        self.pixels = Pixels(int(width), int(height))
        self.orientation = 1  # a result is only handed on

    def release(self) -> None:
        """The file stays as long as the ledger names it."""

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        stop = self.length if stop is None else min(stop, self.length)
        file = await self._spool.in_thread(lambda: os.open(self._path, os.O_RDONLY | os.O_CLOEXEC))
        try:
            async for piece in self._spool.read(file, start, stop):
                yield piece
        finally:
            os.close(file)


class DiskResults:
    """
    Implements `Results` in `folder`, which is one gateway's alone.

    Args:
        quota: bytes; past it delivered pictures go early, and without any nothing new is begun.
        full: told when the disk does not take a picture, with the reason; called in a thread.
        held: told how many bytes there are.
    """

    def __init__(
        self,
        folder: Path,
        spool: Spool,
        links: Links,
        *,
        quota: int,
        full: Callable[[str], None],
        held: Callable[[int], object],
    ) -> None:
        self._folder, self._spool, self._quota, self._full, self._held_told = folder, spool, quota, full, held
        self.link, self.check = links.link, links.check
        self._bytes = 0
        # Stored, and perhaps in no row yet.
        self._pinned = Counter[str]()
        self._watching: list[set[str]] = []

    async def prepare(self, known: Set[str]) -> None:
        """Remove what a crash has left: halves, and pictures that no row names, being not among the `known`."""
        self._bytes = await self._spool.in_thread(lambda: _tidy(self._folder, known))
        self._held_told(self._bytes)

    async def put(self, blob: Blob) -> str:
        assert isinstance(blob, SpooledBlob)
        kind = blob.media_type.removeprefix("image/")
        ref = f"{blob.digest}-{blob.pixels}-{blob.length}.{kind}"
        assert REF.fullmatch(ref), ref
        self._pinned[ref] += 1
        for seen in self._watching:
            seen.add(ref)
        try:
            new = await self._spool.in_thread(lambda: self._store(blob, self._folder / ref))
        except OSError as error:
            self.settled(ref)
            raise out_of_room(str(error)) from error
        except BaseException:
            self.settled(ref)
            raise
        blob.release()
        if new:
            self._count(blob.length)
        return ref

    @contextlib.contextmanager
    def watched(self) -> Iterator[Set[str]]:
        """What is stored meanwhile, by whomever, or was being stored when it began."""
        seen = set(self._pinned)
        self._watching.append(seen)
        try:
            yield seen
        finally:
            self._watching.remove(seen)

    def settled(self, ref: str) -> None:
        self._pinned[ref] -= 1
        if self._pinned[ref] <= 0:
            del self._pinned[ref]

    async def open(self, ref: str) -> Blob | None:
        found = REF.fullmatch(ref)
        path = self._folder / ref
        if found is None or not await self._spool.in_thread(path.is_file):
            return None
        return DiskBlob(self._spool, path, found)

    async def keep(self, ref: str) -> None:
        """It is on disk already."""

    def spare(self, ref: str) -> None:
        """Past the quota, what was delivered goes first: the ledger knows it."""

    @property
    def over(self) -> int:
        """How many bytes there are past the quota."""
        return max(0, self._bytes - self._quota)

    def drop(self, refs: Iterable[str]) -> None:
        """
        No row names these any more. In one go, and in the loop: the same picture may be stored again in the next
        moment, and is pinned by then.
        """
        for ref in refs:
            if ref not in self._pinned and (found := REF.fullmatch(ref)):
                with contextlib.suppress(FileNotFoundError):
                    (self._folder / ref).unlink()
                    self._count(-int(found[4]))

    def _count(self, more: int) -> None:
        self._bytes += more
        self._held_told(self._bytes)

    def _store(self, blob: SpooledBlob, path: Path) -> bool:
        """True for a new one. Raises: OSError."""
        if path.exists():
            return False
        try:
            _write(blob, path)
        except OSError as error:
            self._full(str(error))
            _write(blob, path)  # into what the reserve has given up
        return True


def _write(blob: SpooledBlob, path: Path) -> None:
    half = path.with_name(f"{secrets.token_hex(8)}{HALF}")
    file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            write_parts(file, blob.pieces(PIECE))
            os.fsync(file)
        finally:
            os.close(file)
        half.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            half.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _tidy(folder: Path, known: Set[str]) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = {file.name: file.stat().st_size for file in os.scandir(folder) if file.is_file(follow_symlinks=False)}
    for name in there.keys() - known:
        (folder / name).unlink(missing_ok=True)
    return sum(there[name] for name in there.keys() & known)
