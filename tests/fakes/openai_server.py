"""
A scripted HTTP/1.1 upstream on a real socket, written on bare streams: it sees the bytes, not a library's idea of them.

Each request is recorded exactly as it came, then the next script plays; the last one is played again and again.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

KEPT = 1024 * 1024
PIECE = 256 * 1024

Headers = Sequence[tuple[str, str]]


@dataclass
class Seen:
    """
    One request as it came: `target` is the raw path and query, `headers` keep order, case and repeats.

    `body` holds the first MiB; `length` and `digest` (SHA-256) are of all of it.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    connection: int
    body: bytearray = field(default_factory=bytearray)
    length: int = 0
    complete: bool = False
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        found = self.all(name)
        assert len(found) < 2, f"{name} came {len(found)} times"
        return found[0] if found else None

    def take(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.length += len(chunk)
        self.body += chunk[: max(0, KEPT - len(self.body))]

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class Exchange:
    """What a script works with: the request, the wire, and `gone`, set when the other side has closed."""

    def __init__(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen, self.reader, self.writer = seen, reader, writer
        self.closing = False

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, headers: Headers = (), reason: str = "Reason") -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        await self.send(f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def read_body(self) -> None:
        """Receive what the request still has to send; scripts that answer early do not call it."""
        seen = self.seen
        if "chunked" in (seen.one("Transfer-Encoding") or ""):
            while size := int(await self.reader.readuntil(b"\n"), 16):
                await self._take(size)
                await self.reader.readexactly(2)
            await self.reader.readuntil(b"\n")
        else:
            await self._take(int(seen.one("Content-Length") or 0))
        seen.complete = True

    async def wait_closed(self) -> None:
        """Return when the other side has closed the connection."""
        try:
            while await self.reader.read(PIECE):
                pass
        except ConnectionError:
            pass

    def drop(self) -> None:
        """Cut the connection at once."""
        self.closing = True
        self.writer.transport.abort()

    async def _take(self, size: int) -> None:
        while size:
            chunk = await self.reader.read(min(size, PIECE))
            if not chunk:
                raise asyncio.IncompleteReadError(b"", size)
            self.seen.take(chunk)
            size -= len(chunk)


Script = Callable[[Exchange], Awaitable[None]]


class FakeOpenAi:
    """`seen` are the requests so far, `connections` how many were accepted, `open` how many are."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.seen: list[Seen] = []
        self.connections = 0
        self.open = 0
        self.url = self.place = ""
        self._changed = asyncio.Condition()

    def play(self, *scripts: Script) -> None:
        self.scripts = list(scripts)

    async def until(self, holds: Callable[[FakeOpenAi], bool]) -> None:
        """Return as soon as the predicate holds; fails after 5 seconds."""
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: holds(self))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        number = self.connections
        try:
            while await self._exchange(number, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open -= 1
            await self._tell()

    async def _exchange(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("utf-8", "surrogateescape").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        seen = Seen(method, target, headers, number)
        self.seen.append(seen)
        await self._tell()
        exchange = Exchange(seen, reader, writer)
        script = self.scripts[0] if len(self.scripts) == 1 else self.scripts.pop(0)
        await script(exchange)
        await self._tell()
        return not exchange.closing

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def fake_openai(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeOpenAi]:
    """With `tls` its name is localhost."""
    fake = FakeOpenAi(*(scripts or (answer({}),)))
    server = await asyncio.start_server(fake._serve, "127.0.0.1", 0, limit=PIECE, ssl=tls)
    host, port = server.sockets[0].getsockname()[:2]
    fake.url = f"https://localhost:{port}/v1" if tls else f"http://{host}:{port}/v1"
    fake.place = f"{host}:{port}"
    try:
        yield fake
    finally:
        server.close()


# Scripts.


def answer(value: object, status: int = 200, headers: Headers = ()) -> Script:
    """JSON with a length."""
    return body(json.dumps(value).encode(), status, [("Content-Type", "application/json"), *headers])


def body(data: bytes, status: int = 200, headers: Headers = ()) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.head(status, [*headers, ("Content-Length", str(len(data)))])
        await exchange.send(data)

    return script


def bodyless(status: int, headers: Headers = ()) -> Script:
    """A head and nothing after it: for 204, 304, and answers to HEAD."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.head(status, headers)

    return script


def zipped(value: object) -> Script:
    """JSON, gzip-encoded whatever the client accepts."""
    data = gzip.compress(json.dumps(value).encode())
    return body(data, headers=[("Content-Type", "application/json"), ("Content-Encoding", "gzip")])


def chunked(pieces: Sequence[bytes], headers: Headers = ()) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.head(200, [*headers, ("Transfer-Encoding", "chunked")])
        for piece in pieces:
            await exchange.chunk(piece)
        await exchange.send(b"0\r\n\r\n")

    return script


def stream(total: int, piece: bytes = b"x" * PIECE, *, length: bool = True) -> Script:
    """`total` bytes of `piece` over and over, as fast as they are taken."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        framing = ("Content-Length", str(total)) if length else ("Transfer-Encoding", "chunked")
        await exchange.head(200, [framing])
        left = total
        while left:
            now = piece[:left]
            await (exchange.send(now) if length else exchange.chunk(now))
            left -= len(now)
        if not length:
            await exchange.send(b"0\r\n\r\n")

    return script


def events(count: int, before_each: Callable[[int], Awaitable[None]]) -> Script:
    """A stream of `count` events; `before_each` holds the next one back for as long as a test likes."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        for number in range(count):
            await before_each(number)
            await exchange.chunk(f"data: {number}\n\n".encode())
        await exchange.send(b"0\r\n\r\n")

    return script


def cut(before: bytes) -> Script:
    """Send these raw bytes once the request is complete, then cut the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(before)
        exchange.closing = True

    return script


def silence(before: bytes = b"") -> Script:
    """Send these raw bytes, then nothing until the other side closes."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(before)
        await exchange.wait_closed()
        exchange.closing = True

    return script
