"""Base64 while it arrives: as forgiving as a browser, white space and missing padding do not matter."""

from __future__ import annotations

import binascii
import re

import pybase64

_BLANKS = b" \t\n\f\r"
_LAST = re.compile(rb"(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")


class BadBase64(ValueError):
    """There are characters that are not base64, or none."""


class Base64Text:
    """
    Fed with the text in pieces of any size.

    https://infra.spec.whatwg.org/#forgiving-base64-decode; `broken` and `empty` are what is said of texts that are so.
    """

    def __init__(self, broken: str, empty: str) -> None:
        self._broken, self._empty = broken, empty
        self._rest = b""
        self._decoded = 0

    def feed(self, piece: str) -> bytes:
        """Whole quadruples, but none with padding: that is the last one, which waits for the end. Raises: BadBase64."""
        try:
            text = piece.encode("ascii")
            if any(blank in text for blank in _BLANKS):
                text = text.translate(None, _BLANKS)
            text = self._rest + text
            padding = text.find(b"=")
            whole = (len(text) if padding < 0 else padding) // 4 * 4
            decoded = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise BadBase64(self._broken) from None
        self._rest = text[whole:]
        if len(self._rest) > 4:
            raise BadBase64(self._broken)
        self._decoded += len(decoded)
        return decoded

    def close(self) -> bytes:
        """The last bytes. Raises: BadBase64."""
        if not _LAST.fullmatch(self._rest):
            raise BadBase64(self._broken)
        last = pybase64.b64decode(self._rest + b"=" * (-len(self._rest) % 4))
        if not self._decoded + len(last):
            raise BadBase64(self._empty)
        return last
