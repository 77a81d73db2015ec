"""Connections over real sockets: rude, broken and lazy peers get one envelope, one short log line and no patience."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from gateway.chain.connection import Terms, runner, verify_runtime
from gateway.chain.gate import Crowding
from gateway.chain.refusal import Complaints
from gateway.domain.errors import TooLarge
from gateway.handlers.body import Body, Pace, leave_expect
from tests.fakes.receiver import listening

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "sk-live-0123456789abcdef"
ANY = Crowding(2000)
QUICK = Terms(silence_s=0.3, stall_s=0.2, linger_s=0.5, shutdown_s=0.1, new_id=lambda: "req_test")


async def ok(request: web.Request) -> web.Response:
    return web.Response(text=f"ok {request.path}")


@asynccontextmanager
async def served(
    handler: Handler, terms: Terms = QUICK, path: str = "/{rest:.*}", crowding: Crowding = ANY
) -> AsyncIterator[int]:
    """The port of a bare application on our connections."""
    app = web.Application()
    app.router.add_route("*", path, handler, expect_handler=leave_expect)
    async with listening(runner(app, terms, lambda: crowding)) as port:
        yield port


async def exchange(port: int, sent: bytes, within: float = 3.0) -> bytes:
    """Everything that comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), within)
    finally:
        writer.close()


