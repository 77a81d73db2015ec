"""A disk without room, for real: delivered pictures go, what was paid for stays, and all of it ends with its cause."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import LedgerUnwritable, OutOfRoom
from gateway.domain.outcome import Ticket
from gateway.domain.size import Pixels
from gateway.stores.blobs import BlobWriter
from gateway.stores.choice import OnDisk
from gateway.stores.contract import JobRecord, Made, ReplySpec, State
from gateway.stores.settings import MemorySettings, ResultSettings
from gateway.stores.spool import Spool
from gateway.stores.sqlite import database
from gateway.stores.sqlite.broken import LedgerUnusable
from tests.fakes.customer import until
from tests.fakes.small_disk import MIB, SmallDisk, small_disk

# The ledger's thread looks for room by a timer of its own.
pytestmark = pytest.mark.open_world

REPLY = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    monkeypatch.setattr(database, "RESERVE_BYTES", 4 * MIB)
    monkeypatch.setattr(database, "ROOM_BYTES", MIB)
    with small_disk(tmp_path / "disk", 32) as disk:
        yield disk


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """On another disk, as uploads have their own refusals."""
    async with Spool(MemorySettings(), tmp_path / "spool", lambda _kind, _held: None) as spool:
        yield spool


@asynccontextmanager
async def opened(disk: SmallDisk, spool: Spool) -> AsyncIterator[OnDisk]:
    stores = OnDisk(
        disk.path,
        spool,
        ResultSettings(),
        now=time.monotonic,
        wall=time.time,
        took=lambda _took: None,
        held=lambda _held: None,
    )
    await stores.open()
    try:
        await stores.sweep(lambda _job: False)
        yield stores
    finally:
        await stores.close()


async def submit(stores: OnDisk, name: str) -> None:
    record = JobRecord(name, "caller", name, None, "bfl", "flux-kontext-pro", 1, REPLY, created=time.time())
    await stores.ledger.intent(record, 0, stores.owner)
    await stores.ledger.submitted(name, 0, stores.owner, Ticket(name, "https://api.bfl.ai/x", "m", "bfl"))


async def finish(stores: OnDisk, spool: Spool, name: str, *, deliver: bool) -> str:
    """The picture of a mebibyte; tried again while there is no room, as whoever collects it does."""
    await stores.ledger.ready(name, 0, stores.owner)
    room = spool.reserve_paid(MIB)
    writer = BlobWriter(room)
    await writer.write(os.urandom(MIB))
    room.close()
    blob = await writer.finish("image/png", Pixels(640, 480))
    tries = 0
    while True:
        try:
            ref = await stores.results.put(blob)
            break
        except OutOfRoom:
            tries += 1
            assert tries < 500
            await stores.ledger.find("caller", fingerprint=name)  # a moment, in which the others go on
    await stores.ledger.stored(name, 0, stores.owner, Made(ref))
    stores.results.settled(ref)
    if deliver:
        await stores.ledger.delivered(name)
    return ref


async def made(stores: OnDisk, spool: Spool, *names: str, deliver: bool) -> list[str]:
    refs = []
    for name in names:
        await submit(stores, name)
        refs.append(await finish(stores, spool, name, deliver=deliver))
    return refs


async def there(stores: OnDisk, refs: list[str]) -> list[bool]:
    return [await stores.results.open(ref) is not None for ref in refs]


def able(stores: OnDisk) -> bool:
    try:
        stores.able()
    except LedgerUnwritable:
        return False
    return True


async def test_delivered_pictures_go_oldest_first(disk: SmallDisk, spool: Spool) -> None:
    """No more of them than the room is needed for; those that nobody has fetched stay, and new jobs are taken again."""
    async with opened(disk, spool) as stores:
        unfetched = await made(stores, spool, "u0", "u1", deliver=False)
        delivered = await made(stores, spool, *(f"d{number}" for number in range(12)), deliver=True)
        await submit(stores, "paid")
        disk.fill()
        new = await finish(stores, spool, "paid", deliver=False)
        await until(lambda: able(stores))
        await stores.sweep(lambda _job: False)
        left = await there(stores, delivered)
        assert left == sorted(left)
        assert not left[0] and left[-1]
        assert await there(stores, [*unfetched, new]) == [True] * 3
        await submit(stores, "another")
        await until(lambda: not vars(stores.ledger)["_leaving"])
        rows = [await stores.ledger.get(f"d{number}") is not None for number in range(12)]
        assert rows == left


async def test_what_is_being_answered_stays(disk: SmallDisk, spool: Spool) -> None:
    """Whoever was there first has it whole."""
    async with opened(disk, spool) as stores:
        delivered = await made(stores, spool, "d0", "d1", "d2", deliver=True)
        await stores.sweep(lambda job: job == "d0")
        disk.fill()
        stores._database.full("No space left on device")
        await until(lambda: not (disk.path / "results" / delivered[1]).exists())
        assert (await there(stores, delivered))[0]


async def test_a_picture_that_is_still_to_be_delivered_elsewhere_stays(disk: SmallDisk, spool: Spool) -> None:
    """The same bytes may be another job's."""
    async with opened(disk, spool) as stores:
        (ref,) = await made(stores, spool, "d0", deliver=True)
        await submit(stores, "u0")
        await stores.ledger.ready("u0", 0, stores.owner)
        await stores.ledger.stored("u0", 0, stores.owner, Made(ref))
        disk.fill()
        stores._database.full("No space left on device")
        await until(lambda: vars(stores.ledger)["_leaving"])
        assert await there(stores, [ref]) == [True]


