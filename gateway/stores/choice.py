"""Which stores there are: on disk, or in memory for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from gateway.stores.contract import Ledger, Results
from gateway.stores.disk import DiskResults
from gateway.stores.keyring import Keyring
from gateway.stores.ledger import MemoryLedger
from gateway.stores.limits import MemoryLimits
from gateway.stores.links import Links
from gateway.stores.mounts import network_kind
from gateway.stores.results import SpoolResults
from gateway.stores.settings import ResultSettings
from gateway.stores.spool import Spool, out_of_room
from gateway.stores.sqlite.books import SqliteBooks
from gateway.stores.sqlite.broken import unwritable
from gateway.stores.sqlite.database import RESULTS, Database
from gateway.stores.sqlite.ledger import SqliteLedger

log = structlog.get_logger("gateway.results")

# Memory is dear: without a ledger on disk nothing is kept for longer.
LONGEST_IN_MEMORY_S = 3600.0
LINKS = "links"


class Stores(Protocol):
    """`async with` opens them, after the spool. `lasting`: they outlive the process."""

    ledger: Ledger
    results: Results
    limits: MemoryLimits
    keyring: Keyring
    retention_s: float
    lasting: bool

    @property
    def owner(self) -> int:
        """This process's fencing number, once open."""
        ...

    @property
    def wrong(self) -> str | None:
        """Why nothing new can be remembered; None when it can."""
        ...

    def able(self) -> None:
        """Raises: LedgerUnwritable, OutOfRoom when nothing new can be remembered."""
        ...

    async def sweep(self, keep: Callable[[str], bool]) -> None:
        """Make room. `keep` tells which jobs are in hand."""
        ...

    async def open(self) -> None: ...
    async def close(self) -> None: ...


class InMemory:
    """Implements `Stores` for one process. `now` is monotonic, `wall` wall time, both in seconds."""

    lasting, owner, wrong = False, 1, None

    def __init__(
        self,
        spool: Spool,
        settings: ResultSettings,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        new_ref: Callable[[], str],
        spare_s: float,
    ) -> None:
        self.retention_s = min(settings.retention, LONGEST_IN_MEMORY_S)
        self.keyring = Keyring.passing()
        self.ledger: Ledger = MemoryLedger(now, spare_s)
        self.limits = MemoryLimits(now, wall)
        self.results: Results
        self.results = self._results = SpoolResults(
            now=now,
            links=Links(lambda: self.keyring.key(LINKS), wall),
            new_ref=new_ref,
            retention_s=self.retention_s,
            spare_s=spare_s,
        )
        spool.make_room = self._results.make_room

    def able(self) -> None:
        """Memory takes anything."""

    async def sweep(self, keep: Callable[[str], bool]) -> None:
        self._results.sweep()

    async def open(self) -> None:
        """Nothing is kept, so nothing is read."""

    async def close(self) -> None:
        """It goes with the process."""


class OnDisk:
    """
    Implements `Stores` in `folder`, which no other gateway may use meanwhile.

    Args:
        now: monotonic seconds.  wall: wall time in seconds.
        took: told how long each transaction took, in seconds, in a thread.  held: told the bytes of pictures.
    """

    lasting = True
    keyring: Keyring

    def __init__(
        self,
        folder: Path,
        spool: Spool,
        settings: ResultSettings,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        took: Callable[[float], object],
        held: Callable[[int], object],
    ) -> None:
        self.retention_s = settings.retention
        self._folder = folder
        self._database = Database(folder, now, wall, took, self._make_room)
        links = Links(lambda: self.keyring.key(LINKS), wall)
        self.results: Results
        self.results = self._results = DiskResults(
            folder / RESULTS, spool, links, quota=settings.quota, full=self._database.full, held=held
        )
        self.ledger: Ledger
        self.ledger = self._ledger = SqliteLedger(self._database, self._results.drop)
        self._books = SqliteBooks(self._database)
        self.limits = MemoryLimits(now, wall, self._books)
        self._pressed = False
        self._keep: Callable[[str], bool] = lambda _job: False
        self._making_room: asyncio.Task[None] | None = None
        self._opened = False

    @property
    def owner(self) -> int:
        return self._database.owner

    @property
    def wrong(self) -> str | None:
        if self._pressed:
            return "results.quota is used up by pictures that nobody has fetched yet"
        return self._database.wrong

    def able(self) -> None:
        if (why := self._database.wrong) is not None:
            raise unwritable(why)
        if self._pressed:
            raise out_of_room(self.wrong)

    async def sweep(self, keep: Callable[[str], bool]) -> None:
        self._keep = keep
        while self._results.over and await self._ledger.evict(keep):
            pass
        self._pressed = self._results.over > 0
        await self._until_roomy()

    def _make_room(self) -> None:
        """The disk took something not."""
        if self._opened and (self._making_room is None or self._making_room.done()):
            self._making_room = asyncio.create_task(self._until_roomy(), name="room")

    async def _until_roomy(self) -> None:
        """
        While the disk is full, drop delivered pictures, oldest first: the files at once, for the ledger may have to
        wait for their room, and the rows when it can be written.
        """
        dropped = 0
        while self._database.crowded():
            with self._results.watched() as stored:
                gone = list[str]()
                for job, refs in await self._ledger.spare(self._keep):
                    if not self._database.crowded():
                        break
                    self._results.drop(refs - stored)
                    gone.append(job)
            if not gone:
                break
            self._ledger.forget(gone)
            dropped += len(gone)
        if dropped:
            log.warning("delivered pictures dropped for want of disk space", jobs=dropped)

    async def open(self) -> None:
        """Raises: OSError, LedgerUnusable among them, which says what to do."""
        if (kind := network_kind(self._folder)) is not None:
            log.warning("state_dir is on a network file system; it has to be a local one", type=kind)
        await self._database.open()
        self.keyring = Keyring.kept(self._folder)
        await self._ledger.open()
        self.limits.restore(*await self._books.read())
        await self._results.prepare(await self._ledger.refs())
        self._opened = True

    async def close(self) -> None:
        if self._making_room is not None:
            self._making_room.cancel()
            await asyncio.wait([self._making_room])
        await self._database.close()
