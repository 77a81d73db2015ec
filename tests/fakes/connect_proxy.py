"""A small http proxy: CONNECT and nothing else, as firewalls have it. It keeps what a proxy sees, and can misbehave."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress


class ConnectProxy:
    """
    `async with ConnectProxy() as proxy:` and give `proxy.url` to a client.

    Args:
        routes: where a `host:port` really leads; one that is not named leads nowhere, and gets 502.
        refuse: answer every CONNECT with this status.
        deaf: take the CONNECT and say nothing.  rude: close instead of an answer.
        credentials: the `user:password` that has to come, else 407.
        tls: serve the proxy itself over TLS.

    `heads` are the requests as they came, `seen` what went through the tunnels towards the vendors.
    """

    def __init__(
        self,
        routes: Mapping[str, str] | None = None,
        *,
        refuse: int = 0,
        deaf: bool = False,
        rude: bool = False,
        credentials: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._routes, self._refuse, self._deaf, self._rude, self._tls = routes or {}, refuse, deaf, rude, tls
        self._basic = base64.b64encode((credentials or "").encode()).decode() if credentials is not None else None
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[str] = []
        self.seen = bytearray()
        self.place = ""

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.place}"

    async def __aenter__(self) -> ConnectProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port = self._server.sockets[0].getsockname()[1]
        self.place = f"localhost:{port}" if self._tls else f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            await self._answer(head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(" ", 2)
        if self._rude:
            return
        if self._deaf:
            await reader.read()
            return
        status = self._refuse
        if self._basic is not None and f"\r\nProxy-Authorization: Basic {self._basic}\r\n" not in head:
            status = 407
        elif method != "CONNECT":
            status = 405
        elif not status and target not in self._routes:
            status = 502
        if status:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno".encode())
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await forward(self._routes[target], reader, writer, self.seen)


async def forward(
    place: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None = None
) -> None:
    """Pass bytes both ways until one side ends; `kept` gets those towards `place`, a `host:port`."""
    host, _, port = place.rpartition(":")
    onward, away = await asyncio.open_connection(host, int(port))
    ways = (asyncio.ensure_future(_pass(reader, away, kept)), asyncio.ensure_future(_pass(onward, writer, None)))
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (away, writer):
            end.close()


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray | None) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            if kept is not None:
                kept += data
            sink.write(data)
            await sink.drain()
