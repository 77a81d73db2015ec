"""What stands in a PNG beside its picture never costs the picture, and what says its colours goes along."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image

from gateway.imaging.canvas import rework
from gateway.imaging.frames import Order
from gateway.imaging.png_chunks import MOST_PROFILE_BYTES, read_chunks
from gateway.imaging.probe import Prober
from tests.fakes import icc
from tests.fakes.png_file import RGBA, chunk, png_file, scanlines
from tests.fakes.viewer import ACROSS, DOWN, SIDE, spread

SIZE = ACROSS * SIDE, DOWN * SIDE
COLOURS = [0x30101000 * (n % 5) + 0x040F0800 * n + (0 if n % 3 == 0 else 255) for n in range(ACROSS * DOWN)]
LINES = scanlines(SIZE, 32, spread(COLOURS))
LONG = zlib.compress(b"a" * 3_000_000)
PROFILE = icc.rotated(1.8)


def wrong(data: bytes) -> bytes:
    """The chunk with another checksum."""
    return data[:-1] + bytes([data[-1] ^ 1])


def iccp(profile: bytes, name: bytes = b"x", method: bytes = b"\0") -> bytes:
    return chunk(b"iCCP", name + b"\0" + method + zlib.compress(profile))


BESIDE = {
    "a long compressed text": chunk(b"zTXt", b"Raw profile type xmp\0\0" + LONG),
    "a long compressed international text": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
    "texts of forty megabytes": chunk(b"tEXt", b"workflow\0" + bytes(10_000_000)) * 4,
    "a text of a method that there is not": chunk(b"zTXt", b"x\0\7" + LONG),
    "a text that is not compressed as it says": chunk(b"zTXt", b"x\0\0no"),
    "a text with a wrong checksum": wrong(chunk(b"tEXt", b"a\0b")),
    "a profile of a method that there is not": iccp(PROFILE, method=b"\5"),
    "a profile without a name": iccp(PROFILE, name=b""),
    "a profile that is cut off": chunk(b"iCCP", b"x\0\0" + zlib.compress(PROFILE)[:40]),
    "a profile that is not compressed": chunk(b"iCCP", b"x\0\0" + PROFILE),
    "a profile with a wrong checksum": wrong(iccp(PROFILE)),
    "a profile without an end": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(MOST_PROFILE_BYTES + 1))),
    "a short gAMA": chunk(b"gAMA", b"\0"),
    "a short cHRM": chunk(b"cHRM", bytes(8)),
    "a short sRGB": chunk(b"sRGB", b""),
    "a short pHYs": chunk(b"pHYs", b"\0"),
    "a short acTL": chunk(b"acTL", b"\0"),
    "a short tIME": chunk(b"tIME", b""),
    "an empty eXIf": chunk(b"eXIf", b""),
}


def with_chunks(*before: bytes, behind: bytes = b"") -> bytes:
    data = png_file(SIZE, 8, RGBA, LINES, *before)
    return data[:-12] + behind + data[-12:]


def made(data: bytes, order: Order) -> bytes:
    prober = Prober()
    prober.feed(data)
    return bytes(rework(io.BytesIO(data), prober.finish(), order, 1_000_000))


PLAIN = with_chunks()
ORDERS = {
    "flattened": Order(mask=False, flatten=True, pixels=None),
    "scaled": Order(mask=False, flatten=False, pixels=(SIZE[0] // 2, SIZE[1] // 2)),
    "a mask": Order(mask=True, flatten=False, pixels=None),
    "cropped": Order(mask=False, flatten=False, pixels=(20, 20), crop=True),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("name", BESIDE)
def test_a_picture_is_what_it_is_without_what_stands_beside_it(name: str, order: Order) -> None:
    """As libpng has it, which leaves out what it cannot read."""
    wanted = made(PLAIN, order)
    assert made(with_chunks(BESIDE[name]), order) == wanted
    assert made(with_chunks(behind=BESIDE[name]), order) == wanted


@pytest.mark.parametrize("size", [0, 1_500_000, 5_000_000])
def test_a_profile_of_any_size_goes_along(size: int) -> None:
    """A scanner's has a table of megabytes."""
    profile = bytearray(PROFILE + bytes(size))
    profile[:4] = len(profile).to_bytes(4, "big")
    out = made(with_chunks(iccp(bytes(profile))), ORDERS["flattened"])
    assert read_chunks(memoryview(out)).profile == bytes(profile)


def test_cicp_stands_over_a_profile() -> None:
    """Both go along, and nothing that a profile stands over."""
    told = chunk(b"cICP", b"\x09\x10\0\1")
    out = made(with_chunks(told, chunk(b"gAMA", bytes((0, 0, 177, 143))), iccp(PROFILE)), ORDERS["flattened"])
    found = read_chunks(memoryview(out))
    assert (found.profile, found.colours) == (PROFILE, {b"cICP": b"\x09\x10\0\1"})


def test_transparency_stays_and_is_read_where_it_counts() -> None:
    """Of ancillary chunks it is the one that pixels need."""
    out = io.BytesIO()
    Image.new("P", SIZE).save(out, "PNG", transparency=0)
    found = read_chunks(memoryview(out.getvalue()))
    assert found.bare == out.getvalue()
    assert set(Image.open(io.BytesIO(made(out.getvalue(), ORDERS["a mask"]))).tobytes()) == {255}
