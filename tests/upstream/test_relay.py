"""The relay, between a real client and a scripted upstream."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import logging
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.blob import Blob
from gateway.domain.errors import (
    AnswerLost,
    InternalError,
    InvalidRequest,
    Paid,
    PlatformTimeout,
    PlatformUnreachable,
    TooSlow,
)
from gateway.domain.size import Pixels
from gateway.platforms.openai import OpenAi
from gateway.upstream.relay import Relay
from gateway.upstream.upload import Invite
from tests.fakes.openai_server import (
    PIECE,
    Exchange,
    FakeOpenAi,
    answer,
    body,
    bodyless,
    chunked,
    cut,
    events,
    fake_openai,
    silence,
    stream,
    zipped,
)
from tests.fakes.relay_front import KEYS, Front, front, nothing, platform

MB = 1024 * 1024


@asynccontextmanager
async def relayed(
    target: OpenAi | str, *, body: Blob | None = None, invite: Invite | None = None, **times: float
) -> AsyncIterator[Front]:
    """A listener that relays everything below `/v1/`; `times` are the relay's own."""
    openai = target if isinstance(target, OpenAi) else platform(target)

    def routes(relay: Relay) -> list[web.RouteDef]:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await relay.forward(request, openai, request.raw_path.removeprefix("/v1/"), body=body, invite=invite)

        return [web.route("*", "/v1/{rest:.*}", handler, expect_handler=nothing)]

    async with front(routes, **times) as made:
        yield made


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


@pytest.fixture
async def relay(upstream: FakeOpenAi) -> AsyncIterator[Front]:
    async with relayed(upstream.url) as made:
        yield made


@pytest.fixture
async def client(relay: Front) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(relay.url, auto_decompress=False) as session:
        yield session


# There.


@pytest.mark.parametrize(
    "target",
    [
        "chat/completions",
        "files?a=%2F&b=+&c",
        "a%2fb/%C3%A9//d?x[]=1&x[]=2&=&&",
        "files/a?q=%3f?/../&r=http://h/",
        "a;b=c,d@e:f$g!*'()~",
    ],
)
async def test_target_arrives_byte_for_byte(upstream: FakeOpenAi, relay: Front, target: str) -> None:
    """Path and query are passed on as the client wrote them, odd ones included."""
    await relay.raw(f"GET /v1/{target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert upstream.seen[0].target.encode("utf-8", "surrogateescape") == f"/v1/{target}".encode()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_method_arrives(upstream: FakeOpenAi, client: aiohttp.ClientSession, method: str) -> None:
    """Every method is relayed as itself."""
    upstream.play(bodyless(204))
    async with client.request(method, "/v1/x") as response:
        assert (response.status, upstream.seen[0].method) == (204, method)


async def test_headers_arrive_without_those_of_this_connection(upstream: FakeOpenAi, relay: Front) -> None:
    """What is the client's business with OpenAI passes; what is its business with the gateway stays here."""
    kept = [
        ("OpenAI-Organization", "org-1"), ("OpenAI-Project", "proj_1"), ("OpenAI-Beta", "assistants=v2"),
        ("x-stainless-retry-count", "0"), ("Idempotency-Key", '"k"'), ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"), ("User-Agent", "OpenAI/Python 3.54.0"), ("X-Client-Request-Id", "c-1"),
        ("Content-Type", "application/json"), ("X-Twice", "1"), ("X-Twice", "2"), ("X-Nobody-Knows", "\u00e9"),
    ]  # fmt: skip
    dropped = [
        ("Authorization", "Bearer client-key"), ("api-key", "client-key"), ("Cookie", "a=client-key"),
        ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"), ("CF-Connecting-IP", "10.0.0.1"), ("Via", "1.1 nginx"), ("TE", "trailers"),
        ("Connection", "close, X-Named"), ("X-Named", "1"), ("Keep-Alive", "5"), ("Proxy-Authorization", "Basic YQ=="),
        ("Proxy-Connection", "close"), ("X-ImageModel", "flux"), ("X-Request-Signature", "s"),
        ("X-HTTP-Method-Override", "DELETE"), ("X-HTTP-Method", "GET"), ("X-Method-Override", "GET"),
        ("X-Original-URL", "/v1/files"), ("X-Rewrite-URL", "/v1/files"),
    ]  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*kept, *dropped])
    await relay.raw(f"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n{lines}\r\n".encode())
    host = upstream.url.split("/")[2]
    assert sorted(upstream.seen[0].headers) == sorted([*kept, ("Host", host), ("Authorization", f"Bearer {KEYS[0]}")])


