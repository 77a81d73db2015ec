"""
Picture bytes between the sockets: in memory within one budget, past it in unlinked files.

Room is taken before the first byte is read, and waiting happens only there, so half-read uploads cannot starve
each other.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.domain.errors import OutOfRoom
from gateway.stores.settings import MemorySettings

T = TypeVar("T")


class Meter(Protocol):
    """Told how many bytes are held; `kind` is `memory` or `disk`."""

    def __call__(self, kind: str, held: int) -> None: ...


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
        self._waiting: deque[tuple[int, asyncio.Future[str]]] = deque()
        self._waking = False
        self.unwritten = 0  # bytes of open writers that are meant for files and still in memory
        self.readers = 0  # of files, just now
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="spool")
        self.make_room: Callable[[int], None] = lambda _wanted: None

    async def __aenter__(self) -> Spool:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown()

    async def reserve(self, expected: int) -> Room:
        """
        Room for `expected` bytes; 0 when the length is not known, then it grows while they come.

        Raises: OutOfRoom when memory and disk stay full for the configured time.
        """
        kind = None if self._waiting else self._find(expected)
        return Room(self, kind or await self._turn(expected), expected)

    def reserve_paid(self, expected: int) -> Room:
        """Room for what has been paid for: always found, over the limits if need be."""
        kind = self._find(expected)
        if not kind:
            self.take("disk", expected, force=True)
        return Room(self, kind or "disk", expected, paid=True)

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

    def _find(self, wanted: int) -> str | None:
        if self.take("memory", wanted):
            return "memory"
        self.make_room(wanted)
        return next((kind for kind in ("memory", "disk") if self.take(kind, wanted)), None)

    async def _turn(self, wanted: int) -> str:
        turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        entry = (wanted, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._wait_s):
                return await turn
        except BaseException as error:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif turn.done() and not turn.cancelled():
                self.give(turn.result(), wanted)
            if isinstance(error, TimeoutError):
                raise OutOfRoom(
                    "The gateway has no room for another upload just now. Try again later.", retry_after_s=5
                ) from None
            raise
        finally:
            self._wake()

    def _wake(self) -> None:
        if self._waking:  # `make_room` and `give` lead back here
            return
        self._waking = True
        try:
            while self._waiting and (kind := self._find(self._waiting[0][0])):
                wanted, turn = self._waiting.popleft()
                if turn.done():
                    self.give(kind, wanted)
                else:
                    turn.set_result(kind)
        finally:
            self._waking = False


class Room:
    """Reserved bytes that blobs are written into. What stays unused is given back by `close`."""

    def __init__(self, spool: Spool, kind: str, reserved: int, *, paid: bool = False) -> None:
        self.spool, self.kind, self._paid = spool, kind, paid
        self._left = {kind: reserved}

    def use(self, amount: int) -> str:
        """
        Account for `amount` further bytes and say where they belong.

        Raises: OutOfRoom when the length was not known and everything is full.
        """
        left = self._left.get(self.kind, 0)
        if amount <= left:
            self._left[self.kind] = left - amount
            return self.kind
        missing = amount - left
        if self.kind == "memory" and not self.spool.fits("memory", missing):
            self.spool.make_room(missing)
        for kind in dict.fromkeys((self.kind, "disk")):
            wanted = missing if kind == self.kind else amount
            if self.spool.take(kind, wanted, force=self._paid and kind == "disk"):
                if kind == self.kind:
                    self._left[kind] = 0
                self.kind = kind
                return kind
        raise OutOfRoom("The gateway has no room for another upload just now. Try again later.", retry_after_s=5)

    def close(self) -> None:
        left, self._left = self._left, {}
        for kind, amount in left.items():
            self.spool.give(kind, amount)
