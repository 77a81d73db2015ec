"""
Where the parts of a multipart body lie in it, byte by byte.

For bodies that `Parts` reads beside: it judges what is legal, and both have to find the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A part may tell its own length, and then it has to be true.
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([0-9]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Extent:
    """The content of a part, and the digits of the Content-Length in its head, if there is one."""

    content: range
    declared: range | None


class Extents:
    """Fed with the body in pieces. `closing` is where the last delimiter begins, None before it has come."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = f"\r\n--{boundary}".encode()
        # The first delimiter need not have a line break before it.
        self._buffer, self._base = b"\r\n", -2
        self._in_head = False
        self._content: int | None = None
        self._declared: range | None = None
        self.found: list[Extent] = []
        self.closing: int | None = None

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk
        at: int | None = 0
        done = 0
        while at is not None and self.closing is None:
            done = at
            at = self._head(at) if self._in_head else self._delimited(at)
        if self.closing is None:
            # A delimiter may have begun in the last bytes; a head stays until it is whole.
            done = done if self._in_head else max(done, len(self._buffer) - len(self._delimiter) - 1)
            self._base, self._buffer = self._base + done, self._buffer[done:]
        else:
            self._buffer = b""

    def _head(self, at: int) -> int | None:
        """From the line break behind a delimiter to the content; None when that has not come."""
        end = self._buffer.find(b"\r\n\r\n", at)
        if end < 0:
            return None
        found = _LENGTH.search(self._buffer[at:end])
        first = self._base + at
        self._declared = range(first + found.start(1), first + found.end(1)) if found else None
        self._content = self._base + end + 4
        self._in_head = False
        return end + 4

    def _delimited(self, at: int) -> int | None:
        """From the content to the line break behind the next delimiter; None when that has not come."""
        start = self._buffer.find(self._delimiter, at)
        after = start + len(self._delimiter)
        if start < 0 or len(self._buffer) < after + 2:
            return None
        if self._content is not None:
            self.found.append(Extent(range(self._content, self._base + start), self._declared))
        if self._buffer[after : after + 2] == b"--":
            self.closing = self._base + start
        self._in_head = True
        return after
