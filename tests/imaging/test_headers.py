"""Hand-made headers: impossible sizes, contradictions, and work that must stay small."""

from __future__ import annotations

import struct
import zlib

import pytest

from gateway.imaging.headers import MAX_JPEG_STEPS
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


@pytest.mark.parametrize("between", [b"\xff" * 200, bytes(200), b"\xff\0", b"\xff\1", b"\xff\xd0", b"\x7f\xff"])
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
