"""Pixel work of a plan, from the spool into the spool: what is put in its place, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image

from gateway.domain.blob import Blob
from gateway.domain.errors import GatewayError, InternalError, InvalidImage, InvalidMask, OutOfRoom
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.domain.target import JobTarget
from gateway.handlers.pixels import fulfil
from gateway.imaging.settings import ImagingSettings
from gateway.imaging.workers import Imaging, Sink
from gateway.platforms.contract import Plan
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Spool
from gateway.wire.body import Base64, JsonBody
from gateway.wire.call import Call
from tests.fakes.pictures import picture
from tests.fakes.spooled import tight_spool

Keep = Callable[[bytes], Awaitable[SpooledBlob]]


@pytest.fixture
def held() -> dict[str, int]:
    return {"memory": 0, "disk": 0}


@pytest.fixture
async def spool(tmp_path: Path, held: dict[str, int]) -> AsyncIterator[Spool]:
    async with tight_spool(tmp_path, held, budget=300_000, disk=3_000_000) as spool:
        yield spool


@pytest.fixture
async def imaging() -> AsyncIterator[Imaging]:
    async with Imaging(ImagingSettings()) as imaging:
        yield imaging


@pytest.fixture
async def keep(spool: Spool) -> AsyncIterator[Keep]:
    """Put a picture into the spool, as `receive` does; taken out again at the end."""
    kept: list[SpooledBlob] = []

    async def keep(data: bytes) -> SpooledBlob:
        room = await spool.reserve(len(data))
        writer = BlobWriter(room)
        await writer.write(data)
        room.close()
        with Image.open(io.BytesIO(data)) as image:
            kept.append(await writer.finish(Image.MIME[image.format or ""], Pixels(*image.size)))
        return kept[-1]

    yield keep
    for blob in kept:
        blob.release()


def mask(width: int = 64, height: int = 48) -> bytes:
    image = Image.new("RGBA", (width, height), (1, 2, 3, 255))
    image.putpixel((0, 0), (1, 2, 3, 0))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def plan(**holes: Blob | Rework) -> Plan:
    """A plan of one call, with a hole for each picture."""
    body = JsonBody({"prompt": "x", **{name: Base64(hole) for name, hole in holes.items()}})
    needs = tuple(hole for hole in holes.values() if isinstance(hole, Rework))
    return Plan(
        JobTarget("bfl", "flux-pro-1.0-fill"),
        (Call("submit", "POST", "https://api.bfl.ai/v1/x", body=body),),
        needs=needs,
    )


async def content(blob: Blob) -> Image.Image:
    image = Image.open(io.BytesIO(b"".join([chunk async for chunk in blob.chunks()])))
    image.load()
    return image


async def test_a_plan_without_needs_is_returned_at_once(spool: Spool, imaging: Imaging, keep: Keep) -> None:
    """Itself, and no worker is started for it."""
    plain = plan(image=await keep(picture()))
    assert await fulfil(plain, imaging, spool) == (plain, ())
    assert imaging.pids == []


async def test_what_was_made_takes_the_place_of_the_need(
    spool: Spool, imaging: Imaging, keep: Keep, held: dict[str, int]
) -> None:
    """With the type and the size that its bytes have; what needs nothing stays. One release each gives all back."""
    image, alpha = await keep(picture(form="JPEG")), await keep(mask())
    before = dict(held)
    asked = plan(
        image=Rework(image, pixels=Pixels(32, 24)), mask=Rework(alpha, mask=True), flat=Rework(alpha, flatten=True),
        whole=image,
    )  # fmt: skip
    made, blobs = await fulfil(asked, imaging, spool)
    assert made.needs == ()
    body = made.calls[0].body
    assert isinstance(body, JsonBody)
    found = {name: hole.blob for name, hole in body.fields.items() if isinstance(hole, Base64)}
    assert found.pop("whole") is image
    assert set(found.values()) == set(blobs)
    known = {name: (blob.media_type, blob.pixels) for name, blob in found.items() if isinstance(blob, SpooledBlob)}
    assert known == {
        "image": ("image/jpeg", Pixels(32, 24)),
        "mask": ("image/png", Pixels(64, 48)),
        "flat": ("image/png", Pixels(64, 48)),
    }
    pictures = [await content(blob) for blob in blobs]
    assert sorted((image.mode, image.size) for image in pictures) == [
        ("L", (64, 48)), ("RGB", (32, 24)), ("RGB", (64, 48))
    ]  # fmt: skip
    assert held["memory"] == before["memory"] + sum(blob.length for blob in blobs)
    for blob in blobs:
        blob.release()
    assert held == before


async def test_the_same_need_twice_is_made_once(spool: Spool, imaging: Imaging, keep: Keep) -> None:
    """And has one blob."""
    work = Rework(await keep(mask()), mask=True)
    made, blobs = await fulfil(plan(mask=work, again=work), imaging, spool)
    assert len(blobs) == 1
    assert isinstance(body := made.calls[0].body, JsonBody)
    assert body.fields["mask"] == body.fields["again"] == Base64(blobs[0])
    blobs[0].release()


async def test_what_does_not_fit_into_memory_goes_to_disk(spool: Spool, imaging: Imaging, keep: Keep) -> None:
    """A result may be larger than its source, and than the budget."""
    source = await keep(picture(400, 300, form="JPEG", noise=True))
    _, blobs = await fulfil(plan(image=Rework(source, flatten=True)), imaging, spool)
    assert blobs[0].length > 300_000 > source.length
    assert not blobs[0].in_memory
    assert (await content(blobs[0])).size == (400, 300)
    blobs[0].release()


@pytest.mark.parametrize("bad", [picture(), mask().replace(b"IDAT\x78", b"IDAT\x00")])
async def test_a_failure_is_told_plainly_and_gives_the_others_back(
    spool: Spool, imaging: Imaging, keep: Keep, held: dict[str, int], bad: bytes
) -> None:
    """Not as a group of exceptions."""
    good = Rework(await keep(picture()), flatten=True)
    broken = Rework(await keep(bad), mask=True)
    before = dict(held)
    with pytest.raises((InvalidMask, InvalidImage)) as failed:
        await fulfil(plan(image=good, mask=broken), imaging, spool)
    assert failed.value.param == "mask"
    assert held == before


async def test_a_full_spool_refuses_and_keeps_nothing(
    spool: Spool, imaging: Imaging, keep: Keep, held: dict[str, int]
) -> None:
    """Of what had been made before it was full."""
    source = await keep(picture(900, 700, form="JPEG", noise=True))
    before = dict(held)
    works = {f"image{width}": Rework(source, flatten=True, pixels=Pixels(width, 3000)) for width in (3000, 3001)}
    spool._limits["disk"] = held["disk"] + 400_000
    with pytest.raises(OutOfRoom):
        await fulfil(plan(**works), imaging, spool)
    assert held == before


async def test_a_cancelled_request_leaves_nothing(
    spool: Spool, imaging: Imaging, keep: Keep, held: dict[str, int]
) -> None:
    """In the middle of the work, with one picture finished."""
    finished, hangs = Rework(await keep(mask()), mask=True), Rework(await keep(picture()), flatten=True)
    before = dict(held)
    ready, blocked = asyncio.Event(), asyncio.Event()

    class Half(Imaging):
        async def make(self, work: Rework, sink: Sink) -> None:
            if work is hangs:
                await sink(b"\x89PNG")
                await blocked.wait()
            await super().make(work, sink)
            ready.set()

    async with Half(ImagingSettings()) as half:
        job = asyncio.create_task(fulfil(plan(image=hangs, mask=finished), half, spool))
        await ready.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
    assert held == before


async def test_a_worker_that_makes_no_picture_is_the_gateways_fault(
    spool: Spool, keep: Keep, held: dict[str, int]
) -> None:
    """Its result is not believed unseen."""

    class Rubbish(Imaging):
        async def make(self, work: Rework, sink: Sink) -> None:
            await sink(b"rubbish")

    source = await keep(picture())
    before = dict(held)
    async with Rubbish(ImagingSettings()) as rubbish:
        with pytest.raises(InternalError) as failed:
            await fulfil(plan(image=Rework(source, flatten=True)), rubbish, spool)
    assert isinstance(failed.value, GatewayError)
    assert failed.value.detail == "a worker made no picture: the file is of an unknown format, not PNG, JPEG or WebP"
    assert held == before
