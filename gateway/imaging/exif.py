"""The one thing of a picture's EXIF that counts here: how it has to be turned to stand upright."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

UPRIGHT = 1
_TAG, _SHORT = 0x0112, 3
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_PREFIX = b"Exif\0\0"


def orientation(length: int, *, prefixed: bool) -> Generator[int, bytes, int | None]:
    """
    Walk through a block of `length` bytes; yields as `headers` does, up to the block's end.

    `prefixed`: without `Exif` before it, as in a JPEG, the block is something else.

    Returns: 1 to 8, None when there is none. https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf 4.6.4
    """
    if length < len(_PREFIX) + 8:
        yield -length
        return None
    head = yield len(_PREFIX)
    if head == _PREFIX:
        length -= len(_PREFIX)
        head = yield 8
    elif prefixed:
        yield len(_PREFIX) - length
        return None
    else:
        head += yield 8 - len(head)
    order, left, found = _ORDERS.get(head[:4]), length - 8, None
    if order and 8 <= (at := int.from_bytes(head[4:], order)) <= length - 2:
        yield 8 - at
        count, left = int.from_bytes((yield 2), order), length - at - 2
        for _ in range(min(count, left // 12)):
            entry = yield 12
            left -= 12
            tag, kind, value = (int.from_bytes(entry[at : at + 2], order) for at in (0, 2, 8))
            if tag == _TAG:
                found = value if kind == _SHORT and 1 <= value <= 8 else None
                break
    yield -left
    return found
