"""The file, locked against a second gateway: one thread writes it, another reads it, the loop waits for neither."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from gateway.stores.files import lock
from gateway.stores.sqlite.broken import LedgerUnusable
from gateway.stores.sqlite.emergency import drop_delivered
from gateway.stores.sqlite.reserve import RESERVE_BYTES, Reserve
from gateway.stores.sqlite.schema import migrate
from gateway.stores.sqlite.writer import DISK, Work, Writer

T = TypeVar("T")

NAME, LOCK, RESERVE, RESULTS = "ledger.sqlite3", "ledger.lock", "reserve", "results"
# With less than this left the disk is full: some pictures, and what the ledger writes meanwhile.
ROOM_BYTES = 8 * 1024 * 1024
# A damaged file has to be noticed before it is written to; a large one takes too long to read at each start.
CHECKED_BYTES = 256 * 1024 * 1024
BUSY_MS = 2000
PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "wal_autocheckpoint": 1000,
    "journal_size_limit": 64 * 1024 * 1024,
    "temp_store": "MEMORY",
    "mmap_size": 0,
}


def connect(path: Path) -> apsw.Connection:
    """Blocks. Raises: apsw.Error."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    for name, value in PRAGMAS.items():
        db.pragma(name, value)
    return db


class Database:
    """
    One gateway's ledger file in `folder`. `async with`, or `open` and `close`.

    Args:
        now: monotonic seconds.  wall: wall time in seconds.
        took: told how long each synced transaction took, in seconds, in another thread.
        failed: told each time that the disk did not take something, in the loop.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], float],
        wall: Callable[[], float],
        took: Callable[[float], object],
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        self._folder, self.path = folder, folder / NAME
        self._now, self._wall, self._took, self._failed = now, wall, took, failed
        self._lock: int | None = None
        self.owner = 0
        """This process's fencing number: higher than that of every one before it."""

    async def open(self) -> None:
        """Raises: LedgerUnusable (an OSError), which says what to do."""
        # Stamps are wall time, but a clock that is set meanwhile must not make jobs older.
        self._anchor = self._wall() - self._now()
        self._reserve = Reserve(self._folder / RESERVE, RESERVE_BYTES)
        self._writer = Writer(lambda: connect(self.path), self._reserve, self._took, self._failed)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="ledger-read")
        try:
            self.owner = await self._in_reader(self._prepare)
        except BaseException:
            await self.close()
            raise
        self._writer.start()

    async def close(self) -> None:
        """Write what is left, and let another gateway have the folder."""
        await self._writer.close()
        await self._in_reader(self._shut)
        self._reading.shutdown()

    @property
    def wrong(self) -> str | None:
        """Why nothing new can be written down; None when it can."""
        return self._writer.wrong

    @property
    def again(self) -> bool:
        """True inside of a work that is repeated and may have reached the disk before."""
        return self._writer.again

    def stamp(self) -> float:
        """Wall time in seconds that never goes back while the process lives."""
        return self._anchor + self._now()

    async def write(self, work: Callable[[apsw.Connection], T], *, new: bool = False) -> T:
        """See `Writer.write`."""
        return await self._writer.write(work, new=new)

    def later(self, work: Work, then: Callable[[], None] | None = None) -> None:
        """See `Writer.later`."""
        self._writer.later(work, then)

    def full(self, why: str) -> None:
        """See `Writer.full`."""
        self._writer.full(why)

    def crowded(self) -> bool:
        """Whether the disk has no room, beside what has to be set aside again."""
        free = shutil.disk_usage(self._folder).free
        return free < ROOM_BYTES + (RESERVE_BYTES if self.wrong is not None else 0)

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """What the work returns of what is written."""
        return await self._in_reader(lambda: work(self._reader))

    def _in_reader(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._reading, work)

    def _prepare(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not lock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise LedgerUnusable(
                f"another gateway works in {self._folder}: stop it, or give this one a state_dir of its own"
            )
        self._check_not_emptied()
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            owner = self._begin_or_make_room()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise LedgerUnusable(f"{self.path} is damaged ({error}): {RESCUE}") from error
        except LedgerUnusable:
            raise
        except DISK as error:
            raise LedgerUnusable(
                f"{self._folder} cannot be written ({error}): make room or change state_dir"
            ) from error
        try:
            self._reserve.fill()
        except OSError as error:
            # What was paid for is finished all the same.
            self._writer.full(str(error))
        return owner

    def _check_not_emptied(self) -> None:
        # One that is not there was moved away on purpose, as `RESCUE` says.
        if not self.path.exists() or self.path.stat().st_size:
            return
        pictures = self._folder / RESULTS
        if pictures.is_dir() and (stored := sum(1 for _ in pictures.iterdir())):
            raise LedgerUnusable(
                f"{self.path} is empty, and {stored} pictures in {pictures} belong to jobs that it remembered: restore "
                "it from a backup, or remove it and lose the pictures with what it knew of paid jobs"
            )

    def _begin_or_make_room(self) -> int:
        try:
            return self._begin()
        except DISK:
            if not self.crowded():
                raise
        if hasattr(self, "_reader"):
            self._reader.close()
        self._reserve.free()
        drop_delivered(self.path, self._folder / RESULTS, lambda: not self.crowded())
        return self._begin()

    def _begin(self) -> int:
        """This process's fencing number."""
        self._reader = connect(self.path)
        if self.path.stat().st_size < CHECKED_BYTES:
            found = self._reader.pragma("quick_check")
            if found != "ok":
                raise LedgerUnusable(f"{self.path} is damaged ({found}): {RESCUE}")
        migrate(self._reader)
        return int(self._reader.execute("UPDATE owner SET epoch = epoch + 1 RETURNING epoch").get)

    def _shut(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.close()
        if self._lock is not None:
            os.close(self._lock)


RESCUE = "restore it from a backup, or move it away and lose what it remembers of paid jobs"
