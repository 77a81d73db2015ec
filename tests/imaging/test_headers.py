"""Hand-made headers: impossible sizes, contradictions, and work that must stay small."""

from __future__ import annotations

import struct
import zlib

import pytest

from gateway.imaging.headers import MAX_JPEG_STEPS, MAX_SHORT_CHUNKS
from gateway.imaging.probe import NotAnImage, Probe, Prober, Truncated

IEND = b"\0\0\0\0IEND\xae\x42\x60\x82"
SCAN = b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\x12\x34" + b"\xff\xd9"


def probe(data: bytes) -> Probe:
    prober = Prober()
    prober.feed(data)
    return prober.finish()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, between: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + between + IEND


def segment(code: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(data) + 2) + data


def frame(width: int, height: int, code: int = 0xC0) -> bytes:
    return segment(code, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + SCAN


def riff(kind: bytes, data: bytes, chunk_size: int | None = None, riff_size: int | None = None) -> bytes:
    body = kind + struct.pack("<I", len(data) if chunk_size is None else chunk_size) + data
    return b"RIFF" + struct.pack("<I", len(body) + 4 if riff_size is None else riff_size) + b"WEBP" + body


def vp8(width: int, height: int, start: bytes = b"\x10\0\0\x9d\x01\x2a") -> bytes:
    return start + struct.pack("<HH", width, height) + bytes(6)


def vp8l(width: int, height: int, version: int = 0, signature: int = 0x2F) -> bytes:
    return struct.pack("<BI", signature, width - 1 | height - 1 << 14 | version << 29) + b"\0"


def vp8x(width: int, height: int) -> bytes:
    return bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(50_000, 50_000), ("image/png", 50_000, 50_000)),
        (png(2**31 - 1, 1), ("image/png", 2**31 - 1, 1)),
        (jpeg(frame(65_535, 65_535)), ("image/jpeg", 65_535, 65_535)),
        (riff(b"VP8 ", vp8(16_383, 16_382)), ("image/webp", 16_383, 16_382)),
        (riff(b"VP8 ", vp8(0x4000 | 7, 0xC000 | 5)), ("image/webp", 7, 5)),  # the top bits ask to be scaled
        (riff(b"VP8L", vp8l(16_384, 16_384)), ("image/webp", 16_384, 16_384)),
        (riff(b"VP8X", vp8x(50_000, 1 << 24)), ("image/webp", 50_000, 1 << 24)),
    ],
)
def test_huge_sizes_are_read_not_decoded(data: bytes, expected: tuple[str, int, int]) -> None:
    """A tiny file may claim any size; the claim is reported, for the caller's pixel limit to judge."""
    assert len(data) < 70
    assert probe(data) == Probe(*expected)


@pytest.mark.parametrize(
    "data",
    [png(0, 0), png(0, 9), png(9, 0), jpeg(frame(0, 9)), jpeg(frame(9, 0)), riff(b"VP8 ", vp8(0, 0))],
)
def test_no_pixels_is_not_a_picture(data: bytes) -> None:
    """A side of nought is refused."""
    with pytest.raises(NotAnImage, match=r"no pixels \(\d × \d\)"):
        probe(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(2**31, 1), "impossible size"),
        (png(1, 2**32 - 1), "impossible size"),
        (png(2, 2).replace(b"\x08\x02", b"\x08\x06", 1), "damaged header chunk"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", b"\x50\0\x20\x02") + png(2, 2)[8:], "IHDR"),
        (jpeg(), "JPEG with a damaged header"),
        (jpeg(frame(2, 2), frame(3, 3)), "JPEG with a damaged header"),
        (jpeg(b"\xff\xd8", frame(2, 2)), "JPEG with a damaged header"),
        (jpeg(b"\xff\xd9", frame(2, 2)), "JPEG with a damaged header"),
        (jpeg(b"\xff\xe0\0\1", frame(2, 2)), "JPEG with a damaged header"),
        (jpeg(segment(0xC0, b"\x08\0\x02\0\x02\1")), "JPEG with a damaged header"),
        (jpeg(frame(2, 2, 0xC3)), "lossless or hierarchical"),
        (jpeg(b"\xff\xe0\0\2" * 5_000_000), "JPEG with a damaged header"),
        (jpeg(b"\xff" * 20_000_000), "JPEG with a damaged header"),
        (jpeg(segment(0xE0, b""), bytes(20_000_000)), "JPEG with a damaged header"),
        (riff(b"VP8 ", vp8(2, 2, b"\x11\0\0\x9d\x01\x2a")), "WebP with a damaged header"),
        (riff(b"VP8 ", vp8(2, 2, b"\x10\0\0\x9d\x01\x2b")), "WebP with a damaged header"),
        (riff(b"VP8L", vp8l(2, 2, version=1)), "WebP with a damaged header"),
        (riff(b"VP8L", vp8l(2, 2, signature=0x2E)), "WebP with a damaged header"),
        (riff(b"ALPH", bytes(20)), "WebP with a damaged header"),
        (riff(b"VP8 ", vp8(2, 2), chunk_size=500), "WebP with a damaged header"),
        (riff(b"VP8X", vp8x(2, 2), chunk_size=9), "WebP with a damaged header"),
        (riff(b"VP8L", vp8l(2, 2), riff_size=0), "WebP with a damaged header"),
    ],
)
def test_contradictions_are_refused_at_once(data: bytes, reason: str) -> None:
    """A header that contradicts itself is refused from its own bytes, without reading all that follows."""
    prober = Prober()
    prober.feed(data[:4096])
    assert prober.result is None
    prober.feed(data[4096:])
    with pytest.raises(NotAnImage, match=reason) as caught:
        prober.finish()
    assert prober.fault is caught.value
    assert not isinstance(caught.value, Truncated)


