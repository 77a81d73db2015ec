"""From an upload to a form: parsed as it arrives, bounded in every direction, with nothing left behind on a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from gateway.dialects.openai.form import PICTURE, Form, stray
from gateway.dialects.openai.members import KINDS
from gateway.domain.errors import TooLarge
from gateway.handlers.charsets import FIELD
from gateway.handlers.json_body import receive_json
from gateway.handlers.multipart import Part, Parts, read_boundary
from gateway.handlers.parts import PicturePart, TextPart
from gateway.handlers.received import SLACK_BYTES, Limits, Purpose, Received, filled, open_body
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool

__all__ = ["SLACK_BYTES", "Limits", "Received", "open_body", "receive", "receive_any", "take_in"]


async def receive_any(request: web.BaseRequest, spool: Spool, limits: Limits, purpose: Purpose) -> Received:
    """
    Read a request in whichever form it is sent, JSON or multipart/form-data.

    Raises: as `receive` and `receive_json`.
    """
    if is_json(request):
        return await receive_json(request, spool, limits, purpose)
    return await receive(request, spool, limits)


def is_json(request: web.BaseRequest) -> bool:
    """True for application/json, whatever parameters follow."""
    return request.content_type == "application/json"


async def receive(request: web.BaseRequest, spool: Spool, limits: Limits) -> Received:
    """
    Read a multipart/form-data request.

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, InvalidRequest and its kinds.
    """
    boundary = read_boundary(request.headers)
    body = open_body(request, limits.total_bytes, limits.pace)
    room = await spool.reserve(body.length or 0)
    return await take_in(body.pieces(), boundary, room, limits)


async def take_in(pieces: AsyncIterator[bytes], boundary: str, room: Room, limits: Limits) -> Received:
    """The form in a body that comes in pieces; closes the room. Raises: as `receive`."""
    return await filled(_Intake(room, Parts(boundary, limits.parts), limits), pieces, room)


class _Intake:
    """The form of one request while it grows."""

    def __init__(self, room: Room, parts: Parts, limits: Limits) -> None:
        self._room, self._parts, self._limits = room, parts, limits
        self._open: TextPart | PicturePart | None = None
        self._unused: Part | None = None
        self._charset: str | None = None
        self._fields: list[tuple[str, str]] = []
        self._pictures: list[tuple[str, SpooledBlob]] = []
        self._counts: dict[str, int] = {}
        self._text_bytes = 0

    async def take(self, chunk: bytes) -> None:
        for event in self._parts.feed(chunk):
            if isinstance(event, Part):
                self._unused = event if may_be_unused(event) else None
                self._open = None if self._unused else self._begin(event)
            elif event is None:
                await self._end()
            else:
                if self._unused is not None:
                    self._open, self._unused = self._begin(self._unused), None
                assert self._open is not None
                await self._open.write(event)

    def finish(self) -> Received:
        self._parts.close()
        blobs = tuple(picture for _, picture in self._pictures)
        return Received(Form(tuple(self._fields), tuple(self._pictures)), blobs)

    def discard(self) -> None:
        if self._open is not None:
            self._open.discard()
        for _, picture in self._pictures:
            picture.release()

    def _begin(self, part: Part) -> TextPart | PicturePart:
        known = PICTURE.fullmatch(part.name)
        if not known and (not part.is_file or _is_text(part)):
            return TextPart(part, self._limits.text_bytes, self._charset)
        if not known:
            raise stray(part.name)
        kind = known[1]
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        self._limits.check_count(count if kind == "image" else 0, kind)
        return PicturePart.of(part, kind, count, BlobWriter(self._room), self._limits)

    async def _end(self) -> None:
        if isinstance(self._open, TextPart):
            text = self._open.finish()
            if self._open.name == FIELD:
                self._charset = text.lower()
            else:
                self._fields.append((self._open.name, text))
            self._text_bytes += self._open.length
            if self._text_bytes > SLACK_BYTES:
                raise TooLarge(f"The text fields are larger than {SLACK_BYTES} bytes together.")
        elif self._unused is not None and self._unused.filename is None:
            self._fields.append((self._unused.name, ""))
        elif self._open is not None:
            self._pictures.append((self._open.name, await self._open.finish()))
        self._open = None
        # A request of many small parts does not keep the others waiting.
        await asyncio.sleep(0)


def may_be_unused(part: Part) -> bool:
    """
    True for what is absent unless bytes follow: an input of a web form for which no file was chosen, and an optional
    picture as text. https://html.spec.whatwg.org/#constructing-the-form-data-set
    """
    known = PICTURE.fullmatch(part.name)
    return part.filename == "" or (not part.is_file and known is not None and known[1] != "image")


def _is_text(part: Part) -> bool:
    """True for a text that came as a file, as `FormData` sends every Blob: https://xhr.spec.whatwg.org/#create-an-entry"""
    return part.name in KINDS or part.filename == "blob" or (part.media_type or "").startswith("text/")
