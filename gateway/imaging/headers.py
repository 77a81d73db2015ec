"""
The headers of the three formats, each walked by a generator that never sees a pixel.

A walk yields a positive number to be sent that many bytes, a negative one to have so many passed over
unseen, and a (width, height) pair once it is known. It returns where the picture data begin (PNG, JPEG)
or end (WebP) and raises `NotAnImage` on contradictions.
"""

from __future__ import annotations

from collections.abc import Generator
from zlib import crc32

Size = tuple[int, int]
Walk = Generator[int | Size, bytes, None]

# 20 MB of full segments are 320; the cap bounds the work that a million empty ones would cause.
MAX_JPEG_STEPS = 1000

# Baseline, extended and progressive frames with either entropy coder; then the lossless and hierarchical
# ones, which common decoders refuse. https://www.w3.org/Graphics/JPEG/itu-t81.pdf table B.1
_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
_RARE_FRAMES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF))
_BARE = frozenset((0x00, 0x01, *range(0xD0, 0xD8)))  # without a length
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA

_DAMAGED_JPEG = "the file is a JPEG with a damaged header"
_DAMAGED_WEBP = "the file is a WebP with a damaged header"


class NotAnImage(Exception):
    """The file cannot be used as a picture; the text is a clause fit to be shown to the client."""


def png() -> Walk:
    """https://www.w3.org/TR/png-3/#11IHDR"""
    head = yield 33
    if head[8:16] != b"\0\0\0\rIHDR":
        raise NotAnImage("the file is a PNG that does not begin with its header chunk (IHDR)")
    if crc32(head[12:29]) != int.from_bytes(head[29:33], "big"):
        raise NotAnImage("the file is a PNG with a damaged header chunk (IHDR)")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if max(width, height) >= 1 << 31:
        raise NotAnImage(f"the file is a PNG of impossible size ({width} × {height} pixels)")
    yield width, height


def jpeg() -> Walk:
    """https://www.w3.org/Graphics/JPEG/itu-t81.pdf annex B; ends behind the first scan's header."""
    yield -2
    sized, carry = False, b""
    for _ in range(MAX_JPEG_STEPS):
        marker = carry + (yield 2 - len(carry))
        code = marker[1]
        carry = b"\xff" if code == 0xFF else b""
        if marker[0] != 0xFF or code == 0xFF or code in _BARE:  # decoders pass over fill and stray bytes
            continue
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
    if kind == b"VP8X":
        yield 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
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
    yield -(8 + riff - 20 - needed)
