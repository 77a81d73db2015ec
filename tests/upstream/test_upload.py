"""A signed body on its way: what the platform gets of it before it is verified, and what it never gets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.domain.duty import Duty
from gateway.domain.errors import BadSignature, Paid, TooSlow
from gateway.upstream.relay import Relay
from gateway.upstream.upload import TAIL_BYTES
from gateway.upstream.watch import Watch
from tests.fakes.openai_server import Exchange, FakeOpenAi, answer, fake_openai
from tests.fakes.relay_front import Front, front, nothing, platform

SECRET = b"a-secret"
LARGE = bytes(range(256)) * 16384
GET_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def mac(body: bytes) -> bytes:
    return hmac.digest(SECRET, body, hashlib.sha256)


@asynccontextmanager
async def relayed(upstream: FakeOpenAi, wanted: bytes, stall_s: float = 60.0) -> AsyncIterator[Front]:
    """A relay whose requests are to have this signature."""
    openai = platform(upstream.url)

    def routes(relay: Relay) -> list[web.RouteDef]:
        async def handler(request: web.Request) -> web.StreamResponse:
            def invite(request: web.Request) -> None:
                assert request.transport is not None
                request.transport.write(GET_ON)

            duty = Duty([SECRET], wanted, once=lambda _: None)
            expects = invite if "Expect" in request.headers else None
            return await relay.forward(request, openai, "x", duty=duty, invite=expects)

        return [web.route("*", "/v1/x", handler, expect_handler=nothing)]

    async with front(routes, stall_s=stall_s) as made:
        yield made


def framed(body: bytes, *, chunked: bool) -> bytes:
    head = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    if not chunked:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [body[start : start + 10_000] for start in range(0, len(body), 10_000)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [b"", b"x", b"x" * TAIL_BYTES, b"x" * (TAIL_BYTES + 1), LARGE])
async def test_a_right_one_arrives_whole(body: bytes, chunked: bool) -> None:
    """Byte for byte, in its own framing, whatever was kept back on the way."""
    async with fake_openai() as upstream, relayed(upstream, mac(body)) as relay:
        got = await relay.raw(framed(body, chunked=chunked))
        assert got.startswith(b"HTTP/1.1 200")
        (seen,) = upstream.seen
    assert seen.digest == hashlib.sha256(body).hexdigest()
    assert seen.complete
    if body:
        assert bool(seen.all("Transfer-Encoding")) == chunked


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [b"x", b"x" * TAIL_BYTES])
async def test_a_small_wrong_one_is_never_heard_of(body: bytes, chunked: bool) -> None:
    """What fits into the tail is verified before there is a connection: a head alone may be acted upon."""
    async with fake_openai() as upstream, relayed(upstream, mac(b"another")) as relay:
        got = await relay.raw(framed(body, chunked=chunked))
        assert (upstream.connections, upstream.seen) == (0, [])
    assert got.startswith(b"HTTP/1.1 401") and b"invalid_signature" in got
    assert b"x-should-retry: false" in got


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_wrong_one_is_never_complete(chunked: bool) -> None:
    """The platform sees a connection that breaks off before the tail, and the client 401."""
    async with fake_openai() as upstream, relayed(upstream, mac(LARGE + b"x")) as relay:
        got = await relay.raw(framed(LARGE, chunked=chunked))
        await upstream.until(lambda fake: fake.open == 0)
        (seen,) = upstream.seen
    assert got.startswith(b"HTTP/1.1 401") and b"invalid_signature" in got
    assert not seen.complete
    assert seen.length <= len(LARGE) - TAIL_BYTES
    assert [type(fault) for fault in relay.faults] == [BadSignature]


async def test_a_large_one_streams_and_keeps_its_tail() -> None:
    """What lies before the tail goes on at once; the tail waits for the last byte."""
    async with fake_openai() as upstream, relayed(upstream, mac(LARGE)) as relay, relay.dial() as (reader, writer):
        writer.write(framed(LARGE, chunked=False)[:-1])
        async with asyncio.timeout(5):
            # Kept back are whole pieces: the last one that was read may be a large one.
            while not upstream.seen or upstream.seen[0].length < len(LARGE) // 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert upstream.seen[0].length <= len(LARGE) - 1 - TAIL_BYTES
        writer.write(LARGE[-1:])
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
        assert upstream.seen[0].complete


async def test_a_platform_that_does_not_wait_is_not_believed() -> None:
    """A success that came before the tail is an answer to something that nobody signed."""

    async def hasty(exchange: Exchange) -> None:
        await exchange.head(200, [("Content-Length", "0")])
        await exchange.wait_closed()
        exchange.closing = True

    async with fake_openai(hasty) as upstream, relayed(upstream, mac(LARGE)) as relay, relay.dial() as (reader, writer):
        writer.write(framed(LARGE, chunked=False)[:-1])
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401")
    (fault,) = relay.faults
    assert isinstance(fault, BadSignature)
    assert fault.paid is Paid.MAYBE


async def test_a_refusal_in_the_middle_is_passed_on() -> None:
    """A platform that says no has done nothing, and its reason is worth more than ours."""

    async def refuse(exchange: Exchange) -> None:
        await exchange.head(413, [("Content-Length", "0")])
        await exchange.wait_closed()
        exchange.closing = True

    async with (
        fake_openai(refuse) as upstream,
        relayed(upstream, mac(LARGE)) as relay,
        relay.dial() as (
            reader,
            writer,
        ),
    ):
        writer.write(framed(LARGE, chunked=False)[:-1])
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("then", [b"", b"nonsense\r\n"])
async def test_one_that_does_not_go_on_is_the_clients_fault(then: bytes) -> None:
    """While the tail is read as afterwards, and nobody else hears of it."""
    async with fake_openai() as upstream, relayed(upstream, mac(b"x"), stall_s=0.1) as relay, relay.dial() as (r, w):
        w.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await asyncio.sleep(0.02)
        w.write(then)
        assert (await asyncio.wait_for(r.readline(), 5)).startswith(b"HTTP/1.1 408")
        assert upstream.connections == 0
    assert [type(fault) for fault in relay.faults] == [TooSlow]


async def test_the_client_is_invited_once() -> None:
    """Before the tail is read, which is before there is a connection."""
    body = b"x" * 100
    async with fake_openai() as upstream, relayed(upstream, mac(body)) as relay, relay.dial() as (reader, writer):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == GET_ON
        assert upstream.connections == 0
        writer.write(body)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")


async def test_nothing_is_left_when_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail was read, and no platform takes it: what watches the client's stream has ended."""
    watches: list[str] = []

    class Noted(Watch):
        def __enter__(self) -> None:
            watches.append("begun")
            super().__enter__()

        def __exit__(self, *told: object) -> None:
            watches.append("ended")
            super().__exit__(*told)

    monkeypatch.setattr("gateway.upstream.upload.Watch", Noted)
    async with fake_openai() as gone:
        pass
    async with relayed(gone, mac(LARGE)) as relay:
        assert (await relay.raw(framed(LARGE, chunked=False))).startswith(b"HTTP/1.1 502")
    assert watches == ["begun", "ended"]


async def test_a_second_request_follows_on_the_same_connection() -> None:
    """Nothing of the first one's tail is left over."""
    async with fake_openai(answer({})) as upstream, relayed(upstream, mac(b"ab")) as relay, relay.dial() as (r, w):
        for _ in range(2):
            w.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab")
            head = await asyncio.wait_for(r.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200")
            await r.readexactly(2)
        assert [bytes(seen.body) for seen in upstream.seen] == [b"ab", b"ab"]
