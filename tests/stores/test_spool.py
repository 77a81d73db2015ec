"""The budget: every byte is counted once, taken before it comes and given back whatever happens."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.domain.errors import OutOfRoom
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool


class Held(dict[str, int]):
    """The meter of a spool."""

    def __call__(self, kind: str, held: int) -> None:
        assert held >= 0
        self[kind] = held


@asynccontextmanager
async def spool_of(
    directory: Path, *, memory: int = 100, disk: int = 100, wait: float = 0.02
) -> AsyncIterator[tuple[Spool, Held]]:
    held = Held(memory=0, disk=0)
    async with Spool(MemorySettings(budget=memory, disk=disk, wait=wait), directory / "spool", held) as spool:
        yield spool, held
    assert list((directory / "spool").iterdir()) == []


async def fill(spool: Spool) -> Callable[[], None]:
    """Take the memory and the disk; the returned function gives the disk back."""
    memory, disk = await spool.reserve(100), await spool.reserve(100)
    assert (memory.use(100), disk.use(100)) == ("memory", "disk")
    return lambda: spool.give("disk", 100)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_room_is_taken_when_it_is_reserved(tmp_path: Path) -> None:
    """A reservation counts before a byte has come, and what it leaves unused comes back."""
    async with spool_of(tmp_path) as (spool, held):
        room = await spool.reserve(60)
        assert held == {"memory": 60, "disk": 0}
        assert room.use(10) == "memory"
        assert held["memory"] == 60
        room.close()
        assert held["memory"] == 10
        room.close()
        assert held["memory"] == 10
        spool.give("memory", 10)
        assert held == {"memory": 0, "disk": 0}


async def test_past_the_budget_room_is_on_disk(tmp_path: Path) -> None:
    """What memory does not take whole is promised a place on disk."""
    async with spool_of(tmp_path) as (spool, held):
        first, second = await spool.reserve(60), await spool.reserve(60)
        assert held == {"memory": 60, "disk": 0}
        assert second.use(60) == "disk"
        assert held == {"memory": 60, "disk": 60}
        spool.give("disk", 60)
        first.close()
        assert held == {"memory": 0, "disk": 0}


async def test_when_everything_is_full_an_upload_waits_and_then_is_refused(tmp_path: Path) -> None:
    """After the configured wait the answer is 503 with a time to come back, and nothing stays taken."""
    async with spool_of(tmp_path) as (spool, held):
        empty_disk = await fill(spool)
        with pytest.raises(OutOfRoom) as caught:
            await spool.reserve(1)
        assert caught.value.retry_after_s
        assert held == {"memory": 100, "disk": 100}
        empty_disk()
        spool.give("memory", 100)
        assert held == {"memory": 0, "disk": 0}


async def test_what_is_declared_and_not_sent_takes_no_disk(tmp_path: Path) -> None:
    """Any number may announce all of it; only bytes count, and the last of them is refused instead of halted."""
    async with spool_of(tmp_path) as (spool, held):
        rooms = [await spool.reserve(100) for _ in range(50)]
        assert held == {"memory": 100, "disk": 0}
        assert [room.use(40) for room in rooms[1:3]] == ["disk", "disk"]
        with pytest.raises(OutOfRoom):
            rooms[3].use(40)
        assert rooms[4].use(20) == "disk"
        spool.give("disk", 100)
        for room in rooms:
            room.close()
        assert held == {"memory": 0, "disk": 0}


async def test_small_uploads_pass_a_large_one_until_it_has_waited_enough(tmp_path: Path) -> None:
    """They are not delayed while it cannot go anyway, and all together do not take more than it wants."""
    async with spool_of(tmp_path, wait=5) as (spool, held):
        memory, disk = await spool.reserve(70), await spool.reserve(90)
        assert (memory.use(70), disk.use(70)) == ("memory", "disk")
        large = asyncio.create_task(spool.reserve(50))
        await settle()
        for _ in range(5):
            async with asyncio.timeout(1):
                small = await spool.reserve(10)
            small.use(10)
            spool.give("memory", 10)
        late = asyncio.create_task(spool.reserve(10))
        await settle()
        assert not large.done() and not late.done()
        spool.give("disk", 70)
        await settle()
        assert (await large).kind == "disk" and (await late).kind == "memory"
        (await late).close()
        spool.give("memory", 70)
        assert held == {"memory": 0, "disk": 0}


async def test_waiting_uploads_are_served_in_order(tmp_path: Path) -> None:
    """Who came first goes first; who fits into what the first cannot use goes meanwhile."""
    async with spool_of(tmp_path, wait=5) as (spool, held):
        empty_disk = await fill(spool)
        order: list[int] = []

        async def upload(size: int) -> None:
            room = await spool.reserve(size)
            order.append(size)
            room.use(size)

        tasks = [asyncio.create_task(upload(size)) for size in (90, 80, 5)]
        await settle()
        for freed, expected in ((5, [5]), (95, [5, 90]), (90, [5, 90, 80])):
            spool.give("memory", freed)
            await settle()
            assert order == expected
        await asyncio.gather(*tasks)
        spool.give("memory", 85)
        empty_disk()
        assert held == {"memory": 0, "disk": 0}


@pytest.mark.parametrize("granted", [False, True])
async def test_a_cancelled_wait_takes_nothing(tmp_path: Path, granted: bool) -> None:
    """A client that leaves while it waits, even in the instant of its turn, leaves no bytes behind."""
    async with spool_of(tmp_path, wait=5) as (spool, held):
        empty_disk = await fill(spool)
        waiting = asyncio.create_task(spool.reserve(40))
        await settle()
        if granted:
            spool.give("memory", 60)
            assert held["memory"] == 80
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        empty_disk()
        spool.give("memory", 40 if granted else 100)
        assert held == {"memory": 0, "disk": 0}
        (await spool.reserve(100)).close()


async def test_who_waits_behind_a_cancelled_one_gets_the_turn(tmp_path: Path) -> None:
    """A departed client does not block the line."""
    async with spool_of(tmp_path, wait=5) as (spool, _held):
        rooms = [await spool.reserve(100)]
        assert spool.take("disk", 80)
        large, small = asyncio.create_task(spool.reserve(90)), asyncio.create_task(spool.reserve(30))
        await settle()
        assert not small.done()
        large.cancel()
        spool.give("disk", 10)
        (await small).close()
        spool.give("disk", 70)
        for room in rooms:
            room.close()


async def test_what_nobody_needs_goes_before_an_upload_goes_to_disk(tmp_path: Path) -> None:
    """`make_room` is asked with the wanted amount, by known lengths and by growing ones alike."""
    async with spool_of(tmp_path) as (spool, held):
        spare = await spool.reserve(100)
        asked: list[int] = []

        def drop(wanted: int) -> None:
            asked.append(wanted)
            spare.close()

        spool.make_room = drop
        room = await spool.reserve(60)
        assert (asked, room.kind, held["memory"]) == ([60], "memory", 60)
        room.close()
        spare = await spool.reserve(100)
        growing = await spool.reserve(0)
        assert growing.use(30) == "memory"
        assert asked == [60, 30]
        spool.give("memory", 30)


async def test_giving_up_spares_inside_a_turn_counts_each_byte_once(tmp_path: Path) -> None:
    """`make_room` gives back while the line is being served; nobody is let in twice or for another's amount."""
    async with spool_of(tmp_path, wait=5) as (spool, held):
        empty_disk = await fill(spool)
        waiting = [asyncio.create_task(spool.reserve(size)) for size in (80, 10)]
        await settle()
        spares = [100]
        spool.make_room = lambda _wanted: spool.give("memory", spares.pop()) if spares else None
        spool.give("disk", 1)
        served = await asyncio.gather(*waiting)
        assert held == {"memory": 90, "disk": 99}
        assert [room._left[room.kind] for room in served] == [80, 10]
        for room in served:
            room.close()
        assert held["memory"] == 0
        spool.take("disk", 1)
        empty_disk()


