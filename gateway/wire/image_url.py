"""
The text of an `image_url` while it arrives: an address, or a data URL whose bytes are handed on as they come.

https://fetch.spec.whatwg.org/#data-urls and https://url.spec.whatwg.org/#url-parsing: blanks around it, escapes, a
fragment, and in base64 white space and missing padding do not matter.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from gateway.wire.base64_text import BadBase64, Base64Text

__all__ = ["BadBase64", "BadUrl", "ImageUrl"]

# Signed addresses of object stores have up to two thousand characters.
ADDRESS_LONGEST = 8192
# `data:image/png;name=a.png;base64`: what stands before the comma. A file's name has up to 255 bytes, and takes three
# times as many where they are escaped.
HEAD_LONGEST = 1024

BROKEN = "the data URL has characters that are not base64, or ends too early"
EMPTY = "the data URL is empty"

_DATA = "data:"
# How base64 of a picture begins that came without a head, as other vendors take it.
_HEADLESS = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "UklGR": "image/webp"}
_BASE64 = re.compile(r".*;[ ]*base64[ \t\n\f\r]*", re.IGNORECASE | re.DOTALL)
# C0 controls and space, which stand around no URL.
_BLANKS = "".join(map(chr, range(0x21)))
_BREAKS = str.maketrans("", "", "\t\n\r")


class BadUrl(ValueError):
    """Neither an address nor a data URL; the text says why."""


class ImageUrl:
    """Fed with the text in pieces. `address` is the whole text when it turned out to be no data URL."""

    def __init__(self) -> None:
        self._head: str | None = ""
        self._base64: Base64Text | None = None
        self._escape = ""
        self._over = False

    @property
    def address(self) -> str | None:
        return self._head if self._head is None else self._head.rstrip(_BLANKS)

    def feed(self, piece: str) -> bytes:
        """The bytes of the picture that these characters complete. Raises: BadUrl, BadBase64."""
        if self._head is None:
            return self._body(piece)
        head = (self._head + piece).lstrip(_BLANKS)
        if head[: len(_DATA)].lower() != _DATA[: len(head)]:
            for magic, media_type in _HEADLESS.items():
                if head.startswith(magic):
                    raise BadUrl(f"base64 needs 'data:{media_type};base64,' before it, which makes it a data URL")
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
        if _BASE64.fullmatch(head, len(_DATA), comma):
            self._base64 = Base64Text(BROKEN, EMPTY)
        self._head = None
        return self._body(head[comma + 1 :])

    def close(self) -> bytes:
        """The last bytes. Raises: BadUrl, BadBase64."""
        if self._head is None:
            # What is left of an escape stands for itself.
            rest = self._decoded(self._escape)
            return rest if self._base64 is None else rest + self._base64.close()
        if self._head[: len(_DATA)].lower() == _DATA:
            raise BadUrl("the data URL has no ',' behind its media type")
        return b""

    def _body(self, piece: str) -> bytes:
        if self._over:
            return b""
        if "#" in piece:
            piece, self._over = piece.partition("#")[0], True
        if self._base64 is not None and not self._escape and "%" not in piece:
            return self._base64.feed(piece)
        text = self._escape + piece.translate(_BREAKS)
        cut = text.rfind("%", max(0, len(text) - 2))
        text, self._escape = (text, "") if cut < 0 else (text[:cut], text[cut:])
        return self._decoded(text)

    def _decoded(self, text: str) -> bytes:
        data = unquote_to_bytes(text)
        return data if self._base64 is None else self._base64.feed(data.decode("latin-1"))
