"""
Where connections come in: all that wait are taken from the kernel at once, and let in a few a turn of the loop.

uvloop accepts one connection a turn (libuv >= 1.45, https://github.com/libuv/libuv/pull/3696): under load that is some
dozens a second, the kernel's queue overflows, and who stood in it is reset. A connection without a byte costs nothing
but its descriptor here, and who asks whether the gateway is alive does not stand behind thousands who want pictures.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from typing import Protocol

from aiohttp import web

from gateway.chain.gate import Crowd
from gateway.chain.refusal import Complaints
from gateway.chain.turns import Turns

# The kernel shortens it to net.core.somaxconn, which is 4096 by default.
BACKLOG = 4096
# Each is a few tenths of a millisecond until its request stands in line.
EACH = 4
PEEKED = 1024
DISCARDED = 64 * 1024
# Who was turned away has this long to read why, and no more than so many at once.
MOST_LEAVING = 256
# Out of descriptors: as long as this somebody else may give one back.
PAUSE_S = 0.2
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
SWEEP_S = 1.0


AtOnce = Callable[[bytes], bytes | None]


class House(Protocol):
    """What the connections are let into."""

    crowd: Crowd
    complaints: Complaints
    silence_s: float
    linger_s: float

    def let_in(self, peer: str | None) -> asyncio.BaseProtocol: ...

    def turned_away(self, why: str) -> bytes:
        """A whole answer."""
        ...


class Site(web.BaseSite):
    """
    A listener of `run`, whose server is a `House`.

    Args:
        at_once: the whole answer to a new connection by what it has said, None for one that is let in.
    """

    def __init__(self, run: web.AppRunner, house: House, host: str | None, port: int, at_once: AtOnce) -> None:
        super().__init__(run, backlog=BACKLOG)
        self._house, self._host, self._port, self._at_once = house, host, port, at_once
        self._open: list[socket.socket] = []
        # Sockets with when their time is over, oldest first: those who have said nothing yet, and those turned away.
        self._silent: dict[socket.socket, tuple[float, str | None]] = {}
        self._leaving: dict[socket.socket, float] = {}
        self._selector = DefaultSelector()
        self._turns = Turns(EACH)
        self._entering: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Raises: OSError."""
        await super().start()
        self._loop = asyncio.get_running_loop()
        # Names, both families and what is said of a taken port are the loop's; it only never accepts.
        self._server = await self._loop.create_server(asyncio.Protocol, self._host, self._port, start_serving=False)
        for bound in self._server.sockets:
            ours = socket.socket(fileno=socket.dup(bound.fileno()))
            self._open.append(ours)
            ours.listen(self._backlog)
            ours.setblocking(False)
        self._loop.add_reader(self._selector.fileno(), self._heard)
        self._accepting()

    async def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        if self._open:
            self._loop.remove_reader(self._selector.fileno())
        for ours in self._open:
            self._loop.remove_reader(ours.fileno())
            ours.close()
        self._open.clear()
        for sock in [*self._silent]:
            self._say_goodbye(sock)
        for sock in [*self._leaving]:
            self._gone(sock)
        self._selector.close()
        self._turns.finish()
        await asyncio.gather(*self._entering)
        await super().stop()

    # Accepting.

    def _accepting(self) -> None:
        for ours in self._open:
            self._loop.add_reader(ours.fileno(), self._accept, ours)

    def _accept(self, ours: socket.socket) -> None:
        """All who wait: the one who asks for health may be the last of thousands."""
        while True:
            try:
                sock, address = ours.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._house.complaints("no connection can be taken: %s", error.strerror)
                self._pause()
                return
            sock.setblocking(False)
            self._arrived(sock, str(address[0]) if isinstance(address, tuple) else None)

    def _pause(self) -> None:
        for ours in self._open:
            self._loop.remove_reader(ours.fileno())
        self._timers["accept"] = self._loop.call_later(PAUSE_S, self._accepting)

    def _arrived(self, sock: socket.socket, peer: str | None) -> None:
        if why := self._house.crowd.enter(peer):
            self._house.complaints("connection from %s refused: %s", peer, why)
            self._part(sock, self._house.turned_away(why))
        elif not self._look(sock, peer):
            self._silent[sock] = (self._loop.time() + self._house.silence_s, peer)
            self._watch(sock)

    # Those who wait in here.

    def _look(self, sock: socket.socket, peer: str | None) -> bool:
        """Send it on by what it says; False while it says nothing."""
        try:
            said = sock.recv(PEEKED, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            said = b""
        if not said:
            self._house.crowd.leave(peer)
            sock.close()
        elif (answer := self._at_once(said)) is not None:
            self._house.crowd.leave(peer)
            self._part(sock, answer)
        else:
            self._turns.soon(partial(self._enter, sock, peer))
        return True

    def _heard(self) -> None:
        for key, _ in self._selector.select(0):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock in self._leaving:
                self._discard(sock)
                continue
            _, peer = self._silent[sock]
            self._selector.unregister(sock)
            if self._look(sock, peer):
                del self._silent[sock]
            else:
                self._selector.register(sock, EVENT_READ)

    def _watch(self, sock: socket.socket) -> None:
        self._selector.register(sock, EVENT_READ)
        if "sweep" not in self._timers:
            self._timers["sweep"] = self._loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """End what has passed its time."""
        del self._timers["sweep"]
        now = self._loop.time()
        for sock in [sock for sock, (until, _) in self._silent.items() if until <= now]:
            self._say_goodbye(sock)
        for sock in [sock for sock, until in self._leaving.items() if until <= now]:
            self._gone(sock)
        if self._silent or self._leaving:
            self._timers["sweep"] = self._loop.call_later(SWEEP_S, self._sweep)

    def _say_goodbye(self, sock: socket.socket) -> None:
        _, peer = self._silent.pop(sock)
        self._house.crowd.leave(peer)
        self._selector.unregister(sock)
        sock.close()

    # Those who are let in.

    def _enter(self, sock: socket.socket, peer: str | None) -> bool:
        task = self._loop.create_task(self._connect(sock, peer))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        return True

    async def _connect(self, sock: socket.socket, peer: str | None) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self._house.let_in(peer), sock)
        except OSError as error:
            self._house.complaints("connection from %s lost: %s", peer, error.strerror)
            self._house.crowd.leave(peer)
            sock.close()

    # Those who are not.

    def _part(self, sock: socket.socket, answer: bytes) -> None:
        """The answer, and time to read it: closed with its request unread the connection would be reset."""
        with suppress(OSError):
            sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
            if len(self._leaving) < MOST_LEAVING:
                self._leaving[sock] = self._loop.time() + self._house.linger_s
                self._watch(sock)
                return
            sock.recv(DISCARDED)
        sock.close()

    def _discard(self, sock: socket.socket) -> None:
        try:
            over = not sock.recv(DISCARDED)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            over = True
        if over:
            self._gone(sock)

    def _gone(self, sock: socket.socket) -> None:
        del self._leaving[sock]
        self._selector.unregister(sock)
        sock.close()
