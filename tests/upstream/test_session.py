"""After every failure it is known whether the other side can have understood the request."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from gateway.upstream import session
from gateway.upstream.session import ANSWER_CAP, Answered, MaybeSent, NotSent, Sent, Session
from gateway.wire.body import Base64, JsonBody
from gateway.wire.call import Call
from tests.fakes.blob import MemoryBlob

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[[Speak], Awaitable[str]]

# More than the sockets' buffers hold, so that it cannot have been written before the other side has read.
LARGE = MemoryBlob(bytes(8 * 1024 * 1024), cuts=[65536] * 127)
SMALL = MemoryBlob(b"picture")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is given up after a moment."""
    monkeypatch.setattr(session, "SUBMIT_TIMES", aiohttp.ClientTimeout(total=5.0, sock_connect=0.2, sock_read=0.1))
    monkeypatch.setattr(session, "POLL_TIMES", aiohttp.ClientTimeout(total=0.5, sock_connect=0.2, sock_read=0.1))


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Start a server that speaks as told; returns its address."""
    servers: list[asyncio.Server] = []

    async def start(speak: Speak) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await speak(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        servers.append(await asyncio.start_server(serve, sock=listener, limit=1024 * 1024))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/v1/model"

    yield start
    for server in servers:
        server.close()


async def send(url: str, blob: MemoryBlob = SMALL, name: str = "submit") -> Sent:
    body = JsonBody({"prompt": "blue", "input_image": Base64(blob)}) if name == "submit" else None
    call = Call(name, "POST" if body else "GET", url, body, secrets={"x-key": "secret"})
    async with Session() as opened:
        return await opened.send(call)


async def read_all(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head, await reader.readexactly(int(length.partition(b":")[2]))


def saying(status: int, body: bytes, *headers: str, length: int | None = None) -> Speak:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader)
        lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body) if length is None else length}", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return speak


def reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# Never sent.


async def test_refused(unused_tcp_port: int) -> None:
    """Nobody listens."""
    assert isinstance(await send(f"http://127.0.0.1:{unused_tcp_port}/"), NotSent)


async def test_no_such_name() -> None:
    """The name leads nowhere."""
    assert isinstance(await send("http://nowhere.invalid/"), NotSent)


async def test_no_tls(listen: Listen) -> None:
    """The other side cannot prove who it is."""
    url = await listen(saying(200, b"{}"))
    assert isinstance(await send(url.replace("http:", "https:")), NotSent)


async def test_no_answer_to_the_connection() -> None:
    """A full backlog answers nothing."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        held = [socket.socket() for _ in range(3)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        assert isinstance(await send(f"http://127.0.0.1:{port}/"), NotSent)
        for one in held:
            one.close()


