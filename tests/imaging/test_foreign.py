"""The formats that are converted: their sizes and turns by their headers, and the work that they may cause."""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
from typing import Any

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from gateway.imaging import formats
from gateway.imaging.formats import foreign
from gateway.imaging.headers import Truncated
from gateway.imaging.probe import NotAnImage, Probe, Prober

pillow_heif.register_heif_opener()

CONTAINERS = {"HEIF": "heic", "AVIF": "avif", "TIFF": "tiff", "BMP": "bmp", "GIF": "gif"}


def probe(data: bytes, cuts: list[int] | None = None) -> Probe:
    prober, start = Prober(convertible=True), 0
    for cut in sorted(cut % (len(data) + 1) for cut in cuts or []):
        prober.feed(data[start:cut])
        start = cut
    prober.feed(data[start:])
    return prober.finish()


def saved(container: str, orientation: int = 1, size: tuple[int, int] = (70, 40), **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    if container not in ("BMP", "GIF"):
        options["exif"] = exif
    Image.effect_noise(size, 90).convert("RGB").save(out, container, **options)
    return out.getvalue()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_that_is_seen(container: str, orientation: int) -> None:
    """By whichever boxes, tags or headers say it."""
    found = probe(data := saved(container, orientation))
    assert found.media_type == f"image/{CONTAINERS[container]}"
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        shown = ImageOps.exif_transpose(image)
    assert (found.pixels.width, found.pixels.height) == shown.size
    if container in ("AVIF", "TIFF"):  # others are turned when they are written
        assert found.orientation == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["H", "I", "Q"])
def test_bigtiff(orientation: int, kind: str) -> None:
    """Sizes in whatever length; the directory lies anywhere behind the header."""
    codes = {"H": 3, "I": 4, "Q": 16}
    tags = [(256, kind, 70), (257, kind, 40), (274, "H", orientation)]
    entries = b"".join(
        struct.pack("<HHQ", tag, codes[each], 1) + struct.pack("<" + each, value).ljust(8, b"\0")
        for tag, each, value in tags
    )
    head = b"II" + struct.pack("<HHHQ", 43, 8, 0, 36)
    found = probe(head + bytes(20) + struct.pack("<Q", len(tags)) + entries)
    assert (found.media_type, found.width, found.height, found.orientation) == ("image/tiff", 70, 40, orientation)


def test_a_bigtiff_that_claims_too_much() -> None:
    """A directory without end is not followed, nor one within the header."""
    for at, count in ((16, 1 << 40), (8, 3)):
        data = b"II" + struct.pack("<HHHQQ", 43, 8, 0, at, count) + bytes(4000)
        with pytest.raises(NotAnImage, match="damaged header"):
            probe(data)


EVERY = {
    **{container: saved(container) for container in CONTAINERS},
    "TIFF by libtiff": saved("TIFF", compression="tiff_lzw"),
    "BigTIFF": saved("TIFF", big_tiff=True),
    "BigTIFF by libtiff": saved("TIFF", big_tiff=True, compression="tiff_lzw"),
    "HEIC of several": saved("HEIF", save_all=True, append_images=[Image.new("RGB", (200, 100))]),
    "GIF of one pixel": saved("GIF", size=(1, 1)),
    "BMP of OS/2": b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 70, 40, 1, 24) + bytes(70 * 40 * 3),
    "BMP upside down": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 70, -40, 1, 24) + bytes(9000),
}


@settings(max_examples=200)
@given(st.sampled_from(sorted(EVERY)), st.lists(st.integers(0, 20_000), max_size=8))
def test_chunks_of_any_size(name: str, cuts: list[int]) -> None:
    """Wherever the network cuts the stream, the answer is that of the whole."""
    size = (1, 1) if "one pixel" in name else (70, 40)
    found = probe(EVERY[name], cuts)
    assert (found.width, found.height) == size


@settings(max_examples=500)
@given(st.sampled_from(sorted(EVERY)), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=4))
def test_damage_raises_only_what_is_declared(name: str, damage: list[tuple[int, int]]) -> None:
    """No bytes whatever make the prober fail in another way than it says."""
    data = bytearray(EVERY[name])
    for at, value in damage:
        data[at % len(data)] = value
    with contextlib.suppress(NotAnImage):
        assert min(probe(bytes(data)).pixels.count, 1) == 1


