"""
The three formats, each walked from its first byte to its end mark by a generator that never sees a pixel.

A walk yields a positive number to be sent that many bytes, a negative one to have so many passed over unseen,
`MARKER` to be sent the code of the next JPEG marker, whatever lies before it; a (width, height) pair and an
`Orientation` once they are known. It returns where the picture ends and raises `NotAnImage` on contradictions.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from gateway.imaging.exif import orientation

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Orientation:
    """1 to 8, as EXIF counts them."""

    value: int


class Marker:
    """The wish for the next marker."""


MARKER: Final = Marker()
Step = int | Size | Orientation | Marker
Walk = Generator[Step, bytes, None]

# 20 MB of full segments are 320; the caps bound the work that a million empty ones would cause. Behind a picture's
# first scan come few, and of a PNG's chunks many, none of them short but an animation's.
MAX_JPEG_STEPS = 1000
MAX_SHORT_CHUNKS = 40_000
_SHORT_BYTES = 256

# Baseline, extended and progressive frames with either entropy coder; then the lossless and hierarchical
# ones, which common decoders refuse. https://www.w3.org/Graphics/JPEG/itu-t81.pdf table B.1
_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
_RARE_FRAMES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF))
_START, _END, _SCAN, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1

_DAMAGED_JPEG = "the file is a JPEG with a damaged header"
_DAMAGED_WEBP = "the file is a WebP with a damaged header"
NO_IEND = "the file ends before its last chunk (IEND)"
NO_EOI = "the file ends before its end mark (EOI)"
NO_RIFF = "the file is shorter than its RIFF header says"


class NotAnImage(Exception):
    """The file cannot be used as a picture; the text is a clause fit to be shown to the client."""


class Unrecognized(NotAnImage):
    """The file is empty, a page of text, or of a format that nobody here knows by name."""


class Truncated(NotAnImage):
    """The file begins as a picture and ends too early; the text says before what."""


def png() -> Walk:
    """https://www.w3.org/TR/png-3/#5DataRep; ends behind IEND."""
    head = yield 33
    if head[8:16] != b"\0\0\0\rIHDR":
        raise NotAnImage("the file is a PNG that does not begin with its header chunk (IHDR)")
    if crc32(head[12:29]) != int.from_bytes(head[29:33], "big"):
        raise NotAnImage("the file is a PNG with a damaged header chunk (IHDR)")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if max(width, height) >= 1 << 31:
        raise NotAnImage(f"the file is a PNG of impossible size ({width} × {height} pixels)")
    yield width, height
    short = 0
    while short < MAX_SHORT_CHUNKS:
        head = yield 8
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if length >= 1 << 31 or not kind.isalpha():
            raise Truncated(NO_IEND)  # what follows is no PNG any more
        short += length < _SHORT_BYTES
        if kind == b"eXIf":
            if turn := (yield from orientation(length, prefixed=False)):
                yield Orientation(turn)
            length = 0
        yield -(length + 4)
        if kind == b"IEND":
            return
    raise NotAnImage("the file is a PNG of too many small chunks")


def jpeg() -> Walk:
    """https://www.w3.org/Graphics/JPEG/itu-t81.pdf annex B; ends behind EOI."""
    yield -2
    yield from _jpeg_header()
    for _ in range(MAX_JPEG_STEPS):
        code = (yield MARKER)[0]
        if code == _END:
            return
        if code != _START:
            yield 2 - max(2, int.from_bytes((yield 2), "big"))
    raise NotAnImage("the file is a JPEG of too many segments")


def _jpeg_header() -> Walk:
    """Up to the first scan's data."""
    sized = turned = False
    for _ in range(MAX_JPEG_STEPS):
        code = (yield MARKER)[0]
        if code in (_START, _END):
            raise NotAnImage(_DAMAGED_JPEG)
        length = int.from_bytes((yield 2), "big") - 2
        if length < 0 or (code in _FRAMES and (sized or length < 9)) or (code == _SCAN and not sized):
            raise NotAnImage(_DAMAGED_JPEG)
        if code in _RARE_FRAMES:
            raise NotAnImage("the file is a lossless or hierarchical JPEG, which is not supported")
        if code in _FRAMES:
            frame = yield 5
            yield int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
            sized, length = True, length - 5
        elif code == _APP1 and not turned:
            if turn := (yield from orientation(length, prefixed=True)):
                yield Orientation(turn)
                turned = True
            length = 0
        yield -length
        if code == _SCAN:
            return
    raise NotAnImage(_DAMAGED_JPEG)


def webp() -> Walk:
    """https://developers.google.com/speed/webp/docs/riff_container; ends where the RIFF header says."""
    head = yield 20
    riff, kind, chunk = int.from_bytes(head[4:8], "little"), head[12:16], int.from_bytes(head[16:20], "little")
    needed = 5 if kind == b"VP8L" else 10
    if kind not in (b"VP8 ", b"VP8L", b"VP8X") or not needed <= chunk <= riff - 12:
        raise NotAnImage(_DAMAGED_WEBP)
    data = yield needed
    left = 8 + riff - 20 - needed
    if kind == b"VP8X":
        yield 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
        if data[0] & 0x08:  # there is EXIF
            rest = chunk + chunk % 2 - needed
            yield -min(rest, left)
            left = yield from _webp_exif(max(0, left - rest))
    elif kind == b"VP8L":
        # https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification#3_riff_header
        bits = int.from_bytes(data[1:5], "little")
        if data[0] != 0x2F or bits >> 29:
            raise NotAnImage(_DAMAGED_WEBP)
        yield 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        # https://www.rfc-editor.org/rfc/rfc6386#section-9.1: a key frame, its start code, 14 bits a side
        if data[0] & 1 or data[3:6] != b"\x9d\x01\x2a":
            raise NotAnImage(_DAMAGED_WEBP)
        yield int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    yield -left


def _webp_exif(left: int) -> Generator[Step, bytes, int]:
    """The chunks up to the one with EXIF, of `left` bytes at most; returns how many bytes are left behind it."""
    for _ in range(MAX_SHORT_CHUNKS):
        if left < 8:
            break
        head = yield 8
        left -= 8
        length = min(int.from_bytes(head[4:], "little"), left)
        left -= length
        if head[:4] == b"EXIF":
            if turn := (yield from orientation(length, prefixed=False)):
                yield Orientation(turn)
            break
        pad = min(length % 2, left)
        left -= pad
        yield -(length + pad)
    return left
