"""Workers over real pipes: what they make, how they are bounded, and what their deaths cost."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gateway.domain.edit import OutputFormat
from gateway.domain.errors import (
    GatewayError,
    ImageTooLarge,
    InternalError,
    InvalidImage,
    InvalidMask,
    OutOfRoom,
    ShuttingDown,
)
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.imaging import process
from gateway.imaging.frames import Order
from gateway.imaging.settings import MIB, ImagingSettings
from gateway.imaging.workers import Imaging
from tests.fakes.blob import MemoryBlob
from tests.fakes.pictures import picture
from tests.fakes.png_file import GREY, png_file

ROOT = Path(__file__).parents[2]
LIMITS = "could not be processed within the limits. Send a smaller picture, or save it anew."


@pytest.fixture
async def imaging() -> AsyncIterator[Imaging]:
    async with Imaging(ImagingSettings()) as imaging:
        yield imaging
    assert imaging.pids == []


def blob(data: bytes | None = None, **options: Any) -> MemoryBlob:
    return MemoryBlob(picture() if data is None else data, **options)


def mask(size: tuple[int, int] = (4, 2)) -> MemoryBlob:
    image = Image.new("RGBA", size, (1, 2, 3, 255))
    image.putpixel((0, 0), (1, 2, 3, 0))
    data = io.BytesIO()
    image.save(data, "PNG")
    return MemoryBlob(data.getvalue())


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


async def make(imaging: Imaging, source: Any, **work: Any) -> Image.Image:
    """What becomes of `source`."""
    data = bytearray()

    async def sink(piece: bytes) -> None:
        assert piece
        data.extend(piece)

    await imaging.make(Rework(source, **work), sink)
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def alive(pid: int) -> bool:
    """True for a process that has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Halting:
    """A picture whose second half comes when it is let: the worker has a job meanwhile."""

    def __init__(self, data: bytes) -> None:
        self.media_type, self.length, self.pixels, self.digest = "image/png", len(data), Pixels(1, 1), ""
        self.data, self.begun, self.let = data, asyncio.Event(), asyncio.Event()

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        yield self.data[: len(self.data) // 2]
        self.begun.set()
        await self.let.wait()
        yield self.data[len(self.data) // 2 :]

    def release(self) -> None: ...


async def test_a_mask_comes_back_white_where_it_was_transparent(imaging: Imaging) -> None:
    """Of the same size, whatever pieces the source comes in."""
    source = mask()
    source.cuts = (0, 1, 7)
    made = await make(imaging, source, mask=True)
    assert (made.format, made.mode, made.size) == ("PNG", "L", (4, 2))
    assert list(made.get_flattened_data()) == [255, 0, 0, 0, 0, 0, 0, 0]


async def test_a_large_picture_goes_there_and_back_in_frames(imaging: Imaging) -> None:
    """Megabytes that do not compress, both ways."""
    data = picture(900, 800, noise=True)
    assert len(data) > 2 * MIB
    made = await make(imaging, blob(data), flatten=True)
    assert made.tobytes() == Image.open(io.BytesIO(data)).tobytes()


async def test_a_worker_is_started_when_needed_and_used_again(imaging: Imaging) -> None:
    """Refused pictures do not cost one either."""
    assert imaging.pids == []
    await make(imaging, blob(), flatten=True)
    first = imaging.pids
    assert len(first) == 1
    with pytest.raises(InvalidMask):
        await make(imaging, blob(), mask=True)
    with pytest.raises(InvalidImage):
        await make(imaging, blob(b"nonsense"), flatten=True)
    assert (await make(imaging, blob(), pixels=Pixels(8, 6))).size == (8, 6)
    assert imaging.pids == first


# What makes the encoders of these tests quick.
FAST: dict[str, dict[str, Any]] = {"TIFF": {"compression": "tiff_lzw"}, "AVIF": {"speed": 10}}
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n" + bytes(600)
WEBP = picture(64, 48, form="WEBP", noise=True)
# The sizes of the first partition and of what follows say more than there is.
BROKEN_WEBP = WEBP[:20] + b"\xf0\xff\xff" + WEBP[23:]
BOMB = png_file((30_000, 30_000), 8, GREY, bytes(30_001) * 1000)
FLOATING = saved(Image.new("F", (8, 8)), "TIFF")
LARGE_TIFF = saved(Image.new("1", (8, 8)), "TIFF").replace(
    struct.pack("<HHII", 256, 4, 1, 8), struct.pack("<HHII", 256, 4, 1, 60_000)
).replace(struct.pack("<HHII", 257, 4, 1, 8), struct.pack("<HHII", 257, 4, 1, 60_000))  # fmt: skip
WIDE = png_file((2**31 - 1, 2**31 - 1), 8, GREY, b"")


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (EPS, InvalidImage, "The image is not usable: the file is PostScript, not PNG, JPEG or WebP."),
        (b"GIF89a" + bytes(600), InvalidImage, "The image is not usable: the file has no pixels (0 × 0)."),
        (LARGE_TIFF, ImageTooLarge, "The image has 60000 × 60000 pixels; 100000000 are allowed."),
        (FLOATING, InvalidImage, "The image is not usable: its kind of pixels (F) is not supported."),
        (b"", InvalidImage, "The image is not usable: the file is empty."),
        (picture()[:-20], InvalidImage, "The image is not usable: the file ends before its last chunk (IEND)."),
        (
            picture(noise=True).replace(b"IDAT\x78", b"IDAT\x00"),
            InvalidImage,
            "The image is not usable: it cannot be decoded and may be damaged.",
        ),
        (
            BROKEN_WEBP,
            InvalidImage,
            "The image is not usable: it cannot be decoded and may be damaged.",
        ),
        (BOMB, ImageTooLarge, "The image has 30000 × 30000 pixels; 100000000 are allowed."),
        (WIDE, ImageTooLarge, "The image has 2147483647 × 2147483647 pixels; 100000000 are allowed."),
    ],
    ids=["EPS", "GIF", "huge TIFF", "TIFF of fractions", "nothing", "cut", "broken PNG", "broken WebP", "bomb", "huge"],
)
async def test_hostile_files_are_refused_in_words(
    imaging: Imaging, data: bytes, kind: type[GatewayError], text: str
) -> None:
    """By the worker, for nothing that was said before about a file is believed; and it lives on."""
    with pytest.raises(kind) as refused:
        await make(imaging, blob(data), flatten=True)
    assert refused.value.text == text
    assert refused.value.param == "image"
    await make(imaging, blob(), flatten=True)
    assert len(imaging.pids) == 1


