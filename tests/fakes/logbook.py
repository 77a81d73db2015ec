"""The program's own logs, as they are written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from gateway.telemetry import logs


class Logbook:
    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The access lines."""
        return [line for line in self.lines if line["event"] == "request"]

    @property
    def request(self) -> dict[str, Any]:
        """The only access line."""
        (line,) = self.requests
        return line


@contextmanager
def logbook(secrets: Iterable[str] = (), *, readable: bool = False) -> Iterator[Logbook]:
    """Everything that is logged inside, structlog's and the standard library's."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure(secrets, readable=readable, stream=stream)
    try:
        yield Logbook(stream)
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
