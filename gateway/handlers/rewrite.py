"""
A held body with other values for a few of its fields, for a relay; every other byte is the client's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

import orjson

from gateway.dialects.openai.members import KINDS
from gateway.domain.blob import Blob
from gateway.domain.errors import InvalidMultipart
from gateway.domain.size import Pixels
from gateway.handlers.extents import Extent, Extents
from gateway.handlers.json_facts import WIDE, everything
from gateway.handlers.multipart import Part, Parts, boundary_in
from gateway.wire.scan import NUMBER, Scanner
from gateway.wire.scanned import Kind, Opened, Value

# As many as are held: see `handlers.hold`.
MOST_PARTS = 256

# Bytes that stand in the place of a range of the held ones; an empty range is an insertion.
Splice = tuple[range, bytes]


class Rewritten:
    """Implements `domain.blob.Blob`. The held blob stays its owner's, and has to outlive this."""

    digest = ""
    pixels = Pixels(0, 0)
    orientation = 1

    def __init__(self, raw: Blob, media_type: str, splices: Iterable[Splice]) -> None:
        """`splices` do not overlap."""
        self.media_type, self._raw = media_type, raw
        self._pieces = tuple(_pieces(raw.length, splices))
        self.length = sum(len(piece) for piece in self._pieces)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        stop = self.length if stop is None else stop
        position = 0
        for piece in self._pieces:
            part = piece[max(start - position, 0) : max(stop - position, 0)]
            if isinstance(part, bytes):
                if part:
                    yield part
            elif part:
                async for chunk in self._raw.chunks(part.start, part.stop):
                    yield chunk
            position += len(piece)

    def release(self) -> None:
        """Nothing is held here."""


async def rewritten(raw: Blob, content_type: str, fields: Mapping[str, str | None]) -> Rewritten:
    """
    The body with these values; a field it does not have is added, one that is None is taken out.

    Raises: InvalidJson, InvalidMultipart, UnsupportedMedia when it is neither JSON nor a form.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        splices = await _in_json(raw, fields)
    else:
        splices = await _in_form(raw, boundary_in(content_type), fields)
    return Rewritten(raw, content_type, splices)


def _pieces(length: int, splices: Iterable[Splice]) -> Iterator[range | bytes]:
    """What stays and what is new, in order."""
    at = 0
    for replaced, new in sorted(splices, key=lambda splice: (splice[0].start, splice[0].stop)):
        yield range(at, replaced.start)
        yield new
        at = replaced.stop
    yield range(at, length)


async def _in_json(raw: Blob, fields: Mapping[str, str | None]) -> list[Splice]:
    scanner = Scanner(WIDE, everything)
    found: dict[str, Splice] = {}
    # Where the first member begins that stays, and where the last one has ended before this one, None without any.
    inside, front, members, before = 0, 0, 0, None
    async for chunk in raw.chunks():
        for event in scanner.feed(chunk):
            if isinstance(event, str) or len(event.path) > 1:
                continue
            if not event.path:
                inside = front = event.start + 1 if isinstance(event, Opened) else inside
                continue
            if isinstance(event, Opened):
                continue
            name = str(event.path[0])
            if name in fields and fields[name] is None and before is None:
                start, front = front, await _behind_comma(raw, event.stop)
                found[name] = (range(start, front), b"")
                continue
            if name in fields and fields[name] is None:
                found[name] = (range(before or 0, event.stop), b"")
            elif (text := fields.get(name)) is not None:
                kind = event.kind if isinstance(event, Value) else None
                found[name] = (range(event.start, event.stop), _json_value(name, text, kind))
            members, before = members + 1, event.stop
    scanner.close()
    added = [
        orjson.dumps(name) + b":" + _json_value(name, text, Kind.NULL)
        for name, text in fields.items()
        if name not in found and text is not None
    ]
    if added:
        comma = b"," if members else b""
        return [(range(inside, inside), b",".join(added) + comma), *found.values()]
    return list(found.values())


async def _behind_comma(raw: Blob, at: int) -> int:
    """Where the next member begins behind a value that ends at `at`; where the object ends if there is none."""
    async for chunk in raw.chunks(at):
        for byte in chunk:
            if byte not in b" \t\r\n":
                return at + (byte == ord(","))
            at += 1
    return at


def _json_value(name: str, text: str, old: Kind | None) -> bytes:
    """Text, unless what it replaces is a number or a boolean, and so is it; `null` may be what the field is."""
    kind = KINDS.get(name) if old is Kind.NULL else old
    number = kind is Kind.NUMBER and NUMBER.fullmatch(text.encode())
    truth = kind is Kind.TRUTH and text in ("true", "false")
    return text.encode() if number or truth else orjson.dumps(text)


async def _in_form(raw: Blob, boundary: str, fields: Mapping[str, str | None]) -> list[Splice]:
    for name, text in fields.items():
        if text is not None and f"\r\n--{boundary}" in f"\r\n{text}":
            raise InvalidMultipart(f"The boundary of the body stands in the '{name}' that is put into it.")
    parts, closing = await _lay_out(raw, boundary)
    splices: list[Splice] = []
    missing = dict(fields)
    front = True
    for number, (part, extent) in enumerate(parts):
        if part.filename is not None or part.name not in fields:
            front = False
            continue
        missing.pop(part.name, None)
        if (text := fields[part.name]) is None:
            # With the delimiter before it; in front of all that stay with the one behind: the first has no line break.
            start, stop = parts[number - 1][1].content.stop if number else -2, extent.content.stop
            rest = 2 if front else 0
            splices.append((range(start + rest, stop + rest), b""))
            continue
        front = False
        content = text.encode()
        splices.append((extent.content, content))
        if extent.declared is not None:
            splices.append((extent.declared, str(len(content)).encode()))
    # Before the delimiter, behind the line break that belongs to it.
    end = range(closing + 2, closing + 2)
    added = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in missing.items()
        if text is not None
    )
    return [*splices, (end, added.encode())]


async def _lay_out(raw: Blob, boundary: str) -> tuple[list[tuple[Part, Extent]], int]:
    """Each part with its place, and where the last delimiter begins. Raises: InvalidMultipart."""
    parts, extents = Parts(boundary, MOST_PARTS), Extents(boundary)
    heads: list[Part] = []
    lengths: list[int] = []
    async for chunk in raw.chunks():
        extents.feed(chunk)
        for event in parts.feed(chunk):
            if isinstance(event, Part):
                heads.append(event)
                lengths.append(0)
            elif event is not None:
                lengths[-1] += len(event)
    parts.close()
    if extents.closing is None or lengths != [len(extent.content) for extent in extents.found]:
        raise InvalidMultipart("The multipart body can be read in two ways.")
    return list(zip(heads, extents.found, strict=True)), extents.closing