async def test_an_unknown_length_grows_and_moves_to_disk(tmp_path: Path) -> None:
    """A chunked upload takes what it needs as it comes, and is refused only when both places are full."""
    async with spool_of(tmp_path) as (spool, held):
        room = await spool.reserve(0)
        assert [room.use(80), room.use(30), room.use(70)] == ["memory", "disk", "disk"]
        with pytest.raises(OutOfRoom):
            room.use(1)
        assert held == {"memory": 80, "disk": 100}
        spool.give("memory", 80)
        spool.give("disk", 100)
        room.close()
        assert held == {"memory": 0, "disk": 0}


async def test_more_than_was_declared_is_counted_too(tmp_path: Path) -> None:
    """A reservation that was too small is extended, not overdrawn."""
    async with spool_of(tmp_path) as (spool, held):
        room = await spool.reserve(10)
        room.use(8)
        room.use(8)
        assert held["memory"] == 16
        room.close()
        assert held["memory"] == 16
        spool.give("memory", 16)


async def test_paid_bytes_always_find_room(tmp_path: Path) -> None:
    """A result that has been paid for is never refused, whatever the limits say."""
    async with spool_of(tmp_path) as (spool, held):
        empty_disk = await fill(spool)
        paid = spool.reserve_paid(50)
        assert paid.use(50) == "disk"
        assert paid.use(70) == "disk"
        assert held == {"memory": 100, "disk": 220}
        spool.give("disk", 120)
        assert not (await spool.reserve(0)).stay_in_memory()
        assert paid.stay_in_memory() and paid.use(30) == "memory"
        assert held == {"memory": 130, "disk": 100}
        spool.give("memory", 130)
        paid.close()
        empty_disk()
        assert held == {"memory": 0, "disk": 0}


