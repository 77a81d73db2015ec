"""The books of money on disk: each entry goes with the transaction that follows it, so that they balance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import apsw
import orjson

from gateway.stores.limits import Entry, Journal, Reservation
from gateway.stores.sqlite.database import Database

ADD = """
INSERT INTO books VALUES (?, ?, ?, ?) ON CONFLICT (caller, period, unit) DO UPDATE SET micros = micros + excluded.micros
"""


class SqliteBooks(Journal):
    """What was set aside before INTENT is written with INTENT; what was settled, with the end or a moment later."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def opened(self, id: str, reservation: Reservation, entries: Iterable[Entry]) -> None:
        booked, columns = tuple(entries), _columns(id, reservation)

        def work(db: apsw.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO reserved VALUES (?, ?, ?, ?, ?)", columns)
            if db.changes():  # it may be repeated after it has reached the disk
                db.executemany(ADD, booked)

        self._db.later(work)

    def closed(self, id: str, entries: Iterable[Entry]) -> None:
        booked = tuple(entries)

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM reserved WHERE id = ?", (id,))
            if db.changes():  # the books are never corrected twice
                db.executemany(ADD, booked)

        self._db.later(work)

    def forgotten(self, caller: str, periods: Iterable[str]) -> None:
        gone = [(caller, period) for period in periods]
        self._db.later(lambda db: db.executemany("DELETE FROM books WHERE caller = ? AND period = ?", gone))

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


def _columns(id: str, of: Reservation) -> tuple[str, str, int, str, str]:
    return id, of.caller, of.jobs, orjson.dumps(of.money).decode(), orjson.dumps(of.periods).decode()
