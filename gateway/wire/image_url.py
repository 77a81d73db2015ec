"""
The text of an `image_url` while it arrives: an address, or a data URL whose bytes are handed on as they come.

https://fetch.spec.whatwg.org/#data-urls; base64 as forgiving as there: white space and missing padding do not matter.
"""

from __future__ import annotations

import re

from gateway.wire.base64_text import BadBase64, Base64Text

__all__ = ["BadBase64", "BadUrl", "ImageUrl"]

# Signed addresses of object stores have up to two thousand characters.
ADDRESS_LONGEST = 8192
# `data:image/png;name=a.png;base64`: what stands before the comma.
HEAD_LONGEST = 256

BROKEN = "the data URL has characters that are not base64, or ends too early"

_DATA = "data:"
_HEAD = re.compile(r"data:[^,]*;[ ]*base64", re.IGNORECASE)


class BadUrl(ValueError):
    """Neither an address nor a data URL in base64; the text says why."""


class ImageUrl:
    """Fed with the text in pieces. `address` is the whole text when it turned out to be no data URL."""

    def __init__(self) -> None:
        self._head: str | None = ""
        self._data = Base64Text(BROKEN, "the data URL is empty")

    @property
    def address(self) -> str | None:
        return self._head

    def feed(self, piece: str) -> bytes:
        """The bytes of the picture that these characters complete. Raises: BadUrl, BadBase64."""
        if self._head is None:
            return self._data.feed(piece)
        head = self._head + piece
        if head[: len(_DATA)].lower() != _DATA[: len(head)]:
            if len(head) > ADDRESS_LONGEST:
                raise BadUrl(f"the address is longer than {ADDRESS_LONGEST} characters")
            self._head = head
            return b""
        comma = head.find(",", 0, HEAD_LONGEST)
        if comma < 0:
            if len(head) > HEAD_LONGEST:
                raise BadUrl("the data URL has no ',' behind its media type")
            self._head = head
            return b""
        if not _HEAD.fullmatch(head, 0, comma):
            raise BadUrl("a data URL begins with data:image/png;base64, or another type of picture")
        self._head = None
        return self._data.feed(head[comma + 1 :])

    def close(self) -> bytes:
        """The last bytes. Raises: BadUrl, BadBase64."""
        if self._head is not None:
            if self._head[: len(_DATA)].lower() == _DATA:
                raise BadUrl("the data URL has no ',' behind its media type")
            return b""
        return self._data.close()
