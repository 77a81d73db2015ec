"""Bench mode: the three origins as bare protocols that count bytes and answer canned ones."""

from __future__ import annotations

import asyncio
import math
import random
import struct
import zlib
from collections.abc import Callable
from typing import cast

import orjson

from gateway.emulator.world import World

_BUFFER = memoryview(bytearray(256 * 1024))  # one for all: filled and looked at in the same breath
_HEAD_END = b"\r\n\r\n"
_MAX_HEAD = 64 * 1024

Answer = Callable[[bytes, bytes], tuple[bytes, bytes]]
"""From method and target to content type and body."""


def canned_png(size: int) -> bytes:
    """A decodable PNG of noise, exactly `size` bytes long (at least 100), made without compression."""
    pixels = max(1, (size - 200) * 99 // 100 // 3)
    width = max(1, min(1024, math.isqrt(pixels)))
    height = max(1, pixels // width - pixels // width // 64)
    noise = random.Random(0)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rest = _chunk(b"IDAT", zlib.compress(rows, 0)) + _chunk(b"IEND", b"")
    padding = size - len(head) - len(rest) - 12
    if padding < 0:
        raise ValueError(f"no PNG of {size} bytes can be made")
    return head + _chunk(b"paDd", bytes(padding)) + rest


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class BenchOrigins:
    """What each origin answers in bench mode; ids carry the moment they become Ready."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made = 0
        self._picture = canned_png(world.settings.bench_result_bytes)

    def api(self, method: bytes, target: bytes) -> tuple[bytes, bytes]:
        """The truth, or a task."""
        counts = self._world.counts
        if target.startswith(b"/_emulator/counts"):
            return b"application/json", orjson.dumps(counts.as_json())
        if target.startswith(b"/_emulator/reset"):
            self._world.reset()
            return b"application/json", b"{}"
        if method != b"POST":
            return b"application/json", b'{"credits":1000000.0}'
        counts.submits_seen += 1
        counts.accepted += 1
        self._made += 1
        ready_ms = int((self._world.now + self._world.settings.bench_delay_s) * 1000)
        task_id = f"{self._made:08x}-0000-4000-8000-{ready_ms:012x}"
        url = f"{self._world.origins.polling}/v1/get_result?id={task_id}"
        return b"application/json", f'{{"id":"{task_id}","polling_url":"{url}"}}'.encode()

    def polling(self, method: bytes, target: bytes) -> tuple[bytes, bytes]:
        """Pending or Ready."""
        self._world.counts.polls += 1
        task_id = target.rpartition(b"=")[2].decode()
        if self._world.now * 1000 < int(task_id[-12:], 16):
            return b"application/json", f'{{"id":"{task_id}","status":"Pending","result":null}}'.encode()
        link = f"{self._world.origins.delivery}/results/{task_id}/sample.png"
        result = f'{{"sample":"{link}","prompt":"","seed":1}}'
        return b"application/json", f'{{"id":"{task_id}","status":"Ready","result":{result}}}'.encode()

    def delivery(self, method: bytes, target: bytes) -> tuple[bytes, bytes]:
        """The picture, always the same."""
        self._world.counts.downloads += 1
        return b"image/png", self._picture


class BenchConnection(asyncio.BufferedProtocol):
    """One HTTP/1.1 connection: bodies are counted and let go, keep-alive, no chunked requests."""

    def __init__(self, world: World, origin: str, answer: Answer) -> None:
        self._world = world
        self._origin = origin
        self._answer = answer
        self._head = bytearray()
        self._asked = (b"", b"")
        self._left = 0  # bytes of the current body still to come
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        eaten = min(self._left, nbytes)
        if eaten:
            self._left -= eaten
            self._world.counts.body_bytes += eaten
            if self._left == 0:
                self._respond()
        self._head += _BUFFER[eaten:nbytes]
        while (end := self._head.find(_HEAD_END)) >= 0:
            self._begin(bytes(self._head[:end]))
            rest = self._head[end + len(_HEAD_END) :]
            here = min(self._left, len(rest))
            self._left -= here
            self._world.counts.body_bytes += here
            self._head = rest[here:]
            if self._left:
                return
            self._respond()
        if len(self._head) > _MAX_HEAD:
            self._transport.abort()

    def _begin(self, head: bytes) -> None:
        line, _, fields = head.partition(b"\r\n")
        self._asked = (line.split(b" ")[0], line.split(b" ")[1])
        fields = b"\r\n" + fields.lower() + b"\r\n"
        at = fields.find(b"\r\ncontent-length:")
        self._left = int(fields[at + 17 : fields.index(b"\r\n", at + 17)]) if at >= 0 else 0
        if b"\r\nexpect: 100-continue\r\n" in fields:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"\r\nx-key:" in fields:
            self._world.counts.keys_seen[self._origin] += 1
            self._world.counts.leaked_keys += self._origin == "delivery"

    def _respond(self) -> None:
        kind, body = self._answer(*self._asked)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        if len(body) < 4096:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