@pytest.mark.parametrize("form", ["GIF", "TIFF"])
async def test_of_many_frames_the_first_is_decoded(form: str) -> None:
    """In the least memory that a worker may have, which all of them would not fit into."""
    frames = [Image.new("L", (1000, 1000), grey) for grey in range(1, 81)]
    data = saved(Image.new("L", (1000, 1000), 200), form, save_all=True, append_images=frames, **FAST.get(form, {}))
    async with Imaging(ImagingSettings(memory=256 * MIB)) as imaging:
        made = await make(imaging, blob(data), form=OutputFormat.PNG)
        assert (made.size, made.convert("L").getpixel((9, 9))) == ((1000, 1000), 200)


@pytest.mark.parametrize(("form", "side"), [("TIFF", 8000), ("BMP", 8000), ("AVIF", 6000)])
async def test_a_decoder_that_wants_too_much_costs_one_request(form: str, side: int) -> None:
    """So many pixels are within the limit of pixels here, and not within that of memory."""
    data = saved(Image.new("RGB", (side, side)), form, **FAST.get(form, {}))
    async with Imaging(ImagingSettings(memory=256 * MIB)) as imaging:
        with pytest.raises(InvalidImage):
            await make(imaging, blob(data), form=OutputFormat.PNG)
        assert (await make(imaging, blob(), flatten=True)).size == (64, 48)


async def test_a_picture_known_to_be_too_large_starts_no_worker(imaging: Imaging) -> None:
    """Its header has been read while it came in."""
    with pytest.raises(ImageTooLarge, match=r"The mask has 20000 × 5001 pixels; 100000000 are allowed\."):
        await make(imaging, blob(pixels=Pixels(20_000, 5001)), mask=True)
    assert imaging.pids == []


@pytest.mark.parametrize(("source", "clause"), [(blob(), "it has no alpha channel"), (None, "it is opaque everywhere")])
async def test_a_useless_mask_is_refused_with_advice(imaging: Imaging, source: Any, clause: str) -> None:
    """What is wrong, and what to do."""
    if source is None:
        data = io.BytesIO()
        Image.new("RGBA", (3, 3), (1, 2, 3, 255)).save(data, "PNG")
        source = blob(data.getvalue())
    with pytest.raises(InvalidMask) as refused:
        await make(imaging, source, mask=True)
    assert refused.value.param == "mask"
    assert refused.value.text == (
        f"The mask is not usable: {clause}. Make the area to be edited transparent, all else opaque, and send it as a "
        "PNG with transparency."
    )