async def test_nothing_to_drop(disk: SmallDisk, spool: Spool) -> None:
    """New jobs are refused, paid ones finished into the reserve, and all is as before once there is room."""
    async with opened(disk, spool) as stores:
        unfetched = await made(stores, spool, "u0", deliver=False)
        await submit(stores, "paid")
        disk.fill()
        paid = await finish(stores, spool, "paid", deliver=False)
        await until(lambda: not able(stores))
        with pytest.raises(LedgerUnwritable):
            await submit(stores, "new")
        assert await there(stores, [*unfetched, paid]) == [True, True]
        disk.free()
        await until(lambda: able(stores))
        await submit(stores, "new")


@pytest.mark.parametrize("left", [0, 2 * MIB])
async def test_a_start_without_a_reserve(disk: SmallDisk, spool: Spool, left: int) -> None:
    """Somebody has taken its room: no new jobs, paid ones are finished, and new ones again when there is room."""
    async with opened(disk, spool) as stores:
        delivered = await made(stores, spool, "d0", "d1", "d2", deliver=True)
        unfetched = await made(stores, spool, "u0", deliver=False)
        await submit(stores, "paid")
    (disk.path / "reserve").unlink()
    disk.fill(left)
    async with opened(disk, spool) as stores:
        await until(lambda: not able(stores))
        with pytest.raises(LedgerUnwritable):
            await submit(stores, "new")
        found = await stores.ledger.adopt("paid", stores.owner)
        assert found.rows[0].state is State.SUBMITTED
        paid = await finish(stores, spool, "paid", deliver=False)
        assert await there(stores, [*unfetched, paid]) == [True, True]
        assert not any(await there(stores, delivered))
        disk.free()
        await until(lambda: able(stores))
        await submit(stores, "new")
    async with opened(disk, spool) as stores:
        assert able(stores)
        assert await there(stores, [*unfetched, paid]) == [True, True]


async def test_a_start_that_has_its_reserve(disk: SmallDisk, spool: Spool) -> None:
    """It is kept while nobody works there, so that a full disk does not keep the gateway from starting."""
    async with opened(disk, spool) as stores:
        await submit(stores, "paid")
    disk.fill()
    async with opened(disk, spool) as stores:
        await stores.ledger.adopt("paid", stores.owner)
        paid = await finish(stores, spool, "paid", deliver=False)
        assert await there(stores, [paid]) == [True]


async def test_a_start_without_any_room(disk: SmallDisk, spool: Spool) -> None:
    """When nothing can be dropped it says what to do, and drops nothing."""
    async with opened(disk, spool) as stores:
        unfetched = await made(stores, spool, "u0", deliver=False)
    (disk.path / "reserve").unlink()
    disk.fill()
    with pytest.raises(LedgerUnusable, match="make room"):
        async with opened(disk, spool):
            raise AssertionError
    assert (disk.path / "results" / unfetched[0]).exists()
    disk.free()
    async with opened(disk, spool) as stores:
        assert able(stores)


async def test_after_a_crash_on_a_full_disk(disk: SmallDisk, spool: Spool) -> None:
    """What was only in the ledger's log counts as well: a picture that was not delivered by it is not dropped."""
    async with opened(disk, spool) as stores:
        delivered = await made(stores, spool, "d0", "d1", deliver=True)
        unfetched = await made(stores, spool, "u0", deliver=False)
        await stores.ledger.get("d0")
        await submit(stores, "paid")
        kept = {path.name: path.read_bytes() for path in disk.path.glob("ledger.sqlite3*")}
        assert kept["ledger.sqlite3-wal"]
    for name, data in kept.items():
        (disk.path / name).write_bytes(data)
    (disk.path / "reserve").unlink()
    disk.fill()
    async with opened(disk, spool) as stores:
        assert await there(stores, unfetched) == [True]
        assert not all(await there(stores, delivered))
        found = await stores.ledger.get("paid")
        assert found is not None and found.rows[0].state is State.SUBMITTED


@pytest.mark.parametrize("pictures", [0, 3])
async def test_an_emptied_ledger(disk: SmallDisk, spool: Spool, pictures: int) -> None:
    """Beside pictures it is no new one: they would be removed, and paid again. Told what to do, the operator can."""
    async with opened(disk, spool) as stores:
        refs = await made(stores, spool, *(f"u{number}" for number in range(pictures)), deliver=False)
    for path in disk.path.glob("ledger.sqlite3*"):
        path.unlink()
    (disk.path / "ledger.sqlite3").touch()
    if pictures:
        with pytest.raises(LedgerUnusable, match=f"is empty, and {pictures} pictures .* restore it from a backup"):
            async with opened(disk, spool):
                raise AssertionError
        assert all((disk.path / "results" / ref).exists() for ref in refs)
        (disk.path / "ledger.sqlite3").unlink()
    async with opened(disk, spool) as stores:
        assert able(stores) and not any(await there(stores, refs))
