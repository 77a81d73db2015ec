"""
The one thread that writes. What has come while the disk was busy is one transaction: one sync for all of them.

A disk that fails takes nothing new, and the rest is tried again until it is written: it stands for money.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import apsw
import structlog

from gateway.stores.sqlite.broken import unwritable
from gateway.stores.sqlite.reserve import Reserve

log = structlog.get_logger("gateway.ledger")

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]

# What nobody waits for goes with the next transaction, or alone and unsynced after this long.
LAZY_S = 0.2
MOST = 512
# What comes within this long is one transaction with the first: a sync costs more than a row.
GROUP_S = 0.002
AGAIN_S, CLOSE_S = 0.25, 5.0
DISK = (
    apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.BusyError, apsw.LockedError,
    apsw.CorruptError, apsw.NotADBError, apsw.NoMemError, apsw.ProtocolError, apsw.PermissionsError, OSError,
)  # fmt: skip


@dataclass(slots=True, eq=False)
class _Write:
    """`done` is None when nobody waits; `then` is called on the loop once it is written."""

    work: Work
    done: asyncio.Future[Any] | None = None
    new: bool = False
    then: Callable[[], None] | None = None


class Writer:
    """
    Args:
        connect: opens the file; called in the thread, again after each failure.
        reserve: given up when the disk fails, and filled again before anything new is taken.
        took: told how long each synced transaction took, in seconds, in the thread.
        failed: told each time that the disk did not take something, in the loop.
    """

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        reserve: Reserve,
        took: Callable[[float], object],
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        self._connect, self._reserve, self._took, self._failed = connect, reserve, took, failed
        self._queue = queue.SimpleQueue[_Write | None]()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._db: apsw.Connection | None = None
        self._closing = threading.Event()
        self._give_up_at = 0.0
        self._synced = True
        self.wrong: str | None = None
        """Why nothing new is taken; None when it is."""
        self.again = False
        """True in the thread while a write is repeated that may have reached the disk before."""

    def start(self) -> None:
        self._thread.start()

    async def write(self, work: Callable[[apsw.Connection], T], *, new: bool = False) -> T:
        """
        What the work returns, once it is synced. What it raises leaves nothing of it behind. `new` is refused while the
        disk fails, all else waits. Cancelling the waiter does not undo the write.

        Raises: LedgerUnwritable.
        """
        if new and self.wrong is not None:
            raise unwritable(self.wrong)
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Write(work, done, new))
        return await done

    def later(self, work: Work, then: Callable[[], None] | None = None) -> None:
        """Before whatever is written after it, and soon. Nobody is told when it fails, but the log."""
        self._queue.put(_Write(work, then=then))

    def full(self, why: str) -> None:
        """Somebody else found the disk failing: give the reserve up, and take nothing new. Blocks; any thread."""
        self._spoil(why)
        self._queue.put(_Write(lambda _db: None))

    async def close(self) -> None:
        """Write what is left. A disk that fails is given a few seconds."""
        if self._thread.is_alive():
            self._give_up_at = time.monotonic() + CLOSE_S
            self._closing.set()
            self._queue.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    # In the thread.

    def _run(self) -> None:
        over = False
        while not over:
            batch, over = self._next()
            self._commit(batch)
            if self.wrong is not None and not over:
                self._mend()
        if self._db is not None:
            with contextlib.suppress(apsw.Error):
                self._db.close()

    def _next(self) -> tuple[list[_Write], bool]:
        """What to write next, and whether nothing comes after it."""
        found: list[_Write | None] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._queue.get(timeout=AGAIN_S if self.wrong is not None else None))
            if found[0] is not None and found[0].done is None and not self._closing.is_set():
                found.append(self._queue.get(timeout=LAZY_S))
            if None not in found:
                time.sleep(GROUP_S)
            while len(found) < MOST:
                found.append(self._queue.get_nowait())
        return [each for each in found if each is not None], None in found

    def _commit(self, batch: list[_Write]) -> None:
        self.again = False
        while batch:
            try:
                self._tell(list(zip(batch, self._attempt(batch), strict=True)))
                return
            except DISK as error:
                why = f"{type(error).__name__}: {error}"
            self._spoil(why)
            self._reconnect()
            self.again = True
            batch = self._without_new(batch, why)
            if self._closing.wait(AGAIN_S):
                if time.monotonic() > self._give_up_at:
                    self._tell([(each, unwritable(why)) for each in batch])
                    return
                time.sleep(AGAIN_S)
            batch += self._without_new(self._waiting(), why)

    def _without_new(self, batch: list[_Write], why: str) -> list[_Write]:
        self._tell([(each, unwritable(why)) for each in batch if each.new])
        return [each for each in batch if not each.new]

    def _waiting(self) -> list[_Write]:
        found: list[_Write] = []
        with contextlib.suppress(queue.Empty):
            while len(found) < MOST:
                if (each := self._queue.get_nowait()) is None:
                    self._queue.put(None)
                    break
                found.append(each)
        return found

    def _attempt(self, batch: list[_Write], *, synced: bool = False) -> list[Any]:
        """One transaction; the works' results and faults. Raises: what the disk's trouble is called."""
        if self._db is None:
            self._db = self._connect()
            self._synced = True
        db, began = self._db, time.monotonic()
        synced = synced or any(each.done is not None for each in batch)
        if synced != self._synced:
            db.pragma("synchronous", "FULL" if synced else "NORMAL")
            self._synced = synced
        db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [each.work(db) for each in batch]
        except DISK:
            raise
        except Exception:  # noqa: BLE001 - one of them is wrong, which is rare enough to begin again for
            db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            outcomes = [_apart(db, each.work) for each in batch]
        db.execute("COMMIT")
        if synced:
            self._took(time.monotonic() - began)
        return outcomes

    def _tell(self, told: list[tuple[_Write, Any]]) -> None:
        for each, outcome in told:
            if each.done is None and isinstance(outcome, Exception):
                log.error("not written", exc_info=outcome)
        with contextlib.suppress(RuntimeError):  # the loop is gone, and who waited with it
            self._loop.call_soon_threadsafe(_resolve, told)

    def _spoil(self, why: str) -> None:
        if self.wrong is None:
            log.error("ledger not writable", detail=why)
        self.wrong = why
        self._reserve.free()
        with contextlib.suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(self._failed)

    def _reconnect(self) -> None:
        """What has failed once may fail for ever on the same descriptor."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(apsw.Error):
                db.close(True)

    def _mend(self) -> None:
        """Take new jobs again, once the reserve is whole and a write has gone through."""
        try:
            self._reserve.fill()
            self._attempt([_Write(_touch)], synced=True)
        except DISK as error:
            self._spoil(f"{type(error).__name__}: {error}")
            self._reconnect()
            return
        self.wrong = None
        log.info("ledger writable again")


def _apart(db: apsw.Connection, work: Work) -> Any:
    """What it returns or raises; what it raises leaves nothing of it behind."""
    try:
        with db:
            return work(db)
    except DISK:
        raise
    except Exception as error:  # noqa: BLE001 - told to who asked for it
        return error


def _touch(db: apsw.Connection) -> None:
    db.execute("UPDATE owner SET epoch = epoch")


def _resolve(told: list[tuple[_Write, Any]]) -> None:
    for each, outcome in told:
        if each.then is not None:
            each.then()
        if each.done is not None and not each.done.done():
            if isinstance(outcome, Exception):
                each.done.set_exception(outcome)
            else:
                each.done.set_result(outcome)
