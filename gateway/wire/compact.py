"""A value of a scanned document as compact JSON text again, numbers as they were written."""

from __future__ import annotations

import orjson

from gateway.wire.scanned import Closed, Kind, Opened, Path, Value

_BRACKETS = {Kind.OBJECT: "{}", Kind.ARRAY: "[]"}


class Compact:
    """Fed with the events of one value, of which no string is streamed."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._closing: list[str] = []
        self._first = True
        self.length = 0

    def feed(self, event: Opened | Value | Closed) -> bool:
        """True when the value is complete."""
        match event:
            case Opened(path, kind, _):
                self._begin(path)
                self._put(_BRACKETS[kind][0])
                self._closing.append(_BRACKETS[kind][1])
                self._first = True
            case Value(path, kind, text, _, _):
                self._begin(path)
                self._put(orjson.dumps(text).decode() if kind is Kind.TEXT else text)
            case Closed():
                self._put(self._closing.pop())
                self._first = False
        return not self._closing

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def _begin(self, path: Path) -> None:
        """The comma and the name that stand before a value."""
        if not self._closing:
            return
        if not self._first:
            self._put(",")
        self._first = False
        if isinstance(path[-1], str):
            self._put(orjson.dumps(path[-1]).decode() + ":")

    def _put(self, piece: str) -> None:
        self._pieces.append(piece)
        self.length += len(piece.encode())