@pytest.mark.parametrize("code", [0xC0, 0xC1, 0xC2, 0xC9, 0xCA])
def test_every_common_kind_of_frame_is_read(code: int) -> None:
    """Baseline, extended, progressive and arithmetic JPEGs tell their size."""
    assert probe(jpeg(segment(0xFE, b"hello"), frame(640, 480, code))) == Probe("image/jpeg", 640, 480)


@pytest.mark.parametrize(
    "between", [b"\xff" * 200, b"\xff" * 5_000_000, bytes(200), b"\xff\0", b"\xff\1", b"\xff\xd0", b"\x7f\xff"]
)
def test_fill_and_stray_bytes_are_passed_over(between: bytes) -> None:
    """Bytes that every decoder skips between JPEG segments do no harm."""
    data = jpeg(segment(0xE1, b"\xff\xd9 a thumbnail's end"), between, frame(640, 480), between)
    assert probe(data) == Probe("image/jpeg", 640, 480)


def test_segments_are_passed_over_up_to_the_cap() -> None:
    """A JPEG may carry tens of megabytes of metadata before its frame header."""
    metadata = segment(0xE2, bytes(65_533))
    assert probe(jpeg(*[metadata] * 400, frame(640, 480))) == Probe("image/jpeg", 640, 480)
    with pytest.raises(NotAnImage):
        probe(jpeg(*[segment(0xE2, b"")] * MAX_JPEG_STEPS, frame(640, 480)))


@pytest.mark.parametrize("extra", [0, 1, 100_000])
def test_a_webp_is_as_long_as_it_says(extra: int) -> None:
    """Bytes behind the RIFF are let be, one byte missing is not."""
    data = riff(b"VP8L", vp8l(2, 2))
    assert probe(data + bytes(extra)) == Probe("image/webp", 2, 2)
    with pytest.raises(Truncated, match="shorter than its RIFF header says"):
        probe(data[:-1])


def test_fill_bytes_may_stand_before_any_marker() -> None:
    """Also before the end mark, and between scans. T.81 B.1.1.2 names no limit."""
    fill = b"\xff" * 100_000
    data = jpeg(fill + frame(640, 480))
    assert probe(data[:-2] + fill + segment(0xDA, bytes(6)) + b"\x11" + fill + b"\xff\xd9") == probe(data)


@pytest.mark.parametrize(
    "scan", [b"\xff\0\xff\xd0\xff\xd7", b"\xff\1\xff\xbf", b"\xff\xd8", segment(0xC4, b"\xff\xd9")]
)
def test_only_a_marker_of_its_own_ends_a_jpeg(scan: bytes) -> None:
    """Stuffed bytes, restarts, strays and what stands in a segment are none."""
    data = jpeg(frame(640, 480))[:-2] + scan
    with pytest.raises(Truncated):
        probe(data)
    assert probe(data + b"\xff\xd9").width == 640


def test_small_pieces_without_end_are_refused() -> None:
    """A million empty segments or chunks would be work for nothing; those of an animation are few."""
    with pytest.raises(NotAnImage, match="too many small chunks"):
        probe(png(2, 2, chunk(b"teSt", b"") * MAX_SHORT_CHUNKS))
    assert probe(png(2, 2, chunk(b"teSt", b"") * 5000 + chunk(b"IDAT", bytes(300)) * 20_000)).width == 2
    with pytest.raises(NotAnImage, match="too many segments"):
        probe(jpeg(frame(2, 2))[:-2] + segment(0xDA, bytes(6)) * MAX_JPEG_STEPS + b"\xff\xd9")
    many = riff(b"VP8X", b"\x08" + vp8x(2, 2)[1:] + struct.pack("<4sI", b"TEST", 0) * 60_000, chunk_size=10)
    assert probe(many).width == 2


def exif(value: int, kind: int = 3, count: int = 1) -> bytes:
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", count, 0x0112, kind, 1, value, 0, 0)


PREFIX = b"Exif\0\0"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (exif(6), 6),
        (exif(0), 1),
        (exif(9), 1),
        (exif(6, kind=2), 1),
        (exif(6, count=65_535), 6),
        (exif(6)[:-6], 1),
        (exif(6).replace(b"II", b"XX"), 1),
        (b"II*\0\xff\xff\xff\xff" + bytes(20), 1),
        (b"II*\0\0\0\0\0" + bytes(20), 1),
        (b"MM", 1),
        (b"", 1),
    ],
)
def test_an_orientation_is_read_in_every_container(block: bytes, expected: int) -> None:
    """Broken EXIF says nothing and does no harm; what stands behind it is found."""
    webp = riff(b"VP8X", b"\x08" + vp8x(2, 2)[1:], chunk_size=10)
    for with_prefix in (False, True):
        data = PREFIX * with_prefix + block
        body = webp[12:] + struct.pack("<4sI", b"ALPH", 3) + b"abc\0" + struct.pack("<4sI", b"EXIF", len(data)) + data
        assert probe(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body).orientation == expected
        assert probe(png(2, 2, chunk(b"eXIf", data) + chunk(b"teSt", b"x"))).orientation == expected
    found = probe(jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0..."), segment(0xE1, PREFIX + block), frame(2, 2)))
    assert found.orientation == expected


def test_of_several_orientations_the_first_counts() -> None:
    """In a JPEG, as browsers take it."""
    data = jpeg(segment(0xE1, PREFIX + exif(6)), frame(2, 2), segment(0xE1, PREFIX + exif(3)))
    assert probe(data).orientation == 6