async def test_reset_in_the_middle_of_the_body(listen: Listen) -> None:
    """Half a body is not understood."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(200_000)
        reset(writer)

    assert isinstance(await send(await listen(speak), LARGE), NotSent)


async def test_nobody_reads_on(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that cannot be written in time was not sent."""
    monkeypatch.setattr(session, "SUBMIT_TIMES", aiohttp.ClientTimeout(total=0.3))

    async def speak(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        await asyncio.sleep(0.5)

    assert isinstance(await send(await listen(speak), LARGE), NotSent)


@pytest.mark.parametrize(("status", "kind"), [(503, NotSent), (500, NotSent), (429, Answered), (413, Answered)])
async def test_an_answer_before_the_body_was_written(listen: Listen, status: int, kind: type[Sent]) -> None:
    """A failure that cannot be about the whole request is no acceptance; a definite no is one, whenever it comes."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        await asyncio.sleep(0.2)

    assert type(await send(await listen(speak), LARGE)) is kind


# Perhaps sent.


@pytest.mark.parametrize("blob", [SMALL, LARGE], ids=["small", "large"])
async def test_reset_after_the_body(listen: Listen, blob: MemoryBlob) -> None:
    """The last byte was read: nobody knows what became of it."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader)
        reset(writer)

    assert isinstance(await send(await listen(speak), blob), MaybeSent)


async def test_silence_after_the_body(listen: Listen) -> None:
    """No answer in time."""

    async def speak(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_all(reader)
        await asyncio.sleep(0.5)

    assert isinstance(await send(await listen(speak)), MaybeSent)


@pytest.mark.parametrize("status", [200, 302, 500])
async def test_half_an_answer(listen: Listen, status: int) -> None:
    """The head came, the text did not: what may have been a yes is none."""
    url = await listen(saying(status, b'{"id":', length=100))
    assert isinstance(await send(url), MaybeSent)


async def test_nonsense_instead_of_http(listen: Listen) -> None:
    """The other side speaks something else."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    assert isinstance(await send(await listen(speak)), MaybeSent)


# Answered.


@pytest.mark.parametrize("status", [200, 402, 500, 503])
async def test_an_answer(listen: Listen, status: int) -> None:
    """Status, headers and text, whatever the status."""
    sent = await send(await listen(saying(status, b'{"detail":"no"}', "Retry-After: 7")))
    assert isinstance(sent, Answered)
    assert (sent.answer.status, sent.answer.body) == (status, b'{"detail":"no"}')
    assert sent.answer.headers["retry-after"] == "7"


async def test_a_no_without_its_text(listen: Listen) -> None:
    """A refusal is one even when its words are cut off."""
    sent = await send(await listen(saying(422, b'{"detail":', length=100)))
    assert isinstance(sent, Answered) and sent.answer.status == 422


async def test_an_endless_answer_is_cut(listen: Listen) -> None:
    """Vendors' answers are small; more than the cap is not read."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader)
        writer.write(b"HTTP/1.1 200 So\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    sent = await send(await listen(speak))
    assert isinstance(sent, Answered) and len(sent.answer.body) == ANSWER_CAP


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["submit", "poll"])
async def test_redirects_are_not_followed(listen: Listen, name: str, status: int) -> None:
    """The key would go with them."""
    followed: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        followed.append(await reader.read(1))

    target = await listen(elsewhere)
    sent = await send(await listen(saying(status, b"", f"Location: {target}")), name=name)
    assert isinstance(sent, Answered) and sent.answer.status == status
    assert not followed


@pytest.mark.parametrize("blob", [SMALL, LARGE], ids=["small", "large"])
async def test_what_is_sent(listen: Listen, blob: MemoryBlob, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON with its exact length, the key, a connection of its own; no cookies, and no proxy from the environment."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(session, "SUBMIT_TIMES", aiohttp.ClientTimeout(total=20.0))
    heads: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_all(reader)
        heads.append(head.lower())
        assert body.startswith(b'{"prompt":"blue","input_image":"') and body.endswith(b'"}')
        writer.write(b"HTTP/1.1 200 So\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\n{}")

    # Cookies are kept for names only.
    url = (await listen(speak)).replace("127.0.0.1", "localhost")
    call = Call(
        "submit", "POST", url, JsonBody({"prompt": "blue", "input_image": Base64(blob)}), secrets={"x-key": "k"}
    )
    async with Session() as opened:
        for _ in range(2):
            assert isinstance(await opened.send(call), Answered)
    assert len(heads) == 2
    for head in heads:
        assert b"\r\nx-key: k\r\n" in head and b"\r\ncontent-type: application/json\r\n" in head
        assert b"\r\nconnection: close\r\n" in head and b"\r\naccept-encoding: identity\r\n" in head
        assert b"cookie" not in head and b"transfer-encoding" not in head


async def test_a_stale_connection_is_no_riddle(listen: Listen) -> None:
    """The other side closes after each answer, just when the next request comes: none is lost, as none is reused."""
    url = await listen(saying(200, b"{}"))
    call = Call("submit", "POST", url, JsonBody({"prompt": "blue"}))
    async with Session() as opened:
        for _ in range(200):
            assert isinstance(await opened.send(call), Answered)