def told(answer: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and the error object of one raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, json.loads(body)["error"]


BROKEN = {
    "forbidden byte": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\0\r\n\r\n",
    "escape": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\x1b[2J\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\rX: 1\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization Bearer %b\r\n\r\n",
    "key in the request line": b"GET /?key=%b HTTP/9.9\r\nHost: a\r\n\r\n",
    "unknown method": b"%b / HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case method": b"get /?%b HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /?%b HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /?%b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "length of letters": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\n",
    "chunk of letters": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n\r\n",
    "impossible port": b"GET http://%b:99999/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%b",
}
TOO_LONG = {
    "long line": b"GET /%b" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "long value": b"GET / HTTP/1.1\r\nHost: a\r\nCookie: %b" + b"a" * 65536 + b"\r\n\r\n",
    "long name": b"GET / HTTP/1.1\r\nHost: a\r\n%b" + b"a" * 9000 + b": 1\r\n\r\n",
    "many lines": b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n"
    + b"".join(b"X-%d: 1\r\n" % i for i in range(129))
    + b"\r\n",
}


@pytest.mark.parametrize("name", [*BROKEN, *TOO_LONG])
async def test_a_broken_head_gets_an_envelope_and_is_not_repeated(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the answer nor the log contains a byte of what was sent; the log gets one line of at most 300 bytes."""
    caplog.set_level(logging.DEBUG)
    sent = (BROKEN | TOO_LONG)[name].replace(b"%b", KEY.encode())
    async with served(ok) as port:
        answer = await exchange(port, sent)
    status, headers, error = told(answer)
    code = "invalid_request" if name in BROKEN else "headers_too_large"
    assert (status, error["code"]) == (400 if name in BROKEN else 431, code)
    assert error.keys() == {"message", "type", "param", "code"}
    assert headers["content-type"].startswith("application/json")
    assert (headers["x-request-id"], headers["x-should-retry"]) == ("req_test", "false")
    assert "aiohttp" not in answer.decode()
    assert "Python" not in answer.decode()
    lines = [record for record in caplog.records if record.name != "asyncio"]
    assert len(lines) == 1
    logged = logging.Formatter().format(lines[0])
    assert len(logged) <= 300
    for text in (answer.decode(), logged):
        assert KEY[:12] not in text
        assert "aaaa" not in text


async def test_many_broken_heads_are_one_log_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """A flood of rubbish does not fill the log."""
    caplog.set_level(logging.DEBUG)
    async with served(ok) as port:
        for _ in range(20):
            await exchange(port, BROKEN["unknown method"])
    assert len([record for record in caplog.records if record.name == "gateway.connection"]) <= 2


def test_complaints_left_out_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """The next line says how many there were in between."""
    now = 10.0
    complain = Complaints(lambda: now)
    for _ in range(5):
        complain("bad %s", "head")
    now = 11.5
    complain("bad %s", "head")
    assert [record.getMessage() for record in caplog.records] == [
        "bad head; 0 more since the last such line",
        "bad head; 4 more since the last such line",
    ]


@pytest.mark.parametrize(
    "target", ["http://evil.example/x", "//x", "/a/../b", "/%2e%2e/x", "/%00", "/a\\b", "/;x", "*", "/[::1", "a#"]
)
@pytest.mark.parametrize("host", [b"a", b"a#", b"a/b?", b"a@b", b"", b"[::1", b"x" * 4000])
async def test_odd_targets_and_hosts_do_not_crash(target: str, host: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a client names as address and host, the answer is 200 or a client error, without a traceback."""
    async with served(ok) as port:
        request = b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (target.encode(), host)
        answer = await exchange(port, request)
    assert answer[9:12] in (b"200", b"400", b"404")
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize("method", ["CONNECT a:443", "OPTIONS *", "TRACE /x"])
async def test_odd_methods_do_not_crash(method: str) -> None:
    """Methods without meaning here end in a whole answer."""
    async with served(ok, path="/only") as port:
        answer = await exchange(port, f"{method} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    status, _, error = told(answer)
    assert (status, error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (ValueError("secret"), 500, "internal_error"),
        (TimeoutError(), 500, "internal_error"),
        (web.HTTPNotFound(), 404, "not_found"),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405, "method_not_allowed"),
        (web.HTTPRequestEntityTooLarge(1), 413, "request_too_large"),
        (web.HTTPServiceUnavailable(), 500, "internal_error"),
        (web.HTTPConflict(), 400, "invalid_request"),
    ],
)
async def test_what_no_middleware_caught_is_an_envelope_too(fault: Exception, status: int, code: str) -> None:
    """Plain text is never an answer, HTML neither, and the fault's own words stay inside."""

    async def fail(_request: web.Request) -> web.StreamResponse:
        raise fault

    async with (
        served(fail) as port,
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}/", headers={"Accept": "text/html"}) as response,
    ):
        body = await response.json()
    assert (response.status, body["error"]["code"]) == (status, code)
    assert "secret" not in json.dumps(body)
    assert response.headers["x-request-id"] == "req_test"
    assert "aiohttp" not in response.headers.get("Server", "")


async def test_a_fault_in_the_middle_of_an_answer_cuts_it() -> None:
    """After the head nothing but the end of the connection can tell that something went wrong."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 10
        await response.prepare(request)
        await response.write(b"12345")
        raise ValueError

    async with served(half) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.endswith(b"12345")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"]
)
async def test_silent_and_half_heads_are_closed(sent: bytes) -> None:
    """A connection without a complete head is closed after the allowed silence, the first request or a later one."""
    async with served(ok) as port:
        began = asyncio.get_running_loop().time()
        answer = await exchange(port, sent)
        assert 0.2 < asyncio.get_running_loop().time() - began < 1.5
    assert answer.count(b"HTTP/1.1 200") == (1 if sent.endswith(b"\r\n\r\nGET") else 0)


async def test_dripping_a_head_does_not_extend_the_silence() -> None:
    """The time runs from the start of the connection, whatever trickles in."""
    async with served(ok) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = asyncio.get_running_loop().time()
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        while not reader.at_eof() and asyncio.get_running_loop().time() < began + 2:
            writer.write(b"X: 1\r\n")
            try:
                await asyncio.wait_for(reader.read(1), 0.05)
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert asyncio.get_running_loop().time() - began < 1
        writer.close()


def tight_socket(port: int) -> socket.socket:
    """A client that has hardly any room for an answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    return client


async def drained(client: socket.socket) -> int:
    """How much is there up to a clean end."""
    received = 0
    while chunk := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
        received += len(chunk)
    return received


@pytest.mark.parametrize("pieces", [1, 100])
@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"])
async def test_an_answer_nobody_reads_is_aborted(pieces: int, closing: bytes) -> None:
    """A peer that does not read holds neither memory nor a handler, whether the answer is one piece or many."""
    done = asyncio.Event()

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            for _ in range(pieces):
                await response.write(bytes(20_000_000 // pieces))
            await response.write_eof()
        finally:
            done.set()
        return response

    loop = asyncio.get_running_loop()
    async with served(large) as port:
        with tight_socket(port) as client:
            await loop.sock_connect(client, ("127.0.0.1", port))
            began = loop.time()
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a\r\n" + closing + b"\r\n")
            await asyncio.wait_for(done.wait(), 2)
            await asyncio.sleep(0.5 - (loop.time() - began))
            with pytest.raises(ConnectionResetError):
                await drained(client)


async def test_a_slow_but_steady_reader_gets_everything() -> None:
    """Who takes the least rate is served to the end, however long it takes."""
    terms = replace(QUICK, answer_rate=1_000_000)

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(6_000_000))

    loop = asyncio.get_running_loop()
    async with served(large, terms) as port:
        with tight_socket(port) as client:
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received, began = 0, loop.time()
            while chunk := await loop.sock_recv(client, 200_000):
                received += len(chunk)
                await asyncio.sleep(max(0.0, received / 5_000_000 - (loop.time() - began)))
    assert received > 6_000_000
    assert loop.time() - began > 1.0


async def test_connections_past_the_most_are_turned_away() -> None:
    """The one too many is told so at once and closed; when one leaves, the next gets in."""
    async with served(ok, replace(QUICK, silence_s=5), crowding=Crowding(2)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.05)
        status, headers, error = told(await exchange(port, b""))
        assert (status, error["code"], headers["x-should-retry"]) == (503, "out_of_room", "true")
        assert headers["connection"] == "close"
        held[0][1].close()
        await asyncio.sleep(0.05)
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        held[1][1].close()


async def test_many_pipelined_requests_are_answered_in_order() -> None:
    """Nobody gets more attention by not waiting for answers."""
    count = 500
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(count - 1))
    async with served(ok) as port:
        answer = await exchange(port, requests + b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 10)
    assert [line.split(b"HTTP")[0].strip() for line in answer.split(b"ok ")[1:]] == [
        *(b"/%d" % i for i in range(count - 1)),
        b"/end",
    ]


async def refuse(_request: web.Request) -> web.StreamResponse:
    """As the errors middleware answers before a body was read."""
    return web.json_response({"error": {"code": "request_too_large"}}, status=413)


async def test_a_refused_body_is_read_on_so_that_its_sender_sees_the_answer() -> None:
    """A client that writes everything before it reads gets the answer, not a reset; then the connection ends."""
    body = bytes(8_000_000)
    async with served(refuse) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 65536):
            writer.write(body[start : start + 65536])
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 2)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"Connection: close" in answer


