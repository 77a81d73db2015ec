"""A connection that is cut: what its last bytes prove, on real sockets, for every event loop, plain and under TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from gateway.domain.egress import DIRECT, Egress
from gateway.domain.errors import AnswerLost, Paid, PlatformError, PlatformUnreachable
from gateway.upstream import outgoing
from gateway.upstream.outgoing import Lack, Outgoing
from gateway.upstream.relay import Relay
from gateway.upstream.session import MaybeSent, NotSent, Sent, Session
from gateway.upstream.tcp_info import TcpInfo
from gateway.wire.body import JsonBody
from gateway.wire.call import Call
from tests.fakes.abrupt_vendor import LATEST_S, Line, abrupt_vendor
from tests.fakes.certificates import Authority
from tests.fakes.relay_front import front, platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell")

SIZE, PART = 300_000, 90_000
# More than any socket's buffers hold, so that the event loop holds the rest.
HUGE = 24 * 1024 * 1024

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.param
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["plain", "tls"])
def way(request: pytest.FixtureRequest) -> Iterator[tuple[ssl.SSLContext | None, Egress]]:
    """The vendor's certificate, and how it is believed."""
    if request.param == "plain":
        yield None, DIRECT
    else:
        authority: Authority = request.getfixturevalue("authority")
        yield authority.issue("localhost").server(), Egress(ca_file=authority.ca_file)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the event loop has taken the whole body."""
    event, plain = threading.Event(), Outgoing.write_with_length

    async def write(self: Outgoing, writer: AbstractStreamWriter, length: int | None) -> None:
        await plain(self, writer, length)
        event.set()

    monkeypatch.setattr(Outgoing, "write_with_length", write)
    return event


async def send(url: str, size: int = SIZE, egress: Egress = DIRECT) -> Sent:
    async with Session() as opened:
        return await opened.send(Call("submit", "POST", url, JsonBody({"prompt": "x" * size}), egress=egress))


Way = tuple[ssl.SSLContext | None, Egress]


def test_reset_after_a_part(run: Run, way: Way, written: threading.Event) -> None:
    """All of it was written, and its end never left this machine: nobody has the whole."""

    def speak(line: Line) -> None:
        line.read(PART)
        assert written.wait(LATEST_S)
        line.reset()

    with abrupt_vendor(speak, tls=way[0]) as url:
        sent = run(send(url, egress=way[1]))
    assert isinstance(sent, NotSent) and sent.proof == "kernel"
    assert "bytes left this machine" in sent.why


def test_reset_after_the_last_byte(run: Run, way: Way) -> None:
    """It was read: who knows what became of it."""

    def speak(line: Line) -> None:
        line.read_request()
        line.reset()

    with abrupt_vendor(speak, tls=way[0]) as url:
        assert isinstance(run(send(url, egress=way[1])), MaybeSent)


def test_reset_before_anything_was_read(run: Run) -> None:
    """The vendor's kernel has all of it, so its program may have had it."""

    def speak(line: Line) -> None:
        line.until_arrived()
        line.reset()

    with abrupt_vendor(speak, buffer=2 * SIZE) as url:
        assert isinstance(run(send(url)), MaybeSent)


@pytest.mark.parametrize("left", [1, 500])
def test_reset_before_the_end_was_read(run: Run, left: int) -> None:
    """How much the program has read by then says nothing: the end has left this machine."""

    def speak(line: Line) -> None:
        line.until_arrived()
        line.read(SIZE - left)
        line.reset()

    with abrupt_vendor(speak, buffer=2 * SIZE) as url:
        assert isinstance(run(send(url)), MaybeSent)


