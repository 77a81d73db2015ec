"""Blobs: the bytes that were written come back, from memory and from disk, and every end gives the room back."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.blob import Blob
from gateway.domain.errors import OutOfRoom
from gateway.domain.size import Pixels
from gateway.stores import blobs
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.files import write_parts
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import GATHER, PIECE, Room, Spool
from tests.fakes.spooled import tight_spool

SIZE = Pixels(3, 2)
DATA = os.urandom(3 * PIECE + 12_345)


@pytest.fixture
def held() -> dict[str, int]:
    return {"memory": 0, "disk": 0}


@pytest.fixture
async def spool(tmp_path: Path, held: dict[str, int]) -> AsyncIterator[Spool]:
    async with tight_spool(tmp_path, held, budget=len(DATA), disk=2 * len(DATA)) as spool:
        yield spool


async def written(room: Room, data: bytes, step: int) -> SpooledBlob:
    writer = BlobWriter(room)
    for start in range(0, len(data), step):
        await writer.write(data[start : start + step])
    blob = await writer.finish("image/png", SIZE)
    room.close()
    return blob


async def read(blob: Blob, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in blob.chunks(start, stop)])


async def on_disk(spool: Spool, data: bytes, step: int = 70_000) -> SpooledBlob:
    """A blob that had no place in memory."""
    other = await spool.reserve(len(DATA))
    blob = await written(await spool.reserve(len(data)), data, step)
    other.close()
    assert not blob.in_memory
    return blob


@pytest.mark.parametrize("step", [1000, GATHER // 4, 70_000, len(DATA)])
@pytest.mark.parametrize("place", ["memory", "disk"])
async def test_what_was_written_comes_back(spool: Spool, held: dict[str, int], step: int, place: str) -> None:
    """Bytes, digest and length are the same however they came and wherever they lie, any number of times."""
    blob: Blob = await (
        written(await spool.reserve(len(DATA)), DATA, step) if place == "memory" else on_disk(spool, DATA, step)
    )
    assert held[place] == len(DATA) == sum(held.values())
    assert (blob.length, blob.digest, blob.media_type, blob.pixels) == (
        len(DATA),
        blake3(DATA).hexdigest(),
        "image/png",
        SIZE,
    )
    assert await read(blob) == DATA
    assert await read(blob) == DATA
    blob.release()
    assert held == {"memory": 0, "disk": 0}


async def test_small_chunks_are_gathered(spool: Spool) -> None:
    """A slow network's kilobytes are not handed on one by one; large chunks are kept as they are, uncopied."""
    small = await written(await spool.reserve(0), DATA, 1000)
    assert len([piece async for piece in small.chunks()]) <= len(DATA) // GATHER + 1
    small.release()
    writer = BlobWriter(room := await spool.reserve(len(DATA)))
    large = DATA[:PIECE]
    for chunk in (b"head", large, b"tail"):
        await writer.write(chunk)
    blob = await writer.finish("image/png", SIZE)
    pieces = [piece async for piece in blob.chunks()]
    assert pieces == [b"head", large, b"tail"]
    assert pieces[1] is large
    room.close()
    blob.release()


@pytest.mark.parametrize("place", ["memory", "disk"])
async def test_any_range_can_be_read(spool: Spool, place: str) -> None:
    """`chunks(start, stop)` are the bytes of that slice, bounds beyond the end included."""
    blob = await (written(await spool.reserve(len(DATA)), DATA, 70_001) if place == "memory" else on_disk(spool, DATA))
    for start, stop in (
        (0, 0),
        (0, 1),
        (5, 70_001),
        (70_000, 70_003),
        (PIECE, 2 * PIECE),
        (1, None),
        (9, 10**9),
        (10**9, None),
    ):
        assert await read(blob, start, stop) == DATA[start:stop], (start, stop)
    blob.release()


@given(st.lists(st.binary(max_size=40_000), max_size=12), st.integers(0, 200_000), st.integers(0, 200_000))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cut_gives_the_same_bytes(tmp_path: Path, chunks: list[bytes], budget: int, start: int) -> None:
    """Whatever the chunks and wherever memory ends, nothing is lost, doubled or reordered."""

    async def scenario() -> None:
        account: dict[str, int] = {}
        limits = MemorySettings(budget=budget, disk=10**7)
        async with Spool(limits, tmp_path, lambda kind, held: account.__setitem__(kind, held)) as spool:
            room = await spool.reserve(0)
            writer = BlobWriter(room)
            for chunk in chunks:
                await writer.write(chunk)
            blob = await writer.finish("image/png", SIZE)
            room.close()
            whole = b"".join(chunks)
            assert sum(account.values()) == len(whole)
            assert await read(blob, start) == whole[start:]
            assert blob.digest == blake3(whole).hexdigest()
            blob.release()
            assert sum(account.values()) == 0

    asyncio.run(scenario())


