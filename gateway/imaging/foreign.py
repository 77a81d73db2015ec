"""
The formats that are taken where a route says what they become: walked, as in `headers`, as far as to their size.

Whether they are whole is for their decoder to say; nobody else gets them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal

from gateway.imaging.headers import NotAnImage, Orientation, Size, Walk

# A telephone's picture of two hundred tiles needs twenty thousand; the cap is on what is held.
MAX_META_BYTES = 256 * 1024
MAX_BOXES = 64

_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_ORIENTATION, _BIG = 256, 257, 274, 43
# Of a SHORT and a LONG, which stand at the beginning of their field.
_LENGTHS = {3: 2, 4: 4}
# As many as a TIFF can have; a BigTIFF could claim any number.
MAX_ENTRIES = 65_535
# EXIF's number for a turn by so many quarters, anticlockwise; and mirrored then, top to bottom or left to right.
_QUARTERS = (1, 8, 3, 6)
_MIRRORED = ((4, 5, 2, 7), (2, 7, 4, 5))


def gif() -> Walk:
    """https://www.w3.org/Graphics/GIF/spec-gif89a.txt 18"""
    head = yield 10
    yield int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")


def bmp() -> Walk:
    """https://learn.microsoft.com/windows/win32/gdi/bitmap-storage"""
    head = yield 26
    if int.from_bytes(head[14:18], "little") == 12:
        yield int.from_bytes(head[18:20], "little"), int.from_bytes(head[20:22], "little")
    else:
        width, height = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (18, 22))
        yield max(0, width), abs(height)  # a negative height has its rows the other way round


def tiff() -> Walk:
    """
    https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf section 2: the first picture's directory. That of a
    BigTIFF has longer fields: https://www.awaresystems.be/imaging/tiff/bigtiff.html
    """
    head = yield 8
    order = _ORDERS[head[:2]]
    big = int.from_bytes(head[2:4], order) == _BIG
    start = yield 8 if big else 0
    at, wide = int.from_bytes(start if big else head[4:], order), 8 if big else 2
    if at < (passed := 8 + len(start)):
        raise _damaged("TIFF")
    yield passed - at
    found: dict[int, int] = {}
    if (count := int.from_bytes((yield wide), order)) > MAX_ENTRIES:
        raise _damaged("TIFF")
    for _ in range(count):
        entry = yield 20 if big else 12
        tag, kind = int.from_bytes(entry[:2], order), int.from_bytes(entry[2:4], order)
        value = entry[12 if big else 8 :]
        found.setdefault(tag, int.from_bytes(value[: _LENGTHS.get(kind, len(value))], order))
    if 1 <= (turn := found.get(_TIFF_ORIENTATION, 1)) <= 8:
        yield Orientation(turn)
    yield found.get(_TIFF_WIDTH, 0), found.get(_TIFF_HEIGHT, 0)


def heif() -> Walk:
    """
    HEIC and AVIF. ISO/IEC 14496-12 4.2 and 23008-12 6.5; https://aomediacodec.github.io/av1-avif/

    The orientation is that of the file's own boxes, which viewers go by; its EXIF has none to say.
    """
    for _ in range(MAX_BOXES):
        head = yield 8
        length, kind, own = int.from_bytes(head[:4], "big"), head[4:], 8
        if length == 1:
            length, own = int.from_bytes((yield 8), "big"), 16
        if length < own:
            break
        if kind != b"meta":
            yield own - length
        elif length - own <= MAX_META_BYTES:
            meta = yield length - own
            turn, size = _primary(meta)
            yield Orientation(turn)
            yield size
            return
        else:
            break
    raise _damaged("HEIC or AVIF")


def _primary(meta: bytes) -> tuple[int, Size]:
    """Orientation and stored size of the picture that is to be shown. Raises: NotAnImage."""
    boxes = dict(_boxes(meta[4:]))
    try:
        version = boxes[b"pitm"][0]
        item = int.from_bytes(boxes[b"pitm"][4 : 8 if version else 6], "big")
        properties = dict(_boxes(boxes[b"iprp"]))
        known = list(_boxes(properties[b"ipco"]))
        size, turn, mirror, mirrored_first = (0, 0), 0, -1, False
        for index in _associated(properties[b"ipma"], item):
            kind, body = known[index - 1]
            if kind == b"ispe":
                size = int.from_bytes(body[4:8], "big"), int.from_bytes(body[8:12], "big")
            elif kind == b"clap":
                parts = struct.unpack(">4I", body[:16])  # what is shown of it: two fractions
                size = round(parts[0] / parts[1]), round(parts[2] / parts[3])
            elif kind == b"irot":
                turn, mirrored_first = body[0] & 3, mirror >= 0
            elif kind == b"imir":
                mirror = body[0] & 1
    except (LookupError, ZeroDivisionError, struct.error):
        raise _damaged("HEIC or AVIF") from None
    if mirror < 0:
        return _QUARTERS[turn], size
    return _MIRRORED[mirror][-turn % 4 if mirrored_first else turn], size


def _associated(ipma: bytes, item: int) -> list[int]:
    """The numbers of an item's properties, from 1 on."""
    wide, long = ipma[3] & 1, ipma[0] > 0
    at, step = 8, 2 if wide else 1
    for _ in range(int.from_bytes(ipma[4:8], "big")):
        head = 4 if long else 2
        found, count = int.from_bytes(ipma[at : at + head], "big"), ipma[at + head]
        at += head + 1
        if found == item:
            entries = [ipma[at + n * step : at + (n + 1) * step] for n in range(count)]
            # The first bit says that a reader has to understand the property.
            return [int.from_bytes(entry, "big") & (0x7FFF if wide else 0x7F) for entry in entries]
        at += count * step
    return []


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def _damaged(name: str) -> NotAnImage:
    return NotAnImage(f"the file is a {name} with a damaged header")
