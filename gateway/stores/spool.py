"""
Picture bytes between the sockets: in memory within one budget, past it in files.

Room is found before the first byte is read, and waiting happens only there. The declared length decides the place:
memory when it fits there whole, and then it is reserved whole; else disk, when it would fit there now. Disk itself is
taken as the bytes come, so that what is declared and never sent keeps nobody out. Should the disk fill up meanwhile,
an upload is refused in its middle, never halted: what it gives back carries the others on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.domain.errors import OutOfRoom
from gateway.stores.files import lock
from gateway.stores.settings import MemorySettings

T = TypeVar("T")

# A thread hop costs about 50 µs: files are written and read in pieces of this size.
PIECE = 256 * 1024
# What slow networks bring in a kilobyte at a time is kept and handed on in pieces of this size.
GATHER = 64 * 1024
# What is read back from files and not sent yet may come to this, all readers together.
UNSENT = 16 * 1024 * 1024
# What is at rest has a name, so that no descriptor is spent on it.
AT_REST = ("rest-", ".picture")


def out_of_room(detail: str | None = None) -> OutOfRoom:
    """`detail` is for the log."""
    text = "The gateway has no room for another upload just now. Try again later."
    return OutOfRoom(text, retry_after_s=5, detail=detail)


class Meter(Protocol):
    """Told how many bytes are held; `kind` is `memory` or `disk`."""

    def __call__(self, kind: str, held: int) -> None: ...


@dataclass(slots=True, eq=False)
class _Turn:
    """One upload in the line; `passed` bytes went by while it was first."""

    wanted: int
    kind: asyncio.Future[str]
    passed: int = 0


class Spool:
    """
    The budget and the files behind it.

    `make_room(n)` is asked to give up what nobody needs before an upload goes to disk.
    """

    def __init__(self, settings: MemorySettings, directory: Path, meter: Meter) -> None:
        self._limits = {"memory": settings.budget, "disk": settings.disk}
        self._held = {"memory": 0, "disk": 0}
        self._wait_s = settings.wait
        self._directory = directory
        self._meter = meter
        self._waiting: deque[_Turn] = deque()
        self._waking = False
        self.unwritten = 0  # bytes of open writers that are meant for files and still in memory
        self.readers = 0  # of files, just now
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="spool")
        self.make_room: Callable[[int], None] = lambda _wanted: None

    async def __aenter__(self) -> Spool:
        for folder in (self._directory.parent, self._directory):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        self._clear()
        lock(self._lock, fcntl.LOCK_SH)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown()
        self._clear()
        os.close(self._lock)

    async def reserve(self, expected: int) -> Room:
        """
        Room for `expected` bytes; 0 when the length is not known, then it grows while they come.

        Who fits may pass those who wait for more, until as much has gone by as the first of them wants.

        Raises: OutOfRoom when memory and disk stay full for the configured time.
        """
        return Room(self, self._admit(expected) or await self._turn(expected), expected)

    def reserve_paid(self, expected: int) -> Room:
        """Room for what has been paid for: always found, over the limits if need be."""
        return Room(self, self._find(expected) or "disk", expected, paid=True)

    def take(self, kind: str, wanted: int, *, force: bool = False) -> bool:
        if not force and not self.fits(kind, wanted):
            return False
        self._held[kind] += wanted
        self._meter(kind, self._held[kind])
        return True

    def fits(self, kind: str, wanted: int) -> bool:
        return self._held[kind] + wanted <= self._limits[kind]

    def give(self, kind: str, amount: int) -> None:
        if amount:
            self._held[kind] -= amount
            self._meter(kind, self._held[kind])
            self._wake()

    def open_file(self) -> int:
        """A descriptor of an unlinked file. Raises: OSError."""
        try:
            # Without the flag this is a directory opened for writing, which fails.
            return os.open(self._directory, getattr(os, "O_TMPFILE", 0) | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # a system or a file system without O_TMPFILE
            descriptor, path = tempfile.mkstemp(dir=self._directory)
            os.unlink(path)
            return descriptor

    def open_named(self) -> tuple[int, Path]:
        """A descriptor of a private file and its name, for who closes the one and keeps the other. Raises: OSError."""
        descriptor, path = tempfile.mkstemp(prefix=AT_REST[0], suffix=AT_REST[1], dir=self._directory)
        return descriptor, Path(path)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """
        Run blocking file work off the loop. A cancelled waiter waits for its end as well: a descriptor that is
        closed under a running write may by then be somebody else's.
        """
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        cancelled: asyncio.CancelledError | None = None
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            running.exception()
            raise cancelled
        return running.result()

    async def read(self, file: int, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of an open file from `start` up to `stop`, in pieces. Raises: OSError when it is shorter."""
        self.readers += 1
        try:
            while start < stop:
                # Each reader holds a piece for as long as its socket takes nothing: many readers hold small ones.
                wanted = min(max(GATHER, min(PIECE, UNSENT // self.readers)), stop - start)
                offset = start
                piece = await self.in_thread(lambda: os.pread(file, wanted, offset))  # noqa: B023 - runs before the next turn
                if not piece:
                    raise OSError("a file is shorter than it was written")
                yield piece
                start += len(piece)
        finally:
            self.readers -= 1

    def _clear(self) -> None:
        if lock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB):  # no other process keeps pictures here
            for left in self._directory.glob("*".join(AT_REST)):
                left.unlink(missing_ok=True)

    def _find(self, wanted: int) -> str | None:
        if self.take("memory", wanted):
            return "memory"
        self.make_room(wanted)
        if self.take("memory", wanted):
            return "memory"
        return "disk" if self.fits("disk", wanted) else None

    def _admit(self, wanted: int, turn: _Turn | None = None) -> str | None:
        first = self._waiting[0] if self._waiting else turn
        if first is turn:
            return self._find(wanted)
        assert first is not None
        if first.passed + wanted > first.wanted:
            return None
        if kind := self._find(wanted):
            first.passed += wanted
        return kind

    async def _turn(self, wanted: int) -> str:
        turn = _Turn(wanted, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait_s):
                return await turn.kind
        except BaseException as error:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.kind.done() and not turn.kind.cancelled() and turn.kind.result() == "memory":
                self.give("memory", wanted)
            if isinstance(error, TimeoutError):
                raise out_of_room() from None
            raise
        finally:
            self._wake()

    def _wake(self) -> None:
        if self._waking:  # `make_room` and `give` lead back here
            return
        self._waking = True
        try:
            for turn in tuple(self._waiting):
                # One that was cancelled leaves the line by itself, and wakes the others again.
                if not turn.kind.done() and (kind := self._admit(turn.wanted, turn)):
                    self._waiting.remove(turn)
                    turn.kind.set_result(kind)
        finally:
            self._waking = False


class Room:
    """
    A place that blobs are written into. Of memory `expected` bytes are reserved, and `close` gives back what stays
    unused; disk is taken as it is used.
    """

    def __init__(self, spool: Spool, kind: str, expected: int, *, paid: bool = False) -> None:
        self.spool, self.kind, self.paid = spool, kind, paid
        self._last = "disk"
        self._left = {kind: expected if kind == "memory" else 0}

    def use(self, amount: int) -> str:
        """
        Account for `amount` further bytes and say where they belong.

        Raises: OutOfRoom when more comes than was reserved and everything is full.
        """
        left = self._left.get(self.kind, 0)
        if amount <= left:
            self._left[self.kind] = left - amount
            return self.kind
        missing = amount - left
        if self.kind == "memory" and not self.spool.fits("memory", missing):
            self.spool.make_room(missing)
        for kind in dict.fromkeys((self.kind, self._last)):
            wanted = missing if kind == self.kind else amount
            if self.spool.take(kind, wanted, force=self.paid and kind == self._last):
                if kind == self.kind:
                    self._left[kind] = 0
                self.kind = kind
                return kind
        raise out_of_room()

    def stay_in_memory(self) -> bool:
        """The disk fails. True when the bytes are paid for: memory takes them, over its limit if need be."""
        if self.paid:
            self.kind = self._last = "memory"
        return self.paid

    def close(self) -> None:
        left, self._left = self._left, {}
        for kind, amount in left.items():
            self.spool.give(kind, amount)