async def test_a_worker_killed_in_the_middle_costs_its_own_job_only(imaging: Imaging) -> None:
    """Another job goes on beside it, and the next has a new worker."""
    struck, other = Halting(picture()), Halting(picture(32, 16))
    doomed = asyncio.create_task(make(imaging, struck, flatten=True))
    await struck.begun.wait()
    victim = imaging.pids[0]
    beside = asyncio.create_task(make(imaging, other, flatten=True))
    await other.begun.wait()
    os.kill(victim, signal.SIGKILL)
    struck.let.set()
    with pytest.raises(InvalidImage, match=LIMITS) as lost:
        await doomed
    assert lost.value.detail == "it was ended by signal 9"
    other.let.set()
    assert (await beside).size == (32, 16)
    assert (await make(imaging, blob(), flatten=True)).size == (64, 48)
    assert victim not in imaging.pids


async def test_a_worker_that_dies_idle_is_replaced(imaging: Imaging) -> None:
    """Nobody's picture is to blame."""
    await make(imaging, blob(), flatten=True)
    (first,) = imaging.pids
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(300):
        while imaging._idle[0].alive:
            await asyncio.sleep(0)
    assert (await make(imaging, blob(), flatten=True)).size == (64, 48)
    assert first not in imaging.pids


async def test_a_worker_that_hangs_is_killed_and_replaced() -> None:
    """After `within`; a stopped process cannot end itself."""
    async with Imaging(ImagingSettings(within=0.3)) as imaging:
        source = Halting(picture())
        hanging = asyncio.create_task(make(imaging, source, flatten=True))
        await source.begun.wait()
        (first,) = imaging.pids
        os.kill(first, signal.SIGSTOP)
        source.let.set()
        with pytest.raises(InvalidImage, match=LIMITS) as late:
            await hanging
        assert late.value.detail == "it took longer than 0.3 s"
        assert not alive(first)
        assert imaging.pids == []
    async with Imaging(ImagingSettings(within=20)) as imaging:
        await make(imaging, blob(), flatten=True)


async def test_a_picture_that_needs_too_much_memory_is_refused() -> None:
    """81 megapixels of grey fit into 90 kB; as RGB they take 243 MB."""
    data = png_file((9000, 9000), 8, GREY, bytes(9001 * 9000))
    assert len(data) < 90_000
    async with Imaging(ImagingSettings(memory=256 * MIB)) as imaging:
        with pytest.raises(InvalidImage, match=LIMITS) as refused:
            await make(imaging, blob(data), flatten=True)
        assert refused.value.detail == "it ended with 12 (Cannot allocate memory)"
        assert (await make(imaging, blob(), flatten=True)).size == (64, 48)
    async with Imaging(ImagingSettings()) as imaging:
        assert (await make(imaging, blob(data), pixels=Pixels(9, 9))).size == (9, 9)


@pytest.mark.parametrize("how", ["sink", "source"])
async def test_what_fails_at_home_is_told_as_it_is(imaging: Imaging, how: str) -> None:
    """The worker is replaced, for it is in the middle of a picture."""

    async def full(_piece: bytes) -> None:
        raise OutOfRoom("full")

    class Unreadable(MemoryBlob):
        async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
            yield self.data[:10]
            raise OutOfRoom("full")

    with pytest.raises(OutOfRoom):
        await imaging.make(Rework(blob() if how == "sink" else Unreadable(picture()), flatten=True), full)
    assert imaging.pids == []


async def test_a_timeout_of_the_sink_is_not_the_worker(imaging: Imaging) -> None:
    """It keeps its name."""

    async def slow(_piece: bytes) -> None:
        raise TimeoutError("of somebody else")

    with pytest.raises(TimeoutError, match="of somebody else"):
        await imaging.make(Rework(blob(), flatten=True), slow)


async def test_a_cancelled_job_frees_its_place_and_its_worker_dies() -> None:
    """Nobody reads what it would make."""
    async with Imaging(ImagingSettings(workers=1)) as imaging:
        source = Halting(picture())
        job = asyncio.create_task(make(imaging, source, flatten=True))
        await source.begun.wait()
        (first,) = imaging.pids
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert not alive(first)
        assert (await make(imaging, blob(), flatten=True)).size == (64, 48)


async def test_waiting_is_in_order_and_bounded() -> None:
    """One works, two wait, the fourth is told to come again; one who leaves the line makes room in it."""
    async with Imaging(ImagingSettings(workers=1, queue_limit=2)) as imaging:
        sources = [Halting(picture(seed=number)) for number in range(3)]
        ended: list[int] = []

        async def job(number: int) -> None:
            await make(imaging, sources[number], flatten=True)
            ended.append(number)

        jobs = [asyncio.create_task(job(number)) for number in range(3)]
        await sources[0].begun.wait()
        with pytest.raises(OutOfRoom) as refused:
            await make(imaging, blob(), flatten=True)
        assert refused.value.retry_after_s == 5
        jobs[1].cancel()
        await asyncio.wait([jobs[1]])
        sources[1] = Halting(picture())
        jobs[1] = asyncio.create_task(job(1))
        await asyncio.sleep(0)
        for source in sources:
            source.let.set()
        await asyncio.gather(*jobs)
        assert ended == [0, 2, 1]
        assert len(imaging.pids) == 1