def test_half_closed_after_a_part(run: Run, written: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says no more can still listen, and gets from this kernel what it was given."""
    monkeypatch.setattr(outgoing, "PAUSES", 2)
    heard, verdict = list[int](), threading.Event()

    def speak(line: Line) -> None:
        line.read(PART)
        assert written.wait(LATEST_S)
        line.half_close()
        assert verdict.wait(LATEST_S)
        heard.append(line.read(2 * SIZE))

    with abrupt_vendor(speak) as url:
        sent = run(send(url))
        verdict.set()
    assert isinstance(sent, MaybeSent) and heard[0] > SIZE


def test_reset_after_half_closing(
    run: Run, way: Way, written: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes first, and a moment later what proves that nobody listens."""
    asked, ask = threading.Event(), outgoing._ask

    def noted(tap: socket.socket | None) -> TcpInfo | None:
        found = ask(tap)
        if found is not None and found.ended:
            asked.set()
        return found

    monkeypatch.setattr(outgoing, "_ask", noted)
    monkeypatch.setattr(outgoing, "PAUSES", 600)

    def speak(line: Line) -> None:
        line.read(PART)
        assert written.wait(LATEST_S)
        line.half_close()
        assert asked.wait(LATEST_S)
        line.reset()

    with abrupt_vendor(speak, tls=way[0]) as url:
        sent = run(send(url, egress=way[1]))
    assert isinstance(sent, NotSent) and sent.proof == "kernel"


def test_what_the_loop_holds_never_leaves(run: Run, way: Way) -> None:
    """A library that closes a connection goes on writing what it holds: a slow vendor would have it all in the end."""
    heard, verdict, over = list[int](), threading.Event(), threading.Event()

    def speak(line: Line) -> None:
        line.read(PART)
        line.socket.sendall(b"nonsense\r\n\r\n")
        assert verdict.wait(LATEST_S)
        heard.append(line.read(2 * HUGE))
        over.set()

    async def main(url: str) -> Sent:
        sent = await send(url, HUGE, way[1])
        verdict.set()
        # As in a gateway, the event loop lives on.
        await asyncio.to_thread(over.wait, LATEST_S)
        return sent

    with abrupt_vendor(speak, tls=way[0]) as url:
        sent = run(main(url))
    assert isinstance(sent, NotSent) and sent.proof == "kernel"
    assert PART <= heard[0] < HUGE


def test_a_kept_connection(run: Run, written: threading.Event) -> None:
    """What it carried before, and carried whole, is not counted for this body."""

    def speak(line: Line) -> None:
        line.read_request()
        line.answer()
        already = line.received
        assert twice.wait(LATEST_S)
        line.read(already + PART)
        assert written.wait(LATEST_S)
        line.reset()

    twice = threading.Event()

    async def main(url: str) -> Lack | None:
        async with aiohttp.ClientSession() as client:
            async with client.post(url, data=Outgoing(one(bytes(10 * SIZE)), 10 * SIZE), headers=length(10 * SIZE)):
                pass
            written.clear()
            twice.set()
            body = Outgoing(one(bytes(SIZE)), SIZE)
            with pytest.raises(aiohttp.ClientError):
                await client.post(url, data=body, headers=length(SIZE))
            try:
                return await body.lack()
            finally:
                body.release()

    with abrupt_vendor(speak) as url:
        lack = run(main(url))
    assert lack is not None and lack.proof == "kernel"


@pytest.mark.parametrize(("heard", "kind"), [(PART, PlatformUnreachable), (None, AnswerLost)], ids=["part", "whole"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_relay(
    run: Run, written: threading.Event, framing: str, heard: int | None, kind: type[PlatformError]
) -> None:
    """What is passed on is judged in the same way, however its end is marked."""
    data = bytes(SIZE) if framing == "length" else one(bytes(SIZE))

    def speak(line: Line) -> None:
        if heard is not None:
            line.read(heard)
        elif framing == "length":
            line.read_request()
        else:
            line.read_chunked()
        assert written.wait(LATEST_S)
        line.reset()

    async def main(url: str) -> BaseException:
        openai = platform(url.removesuffix("/model"))

        def routes(relay: Relay) -> list[web.RouteDef]:
            async def handler(request: web.Request) -> web.StreamResponse:
                return await relay.forward(request, openai, "files")

            return [web.post("/v1/files", handler)]

        async with (
            front(routes) as made,
            aiohttp.ClientSession() as client,
            client.post(f"{made.url}/v1/files", data=data),
        ):
            (fault,) = made.faults
            return fault

    with abrupt_vendor(speak) as url:
        fault = run(main(url))
    assert isinstance(fault, kind)
    assert (fault.paid is Paid.NO) == (heard is not None)


async def one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


def length(size: int) -> dict[str, str]:
    return {"Content-Length": str(size)}


@pytest.mark.parametrize("blind", ["not-linux", "old-kernel", "no-descriptor"])
def test_where_the_kernel_does_not_tell(
    run: Run, blind: str, written: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is proved, and it may have been paid."""

    def full(_fd: int) -> int:
        raise OSError(24, "Too many open files")

    if blind == "not-linux":
        monkeypatch.setattr("gateway.upstream.outgoing.sys.platform", "darwin")
    elif blind == "old-kernel":
        monkeypatch.setattr(outgoing, "SIZE", 192)
    else:
        monkeypatch.setattr("gateway.upstream.outgoing.os.dup", full)

    def speak(line: Line) -> None:
        line.read(PART)
        assert written.wait(LATEST_S)
        line.reset()

    with abrupt_vendor(speak) as url:
        assert isinstance(run(send(url)), MaybeSent)


def test_nothing_is_left_open(run: Run, written: threading.Event) -> None:
    """However it ends, the second descriptor is closed: else the vendor would never see the end."""
    folder = Path("/proc/self/fd")

    def answered(line: Line) -> None:
        line.read_request()
        line.answer()
        assert line.read(line.received + 1) == line.received

    def cut(line: Line) -> None:
        line.read(PART)
        assert written.wait(LATEST_S)
        line.reset()

    for speak in (answered, cut):
        written.clear()
        before = len(list(folder.iterdir()))
        with abrupt_vendor(speak) as url:
            run(send(url))
        assert len(list(folder.iterdir())) <= before
