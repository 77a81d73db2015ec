"""A paid picture in the size that was promised: or as it was made, never lost, and nothing left behind."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from gateway.domain.blob import Blob
from gateway.domain.errors import OutOfRoom, ShuttingDown
from gateway.domain.outcome import Finished
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.imaging.settings import ImagingSettings
from gateway.imaging.workers import Imaging, Sink
from gateway.jobs.collect import collect
from gateway.jobs.fit import Fit
from gateway.stores.spool import Spool
from tests.fakes.blob import MemoryBlob
from tests.fakes.pictures import picture
from tests.fakes.spooled import tight_spool
from tests.fakes.vendor import READY, TICKET, Vendor, Works

SIZE = Pixels(30, 20)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    async with tight_spool(tmp_path, {"memory": 0, "disk": 0}, budget=300_000, disk=3_000_000) as spool:
        yield spool


def blob(form: str = "PNG") -> MemoryBlob:
    return MemoryBlob(picture(form=form), media_type=f"image/{form.lower()}", pixels=Pixels(64, 48))


async def opened(found: Blob) -> Image.Image:
    image = Image.open(io.BytesIO(b"".join([chunk async for chunk in found.chunks()])))
    image.load()
    return image


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
async def test_a_picture_gets_its_size_and_keeps_its_format(spool: Spool, form: str) -> None:
    """Both are what the client asked for; the one that was made is still there, for whoever holds it."""
    async with Imaging(ImagingSettings()) as imaging:
        source = blob(form)
        found = await Fit(imaging, spool)(source, SIZE)
        assert (found.pixels, found.media_type, source.released) == (SIZE, f"image/{form.lower()}", 0)
        image = await opened(found)
        assert (image.size, image.format) == ((30, 20), form)
        found.release()


async def test_the_middle_is_kept(spool: Spool) -> None:
    """Nothing is squeezed: what does not fit is cut off on both sides alike."""
    image = Image.new("RGB", (90, 30), (255, 0, 0))
    image.paste((0, 0, 255), (30, 0, 60, 30))
    data = io.BytesIO()
    image.save(data, "PNG")
    async with Imaging(ImagingSettings()) as imaging:
        found = await Fit(imaging, spool)(MemoryBlob(data.getvalue(), pixels=Pixels(90, 30)), Pixels(60, 60))
        made = await opened(found)
        found.release()
    assert made.size == (60, 60)
    assert {made.getpixel((x, y)) for x in (10, 30, 50) for y in (0, 59)} == {(0, 0, 255)}


async def test_what_has_its_size_is_not_touched(spool: Spool) -> None:
    """Not a byte; no worker is started."""
    async with Imaging(ImagingSettings()) as imaging:
        source = blob()
        assert await Fit(imaging, spool)(source, Pixels(64, 48)) is source
        assert imaging.pids == []


class Fails(Imaging):
    def __init__(self, fault: Exception) -> None:
        super().__init__(ImagingSettings())
        self.fault = fault

    async def make(self, work: Rework, sink: Sink) -> None:
        await sink(picture()[:50])
        raise self.fault


@pytest.mark.parametrize("fault", [OutOfRoom("full"), ShuttingDown("bye"), OSError("no process"), RuntimeError("bug")])
async def test_what_cannot_be_resized_is_answered_as_it_was_made(spool: Spool, fault: Exception) -> None:
    """It is paid."""
    async with Fails(fault) as imaging:
        source = blob()
        assert await Fit(imaging, spool)(source, SIZE) is source
        assert source.released == 0


async def test_a_result_that_no_worker_can_read_is_answered(spool: Spool) -> None:
    """Perhaps its client can."""
    async with Imaging(ImagingSettings()) as imaging:
        source = MemoryBlob(b"\x89PNG", pixels=Pixels(64, 48))
        assert await Fit(imaging, spool)(source, SIZE) is source


def resized(works: Works, made: MemoryBlob) -> None:
    async def fit(_: Blob, size: Pixels) -> Blob:
        assert size == SIZE
        return made

    object.__setattr__(works.tools, "fit", fit)


async def test_the_new_picture_is_stored_and_the_old_one_let_go() -> None:
    """Once each, whether it was fetched or came in the answer."""
    for at_once in (False, True):
        source, made = MemoryBlob(b"old"), MemoryBlob(b"new")
        works = Works(Vendor(fetches=[source]))
        resized(works, made)
        finished = Finished((source,)) if at_once else READY
        ref = await collect(works.tools, works.vendor, None if at_once else TICKET, finished, SIZE)
        assert works.shelf.blobs[ref] is made
        assert (source.released, made.released) == (1, 0)


async def test_a_full_disk_is_waited_for_with_the_old_one_in_hand() -> None:
    """One that came in the answer cannot be fetched again."""
    source, made = MemoryBlob(b"old"), MemoryBlob(b"new")
    works = Works(Vendor())
    resized(works, made)
    works.shelf.faults = [OutOfRoom("full"), OutOfRoom("full")]
    ref = await collect(works.tools, works.vendor, None, Finished((source,)), SIZE)
    assert works.shelf.blobs[ref] is made
    assert (source.released, made.released) == (1, 2)  # a fake may be made several times over


async def test_a_shutdown_in_the_middle_leaves_nothing(spool: Spool) -> None:
    """The next process fetches the picture again."""
    begun = asyncio.Event()

    class Hangs(Imaging):
        async def make(self, work: Rework, sink: Sink) -> None:
            await sink(picture()[:50])
            begun.set()
            await asyncio.Event().wait()

    source = blob()
    works = Works(Vendor(fetches=[source]))
    async with Hangs(ImagingSettings()) as imaging:
        object.__setattr__(works.tools, "fit", Fit(imaging, spool))
        job = asyncio.create_task(collect(works.tools, works.vendor, TICKET, READY, SIZE))
        await begun.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
    assert source.released == 1
