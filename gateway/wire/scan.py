"""
A JSON document read while it arrives: events with their place in the text, and long strings in pieces.

Strict: https://www.rfc-editor.org/rfc/rfc8259 in UTF-8, one object, names unique as I-JSON wants them
(https://www.rfc-editor.org/rfc/rfc7493), bounded in every direction but the length of streamed strings.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from gateway.domain.errors import InvalidJson, TooLarge
from gateway.wire.scanned import Closed, Event, Kind, Opened, Path, Value, spelled
from gateway.wire.strings import Undecodable, closing, decode, unfinished

# What waits for more bytes yields None.
Steps: TypeAlias = "Generator[Event | None, None, None]"

_SPACE = re.compile(rb"[ \t\r\n]*+")
_WORD = re.compile(rb"[-+.0-9A-Za-z]*+")
NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?")
_WORDS = {b"true": Kind.TRUTH, b"false": Kind.TRUTH, b"null": Kind.NULL}


@dataclass(frozen=True, slots=True)
class Bounds:
    """`values` counts all of them at any depth; `text_bytes` is a string that is not streamed, in UTF-8."""

    depth: int = 16
    values: int = 1024
    key_bytes: int = 256
    number_bytes: int = 64
    text_bytes: int = 128 * 1024


def _nothing(_path: Path) -> bool:
    return False


class Scanner:
    """
    Fed with a document in pieces of any size; the same document gives the same events however it is cut, but for the
    pieces of strings. Those strings come in pieces whose path is `streamed`.
    """

    def __init__(self, bounds: Bounds = Bounds(), streamed: Callable[[Path], bool] = _nothing) -> None:
        self._bounds, self._streamed = bounds, streamed
        self._buffer, self._at, self._base = b"", 0, 0
        self._values = 0
        self._done = False
        self._steps = self._document()

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete; to be exhausted before the next. Raises: InvalidJson, TooLarge."""
        self._base += self._at
        self._buffer, self._at = (self._buffer[self._at :] + chunk if self._at < len(self._buffer) else chunk), 0
        for event in self._steps:
            if event is None:
                return
            yield event

    def close(self) -> None:
        """Raises: InvalidJson when the document is not complete."""
        if not self._done:
            raise InvalidJson("The JSON body ends too early.")

    @property
    def _offset(self) -> int:
        return self._base + self._at

    def _document(self) -> Steps:
        yield from self._mark()
        if (yield from self._next()) != b"{":
            self._fail("the body is one object, which begins with '{'")
        yield from self._value(())
        self._done = True
        while True:
            self._at = _end(_SPACE, self._buffer, self._at)
            if self._at < len(self._buffer):
                self._fail("something follows the object")
            yield None

    def _mark(self) -> Steps:
        """A byte order mark may be ignored: https://www.rfc-editor.org/rfc/rfc8259#section-8.1"""
        while (seen := self._buffer[: len(BOM_UTF8)]) != BOM_UTF8 and BOM_UTF8.startswith(seen):
            yield None
        if seen == BOM_UTF8:
            self._at = len(BOM_UTF8)

    def _value(self, path: Path) -> Steps:
        first = yield from self._next()
        self._values += 1
        if self._values > self._bounds.values:
            self._fail(f"the body has more than {self._bounds.values} values")
        if first in (b"{", b"["):
            if len(path) >= self._bounds.depth:
                self._fail(f"more than {self._bounds.depth} values are nested in each other")
            start = self._offset
            yield Opened(path, Kind.OBJECT if first == b"{" else Kind.ARRAY, start)
            self._at += 1
            yield from self._members(path) if first == b"{" else self._items(path)
            yield Closed(path, start, self._offset)
        elif first == b'"':
            yield from self._text(path)
        else:
            yield from self._word(path)

    def _members(self, path: Path) -> Steps:
        keys: set[str] = set()
        mark = yield from self._next()
        while mark != b"}":
            if keys:
                self._at += 1
                mark = yield from self._next()
            if mark != b'"':
                self._fail("a member begins with its name in double quotes")
            start = self._offset
            key = yield from self._whole(self._bounds.key_bytes)
            if key is None:
                self._fail(f"a name is longer than {self._bounds.key_bytes} bytes", start)
            if key in keys:
                self._fail("an object has two members of the same name", start)
            keys.add(key)
            if (yield from self._next()) != b":":
                self._fail("':' follows a name")
            self._at += 1
            yield from self._value((*path, key))
            mark = yield from self._next()
            if mark not in (b",", b"}"):
                self._fail("',' or '}' follows a member")
        self._at += 1

    def _items(self, path: Path) -> Steps:
        index = 0
        mark = yield from self._next()
        while mark != b"]":
            if index:
                self._at += 1
            yield from self._value((*path, index))
            index += 1
            mark = yield from self._next()
            if mark not in (b",", b"]"):
                self._fail("',' or ']' follows an item")
        self._at += 1

    def _text(self, path: Path) -> Steps:
        start = self._offset
        if self._streamed(path):
            yield Opened(path, Kind.TEXT, start)
            yield from self._pieces()
            yield Closed(path, start, self._offset)
            return
        text = yield from self._whole(self._bounds.text_bytes)
        if text is None:
            name = spelled(path)
            raise TooLarge(f"'{name}' is larger than {self._bounds.text_bytes} bytes.", param=name)
        yield Value(path, Kind.TEXT, text, start, self._offset)

    def _word(self, path: Path) -> Steps:
        while (end := _end(_WORD, self._buffer, self._at)) == len(self._buffer):
            if end - self._at > self._bounds.number_bytes:
                break
            yield None
        word, start = self._buffer[self._at : end], self._offset
        kind = _WORDS.get(word) or (Kind.NUMBER if NUMBER.fullmatch(word) else None)
        if kind is None or len(word) > self._bounds.number_bytes:
            self._fail("no JSON value begins here, or a number is too long")
        self._at = end
        yield Value(path, kind, word.decode(), start, self._offset)

    def _pieces(self) -> Generator[str | None, None, None]:
        """The string that begins here, its escapes undone, in pieces that cut no character."""
        start = self._offset
        self._at += 1
        while True:
            buffer, at = self._buffer, self._at
            quote = closing(buffer, at)
            stop = quote if quote >= 0 else len(buffer) - unfinished(buffer, at)
            if stop > at:
                try:
                    piece = decode(buffer[at:stop])
                except Undecodable:
                    self._fail("a string has a control character, a broken escape, or bytes that are not UTF-8", start)
                self._at = stop
                yield piece
            if quote >= 0:
                self._at = quote + 1
                return
            yield None

    def _whole(self, most: int) -> Generator[None, None, str | None]:
        """The string that begins here; None when it is longer than `most` bytes."""
        held: list[str] = []
        length = 0
        for piece in self._pieces():
            if piece is None:
                yield None
                continue
            length += len(piece.encode())
            if length > most:
                return None
            held.append(piece)
        return "".join(held)

    def _next(self) -> Generator[None, None, bytes]:
        """The next byte that is not white space; it stays where it is."""
        while True:
            self._at = _end(_SPACE, self._buffer, self._at)
            if mark := self._buffer[self._at : self._at + 1]:
                return mark
            yield None

    def _fail(self, rule: str, at: int | None = None) -> NoReturn:
        raise InvalidJson(f"The JSON body is malformed at byte {self._offset if at is None else at}: {rule}.")


def _end(pattern: re.Pattern[bytes], buffer: bytes, at: int) -> int:
    found = pattern.match(buffer, at)
    assert found is not None  # every pattern here matches the empty text
    return found.end()
