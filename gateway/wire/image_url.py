"""
The text of an `image_url` while it arrives: an address, or a data URL whose bytes are handed on as they come.

https://fetch.spec.whatwg.org/#data-urls; base64 as forgiving as there: white space and missing padding do not matter.
"""

from __future__ import annotations

import binascii
import re

import pybase64

# Signed addresses of object stores have up to two thousand characters.
ADDRESS_LONGEST = 8192
# `data:image/png;name=a.png;base64`: what stands before the comma.
HEAD_LONGEST = 256

BROKEN = "the data URL has characters that are not base64, or ends too early"

_DATA = "data:"
_HEAD = re.compile(r"data:[^,]*;[ ]*base64", re.IGNORECASE)
_BLANKS = b" \t\n\f\r"
_LAST = re.compile(rb"(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")


class BadUrl(ValueError):
    """Neither an address nor a data URL in base64; the text says why."""


class BadBase64(ValueError):
    """The data URL has bytes that are not base64, or none."""


class ImageUrl:
    """Fed with the text in pieces. `address` is the whole text when it turned out to be no data URL."""

    def __init__(self) -> None:
        self._head: str | None = ""
        self._rest = b""
        self._decoded = 0

    @property
    def address(self) -> str | None:
        return self._head

    def feed(self, piece: str) -> bytes:
        """The bytes of the picture that these characters complete. Raises: BadUrl, BadBase64."""
        if self._head is None:
            return self._decode(piece)
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
        return self._decode(head[comma + 1 :])

    def close(self) -> bytes:
        """The last bytes. Raises: BadUrl, BadBase64."""
        if self._head is not None:
            if self._head[: len(_DATA)].lower() == _DATA:
                raise BadUrl("the data URL has no ',' behind its media type")
            return b""
        if not _LAST.fullmatch(self._rest):
            raise BadBase64(BROKEN)
        last = pybase64.b64decode(self._rest + b"=" * (-len(self._rest) % 4))
        if not self._decoded + len(last):
            raise BadBase64("the data URL is empty")
        return last

    def _decode(self, piece: str) -> bytes:
        """Whole quadruples, but none with padding: that is the last one, which waits for the end."""
        try:
            text = piece.encode("ascii")
            if any(blank in text for blank in _BLANKS):
                text = text.translate(None, _BLANKS)
            text = self._rest + text
            padding = text.find(b"=")
            whole = (len(text) if padding < 0 else padding) // 4 * 4
            decoded = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise BadBase64(BROKEN) from None
        self._rest = text[whole:]
        if len(self._rest) > 4:
            raise BadBase64(BROKEN)
        self._decoded += len(decoded)
        return decoded