async def test_nothing_is_added(upstream: FakeOpenAi, relay: Front) -> None:
    """A request with no headers arrives with none but the host and the key; a GET without a body stays without."""
    await relay.raw(b"GET /v1/models HTTP/1.0\r\n\r\n")
    assert [name for name, _ in upstream.seen[0].headers] == ["Host", "Authorization"]


async def test_client_cannot_strip_the_key(upstream: FakeOpenAi, relay: Front) -> None:
    """Naming Authorization a header of the connection does not remove the platform's."""
    await relay.raw(b"GET /v1/models HTTP/1.1\r\nHost: h\r\nConnection: close, authorization, host\r\n\r\n")
    assert upstream.seen[0].one("Authorization") == f"Bearer {KEYS[0]}"


async def test_keys_take_turns(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """Requests use the keys of the pool one after the other."""
    for _ in range(4):
        async with client.get("/v1/models") as response:
            await response.read()
    assert [seen.one("Authorization") for seen in upstream.seen] == [f"Bearer {key}" for key in KEYS * 2]


async def test_upload_with_a_length_keeps_it(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """A body of known length arrives with that length and not in chunks."""
    data = bytes(range(256)) * 4000
    async with client.post("/v1/files", data=data) as response:
        assert response.status == 200
    seen = upstream.seen[0]
    assert (seen.one("Content-Length"), seen.all("Transfer-Encoding")) == (str(len(data)), [])
    assert seen.digest == hashlib.sha256(data).hexdigest()


async def test_upload_in_chunks_stays_in_chunks(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """A body of unknown length arrives complete, in chunks and without a length."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%d," % number * 1000

    async with client.post("/v1/files", data=pieces()) as response:
        assert response.status == 200
    seen = upstream.seen[0]
    assert (seen.all("Content-Length"), seen.one("Transfer-Encoding")) == ([], "chunked")
    assert seen.digest == hashlib.sha256(b"".join(b"%d," % n * 1000 for n in range(50))).hexdigest()


async def test_encoded_upload_is_not_decoded(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """A gzipped request arrives gzipped."""
    data = gzip.compress(b"{}" * 1000)
    async with client.post("/v1/x", data=data, headers={"Content-Encoding": "gzip"}) as response:
        assert response.status == 200
    assert (bytes(upstream.seen[0].body), upstream.seen[0].one("Content-Encoding")) == (data, "gzip")


async def test_empty_post_stays_empty(upstream: FakeOpenAi, relay: Front) -> None:
    """`Content-Length: 0` arrives as that."""
    await relay.raw(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert (upstream.seen[0].one("Content-Length"), upstream.seen[0].all("Transfer-Encoding")) == ("0", [])


async def test_upload_begins_before_it_ends(upstream: FakeOpenAi, relay: Front) -> None:
    """The first bytes of an upload arrive while the client still holds the rest."""
    arrived = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        assert await exchange.reader.readexactly(5) == b"first"
        arrived.set()
        await exchange.reader.readexactly(4)
        await exchange.head(204)

    upstream.play(script)
    async with relay.dial() as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nfirst")
        await arrived.wait()
        writer.write(b"last")
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")


class Received:
    """A blob of two pieces, or one that cannot be read back."""

    media_type, pixels, orientation, digest = "application/octet-stream", Pixels(0, 0), 1, ""

    def __init__(self, *pieces: bytes, broken: bool = False) -> None:
        self._pieces, self._broken = pieces, broken
        self.length = sum(map(len, pieces))

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            if self._broken:
                raise OSError("a spooled file is shorter than it was written")

    def release(self) -> None: ...


async def test_received_body_is_replayed(upstream: FakeOpenAi) -> None:
    """A body that was received before is sent with its own length, whatever framing it came in."""
    async with relayed(upstream.url, body=Received(b"one", b"two")) as relay:
        await relay.raw(
            b"POST /v1/images/edits HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
        )
    seen = upstream.seen[0]
    assert (bytes(seen.body), seen.one("Content-Length"), seen.all("Transfer-Encoding")) == (b"onetwo", "6", [])
    assert seen.one("Content-Type") == "multipart/form-data; boundary=b"


async def test_body_that_cannot_be_replayed_is_our_fault(upstream: FakeOpenAi) -> None:
    """When the spooled bytes cannot be read, the gateway is to blame, not the platform."""
    async with relayed(upstream.url, body=Received(b"one", b"two", broken=True)) as relay:
        head = await relay.raw(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500") and isinstance(relay.faults[0], InternalError)


async def test_client_is_invited_once_the_platform_is_reached(upstream: FakeOpenAi) -> None:
    """The invitation comes before the first byte is read, and not when there is nobody to send it to."""
    invited: list[int] = []

    def invite(request: web.Request) -> None:
        invited.append(len(upstream.seen))

    async with relayed(upstream.url, invite=invite) as relay, aiohttp.ClientSession() as session:
        await session.post(f"{relay.url}/v1/x", data=b"x")
        await session.get(f"{relay.url}/v1/x")
    async with relayed("http://127.0.0.1:9/v1", invite=invite) as relay, aiohttp.ClientSession() as session:
        await session.post(f"{relay.url}/v1/x", data=b"x")
    assert len(invited) == 1 and upstream.connections == 1


# And back.


async def test_answer_comes_back_byte_for_byte(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """Status, reason, body and length are the platform's own."""
    upstream.play(body(bytes(range(256)), 207, [("Content-Type", "application/x-odd; a=b")]))
    async with client.get("/v1/x") as response:
        assert (response.status, response.reason) == (207, "Reason")
        assert await response.read() == bytes(range(256))
        assert response.headers["Content-Length"] == "256" and "Transfer-Encoding" not in response.headers
        assert response.headers["Content-Type"] == "application/x-odd; a=b"


async def test_answer_headers(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """What tells about the answer passes; what tells about the platform's connection or origin does not."""
    kept = [
        ("Retry-After", "7"), ("x-should-retry", "false"), ("x-ratelimit-remaining-requests", "3"),
        ("openai-processing-ms", "12"), ("openai-version", "2020-10-01"), ("Date", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ("X-Twice", "1"), ("X-Twice", "2"), ("Content-Security-Policy", "x" * 20_000),
    ]  # fmt: skip
    dropped = [
        ("Set-Cookie", "__cf_bm=1"), ("Server", "cloudflare"), ("Alt-Svc", 'h3=":443"'), ("X-Named", "1"),
        ("Connection", "keep-alive, X-Named"), ("Keep-Alive", "timeout=5"),
        ("Strict-Transport-Security", "max-age=1; includeSubDomains"), ("x-request-id", "req_theirs"),
    ]  # fmt: skip
    upstream.play(answer({}, 429, [*kept, *dropped]))
    async with (
        aiohttp.ClientSession(client._base_url, max_field_size=32_000) as session,
        session.get("/v1/x") as response,
    ):
        headers = {(name, value) for name, value in response.headers.items()}
    assert set(kept) <= headers and ("x-upstream-request-id", "req_theirs") in headers
    assert not headers & set(dropped) and not {"x-request-id", "set-cookie"} & {name.lower() for name, _ in headers}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_relayed_not_followed(
    upstream: FakeOpenAi, client: aiohttp.ClientSession, status: int
) -> None:
    """A redirect is the client's to follow; the key goes nowhere else."""
    upstream.play(answer({}, status, [("Location", f"{upstream.url}/elsewhere")]))
    async with client.post("/v1/x", data=b"x", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (status, f"{upstream.url}/elsewhere")
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 418, 429, 500, 502, 503, 599, 999])
async def test_errors_are_not_touched(upstream: FakeOpenAi, client: aiohttp.ClientSession, status: int) -> None:
    """An error, even one in HTML, reaches the client as it is, after one try."""
    page = b"<html>\xff not utf-8</html>"
    upstream.play(body(page, status, [("Content-Type", "text/html")]))
    async with client.post("/v1/x", data=b"x") as response:
        assert (response.status, await response.read()) == (status, page)
        assert response.headers["Content-Type"] == "text/html"
    assert len(upstream.seen) == 1


async def test_cookies_are_not_remembered(upstream: FakeOpenAi) -> None:
    """One client's cookie does not come back with the next request."""
    upstream.play(answer({}, headers=[("Set-Cookie", "a=1; Path=/")]))
    async with relayed(upstream.url.replace("127.0.0.1", "localhost")) as relay, aiohttp.ClientSession() as session:
        for _ in range(2):
            await session.get(f"{relay.url}/v1/x")
    assert upstream.seen[1].all("Cookie") == []


async def test_compressed_answer_stays_compressed(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """gzip passes untouched, header and bytes."""
    upstream.play(zipped({"a": "b" * 1000}))
    async with client.get("/v1/x") as response:
        data = await response.read()
    assert response.headers["Content-Encoding"] == "gzip" and json.loads(gzip.decompress(data)) == {"a": "b" * 1000}
    assert response.headers["Content-Length"] == str(len(data))


async def test_chunked_answer_stays_chunked(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """An answer without a length arrives complete, and with an end."""
    upstream.play(chunked([b"a", b"b" * PIECE, b"c"]))
    async with client.get("/v1/x") as response:
        assert response.headers["Transfer-Encoding"] == "chunked" and "Content-Length" not in response.headers
        assert await response.read() == b"a" + b"b" * PIECE + b"c"


@pytest.mark.parametrize(
    ("method", "script", "expected"),
    [
        ("GET", bodyless(204), b"HTTP/1.1 204"),
        ("GET", bodyless(304, [("ETag", '"e"')]), b"HTTP/1.1 304"),
        ("HEAD", bodyless(200, [("Content-Length", "5")]), b"HTTP/1.1 200"),
        ("HEAD", bodyless(200, [("Transfer-Encoding", "chunked")]), b"HTTP/1.1 200"),
        ("GET", body(b""), b"HTTP/1.1 200"),
    ],
)
async def test_answers_without_a_body(
    upstream: FakeOpenAi, relay: Front, method: str, script: object, expected: bytes
) -> None:
    """204, 304 and answers to HEAD end with their head, and the connection serves the next request."""
    upstream.play(script)  # type: ignore[arg-type]
    request = f"{method} /v1/x HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    async with relay.dial() as (reader, writer), asyncio.timeout(5):
        for _ in range(2):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(expected)
            assert b"etag" not in head.lower() or b'"e"' in head
    assert upstream.connections == 1


async def test_length_of_a_head_answer_is_kept(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """HEAD tells the length that GET would have."""
    upstream.play(bodyless(200, [("Content-Length", "1234")]))
    async with client.head("/v1/x") as response:
        assert response.headers["Content-Length"] == "1234"


async def test_old_client_gets_an_end(upstream: FakeOpenAi, relay: Front) -> None:
    """An HTTP/1.0 client that asked to keep the connection sees the end of an answer without a length."""
    upstream.play(chunked([b"one", b"two"]))
    got = await relay.raw(b"GET /v1/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert got.endswith(b"\r\n\r\nonetwo") and b"chunked" not in got


async def test_connections_are_kept(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """Completed exchanges share one connection to the platform."""
    for _ in range(3):
        async with client.post("/v1/x", data=b"x" * 100_000) as response:
            await response.read()
    assert upstream.connections == 1


async def test_answer_before_the_upload_ends(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """A platform that says no in the middle of an upload is heard, and its connection is not used again."""

    async def refuse(exchange: Exchange) -> None:
        await exchange.reader.read(10)
        await exchange.head(413, [("Content-Length", "5")])
        await exchange.send(b"large")
        await exchange.wait_closed()
        exchange.closing = True

    upstream.play(refuse, answer({}))
    async with client.post("/v1/x", data=b"x" * 20 * MB) as response:
        assert (response.status, await response.read()) == (413, b"large")
    await upstream.until(lambda fake: fake.open == 0)
    async with client.get("/v1/x") as response:
        assert response.status == 200
    assert upstream.connections == 2


# As a stream.


async def test_events_are_not_held_back(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """Each event arrives while the platform waits before it sends the next, the head before the first, and quickly."""
    clock = asyncio.get_running_loop().time
    go, sent, lags = asyncio.Queue[None](), [0.0], []

    async def before_each(_number: int) -> None:
        await go.get()
        sent[0] = clock()

    upstream.play(events(50, before_each))
    async with asyncio.timeout(10), client.post("/v1/chat/completions", json={"stream": True}) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        for number in range(50):
            go.put_nowait(None)
            chunk = await response.content.readany()
            lags.append(clock() - sent[0])
            assert chunk == f"data: {number}\n\n".encode()
        assert await response.content.read() == b""
    assert sorted(lags)[25] < 0.02


@pytest.mark.parametrize(
    ("sent", "buffering"),
    [
        ({"Content-Type": "text/event-stream"}, ["no"]),
        ({"content-type": "Text/Event-Stream ; charset=utf-8"}, ["no"]),
        ({"Content-Type": "text/event-stream", "x-accel-buffering": "yes"}, ["yes"]),
        ({"Content-Type": "application/json"}, []),
        ({"Content-Type": "text/event-streams"}, []),
        ({}, []),
    ],
)
async def test_no_proxy_is_to_keep_events_back(
    upstream: FakeOpenAi, client: aiohttp.ClientSession, sent: dict[str, str], buffering: list[str]
) -> None:
    """As our own streams tell nginx, unless the platform has told it something."""
    upstream.play(chunked([b"data: 1\n\n"], list(sent.items())))
    async with client.post("/v1/chat/completions", json={"stream": True}) as response:
        assert await response.read() == b"data: 1\n\n"
        assert response.headers.getall("X-Accel-Buffering", []) == buffering


@pytest.mark.parametrize("length", [True, False])
async def test_large_answer_in_little_memory(upstream: FakeOpenAi, client: aiohttp.ClientSession, length: bool) -> None:
    """100 MB come back whole, with a few buffers' worth of memory."""
    upstream.play(stream(100 * MB, length=length))
    total = 0
    tracemalloc.start()
    try:
        async with client.get("/v1/x") as response:
            async for chunk in response.content.iter_any():
                total += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 100 * MB and peak < 8 * MB


async def test_large_upload_in_little_memory(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """50 MB go there whole, with a few buffers' worth of memory."""
    piece = bytes(range(256)) * 1024

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield piece

    tracemalloc.start()
    try:
        async with client.post("/v1/x", data=pieces()) as response:
            assert response.status == 200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert upstream.seen[0].digest == hashlib.sha256(piece * 200).hexdigest() and peak < 8 * MB


async def test_slow_reader_slows_the_platform(upstream: FakeOpenAi, relay: Front) -> None:
    """A client that does not read stops the platform's sending, instead of filling the gateway."""
    sent = 0
    stuck = asyncio.Event()

    async def pour(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.head(200, [("Content-Length", str(500 * MB))])
        while True:
            try:
                async with asyncio.timeout(0.3):
                    await exchange.send(b"x" * PIECE)
            except TimeoutError:
                stuck.set()
                return await exchange.wait_closed()
            sent += PIECE

    upstream.play(pour)
    async with relay.dial() as (_reader, writer), asyncio.timeout(10):
        writer.write(b"GET /v1/x HTTP/1.1\r\nHost: h\r\n\r\n")
        await stuck.wait()
    assert sent < 60 * MB


# Somebody leaves.


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"])
async def test_client_gone_ends_the_request(upstream: FakeOpenAi, relay: Front, before: bytes) -> None:
    """When the client leaves, before or within the answer, the platform's connection is closed at once."""
    upstream.play(silence(before))
    async with relay.dial() as (reader, writer):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        await upstream.until(lambda fake: bool(fake.seen) and fake.seen[0].complete)
        if before:
            await reader.readuntil(b"x\r\n")
    await upstream.until(lambda fake: fake.open == 0)


async def test_client_gone_in_its_upload_ends_the_request(upstream: FakeOpenAi, relay: Front) -> None:
    """Half an upload ends as half an upload: the platform never sees an end that the client did not send."""
    async with relay.dial() as (_reader, writer):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await upstream.until(lambda fake: bool(fake.seen))
    await upstream.until(lambda fake: fake.open == 0)
    assert not upstream.seen[0].complete


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    ],
)
async def test_platform_gone_in_its_answer_cuts_the_client(upstream: FakeOpenAi, relay: Front, begun: bytes) -> None:
    """A broken answer does not look like a complete one: no last chunk, fewer bytes than announced."""
    upstream.play(cut(begun))
    got = await relay.raw(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
    assert b"200 OK" in got and b"abc" in got and not got.endswith(b"0\r\n\r\n") and got.count(b"HTTP/1.1") == 1
    assert [type(fault) for fault in relay.faults] == [AnswerLost]


async def test_platform_that_talks_nonsense_cuts_the_client(upstream: FakeOpenAi) -> None:
    """An answer whose chunks stop making sense is a broken one."""
    heard = asyncio.Event()

    async def babble(exchange: Exchange) -> None:
        await exchange.head(200, [("Transfer-Encoding", "chunked")])
        await exchange.chunk(b"abc")
        await heard.wait()
        await exchange.send(b"nonsense\r\n")
        await exchange.wait_closed()
        exchange.closing = True

    upstream.play(babble)
    async with relayed(upstream.url, look_every_s=0.05) as relay, relay.dial() as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET /v1/x HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"abc\r\n")
        heard.set()
        assert await reader.read() == b""
        assert [type(fault) for fault in relay.faults] == [AnswerLost]


async def test_silent_platform_is_waited_for(upstream: FakeOpenAi) -> None:
    """However often its connection is looked at, a platform may think as long as it likes."""
    looks = asyncio.Event()

    async def before_each(number: int) -> None:
        if number:
            await looks.wait()

    upstream.play(events(2, before_each))
    async with relayed(upstream.url, look_every_s=0.001) as relay, relay.dial() as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET /v1/x HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"data: 0\n\n\r\n")
        asyncio.get_running_loop().call_later(0.02, looks.set)
        assert (await reader.readuntil(b"\r\n0\r\n\r\n")).endswith(b"data: 1\n\n\r\n0\r\n\r\n")


async def test_platform_gone_resets_an_old_client(upstream: FakeOpenAi, relay: Front) -> None:
    """To an HTTP/1.0 client the end of the connection is the end of the answer, so it gets a reset instead."""
    upstream.play(cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"))
    with pytest.raises(ConnectionResetError):
        await relay.raw(b"GET /v1/x HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"HTTP/1.1 20",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\x01: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x01c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_lost_answer_may_have_been_charged(upstream: FakeOpenAi, relay: Front, begun: bytes) -> None:
    """A request that was taken and not answered is not to be repeated: 502, `x-should-retry: false`, one try."""
    upstream.play(cut(begun))
    got = await relay.raw(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
    assert got.startswith(b"HTTP/1.1 502") and b"x-should-retry: false" in got and b"platform_answer_lost" in got
    assert isinstance(relay.faults[0], AnswerLost) and relay.faults[0].paid is Paid.MAYBE
    assert len(upstream.seen) == 1


async def test_lost_get_may_be_repeated(upstream: FakeOpenAi, relay: Front) -> None:
    """A GET charges nothing, so its client may try again."""
    upstream.play(cut(b""))
    got = await relay.raw(b"GET /v1/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 502") and b"x-should-retry: true" in got


async def test_dead_connection_is_not_noticed_by_a_get(upstream: FakeOpenAi, client: aiohttp.ClientSession) -> None:
    """A kept connection that the platform closes as the next GET arrives costs the client nothing."""
    upstream.play(answer({}), cut(b""), answer({}))
    for _ in range(2):
        async with client.get("/v1/x") as response:
            assert response.status == 200
            await response.read()


async def test_upload_broken_by_the_platform_is_unpaid(upstream: FakeOpenAi, relay: Front) -> None:
    """A request that was not completely sent cannot have been charged."""

    async def hang_up(exchange: Exchange) -> None:
        await exchange.reader.read(1)
        exchange.drop()

    upstream.play(hang_up)
    async with relay.dial() as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab")
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502") and b"x-should-retry: true" in head
    assert isinstance(relay.faults[0], PlatformUnreachable) and relay.faults[0].paid is Paid.NO


@pytest.mark.parametrize("then", [b"nonsense\r\n", b""])
async def test_upload_that_does_not_go_on_is_the_clients_fault(upstream: FakeOpenAi, then: bytes) -> None:
    """A body that stalls, or whose chunks stop making sense, ends, and the platform sees no end of it."""
    async with relayed(upstream.url, stall_s=0.1) as relay, relay.dial() as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await upstream.until(lambda fake: bool(fake.seen))
        writer.write(then)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 40") and b"x-should-retry: false" in head
        assert isinstance(relay.faults[0], TooSlow | InvalidRequest)
    await upstream.until(lambda fake: fake.open == 0)
    assert not upstream.seen[0].complete


async def test_refused_connection_is_502() -> None:
    """Nobody listens at the base URL: unpaid, and the client may try again."""
    async with relayed("http://127.0.0.1:9/v1") as relay:
        got = await relay.raw(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
    assert got.startswith(b"HTTP/1.1 502") and b"x-should-retry: true" in got
    assert isinstance(relay.faults[0], PlatformUnreachable)


async def test_connection_that_is_not_taken_is_504() -> None:
    """A host that does not answer at all is given up on in time."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    fill = [asyncio.create_task(asyncio.open_connection("127.0.0.1", port)) for _ in range(4)]
    await asyncio.wait(fill, timeout=0.2)
    try:
        async with relayed(f"http://127.0.0.1:{port}/v1", connect_s=0.2) as relay:
            got = await relay.raw(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
    finally:
        for task in fill:
            if task.done():
                task.result()[1].transport.abort()
            task.cancel()
        listener.close()
    assert got.startswith(b"HTTP/1.1 504") and isinstance(relay.faults[0], PlatformTimeout)


# What is seen of it.


async def test_answers_are_counted_by_status(upstream: FakeOpenAi, relay: Front, client: aiohttp.ClientSession) -> None:
    """Each answer is counted once, under its status, and under 0 when none came."""
    upstream.play(answer({}), answer({}, 429))
    for _ in range(2):
        await client.get("/v1/x")
    upstream.play(cut(b""))
    await client.post("/v1/x")
    assert [relay.count("relay", status) for status in ("200", "429", "0")] == [1, 1, 1]


@pytest.mark.parametrize("begun", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_key_and_query_appear_in_no_fault(
    upstream: FakeOpenAi, relay: Front, begun: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Faults, their causes and the log say neither the platform's key nor the client's query."""
    caplog.set_level(logging.DEBUG)
    upstream.play(cut(begun))
    got = await relay.raw(
        b"POST /v1/x?token=hidden HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    )
    fault = relay.faults[0]
    assert isinstance(fault, AnswerLost) and fault.__cause__ is None and fault.__suppress_context__
    told = f"{got!r} {fault!r} {fault.text} {fault.detail} {caplog.text}"
    assert KEYS[0] not in told and "hidden" not in told
