"""
The one renderer: a described body becomes pieces of bytes, with its length known before the first.

JSON text is produced piecewise around the holes, so no content, however odd, can be mistaken for a placeholder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import orjson
import pybase64

from gateway.domain.blob import Blob
from gateway.domain.rework import Rework
from gateway.wire.body import Base64, JsonBody, JsonValue

Piece = bytes | Blob

# Sockets buffer what is written to them: a stream is encoded in steps of this many bytes, a multiple of three.
STEP = 192 * 1024


def pieces(body: JsonBody) -> list[Piece]:
    """The body as literal JSON text and holes, in order, neighbouring text joined."""
    joined: list[Piece] = []
    text = bytearray()
    for piece in _walk(body.fields):
        if isinstance(piece, bytes):
            text += piece
        else:
            joined += (bytes(text), piece)
            text = bytearray()
    joined.append(bytes(text))
    return joined


def length(parts: list[Piece]) -> int:
    """The exact number of bytes that `stream` will produce."""
    return sum(len(p) if isinstance(p, bytes) else encoded_length(p.length) for p in parts)


async def stream(parts: list[Piece]) -> AsyncIterator[bytes]:
    """The bytes of the body; base64 is made chunk by chunk while it is being sent."""
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            async for chunk in encoded(part.chunks()):
                yield chunk


def encoded_length(raw: int) -> int:
    """Length of `raw` bytes in base64 with padding."""
    return (raw + 2) // 3 * 4


async def encoded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Base64 of a stream, whatever its cut points: at most two bytes wait for the next chunk."""
    rest = b""
    async for chunk in chunks:
        if rest:
            missing = 3 - len(rest)
            head, chunk = rest + chunk[:missing], chunk[missing:]
            if len(head) < 3:
                rest = head
                continue
            yield pybase64.b64encode(head)
        whole = len(chunk) // 3 * 3
        rest = chunk[whole:]
        view = memoryview(chunk)[:whole]
        for start in range(0, whole, STEP):
            yield pybase64.b64encode(view[start : start + STEP])
    if rest:
        yield pybase64.b64encode(rest)


def _walk(value: JsonValue) -> Iterator[Piece]:
    match value:
        case Base64(blob, data_url):
            if isinstance(blob, Rework):
                raise TypeError("pixel work that was not done")
            yield f'"data:{blob.media_type};base64,'.encode() if data_url else b'"'
            yield blob
            yield b'"'
        case Mapping():
            yield b"{"
            for position, (key, inner) in enumerate(value.items()):
                yield (b"," if position else b"") + orjson.dumps(key) + b":"
                yield from _walk(inner)
            yield b"}"
        case list() | tuple():
            yield b"["
            for position, inner in enumerate(value):
                if position:
                    yield b","
                yield from _walk(inner)
            yield b"]"
        case _:
            yield orjson.dumps(value)
