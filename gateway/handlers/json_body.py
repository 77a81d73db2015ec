"""
From a JSON body to a form, read as it arrives.

`POST /v1/images/edits` and `POST /v1/images/generations`:
https://developers.openai.com/api/reference/resources/images/methods/edit
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from gateway.dialects.openai.form import Form
from gateway.dialects.openai.members import check_kind, plain
from gateway.domain.errors import InvalidField, InvalidJson, MissingField, TooLarge, UnsupportedMedia
from gateway.handlers.json_pictures import PICTURES, Pictures, is_null
from gateway.handlers.received import SLACK_BYTES, Limits, Purpose, Received, filled, open_body
from gateway.stores.spool import Room, Spool
from gateway.wire.compact import Compact
from gateway.wire.scan import Bounds, Scanner
from gateway.wire.scanned import Closed, Event, Kind, Opened, Value


async def receive_json(request: web.BaseRequest, spool: Spool, limits: Limits, purpose: Purpose) -> Received:
    """
    Read an application/json request.

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, InvalidRequest and its kinds.
    """
    # A charset means nothing there, but with one of these it would have to: https://www.rfc-editor.org/rfc/rfc8259#section-11
    if (request.charset or "").lower().startswith(("utf-16", "utf-32")):
        raise UnsupportedMedia("JSON is taken in UTF-8 only: https://www.rfc-editor.org/rfc/rfc8259#section-8.1")
    body = open_body(request, limits.json_bytes, limits.pace, InvalidJson)
    room = await spool.reserve((body.length or 0) * 3 // 4 if limits.images else 0)
    return await take_in_json(body.pieces(), room, limits, purpose)


async def take_in_json(pieces: AsyncIterator[bytes], room: Room, limits: Limits, purpose: Purpose) -> Received:
    """The form in a body that comes in pieces; closes the room. Raises: as `receive_json`."""
    return await filled(_Intake(room, limits, purpose), pieces, room)


class _Intake:
    """The form of one request while it grows."""

    def __init__(self, room: Room, limits: Limits, purpose: Purpose) -> None:
        self._limits, self._purpose = limits, purpose
        self._scanner = Scanner(Bounds(text_bytes=limits.text_bytes), streamed=lambda path: path[0] in PICTURES)
        self._pictures = Pictures(room, limits)
        self._nested: Compact | None = None
        self._fields: list[tuple[str, str]] = []
        self._text_bytes = 0

    async def take(self, chunk: bytes) -> None:
        for event in self._scanner.feed(chunk):
            await self._on(event)

    def finish(self) -> Received:
        self._scanner.close()
        found = self._pictures.found
        if self._purpose == "edit" and not any(name == "image" for name, _ in found):
            raise MissingField("Missing required parameter: 'images'.", param="images")
        empty = ((name, "") for name in self._pictures.empty)
        return Received(Form((*self._fields, *empty), tuple(found)), self._pictures.blobs)

    def discard(self) -> None:
        self._pictures.discard()

    async def _on(self, event: Event) -> None:
        if isinstance(event, str):
            # No other string is streamed.
            await self._pictures.write(event)
        elif not event.path:
            return
        elif (name := str(event.path[0])) in PICTURES:
            await self._pictures.take(name, event)
        else:
            self._text(name, event)

    def _text(self, name: str, event: Opened | Value | Closed) -> None:
        """A member as the text that a form would have; what is nested becomes compact JSON."""
        if len(event.path) == 1 and not isinstance(event, Closed):
            if not name or not name.isprintable():
                raise InvalidJson("A member of the body has no name, or one with control characters.")
            if is_null(event):
                return
            if not (isinstance(event, Value) and event.kind is Kind.TEXT and not event.text):
                check_kind(name, event.kind)
            self._nested = Compact() if isinstance(event, Opened) else None
        if self._nested is None:
            assert isinstance(event, Value)
            self._keep(name, plain(event))
            return
        complete = self._nested.feed(event)
        if self._nested.length > self._limits.text_bytes:
            raise TooLarge(f"'{name[:64]}' is larger than {self._limits.text_bytes} bytes.", param=name[:64])
        if complete:
            self._keep(name, self._nested.text)

    def _keep(self, name: str, text: str) -> None:
        if "\0" in text:
            raise InvalidField(f"'{name[:64]}' contains a NUL character.", param=name[:64])
        self._fields.append((name, text))
        self._text_bytes += len(text.encode())
        if self._text_bytes > SLACK_BYTES:
            raise TooLarge(f"The text fields are larger than {SLACK_BYTES} bytes together.")
