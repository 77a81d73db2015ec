"""The books of money on disk: what was set aside is written before the INTENT that it is for, what was settled soon."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import apsw
import orjson

from gateway.stores.limits import Entry, Journal, Reservation
from gateway.stores.sqlite.database import Database

OPEN = "INSERT OR REPLACE INTO reserved VALUES (?, ?, ?, ?, ?)"
CLOSE = "DELETE FROM reserved WHERE id = ?"
KEEP = "INSERT OR REPLACE INTO books VALUES (?, ?, ?, ?)"
FORGET = "DELETE FROM books WHERE caller = ? AND period = ?"

Step = tuple[str, tuple[str | int, ...]]


class SqliteBooks(Journal):
    """One write for all that has come up since the last; how a book stands is written once, whoever changed it."""

    def __init__(self, database: Database) -> None:
        self._db = database
        # Filled in the loop, emptied in the ledger's thread.
        self._steps = deque[Step]()
        self._stand = deque[Entry]()
        self._asked = False

    def opened(self, id: str, reservation: Reservation, books: Iterable[Entry]) -> None:
        money, periods = orjson.dumps(reservation.money), orjson.dumps(reservation.periods)
        columns = (id, reservation.caller, reservation.jobs, money.decode(), periods.decode())
        self._soon([(OPEN, columns)], books)

    def closed(self, id: str, books: Iterable[Entry]) -> None:
        self._soon([(CLOSE, (id,))], books)

    def forgotten(self, caller: str, periods: Iterable[str]) -> None:
        self._soon([(FORGET, (caller, period)) for period in periods], ())

    async def read(self) -> tuple[list[Entry], Mapping[str, Reservation]]:
        """All books, and what was still set aside when the process before ended."""

        def work(db: apsw.Connection) -> tuple[list[Entry], dict[str, Reservation]]:
            books = [Entry(*each) for each in db.execute("SELECT caller, period, unit, micros FROM books")]
            rows = db.execute("SELECT id, caller, jobs, money, periods FROM reserved")
            return books, {
                id: Reservation(caller, jobs, orjson.loads(money), tuple(orjson.loads(periods)))
                for id, caller, jobs, money, periods in rows
            }

        return await self._db.read(work)

    def _soon(self, steps: Iterable[Step], books: Iterable[Entry]) -> None:
        self._steps += steps
        self._stand += books
        if self._asked:
            return
        self._asked = True
        # Kept for a write that has to be repeated; all of it says how things are, so twice is once.
        taken: list[Step] = []
        standing: dict[tuple[str, str, str], Entry] = {}

        def work(db: apsw.Connection) -> None:
            self._asked = False
            while self._steps:
                taken.append(self._steps.popleft())
            while self._stand:
                entry = self._stand.popleft()
                standing[entry[:3]] = entry
            for sql, values in taken:
                db.execute(sql, values)
            for entry in standing.values():
                db.execute(KEEP, entry)

        self._db.later(work)
