"""
Connections outside: those that have said nothing yet, and those that are on their way out. They are no more than a
descriptor each, and all of them have an end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector

DISCARDED = 64 * 1024
# Who is sent away may go on reading why; of more than so many at once only small requests are sure to see it.
MOST_LEAVING = 256
SWEEP_S = 1.0


class Lobby:
    """
    Args:
        silence_s: how long a connection may say nothing.  linger_s: how long one that has its answer may take to leave.
        spoke: told of a connection that has said something, or ended, and is not in here any more.
        ended: told of one whose time was over; it is closed.
    """

    def __init__(
        self,
        silence_s: float,
        linger_s: float,
        spoke: Callable[[socket.socket, str | None], None],
        ended: Callable[[str | None], None],
    ) -> None:
        self._silence_s, self._linger_s, self._spoke, self._ended = silence_s, linger_s, spoke, ended
        # With when their time is over.
        self._silent: dict[socket.socket, tuple[float, str | None]] = {}
        self._leaving: dict[socket.socket, float] = {}
        self._selector = DefaultSelector()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._selector.fileno(), self._heard)
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        self._loop.remove_reader(self._selector.fileno())
        if self._timer is not None:
            self._timer.cancel()
        for sock in [*self._silent]:
            self._end(sock)
        for sock in [*self._leaving]:
            self._gone(sock)
        self._selector.close()

    def wait(self, sock: socket.socket, peer: str | None) -> None:
        """Until it says something."""
        self._silent[sock] = (self._loop.time() + self._silence_s, peer)
        self._watch(sock)

    def see_out(self, sock: socket.socket, answer: bytes) -> None:
        """With its answer, and time to read it: closed with its request unread the connection would be reset."""
        with suppress(OSError):
            sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
            if len(self._leaving) < MOST_LEAVING:
                self._leaving[sock] = self._loop.time() + self._linger_s
                self._watch(sock)
                return
            sock.recv(DISCARDED)
        sock.close()

    def _watch(self, sock: socket.socket) -> None:
        self._selector.register(sock, EVENT_READ)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _heard(self) -> None:
        for key, _ in self._selector.select(0):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock in self._leaving:
                self._discard(sock)
            else:
                _, peer = self._silent.pop(sock)
                self._selector.unregister(sock)
                self._spoke(sock, peer)

    def _discard(self, sock: socket.socket) -> None:
        try:
            over = not sock.recv(DISCARDED)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            over = True
        if over:
            self._gone(sock)

    def _sweep(self) -> None:
        self._timer, now = None, self._loop.time()
        for sock in [sock for sock, (until, _) in self._silent.items() if until <= now]:
            self._end(sock)
        for sock in [sock for sock, until in self._leaving.items() if until <= now]:
            self._gone(sock)
        if self._silent or self._leaving:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _end(self, sock: socket.socket) -> None:
        _, peer = self._silent.pop(sock)
        self._selector.unregister(sock)
        sock.close()
        self._ended(peer)

    def _gone(self, sock: socket.socket) -> None:
        del self._leaving[sock]
        self._selector.unregister(sock)
        sock.close()