async def test_what_is_paid_is_never_turned_away() -> None:
    """A result waits however long the line is; an upload can come again."""
    async with Imaging(ImagingSettings(workers=1, queue_limit=0)) as imaging:
        first = Halting(picture())
        busy = asyncio.create_task(make(imaging, first, flatten=True))
        await first.begun.wait()
        with pytest.raises(OutOfRoom):
            await make(imaging, blob(), flatten=True)
        paid = asyncio.create_task(make(imaging, blob(), pixels=Pixels(10, 10), crop=True))
        await asyncio.sleep(0)
        first.let.set()
        await busy
        assert (await paid).size == (10, 10)


async def test_leaving_ends_workers_and_whoever_waits() -> None:
    """The one in the middle and the one in the line hear that the gateway is going."""
    async with Imaging(ImagingSettings(workers=1)) as imaging:
        source = Halting(picture())
        jobs = [asyncio.create_task(make(imaging, source, flatten=True)) for _ in range(2)]
        await source.begun.wait()
        (first,) = imaging.pids
        asyncio.get_running_loop().call_later(0.05, source.let.set)
    for job in jobs:
        with pytest.raises(ShuttingDown):
            await job
    assert not alive(first)
    with pytest.raises(ShuttingDown):
        await make(imaging, blob(), flatten=True)


async def test_a_worker_knows_no_secret_and_holds_no_socket(imaging: Imaging, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a decoder that has been taken over could read."""
    monkeypatch.setenv("BFL_API_KEY", "a-secret-key")
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    async with server:
        for socket in server.sockets:
            os.set_inheritable(socket.fileno(), True)
        await make(imaging, blob(), flatten=True)
        (pid,) = imaging.pids
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        names = {entry.split(b"=")[0].decode() for entry in environment.split(b"\0") if entry}
        held = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    assert "PYTHONPATH" in names
    assert names <= {*process.KEPT, "PYTHONPATH", "LC_CTYPE"}
    assert b"a-secret-key" not in environment
    # What stays are its two ends of a pipe or of a socket pair; a listening socket would be one more.
    mine = {os.readlink(f"/proc/self/fd/{number}") for number in ("0", "1", "2")}
    assert sorted(number for number, place in held.items() if place not in mine | {"/dev/null"}) == ["0", "3"]
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[-3:-1] for line in limits.splitlines() if "address space" in line] == [
        [str(1024 * MIB), str(1024 * MIB)]
    ]


async def test_signals_for_the_group_do_not_end_a_worker(imaging: Imaging) -> None:
    """Ctrl-C and a stop of the whole service: the gateway drains, and needs its workers for that."""
    await make(imaging, blob(), flatten=True)
    (first,) = imaging.pids
    assert os.getsid(first) == first
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(first, number)
    assert (await make(imaging, blob(), flatten=True)).size == (64, 48)
    assert imaging.pids == [first]


async def test_a_worker_that_does_not_come_up_is_the_gateways_fault(
    imaging: Imaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No picture is blamed for it, and places are given back."""
    monkeypatch.setattr(process, "_ROOT", Path("/nowhere"))
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for _ in range(3):
        with pytest.raises(InternalError) as failed:
            await make(imaging, blob(), flatten=True)
        assert failed.value.detail is not None
        assert "it ended with 1" in failed.value.detail
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(InternalError):
        await make(imaging, blob(), flatten=True)
    assert imaging.pids == []


@pytest.mark.parametrize("stdin", [b"", b"\0\0", b"\0\0\0\5ab", b"\xff\xff\xff\xff"])
def test_a_worker_ends_with_its_stdin(stdin: bytes) -> None:
    """In the middle of a frame too; that is what happens when the gateway is killed."""
    command = [sys.executable, "-m", "gateway.imaging.worker", str(1024 * MIB), "1000", "1"]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\0\0\0\5ready", b"")


def test_a_worker_without_a_gateway_ends_in_the_middle_of_a_job() -> None:
    """Should a decoder hang when the gateway is killed, nobody else would end it."""
    code = "from gateway.imaging import worker; worker.SLACK_S = 0.05; worker.main(['1073741824', '1000', '0.05'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as child:
        assert child.stdin is not None
        child.stdin.write(Order(False, True, None).pack())
        child.stdin.flush()
        assert child.wait(300) == -signal.SIGALRM


def test_the_gateway_has_no_pillow() -> None:
    """A decoder that is not there cannot be attacked."""
    code = "import sys, gateway.app, gateway.imaging.workers; print([m for m in sys.modules if m.startswith('PIL')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=300, check=True)
    assert done.stdout.strip() == b"[]"