@pytest.mark.parametrize("name", EVERY)
def test_too_short_to_tell(name: str) -> None:
    """Cut within its header, or before it."""
    with pytest.raises(NotAnImage):
        probe(EVERY[name][:9])
    with pytest.raises(Truncated):
        probe(EVERY[name][:17] if name.startswith(("HEI", "AVIF")) else EVERY[name][:9] + b"")


@pytest.mark.parametrize("name", EVERY)
def test_without_leave_they_are_strangers(name: str) -> None:
    """Called by their names, as ever."""
    prober = Prober()
    prober.feed(EVERY[name])
    with pytest.raises(NotAnImage, match=f"the file is {foreign(EVERY[name])}, not PNG, JPEG or WebP"):
        prober.finish()


def test_without_its_decoder_heic_is_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which comes with an extra of this package."""
    monkeypatch.setattr(formats, "CAN_HEIC", False)
    with pytest.raises(NotAnImage, match="the file is HEIC, not PNG, JPEG or WebP"):
        probe(EVERY["HEIF"])
    assert probe(EVERY["AVIF"]).width == 70


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def turned_heic(*properties: bytes, large: bool = False, long: bool = False) -> bytes:
    """A file whose first picture has these properties; of the second, which is not to be shown, nobody is to hear."""
    known = [*properties, box(b"ispe", struct.pack(">III", 0, 9, 9))]
    numbers = [bytes((0x80 | n,)) if not large else struct.pack(">H", 0x8000 | n) for n in range(1, len(known))]
    wide = ">I" if long else ">H"
    other = struct.pack(wide, 7) + b"\1" + (b"\0" if large else b"") + bytes((len(known),))
    shown = struct.pack(wide, 1) + bytes((len(numbers),)) + b"".join(numbers)
    ipma = struct.pack(">BBBBI", long, 0, 0, large, 2) + other + shown
    iprp = box(b"ipco", b"".join(known)) + box(b"ipma", ipma)
    pitm = struct.pack(">I", 0x01000000 if long else 0) + struct.pack(wide, 1)
    meta = bytes(4) + box(b"hdlr", bytes(20)) + box(b"pitm", pitm) + box(b"iprp", iprp)
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    free = struct.pack(">I4sQ", 1, b"free", 16 + 70_000) + bytes(70_000) if large else b""
    return head + free + box(b"meta", meta)


@pytest.mark.parametrize(("quarters", "mirror"), tuple(itertools.product(range(4), (None, 0, 1))))
@pytest.mark.parametrize("mirror_first", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_turns_and_mirrors_in_their_order(quarters: int, mirror: int | None, mirror_first: bool, large: bool) -> None:
    """Quarters anticlockwise, and top to bottom (0) or left to right (1), one after the other."""
    stored = Image.frombytes("L", (3, 2), bytes(range(6)))
    quarter, flips = Image.Transpose.ROTATE_90, (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.FLIP_LEFT_RIGHT)
    steps = [(box(b"irot", bytes((quarters,))), [quarter] * quarters)]
    if mirror is not None:
        steps.append((box(b"imir", bytes((mirror,))), [flips[mirror]]))
    if mirror_first:
        steps.reverse()
    seen = stored
    for turn in (turn for _, turns in steps for turn in turns):
        seen = seen.transpose(turn)
    size = box(b"ispe", struct.pack(">III", 0, 3, 2))
    found = probe(turned_heic(size, *(made for made, _ in steps), large=large, long=large))
    assert (found.width, found.height) == (3, 2)
    exif = Image.Exif()
    exif[0x0112] = found.orientation
    stored.info["exif"] = exif.tobytes()
    assert ImageOps.exif_transpose(stored).tobytes() == seen.tobytes()


def test_of_a_heic_only_its_directory_is_held() -> None:
    """And none that is larger than any real one."""
    with pytest.raises(NotAnImage, match="the file is a HEIC or AVIF with a damaged header"):
        probe(box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(300_000)))
    with pytest.raises(NotAnImage, match="the file is a HEIC or AVIF with a damaged header"):
        probe(box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"free", b"") * 100)
