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
from functools import partial
from typing import Protocol

from aiohttp import web

from gateway.chain.gate import Crowd
from gateway.chain.lobby import Lobby
from gateway.chain.refusal import Complaints
from gateway.chain.turns import Turns

# The kernel shortens it to net.core.somaxconn, which is 4096 by default.
BACKLOG = 4096
# A turn; the second while many wait. Each is a few tenths of a millisecond until its request stands in line.
EACH, FEWEST = 16, 3
PEEKED = 1024
# Out of descriptors: as long as this somebody else may give one back.
PAUSE_S = 0.2
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

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
        at_once: the whole answer to a new connection by what it has said, None for one that is let in; asked while
            others wait in line, in here or, as `crowded` tells, further in.
    """

    def __init__(
        self,
        run: web.AppRunner,
        house: House,
        host: str | None,
        port: int,
        at_once: AtOnce = lambda _said: None,
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(run, backlog=BACKLOG)
        self._house, self._host, self._port, self._at_once, self._crowded = house, host, port, at_once, crowded
        self._open: list[socket.socket] = []
        self._turns = Turns(EACH, FEWEST)
        self._entering: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._lobby = Lobby(house.silence_s, house.linger_s, self._look, house.crowd.leave)

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Raises: OSError."""
        await super().start()
        # Names, both families and what is said of a taken port are the loop's; it only never accepts.
        self._server = await self._loop.create_server(asyncio.Protocol, self._host, self._port, start_serving=False)
        for bound in self._server.sockets:
            ours = socket.socket(fileno=socket.dup(bound.fileno()))
            self._open.append(ours)
            ours.listen(self._backlog)
            ours.setblocking(False)
        self._accepting()

    async def stop(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        for ours in self._open:
            self._loop.remove_reader(ours.fileno())
            ours.close()
        self._open.clear()
        self._lobby.close()
        self._turns.finish()
        await asyncio.gather(*self._entering)
        await super().stop()

    # Accepting.

    def _accepting(self) -> None:
        for ours in self._open:
            self._loop.add_reader(ours.fileno(), self._accept, ours)

    def _accept(self, ours: socket.socket) -> None:
        """All who wait: the one who asks for health may be the last of thousands."""
        for _ in range(BACKLOG):
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
                self._rest()
                return
            sock.setblocking(False)
            self._arrived(sock, str(address[0]) if isinstance(address, tuple) else None)

    def _rest(self) -> None:
        for ours in self._open:
            self._loop.remove_reader(ours.fileno())
        if self._pause is not None:
            self._pause.cancel()
        self._pause = self._loop.call_later(PAUSE_S, self._accepting)

    def _arrived(self, sock: socket.socket, peer: str | None) -> None:
        if why := self._house.crowd.enter(peer):
            self._house.complaints("connection from %s refused: %s", peer, why)
            self._lobby.see_out(sock, self._house.turned_away(why))
        else:
            self._look(sock, peer)

    def _look(self, sock: socket.socket, peer: str | None) -> None:
        """Send a connection on by what it says."""
        try:
            said = sock.recv(PEEKED, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._lobby.wait(sock, peer)
            return
        except OSError:
            said = b""
        if not said:
            self._house.crowd.leave(peer)
            sock.close()
        elif (self._turns.crowded or self._crowded()) and (answer := self._at_once(said)) is not None:
            self._house.crowd.leave(peer)
            self._lobby.see_out(sock, answer)
        else:
            self._turns.soon(partial(self._enter, sock, peer))

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
