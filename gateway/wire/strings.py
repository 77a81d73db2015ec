"""
JSON strings by the piece: where one ends, where it may be cut, and what it says.

Found with searches in C and decoded by orjson, which checks escapes, surrogates, control characters and UTF-8.
"""

from __future__ import annotations

import re

import orjson

# The longest that `_CUT` matches: both halves of a character outside of the basic plane.
TAIL_BYTES = 12

_BODY = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# What the end of a piece may have cut: an escape, the first of two that make one character, or a character's bytes.
_CUT = re.compile(
    rb"(?:\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?"
    rb"|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)


class Undecodable(ValueError):
    """The piece is not what a JSON string may contain."""


def closing(buffer: bytes, at: int) -> int:
    """Where the quote is that ends the string whose content is at `at`, or -1 when it is not there yet."""
    quote = buffer.find(b'"', at)
    if quote < 0 or buffer.find(b"\\", at, quote) < 0:
        return quote
    body = _BODY.match(buffer, at)
    assert body is not None  # it matches the empty text
    return body.end() if buffer[body.end() : body.end() + 1] == b'"' else -1


def unfinished(buffer: bytes, at: int) -> int:
    """How many bytes at the end of the content that begins at `at` have to wait for those that follow."""
    start = max(at, len(buffer) - TAIL_BYTES)
    while found := _CUT.search(buffer, start):
        before = buffer[at : found.start()]
        if found[0][:1] != b"\\" or (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return len(found[0])
        start = found.start() + 1  # the backslash is what an escape before it stands for
    return 0


def decode(content: bytes) -> str:
    """The text that the content of a string stands for. Raises: Undecodable."""
    try:
        text: str = orjson.loads(b'"%b"' % content)
    except orjson.JSONDecodeError:
        raise Undecodable from None
    return text
