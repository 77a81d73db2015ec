"""What an operator sees of a ledger, also while a gateway works with it: rows as plain data."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import orjson

from gateway.stores.files import lock
from gateway.stores.records import OPEN, State
from gateway.stores.sqlite.broken import LedgerUnusable
from gateway.stores.sqlite.database import BUSY_MS, LOCK, NAME
from gateway.stores.sqlite.schema import VERSIONS

COLUMNS = "job, idx, state, caller, platform, model, created, changed"
JOINED = "FROM submissions JOIN jobs ON jobs.id = submissions.job"
SETTLED = tuple(state for state in State if state not in OPEN)


@contextmanager
def opened(folder: Path, *, write: bool = False) -> Iterator[apsw.Connection]:
    """The ledger of this state_dir. Raises: LedgerUnusable when there is none, or none of this gateway's version."""
    path = folder / NAME
    if not path.exists():
        raise LedgerUnusable(f"there is no ledger in {folder}: no gateway has worked there, or state_dir is another")
    flags = apsw.SQLITE_OPEN_READWRITE if write else apsw.SQLITE_OPEN_READONLY
    db = apsw.Connection(str(path), flags=flags)
    try:
        db.set_busy_timeout(BUSY_MS)
        db.pragma("foreign_keys", "ON")
        if (found := int(db.pragma("user_version"))) != len(VERSIONS):
            raise LedgerUnusable(f"{path} has version {found}, this program knows {len(VERSIONS)}")
        yield db
    finally:
        db.close()


def listed(db: apsw.Connection, states: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
    """Submissions in these states, or in all, newest first."""
    marks = ", ".join("?" * len(states))
    where = f"WHERE state IN ({marks})" if states else ""
    sql = f"SELECT {COLUMNS} {JOINED} {where} ORDER BY created DESC, job, idx LIMIT ?"
    names = COLUMNS.split(", ")
    return [dict(zip(names, row, strict=True)) for row in db.execute(sql, (*states, limit))]


def shown(db: apsw.Connection, job: str) -> list[dict[str, Any]]:
    """All of a job's submissions, with what the platform said of each; the polling address is left out, it is a key."""
    sql = f"SELECT {COLUMNS}, n, ticket, made, error {JOINED} WHERE job = ? ORDER BY idx"
    found = []
    for *plain, n, ticket, made, error in db.execute(sql, (job,)):
        row = dict(zip(COLUMNS.split(", "), plain, strict=True)) | {"n": n}
        for name, text in (("ticket", ticket), ("made", made), ("error", error)):
            told = orjson.loads(str(text)) if text else {}
            told.pop("polling_url", None)
            row |= {f"{name}.{key}": value for key, value in told.items() if value is not None}
        found.append(row)
    return found


def pruned(db: apsw.Connection, before: float, states: tuple[str, ...]) -> int:
    """Forget the jobs that ended before this wall time, every submission in one of `states`; returns how many."""
    marks = ", ".join("?" * len(states))
    sql = (
        f"DELETE FROM jobs WHERE id IN (SELECT job FROM submissions GROUP BY job "
        f"HAVING max(changed) < ? AND sum(state NOT IN ({marks})) = 0)"
    )
    db.execute("BEGIN IMMEDIATE")
    db.execute(sql, (before, *states))
    gone = db.changes()
    db.execute("COMMIT")
    return gone


def tidied(db: apsw.Connection, folder: Path) -> int | None:
    """Remove the pictures that no job names, and tell how many; None while a gateway works there: it does so itself."""
    held = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not lock(held, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return None
        known = {ref for (ref,) in db.execute("SELECT ref FROM submissions WHERE ref IS NOT NULL")}
        gone = [path for path in (folder / "results").glob("*") if path.name not in known]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)
    finally:
        os.close(held)
