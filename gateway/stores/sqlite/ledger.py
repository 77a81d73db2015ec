"""The ledger on disk: `Ledger`, one transaction a verb, at most three of them synced for each submission."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from itertools import groupby
from typing import Any

import apsw

from gateway.domain.errors import GatewayError
from gateway.domain.outcome import Ticket
from gateway.stores.records import OPEN, Conflict, Found, JobRecord, Made, Row, State
from gateway.stores.sqlite.database import Database
from gateway.stores.sqlite.places import Places
from gateway.stores.sqlite.rows import (
    JOB,
    JOB_WIDTH,
    ROW,
    error_text,
    job_columns,
    made_text,
    read_job,
    read_row,
    ticket_text,
)
from gateway.stores.sqlite.schema import NOTABLE

FOUND = f"SELECT {JOB}, {ROW} FROM jobs JOIN submissions ON submissions.job = jobs.id"
# The same request has hardly been sent more often than this within a day; the newest are what counts.
NEWEST = 64
DELIVERED = (
    "SELECT job FROM submissions JOIN jobs ON jobs.id = job GROUP BY job "
    "HAVING min(state) = 'delivered' AND max(state) = 'delivered' ORDER BY created LIMIT {}"
)
# A job's pictures that no other job names which still has to deliver it.
REFS = (
    "SELECT ref FROM submissions AS its WHERE job = ? AND ref IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM submissions AS other WHERE other.ref = its.ref AND other.state <> 'delivered')"
)
# Forgotten in one transaction, so that none holds up the writes, nor the removal of the files the loop.
PRUNED = 32


class SqliteLedger:
    """
    Implements `Ledger`. What costs nothing when it is lost is written without a sync: READY, which the vendor knows,
    and DELIVERED, without which an answer is merely kept for longer.
    """

    def __init__(self, database: Database, dropped: Callable[[Collection[str]], None] = lambda _refs: None) -> None:
        """`dropped` is told of pictures that no row names any more."""
        self._db, self._dropped = database, dropped
        # Delivered and not written yet: a look-up must not hand them out once more.
        self._delivered: set[str] = set()
        self._places = Places()
        # About to be forgotten, and not written yet.
        self._leaving: set[str] = set()

    async def open(self) -> None:
        """Learn where jobs may be found. Before anything else is asked."""
        for caller, fingerprint, key in await self._rows("SELECT caller, fingerprint, key FROM jobs"):
            self._note(caller, fingerprint, key)

    async def intent(self, job: JobRecord, index: int, owner: int) -> None:
        stamp = self._db.stamp()
        self._note(job.caller, job.fingerprint, job.key)

        def work(db: apsw.Connection) -> None:
            rows = dict(db.execute("SELECT idx, owner FROM submissions WHERE job = ?", (job.id,)))
            if index in rows and not self._db.again:
                raise Conflict(f"{job.id}/{index} has been intended before")
            if any(other != owner for other in rows.values()):
                raise Conflict(f"{job.id} belongs to another owner than {owner}")
            if index in rows:
                return
            marks = ", ".join("?" * JOB_WIDTH)
            db.execute(f"INSERT INTO jobs VALUES ({marks}) ON CONFLICT DO NOTHING", job_columns(job))
            db.execute(
                "INSERT INTO submissions (job, idx, state, owner, changed) VALUES (?, ?, ?, ?, ?)",
                (job.id, index, State.INTENT, owner, stamp),
            )

        await self._db.write(work, new=True)

    async def submitted(self, job: str, index: int, owner: int, ticket: Ticket) -> None:
        before = (State.INTENT, State.UNKNOWN)
        await self._db.write(
            self._move(job, index, owner, before, State.SUBMITTED, ticket=ticket_text(ticket), error=None)
        )

    async def parked(self, job: str, index: int, owner: int) -> None:
        self._db.later(self._move(job, index, owner, (State.SUBMITTED, State.PARKED), State.PARKED))

    async def ready(self, job: str, index: int, owner: int) -> None:
        before = (State.SUBMITTED, State.PARKED, State.READY, State.INTENT)
        self._db.later(self._move(job, index, owner, before, State.READY))

    async def stored(self, job: str, index: int, owner: int, made: Made) -> None:
        await self._db.write(
            self._move(job, index, owner, (State.READY,), State.STORED, made=made_text(made), ref=made.ref)
        )

    async def failed(self, job: str, index: int, owner: int, state: State, error: GatewayError) -> None:
        await self._db.write(self._move(job, index, owner, OPEN, state, error=error_text(error)))

    async def delivered(self, job: str) -> None:
        stamp = self._db.stamp()
        self._delivered.add(job)
        self._db.later(
            lambda db: db.execute(
                "UPDATE submissions SET state = ?, changed = ? WHERE job = ? AND state = ?",
                (State.DELIVERED, stamp, job, State.STORED),
            ),
            lambda: self._delivered.discard(job),
        )

    async def adopt(self, job: str, owner: int) -> Found:
        def work(db: apsw.Connection) -> list[Any]:
            for index, other in db.execute("SELECT idx, owner FROM submissions WHERE job = ?", (job,)):
                if other >= owner and not (self._db.again and other == owner):
                    raise Conflict(f"{job}/{index} belongs to owner {other}")
            db.execute("UPDATE submissions SET owner = ? WHERE job = ?", (owner, job))
            return db.execute(f"{FOUND} WHERE jobs.id = ?", (job,)).fetchall()

        found = self._found(await self._db.write(work))
        if not found:
            raise KeyError(job)
        return found[0]

    async def find(self, caller: str, *, fingerprint: str | None = None, key: str | None = None) -> tuple[Found, ...]:
        column, value = ("key", key) if key is not None else ("fingerprint", fingerprint)
        if _place(caller, column, value) not in self._places:
            return ()
        return await self._select(
            f"{FOUND} WHERE jobs.id IN (SELECT id FROM jobs WHERE caller = ? AND {column} = ? "
            f"ORDER BY created DESC, rowid DESC LIMIT {NEWEST}) ORDER BY created DESC, jobs.rowid DESC, idx",
            (caller, value),
        )

    async def get(self, job: str) -> Found | None:
        return next(iter(await self._select(f"{FOUND} WHERE jobs.id = ? ORDER BY idx", (job,))), None)

    async def unfinished(self) -> tuple[Found, ...]:
        states = ", ".join(f"'{state}'" for state in sorted(OPEN))
        return await self._select(
            f"{FOUND} WHERE jobs.id IN (SELECT job FROM submissions WHERE state IN ({states}) AND {NOTABLE}) "
            "ORDER BY created, jobs.rowid, idx",
            (),
        )

    async def count(self) -> Mapping[State, int]:
        sql = f"SELECT state, count(*) FROM submissions WHERE {NOTABLE} GROUP BY state"
        found = await self._rows(sql)
        return {State(state): many for state, many in found}

    async def refs(self) -> Set[str]:
        """Every picture that is kept for some job."""
        sql = "SELECT DISTINCT ref FROM submissions WHERE ref IS NOT NULL"
        return {ref for (ref,) in await self._rows(sql)}

    async def prune(self, keep: Callable[[str], bool], retention_s: float) -> None:
        before = self._db.stamp() - retention_s
        sql = (
            "SELECT job FROM submissions JOIN jobs ON jobs.id = job WHERE created < ? GROUP BY job "
            f"HAVING max(changed) < ? AND max(state IN ('intent', 'submitted', 'parked', 'ready')) = 0 LIMIT {PRUNED}"
        )
        while True:
            found = await self._rows(sql, (before, before))
            if not await self._forget(found, keep) or len(found) < PRUNED:
                return

    async def evict(self, keep: Callable[[str], bool]) -> bool:
        """Forget some jobs that were delivered, oldest first. False when there are none."""
        return await self._forget(await self._rows(DELIVERED.format(PRUNED)), keep)

    async def spare(self, keep: Callable[[str], bool]) -> list[tuple[str, Set[str]]]:
        """The same for a disk that takes nothing: jobs to `forget`, with the pictures that no job to deliver names."""

        def work(db: apsw.Connection) -> list[tuple[str, Set[str]]]:
            jobs = [str(job) for (job,) in db.execute(DELIVERED.format(PRUNED + len(self._leaving)))]
            return [(job, {str(ref) for (ref,) in db.execute(REFS, (job,))}) for job in jobs]

        return [(job, refs) for job, refs in await self._db.read(work) if job not in self._leaving and not keep(job)]

    def forget(self, jobs: Collection[str]) -> None:
        """As soon as it can be written."""
        self._leaving |= set(jobs)
        self._db.later(
            lambda db: db.executemany("DELETE FROM jobs WHERE id = ?", [(job,) for job in jobs]),
            lambda: self._leaving.difference_update(jobs),
        )

    async def _forget(self, jobs: Iterable[tuple[str]], keep: Callable[[str], bool]) -> bool:
        gone = [job for (job,) in jobs if not keep(job)]

        def work(db: apsw.Connection) -> set[str]:
            refs = set[str]()
            for job in gone:
                refs |= {ref for (ref,) in db.execute("SELECT ref FROM submissions WHERE job = ?", (job,)) if ref}
                db.execute("DELETE FROM jobs WHERE id = ?", (job,))
            return {ref for ref in refs if db.execute("SELECT 1 FROM submissions WHERE ref = ?", (ref,)).get is None}

        if gone:
            self._dropped(await self._db.write(work))
        return bool(gone)

    async def _select(self, sql: str, values: tuple[Any, ...]) -> tuple[Found, ...]:
        # Also what is written while the rows are read: they may be as they were before.
        delivered = frozenset(self._delivered)
        return self._found(await self._rows(sql, values), delivered)

    async def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        def work(db: apsw.Connection) -> list[Any]:
            return db.execute(sql, values).fetchall()

        return await self._db.read(work)

    def _note(self, caller: str, fingerprint: str, key: str | None) -> None:
        self._places.add(_place(caller, "fingerprint", fingerprint))
        if key is not None:
            self._places.add(_place(caller, "key", key))

    def _found(self, columns: list[Any], delivered: Set[str] = frozenset()) -> tuple[Found, ...]:
        now, found = self._db.stamp(), list[Found]()
        for _, group in groupby(columns, key=lambda each: each[0]):
            together = list(group)
            job = read_job(together[0][:JOB_WIDTH])
            read = [read_row(each[JOB_WIDTH:]) for each in together]
            rows = {index: self._told(job.id, row, delivered) for index, row, _ in read}
            found.append(Found(job, rows, max(0.0, now - max(changed for *_, changed in read))))
        return tuple(found)

    def _told(self, job: str, row: Row, delivered: Set[str]) -> Row:
        if (job in self._delivered or job in delivered) and row.state is State.STORED:
            return Row(State.DELIVERED, row.owner, row.ticket, row.made, row.error)
        return row

    def _move(
        self, job: str, index: int, owner: int, before: Collection[State], after: State, **columns: str | None
    ) -> Callable[[apsw.Connection], None]:
        # An error belongs to the end that it caused: a lost answer that was found again leaves none behind.
        values = {"state": after, "changed": self._db.stamp(), "error": None, **columns}
        sets = ", ".join(f"{name} = ?" for name in values)
        states = ", ".join(f"'{state}'" for state in sorted(before))
        sql = f"UPDATE submissions SET {sets} WHERE job = ? AND idx = ? AND owner = ? AND state IN ({states})"

        def work(db: apsw.Connection) -> None:
            db.execute(sql, (*values.values(), job, index, owner))
            if db.changes():
                return
            found = db.execute("SELECT state, owner FROM submissions WHERE job = ? AND idx = ?", (job, index)).get
            if found is None:
                raise KeyError(job)
            if not (self._db.again and found == (after, owner)):
                raise Conflict(f"{job}/{index} is {found[0]} of owner {found[1]}: not to {after} by {owner}")

        return work


def _place(caller: str, column: str, value: str | None) -> str:
    return f"{caller}\n{column}\n{value}"