async def test_spooled_files_have_no_name(tmp_path: Path) -> None:
    """Nothing of an upload can be found by another program, nor stays behind after a crash."""
    async with spool_of(tmp_path) as (spool, _held):
        descriptor = spool.open_file()
        os.write(descriptor, b"secret")
        assert list((tmp_path / "spool").iterdir()) == []
        assert os.fstat(descriptor).st_nlink == 0
        assert os.fstat(descriptor).st_mode & 0o077 == 0
        os.close(descriptor)
        assert (tmp_path / "spool").stat().st_mode & 0o077 == 0


async def test_files_at_rest_are_private_and_do_not_outlive_the_process(tmp_path: Path) -> None:
    """Leftovers go when the next one opens, unless another process is using them; nobody else's files do."""
    folder = tmp_path / "state" / "spool"
    limits = MemorySettings(budget=100, disk=100)
    async with Spool(limits, folder, Held()) as spool:
        assert folder.stat().st_mode & 0o077 == folder.parent.stat().st_mode & 0o077 == 0
        file, path = spool.open_named()
        os.close(file)
        assert path.parent == folder and path.stat().st_mode & 0o777 == 0o600
        async with Spool(limits, folder, Held()):
            assert path.exists()
        assert path.exists()
    assert not path.exists()
    path.touch()
    (folder / "notes.txt").touch()
    async with Spool(limits, folder, Held()):
        assert list(folder.iterdir()) == [folder / "notes.txt"]


async def test_without_nameless_files_a_named_one_is_unlinked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system knows no O_TMPFILE the promise is the same."""
    monkeypatch.delattr(os, "O_TMPFILE")
    async with spool_of(tmp_path) as (spool, _held):
        descriptor = spool.open_file()
        assert os.write(descriptor, b"secret") == 6
        assert os.fstat(descriptor).st_nlink == 0
        os.close(descriptor)


async def test_file_work_ends_before_its_waiter_leaves(tmp_path: Path) -> None:
    """A cancelled waiter may close the file only after the thread has let go of it; impatience changes nothing."""
    async with spool_of(tmp_path) as (spool, _held):
        may_end, ended = threading.Event(), threading.Event()

        def work() -> None:
            may_end.wait(5)
            ended.set()
            raise OSError("the disk is full")

        waiter = asyncio.create_task(spool.in_thread(work))
        await settle()
        for _ in range(3):
            waiter.cancel()
            await settle()
        assert not waiter.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert ended.is_set()


async def test_file_work_hands_on_results_and_faults(tmp_path: Path) -> None:
    """What the work returns or raises reaches who asked for it."""
    async with spool_of(tmp_path) as (spool, _held):
        assert await spool.in_thread(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await spool.in_thread(lambda: 1 // 0)
