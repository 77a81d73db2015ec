"""Pictures on disk: whole or not at all, kept once, and gone when nobody names them."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain.blob import Blob
from gateway.domain.errors import OutOfRoom
from gateway.domain.size import Pixels
from gateway.stores import disk
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.disk import DiskResults
from gateway.stores.files import write_parts
from gateway.stores.links import Links
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool

DATA = bytes(range(256)) * 3000


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    async with Spool(MemorySettings(), tmp_path / "spool", lambda _kind, _held: None) as spool:
        yield spool


@pytest.fixture
def told() -> dict[str, list[object]]:
    return {"full": [], "held": []}


@pytest.fixture
async def results(spool: Spool, tmp_path: Path, told: dict[str, list[object]]) -> DiskResults:
    found = DiskResults(
        tmp_path / "results",
        spool,
        Links(lambda: b"k", lambda: 0.0),
        quota=len(DATA),
        full=told["full"].append,
        held=told["held"].append,
    )
    await found.prepare(set())
    return found


async def blob(spool: Spool, data: bytes = DATA, *, paid: bool = False) -> SpooledBlob:
    room = spool.reserve_paid(len(data)) if paid else await spool.reserve(len(data))
    writer = BlobWriter(room)
    await writer.write(data)
    room.close()
    return await writer.finish("image/png", Pixels(640, 480))


async def read(found: Blob | None, start: int = 0, stop: int | None = None) -> bytes:
    assert found is not None
    return b"".join([piece async for piece in found.chunks(start, stop)])


async def test_put_and_open(results: DiskResults, spool: Spool, tmp_path: Path) -> None:
    """All that is known of the picture is in its name; the memory is given back."""
    ref = await results.put(await blob(spool))
    found = await results.open(ref)
    assert found is not None
    assert (found.media_type, found.length, found.pixels) == ("image/png", len(DATA), Pixels(640, 480))
    assert await read(found) == DATA and await read(found, 700, 5000) == DATA[700:5000]
    assert spool._held == {"memory": 0, "disk": 0}
    assert [path.name for path in (tmp_path / "results").iterdir()] == [ref]


async def test_the_same_picture_is_kept_once(results: DiskResults, spool: Spool, told: dict[str, list[object]]) -> None:
    """Counted once as well."""
    refs = {await results.put(await blob(spool)) for _ in range(3)}
    assert len(refs) == 1
    assert told["held"][-1] == len(DATA) and results.over == 0
    await results.put(await blob(spool, b"x" + DATA))
    assert results.over == len(DATA) + 1


@pytest.mark.parametrize("ref", ["", "..", "../secret", "x" * 64, "secret", "0" * 64 + "-1x1-1.gif", "a\0b"])
async def test_only_names_of_ours_open(results: DiskResults, ref: str) -> None:
    """No path leads anywhere else."""
    assert await results.open(ref) is None


async def test_what_no_row_names_goes(results: DiskResults, spool: Spool) -> None:
    """But not what was stored and is about to be named."""
    ref = await results.put(await blob(spool))
    results.drop([ref])
    assert await results.open(ref) is not None
    results.settled(ref)
    results.drop([ref, "not-ours"])
    assert await results.open(ref) is None
    assert results.over == 0


async def test_after_a_crash(results: DiskResults, spool: Spool, tmp_path: Path) -> None:
    """Halves and pictures without a row are removed, the others are counted."""
    kept, gone = [await results.put(await blob(spool, data)) for data in (DATA, b"y" + DATA)]
    (tmp_path / "results" / "0123.tmp").write_bytes(b"half")
    await results.prepare({kept, "forgotten"})
    assert [path.name for path in (tmp_path / "results").iterdir()] == [kept]
    assert await results.open(gone) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("step", ["write_parts", "fsync", "rename"])
async def test_a_disk_that_fails(
    results: DiskResults,
    spool: Spool,
    tmp_path: Path,
    told: dict[str, list[object]],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    step: str,
) -> None:
    """Tried once more with what the reserve has given up; else the picture stays its owner's, and no half is left."""
    picture = await blob(spool)

    def fails(*_: object) -> None:
        raise OSError(number, "injected")

    with monkeypatch.context() as patch:
        patch.setattr({"write_parts": disk, "rename": Path, "fsync": os}[step], step, fails)
        with pytest.raises(OutOfRoom):
            await results.put(picture)
    assert len(told["full"]) == 1
    assert list((tmp_path / "results").iterdir()) == []
    assert await read(await results.open(await results.put(picture))) == DATA


async def test_the_reserve_takes_it(
    results: DiskResults, spool: Spool, told: dict[str, list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk that has room again once it was told."""
    monkeypatch.setattr(disk, "write_parts", lambda *parts: write_parts(*parts) if told["full"] else _full())
    assert await read(await results.open(await results.put(await blob(spool)))) == DATA


def _full() -> None:
    raise OSError(errno.ENOSPC, "injected")