async def test_many_uploads_to_disk_write_earlier(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all of them hold on its way to files is bounded: past that nobody waits for a full piece."""
    monkeypatch.setattr(blobs, "UNWRITTEN", 100_000)
    other = await spool.reserve(len(DATA))
    room = await spool.reserve(0)
    writers = [BlobWriter(room) for _ in range(10)]
    for writer in writers:
        await writer.write(DATA[:30_000])
    assert 0 < spool.unwritten <= 100_000
    for writer in writers:
        blob = await writer.finish("image/png", SIZE)
        assert await read(blob) == DATA[:30_000]
        blob.release()
    other.close()
    room.close()


async def test_a_blob_without_bytes(spool: Spool) -> None:
    """Nothing written is a blob of length 0 that reads as nothing."""
    blob = await written(await spool.reserve(0), b"", 1)
    assert (blob.length, await read(blob)) == (0, b"")
    blob.release()


async def test_a_growing_blob_moves_to_disk_whole(spool: Spool, held: dict[str, int]) -> None:
    """When memory ends in the middle of an upload, what had come already moves too and its memory is given back."""
    other = await spool.reserve(len(DATA) - PIECE)
    room = await spool.reserve(0)
    blob = await written(room, DATA, 50_000)
    assert held == {"memory": len(DATA) - PIECE, "disk": len(DATA)}
    assert await read(blob) == DATA
    other.close()
    blob.release()


async def test_two_blobs_in_one_room(spool: Spool, held: dict[str, int]) -> None:
    """Two writers share a room while it moves to disk; each keeps its own bytes and gives back its own room."""
    other = await spool.reserve(len(DATA) - 100_000)
    room = await spool.reserve(0)
    writers, half = [BlobWriter(room), BlobWriter(room)], 150_000
    for start in range(0, half, 30_000):
        for writer, data in zip(writers, (DATA, DATA[::-1]), strict=True):
            await writer.write(data[start : start + 30_000])
    first, second = [await writer.finish("image/png", SIZE) for writer in writers]
    assert await read(first) == DATA[:half]
    assert await read(second) == DATA[::-1][:half]
    other.close()
    room.close()
    assert sum(held.values()) == 2 * half
    first.release()
    second.release()


async def test_the_last_holder_gives_the_room_back(spool: Spool, held: dict[str, int]) -> None:
    """A blob lives until everybody has released it; one release too many changes nothing."""
    blob = await written(await spool.reserve(10), b"0123456789", 4)
    assert blob.hold() is blob
    blob.release()
    assert (held["memory"], await read(blob)) == (10, b"0123456789")
    blob.release()
    blob.release()
    assert held["memory"] == 0


@pytest.mark.parametrize("place", ["memory", "disk"])
async def test_discarding_gives_everything_back(spool: Spool, held: dict[str, int], place: str) -> None:
    """An upload that was refused half-way leaves neither bytes nor a file."""
    other = await spool.reserve(len(DATA) if place == "disk" else 0)
    room = await spool.reserve(len(DATA))
    writer = BlobWriter(room)
    await writer.write(DATA[: PIECE + 1])
    assert held[place] >= PIECE + 1
    writer.discard()
    writer.discard()
    room.close()
    other.close()
    assert held == {"memory": 0, "disk": 0}


async def test_a_disk_that_fails_is_a_lack_of_room(
    spool: Spool, held: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or broken disk is answered 503, with the reason for the log only, and the accounts balance."""
    full = OSError(28, "No space left on device")

    def fail(*_: object) -> int:
        raise full

    for broken, target in (("open_file", spool), ("write_parts", blobs)):
        other = await spool.reserve(len(DATA))
        room = await spool.reserve(0)
        writer = BlobWriter(room)
        with monkeypatch.context() as patch:
            patch.setattr(target, broken, fail)
            with pytest.raises(OutOfRoom) as caught:
                await writer.write(DATA[:PIECE])
        assert "No space" not in caught.value.text
        assert "No space" in (caught.value.detail or "")
        writer.discard()
        room.close()
        other.close()
        assert held == {"memory": 0, "disk": 0}


async def test_a_client_that_leaves_during_a_write_to_disk(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is closed after the thread has finished with it, never under its hands."""
    started, go_on = threading.Event(), threading.Event()
    write, open_at_the_end = write_parts, []

    def slow(file: int, parts: list[bytes]) -> None:
        started.set()
        go_on.wait(5)
        open_at_the_end.append(os.fstat(file).st_nlink)
        write(file, parts)

    monkeypatch.setattr(blobs, "write_parts", slow)
    other = await spool.reserve(len(DATA))
    room = await spool.reserve(0)
    writer = BlobWriter(room)

    async def upload() -> None:
        try:
            await writer.write(DATA[:PIECE])
        finally:
            writer.discard()

    task = asyncio.create_task(upload())
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_at_the_end == [0]
    room.close()
    other.close()


async def test_parking_frees_memory(spool: Spool, held: dict[str, int]) -> None:
    """What has to wait long waits on disk; its bytes stay the same, also for who is reading it just then."""
    blob = await written(await spool.reserve(len(DATA)), DATA, 70_000)
    reading = blob.chunks()
    first = await anext(reading)
    await blob.park()
    assert held == {"memory": 0, "disk": len(DATA)}
    assert first + b"".join([piece async for piece in reading]) == DATA
    await blob.park()
    assert await read(blob) == DATA
    blob.release()


async def test_parking_is_given_up_when_it_is_not_alone_or_the_disk_fails(
    spool: Spool, held: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob that somebody else uses stays in memory; so does one for which there is no file."""
    blob = await written(await spool.reserve(10), b"0123456789", 4)
    blob.hold()
    await blob.park()
    assert held == {"memory": 10, "disk": 0}
    blob.release()

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    for broken, target in (("open_named", spool), ("write_parts", blobs)):
        with monkeypatch.context() as patch:
            patch.setattr(target, broken, fail)
            await blob.park()
        assert held == {"memory": 10, "disk": 0}
    parking = asyncio.create_task(blob.park())
    await asyncio.sleep(0)
    blob.release()
    await parking
    assert held == {"memory": 0, "disk": 0}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("how", ["parked", "paid"])
async def test_what_rests_on_disk_holds_no_descriptor(
    spool: Spool, held: dict[str, int], tmp_path: Path, how: str
) -> None:
    """It has a private name until the last release, and is open only while it is read."""
    if how == "parked":
        blob = await written(await spool.reserve(len(DATA)), DATA, 70_000)
        before = open_files()
        await blob.park()
    else:
        other = await spool.reserve(len(DATA))
        before = open_files()
        blob = await written(spool.reserve_paid(len(DATA)), DATA, 70_000)
        other.close()
    assert held == {"memory": 0, "disk": len(DATA)} and not blob.in_memory
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_files() == before
    first, second = blob.chunks(), blob.chunks(5)
    begun = await anext(first), await anext(second)
    assert open_files() == before + 2
    assert begun[0] + b"".join([piece async for piece in first]) == DATA
    await second.aclose()  # type: ignore[attr-defined]
    assert open_files() == before
    await blob.park()
    blob.release()
    assert list(tmp_path.iterdir()) == []


async def test_a_paid_blob_that_is_discarded_leaves_no_file(spool: Spool, tmp_path: Path) -> None:
    """Not a whole picture: its name goes with it."""
    other = await spool.reserve(len(DATA))
    writer = BlobWriter(room := spool.reserve_paid(0))
    await writer.write(DATA)
    assert len(list(tmp_path.iterdir())) == 1
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    other.close()
    room.close()


@pytest.mark.parametrize("good_writes", [None, 0, 1, 2])
async def test_what_is_paid_for_outlives_a_broken_disk(
    spool: Spool, held: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good_writes: int | None
) -> None:
    """No file, or one that fails sooner or later: the picture stays in memory, over the budget, and is whole."""
    write, left = write_parts, [0] * (good_writes or 0)

    def fail(*arguments: Any) -> Any:
        if left:
            left.pop()
            return write(*arguments)
        if good_writes is not None:
            write(arguments[0], [b"half of it"])
        raise OSError(28, "No space left on device")

    if good_writes is None:
        monkeypatch.setattr(spool, "open_named", fail)
    else:
        monkeypatch.setattr(blobs, "write_parts", fail)
    other = await spool.reserve(len(DATA) - 100_000)
    blob = await written(spool.reserve_paid(0), DATA, 60_000)
    assert blob.in_memory and not left
    assert held == {"memory": 2 * len(DATA) - 100_000, "disk": 0}
    assert await read(blob) == DATA
    assert list(tmp_path.iterdir()) == []
    other.close()
    blob.release()


async def test_a_file_cut_short_is_a_fault(spool: Spool) -> None:
    """Missing bytes are never passed off as the end."""
    blob = await on_disk(spool, DATA)
    assert blob._file is not None
    os.ftruncate(blob._file, 1000)
    with pytest.raises(OSError, match="shorter"):
        await read(blob)
    blob.release()


async def test_reading_lets_others_run(spool: Spool) -> None:
    """Between two pieces everybody else has a turn."""
    blob = await written(await spool.reserve(len(DATA)), DATA, 70_000)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    pieces = [piece async for piece in blob.chunks()]
    task.cancel()
    assert turns >= len(pieces) - 1 > 0
    blob.release()
