"""
Log lines wait here for whoever reads them; the program never does.

A pipe that nobody empties, or a terminal that is held, must not stop a gateway that has requests to answer.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from types import TracebackType
from typing import Self

import structlog

log = structlog.get_logger("gateway")

MOST_LINES, MOST_BYTES = 10_000, 8 * 2**20
# What a pipe holds (https://man7.org/linux/man-pages/man7/pipe.7.html): more in one write only waits longer.
BATCH_BYTES = 64 * 2**10
CLOSE_WITHIN_S = 2.0


class LineWriter:
    """
    A text stream before a file descriptor whose `write` never waits: what finds no room is dropped, and counted.

    `async` code and threads may share it. `with` starts its thread; leaving writes what is left, for `close_within`
    seconds at most. How many lines were dropped is logged once lines can be written again.
    """

    def __init__(
        self, fd: int, *, lines: int = MOST_LINES, size: int = MOST_BYTES, close_within: float = CLOSE_WITHIN_S
    ) -> None:
        self._fd, self._most_lines, self._most_bytes, self._close_within = fd, lines, size, close_within
        self._waiting: deque[bytes] = deque()
        self._size = self._dropped = 0
        self._closing = False
        # Its lock is reentrant: a collected object may log while this very thread is in `write`.
        self._changed = threading.Condition()
        # A daemon, since one that waits for a reader must not keep the process. It writes to the descriptor and not to
        # `sys.stderr`, whose lock the interpreter takes when it ends.
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._close_within)

    def write(self, text: str) -> int:
        """Take whole lines. Returns the characters taken, which is all of them, as a stream does."""
        data = text.encode("utf-8", "backslashreplace")
        with self._changed:
            full = len(self._waiting) >= self._most_lines or self._size + len(data) > self._most_bytes
            # The thread's own line tells of the others, so it is never one of them.
            if full and threading.current_thread() is not self._thread:
                self._dropped += 1
            else:
                self._waiting.append(data)
                self._size += len(data)
                self._changed.notify()
        return len(text)

    def flush(self) -> None:
        """Streams have it; the thread writes as soon as it can anyway."""

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._send(b"".join(batch))
            except OSError:  # nobody will ever read it, or the disk is full: the next batch may fare better
                with self._changed:
                    self._dropped += len(batch)
                continue
            with self._changed:
                dropped, self._dropped = self._dropped, 0
            if dropped:
                log.warning("log lines dropped", count=dropped)

    def _take(self) -> list[bytes]:
        """The next lines; none once it is closing and all are written."""
        batch: list[bytes] = []
        size = 0
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            while self._waiting and size < BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1])
            self._size -= size
        return batch

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another process that shares the terminal or pipe has made it so
                writable = select.poll()
                writable.register(self._fd, select.POLLOUT)
                writable.poll()