async def test_reading_on_is_bounded_in_time_and_rate() -> None:
    """An endless refused body is let go after the allowed time, and no more than the allowed rate was read of it."""
    terms = replace(QUICK, linger_s=0.4, linger_rate=1_000_000)
    async with served(refuse, terms) as port:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        began, sent = asyncio.get_running_loop().time(), 0
        with suppress(ConnectionError):
            while asyncio.get_running_loop().time() - began < 3:
                writer.write(bytes(65536))
                await asyncio.wait_for(writer.drain(), 3)
                sent += 65536
        assert asyncio.get_running_loop().time() - began < 1.5
        # What kernels buffer on both sides comes on top.
        assert sent < 16_000_000
        writer.transport.abort()


async def test_a_refused_expectation_ends_the_connection() -> None:
    """What follows a refusal without a 100 may be a body or a request: nobody guesses."""
    async with served(refuse) as port:
        answer = await exchange(
            port,
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\nExpect: 100-continue\r\n\r\n"
            b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        )
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_body_that_breaks_behind_a_refusal_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """Rubbish after the answer ends the connection, with neither a second answer nor a traceback."""
    async with served(refuse) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"%b\r\n" % KEY.encode())
        answer = await asyncio.wait_for(reader.read(), 2)
        writer.close()
    assert answer.count(b"HTTP/1.") == 1
    assert all(record.exc_info is None and KEY not in record.getMessage() for record in caplog.records)


async def test_a_body_that_breaks_while_it_is_read_is_a_client_error(caplog: pytest.LogCaptureFixture) -> None:
    """The reader learns of it at once, and one answer is given."""
    failed: list[str] = []

    async def read(request: web.Request) -> web.Response:
        body = Body(request, 1000, Pace())
        try:
            while await body.read():
                pass
        except Exception as error:
            failed.append(type(error).__name__)
            raise web.HTTPBadRequest from error
        return web.Response()

    async with served(read) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"%b\r\n" % KEY.encode())
        answer = await asyncio.wait_for(reader.read(), 2)
        writer.close()
    assert failed == ["InvalidRequest"]
    assert answer.count(b"HTTP/1.") == 1
    assert KEY.encode() not in answer
    assert all(record.exc_info is None and KEY not in record.getMessage() for record in caplog.records)


async def test_compressed_bodies_stay_compressed() -> None:
    """A small body never becomes a large one before somebody has looked at its headers."""
    sent = gzip.compress(bytes(1_000_000))

    async def measure(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async with (
        served(measure) as port,
        aiohttp.ClientSession() as client,
        client.post(f"http://127.0.0.1:{port}/", data=sent, headers={"Content-Encoding": "gzip"}) as response,
    ):
        assert await response.text() == str(len(sent))


async def test_a_departed_client_cancels_its_handler() -> None:
    """The handler learns at once that nobody waits any more."""
    cancelled = asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise TooLarge("unreachable")

    async with served(wait) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.close()
        await asyncio.wait_for(cancelled.wait(), 1)


def started(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from gateway.chain.connection import verify_runtime; verify_runtime()"
    return subprocess.run(
        [sys.executable, *flags, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_the_runtime_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old aiohttp, the pure-Python parser and -O are each refused with a text that says what to do."""
    verify_runtime()
    assert "C parser" in started(AIOHTTP_NO_EXTENSIONS="1").stderr
    assert "PYTHONOPTIMIZE" in started("-O").stderr
    assert started().returncode == 0
    for version in ("3.14.3", "3.9.0b1"):
        monkeypatch.setattr(aiohttp, "__version__", version)
        with pytest.raises(RuntimeError, match="too old"):
            verify_runtime()
    monkeypatch.setattr(aiohttp, "__version__", "4.0.0")
    verify_runtime()
