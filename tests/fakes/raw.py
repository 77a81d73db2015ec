"""Requests written by hand, byte for byte, for what no client library would send."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict
from yarl import URL


@dataclass(frozen=True)
class Heard:
    """An answer. `rest` is what came behind its head, as it came."""

    status: int
    headers: CIMultiDict[str]
    rest: bytes

    def json(self) -> Any:
        return json.loads(self.rest)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's inside, after a look at its shape."""
        body = self.json()
        assert list(body) == ["error"]
        assert {"message", "type", "param", "code"} <= set(body["error"])
        assert self.headers["Content-Type"].startswith("application/json")
        return dict(body["error"])


async def exchange(url: str, *lines: str | bytes, body: bytes = b"", within: float = 5.0) -> Heard:
    """
    Send a request of these lines, the first being the request line, and read until the other side closes.

    `Host` is the address's own unless a line says otherwise; the connection is asked to end with the answer.
    """
    place = URL(url)
    sent = [line if isinstance(line, bytes) else line.encode() for line in lines]
    if not any(line.lower().startswith(b"host") for line in sent):
        sent.append(f"Host: {place.host}:{place.port}".encode())
    sent.append(b"Connection: close")
    return parse(await talk(url, b"\r\n".join(sent) + b"\r\n\r\n" + body, within=within))


async def talk(url: str, sent: bytes, *, within: float = 5.0) -> bytes:
    """Everything that comes back for these bytes until the other side closes."""
    place = URL(url)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), within)
    finally:
        writer.transport.abort()


def parse(answer: bytes) -> Heard:
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return Heard(int(first.split(" ")[1]), CIMultiDict((name, value) for name, _, value in pairs), rest)
