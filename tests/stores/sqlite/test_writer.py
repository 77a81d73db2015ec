"""A disk that fails takes nothing new, and loses nothing of what was paid for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.domain.errors import LedgerUnwritable
from gateway.stores.sqlite.database import connect
from gateway.stores.sqlite.reserve import Reserve
from gateway.stores.sqlite.schema import migrate
from gateway.stores.sqlite.writer import Writer
from tests.fakes.customer import until

# The thread that is tested waits by itself.
pytestmark = pytest.mark.open_world

RESERVE = 1024 * 1024


class FailingDisk:
    """Connections whose writes fail as long as `fault` says so; each commit waits until the disk is `free`."""

    def __init__(self, path: Path) -> None:
        self.path, self.fault, self.free = path, dict[str, Exception](), threading.Event()
        self.free.set()
        self.connected = self.commits = 0

    def __call__(self) -> Any:
        self.connected += 1
        if fault := self.fault.get("connect"):
            raise fault
        db = connect(self.path)
        migrate(db)
        disk = self

        class Connection:
            """As far as the writer uses one."""

            def __enter__(self) -> None:
                db.__enter__()

            def __exit__(self, *error: Any) -> Any:
                return db.__exit__(*error)

            def __getattr__(self, name: str) -> Any:
                return getattr(db, name)

            def execute(self, sql: str, *values: Any) -> Any:
                word = sql.split()[0].lower()
                if word == "commit":
                    disk.commits += 1
                    assert disk.free.wait(60)
                    if fault := disk.fault.get("after-commit"):
                        db.execute(sql)
                        raise fault
                if fault := disk.fault.get(word):
                    raise fault
                return db.execute(sql, *values)

        return Connection()


@pytest.fixture
def disk(tmp_path: Path) -> FailingDisk:
    return FailingDisk(tmp_path / "ledger.sqlite3")


@pytest.fixture
async def writer(disk: FailingDisk, tmp_path: Path) -> AsyncIterator[Writer]:
    reserve = Reserve(tmp_path / "reserve", RESERVE)
    reserve.fill()
    writer = Writer(disk, reserve, lambda _took: None)
    writer.start()
    yield writer
    disk.fault.clear()
    await writer.close()


def adds(epoch: int) -> Callable[[apsw.Connection], None]:
    def work(db: apsw.Connection) -> None:
        db.execute("UPDATE owner SET epoch = epoch + ?", (epoch,))

    return work


def stored(disk: FailingDisk) -> int:
    return int(connect(disk.path).execute("SELECT epoch FROM owner").get)


FAULTS = [apsw.FullError("full"), apsw.IOError("io"), apsw.ReadOnlyError("read-only"), OSError("gone")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("place", ["begin", "update", "commit"])
async def test_trouble_and_its_end(
    writer: Writer, disk: FailingDisk, tmp_path: Path, fault: Exception, place: str
) -> None:
    """What is under way waits and is written once, what is new is refused; afterwards all is as before."""
    await writer.write(adds(1))
    disk.fault[place] = fault
    waiting = asyncio.create_task(writer.write(adds(10)))
    with pytest.raises(LedgerUnwritable):
        await writer.write(adds(100), new=True)
    await until(lambda: writer.wrong is not None)
    with pytest.raises(LedgerUnwritable) as refused:
        await writer.write(adds(100), new=True)
    assert refused.value.hopeful and refused.value.retry_after_s
    assert not (tmp_path / "reserve").exists()
    assert not waiting.done()
    disk.fault.clear()
    await waiting
    await until(lambda: writer.wrong is None)
    await writer.write(adds(1000), new=True)
    assert stored(disk) == 1011
    assert (tmp_path / "reserve").stat().st_size == RESERVE
    assert disk.connected > 1


async def test_a_commit_that_failed_and_was_written(writer: Writer, disk: FailingDisk) -> None:
    """The work is told that it comes again, so that it can find itself done."""
    disk.fault["after-commit"] = apsw.IOError("sync failed")
    told = list[bool]()

    def work(_db: apsw.Connection) -> None:
        told.append(writer.again)

    waiting = asyncio.create_task(writer.write(work))
    await until(lambda: len(told) > 1)
    disk.fault.clear()
    await waiting
    assert told[0] is False and all(told[1:])


async def test_a_slow_disk_does_not_hold_the_loop(writer: Writer, disk: FailingDisk) -> None:
    """What comes meanwhile is one transaction."""
    commits = disk.commits
    disk.free.clear()
    first = asyncio.create_task(writer.write(adds(1)))
    await until(lambda: disk.commits > commits)
    writing = [asyncio.create_task(writer.write(adds(1))) for _ in range(50)]
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not first.done()
    disk.free.set()
    await asyncio.gather(first, *writing)
    assert disk.commits == commits + 2
    assert stored(disk) == 51


async def test_a_work_that_is_wrong_leaves_the_others(writer: Writer, disk: FailingDisk) -> None:
    """Its own changes are undone, its neighbours in the transaction are not."""

    def wrong(db: apsw.Connection) -> None:
        adds(100)(db)
        raise KeyError("no such row")

    first, second = asyncio.create_task(writer.write(adds(1))), asyncio.create_task(writer.write(wrong))
    third = asyncio.create_task(writer.write(adds(10)))
    with pytest.raises(KeyError):
        await second
    await asyncio.gather(first, third)
    assert stored(disk) == 11
    assert writer.wrong is None


async def test_later_is_before_what_follows(writer: Writer, disk: FailingDisk) -> None:
    """In order, and at the latest when the writer closes."""
    order = list[int]()
    writer.later(lambda _db: order.append(1))
    await writer.write(lambda _db: order.append(2))
    writer.later(adds(5))
    await writer.close()
    assert order == [1, 2]
    assert stored(disk) == 5


async def test_closing_a_disk_that_fails(writer: Writer, disk: FailingDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends after a few seconds, and says that it was not written."""
    monkeypatch.setattr("gateway.stores.sqlite.writer.CLOSE_S", 0.1)
    disk.fault["commit"] = apsw.FullError("full")
    waiting = asyncio.create_task(writer.write(adds(1)))
    await until(lambda: writer.wrong is not None)
    await writer.close()
    with pytest.raises(LedgerUnwritable):
        await waiting
