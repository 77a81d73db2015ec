"""
Below the chain: connections and what is no request yet. Whatever happens here is answered in the same envelope, logged
without a byte of what was sent, and ends after a time.

aiohttp's own answer to a malformed head repeats the offending line to the client and to the log, keys included.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.web_protocol import _ErrInfo

from gateway.chain.gate import Crowd, Crowding, affordable, turned_away
from gateway.chain.reading import LARGEST, SMALLEST, Reading
from gateway.chain.refusal import Complaints, envelope, fault, plain
from gateway.chain.site import AtOnce, Site
from gateway.domain.errors import InternalError
from gateway.handlers.keys import STORY

log = logging.getLogger("gateway.connection")

AIOHTTP_FLOOR = (3, 14, 5)


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What a connection has to keep to.

    A line of a request's head has at most `head_line` bytes. `silence_s` without a complete head closes the connection.
    A reader who leaves an answer standing has to take `answer_rate` bytes a second, looked at every `stall_s`. A body
    nobody wanted is read on for `linger_s` at `linger_rate` bytes a second, so that its sender sees the answer instead
    of a reset.
    """

    head_line: int = 8190
    silence_s: float = 15.0
    stall_s: float = 30.0
    answer_rate: int = 16 * 1024
    linger_s: float = 2.0
    linger_rate: int = 32 * 1024 * 1024
    shutdown_s: float = 30.0
    new_id: Callable[[], str] = lambda: f"req_{secrets.token_urlsafe(18)}"


def runner(
    app: web.Application,
    terms: Terms = Terms(),
    crowding: Callable[[], Crowding] = lambda: Crowding(affordable()),
) -> web.AppRunner:
    """The application on connections that keep to these terms; `crowding`, asked for each, is how many may be."""
    return _Runner(app, terms, crowding)


async def listen(
    run: web.AppRunner,
    host: str | None,
    port: int,
    at_once: AtOnce = lambda _said: None,
    crowded: Callable[[], bool] = lambda: False,
) -> Site:
    """Open what a `runner` listens on, after its `setup`; see `Site`. Raises: OSError."""
    house = run.server
    assert isinstance(house, _Server)
    site = Site(run, house, host, port, at_once, crowded)
    await site.start()
    return site


def verify_runtime() -> None:
    """
    Raises: RuntimeError when this interpreter or aiohttp is not one to meet strangers with.

    The pure-Python parser lets through requests that proxies read as two, and `-O` removes checks inside aiohttp:
    https://github.com/aio-libs/aiohttp/security/advisories
    """
    version = tuple(int(number) for number in re.findall(r"\d+", aiohttp.__version__)[:3])
    if version < AIOHTTP_FLOOR:
        raise RuntimeError(f"aiohttp {aiohttp.__version__} is too old; 3.14.5 is the least: pip install -U aiohttp")
    if HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError("aiohttp runs without its C parser; install a binary wheel and unset AIOHTTP_NO_EXTENSIONS")
    if sys.flags.optimize:
        raise RuntimeError("Python runs with -O or PYTHONOPTIMIZE, which removes checks that requests have to pass")


class _Runner(web.AppRunner):
    def __init__(self, app: web.Application, terms: Terms, crowding: Callable[[], Crowding]) -> None:
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": terms.silence_s,
            "lingering_time": 0,
            "logger": log,
            "max_field_size": terms.head_line,
            "max_headers": 64,
            "max_line_size": terms.head_line,
            "read_bufsize": SMALLEST,  # a piece that lies unread stops the next one
        }
        super().__init__(app, handle_signals=False, shutdown_timeout=terms.shutdown_s, **self._options)
        self._terms, self._crowding = terms, crowding

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made, self._terms, Crowd(self._crowding), self._options)


class _Server(web.Server):
    def __init__(self, made: web.Server, terms: Terms, crowd: Crowd, options: dict[str, Any]) -> None:
        super().__init__(
            made.request_handler, request_factory=made.request_factory, handler_cancellation=True, **options
        )
        self._terms, self.crowd = terms, crowd
        self.silence_s, self.linger_s = terms.silence_s, terms.linger_s
        self.complaints = Complaints(asyncio.get_running_loop().time)
        self._buffer = memoryview(bytearray(LARGEST))

    def let_in(self, peer: str | None) -> asyncio.BaseProtocol:
        """What takes a connection over; it has entered the crowd, and leaves it at its end."""
        connection = _Connection(self, self._terms, peer, loop=self._loop, **self._kwargs)
        return Reading(connection, self._buffer, self._connections.__len__)

    def turned_away(self, why: str) -> bytes:
        return turned_away(why, self._terms.new_id())


class _Connection(web.RequestHandler):
    """One connection. What is overridden are aiohttp's own seams."""

    __slots__ = ("_complaints", "_crowd", "_overdue", "_peer", "_standing", "_terms", "_wire")

    def __init__(self, server: _Server, terms: Terms, peer: str | None, **options: Any) -> None:
        super().__init__(server, **options)
        self._terms, self._complaints = terms, server.complaints
        self._crowd, self._peer = server.crowd, peer
        self._wire: asyncio.Transport | None = None  # stays when aiohttp lets go of a transport that still has to flush
        self._overdue: asyncio.TimerHandle | None = None
        self._standing = 0

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """`message` and the text of `exc` repeat what was sent: neither goes anywhere."""
        name, error = self._name(request), fault(exc)
        if isinstance(error, InternalError):
            log.error("request %s failed outside the chain", name, exc_info=exc)
        else:
            self._complaints("request %s from %s refused: %s", name, request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        response = envelope(error, name)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):
            resp = envelope(plain(resp.status), self._name(request))
        if not request.content.is_eof():
            # What follows may be the rest of the body or, after a refused `Expect`, the next request.
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        await self._linger(request.content)
        return finished

    async def _linger(self, body: aiohttp.StreamReader) -> None:
        try:
            async with asyncio.timeout(self._terms.linger_s):
                while not body.is_eof():
                    unwanted = await body.readany()
                    await asyncio.sleep(len(unwanted) / self._terms.linger_rate)
        except (TimeoutError, web.RequestPayloadError, OSError):
            self.close()

    def _name(self, request: web.BaseRequest) -> str:
        told = request.get(STORY)
        return told.id if told else self._terms.new_id()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A body with broken framing: aiohttp queues the error as a next request, and nobody tells who reads the body.
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo) and self._current_request is not None:
            body = self._current_request.content
            if not body.is_eof():
                self._messages.pop()
                body.set_exception(web.RequestPayloadError("broken framing"))

    # A reader that does not read.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._crowd.leave(self._peer)
        self._release()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._release()

    def _watch(self) -> None:
        assert self._wire is not None
        self._standing = self._wire.get_write_buffer_size()
        self._overdue = self._loop.call_later(self._terms.stall_s, self._judge)

    def _judge(self) -> None:
        assert self._wire is not None
        taken = self._standing - self._wire.get_write_buffer_size()
        if taken < self._terms.answer_rate * self._terms.stall_s:
            # A reset, so that the kernel does not go on holding its share of the answer.
            self._wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._wire.abort()
        else:
            self._watch()

    def _release(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
