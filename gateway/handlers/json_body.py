"""
From a JSON body to a form, read as it arrives.

`POST /v1/images/edits` with `images: [{image_url}]` and `mask: {image_url}`, and `POST /v1/images/generations`:
https://developers.openai.com/api/reference/resources/images/methods/edit
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from gateway.dialects.openai.form import Form
from gateway.dialects.openai.members import check_kind, expect
from gateway.domain.blob import Link
from gateway.domain.errors import (
    InvalidField,
    InvalidJson,
    MissingField,
    TooLarge,
    UnknownField,
    UnsupportedField,
    UnsupportedMedia,
)
from gateway.handlers.parts import PicturePart
from gateway.handlers.picture_url import PictureUrl
from gateway.handlers.received import SLACK_BYTES, Limits, Purpose, Received, filled, open_body
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool
from gateway.wire.compact import Compact
from gateway.wire.scan import Bounds, Scanner
from gateway.wire.scanned import Closed, Event, Kind, Opened, Path, Value, spelled

# Members in which pictures are, or are looked for: whatever text is in them is streamed, so that it can be refused
# before it has come.
PICTURES = ("images", "image", "mask", "markup")


async def receive_json(request: web.BaseRequest, spool: Spool, limits: Limits, purpose: Purpose) -> Received:
    """
    Read an application/json request.

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, InvalidRequest and its kinds.
    """
    # A charset means nothing there, but with one of these it would have to: https://www.rfc-editor.org/rfc/rfc8259#section-11
    if (request.charset or "").lower().startswith(("utf-16", "utf-32")):
        raise UnsupportedMedia("JSON is taken in UTF-8 only: https://www.rfc-editor.org/rfc/rfc8259#section-8.1")
    body = open_body(request, limits.json_bytes, limits.pace, InvalidJson)
    room = await spool.reserve((body.length or 0) * 3 // 4 if purpose == "edit" else 0)
    return await take_in_json(body.pieces(), room, limits, purpose)


async def take_in_json(pieces: AsyncIterator[bytes], room: Room, limits: Limits, purpose: Purpose) -> Received:
    """The form in a body that comes in pieces; closes the room. Raises: as `receive_json`."""
    return await filled(_Intake(room, limits, purpose), pieces, room)


class _Intake:
    """The form of one request while it grows."""

    def __init__(self, room: Room, limits: Limits, purpose: Purpose) -> None:
        self._room, self._limits, self._purpose = room, limits, purpose
        self._scanner = Scanner(Bounds(text_bytes=limits.text_bytes), streamed=lambda path: path[0] in PICTURES)
        self._open: PictureUrl | None = None
        self._pointed = False
        self._nested: Compact | None = None
        self._fields: list[tuple[str, str]] = []
        self._pictures: list[tuple[str, SpooledBlob | Link]] = []
        self._text_bytes = 0

    async def take(self, chunk: bytes) -> None:
        for event in self._scanner.feed(chunk):
            await self._on(event)

    def finish(self) -> Received:
        self._scanner.close()
        if self._purpose == "edit" and not any(name == "image" for name, _ in self._pictures):
            raise MissingField("Missing required parameter: 'images'.", param="images")
        return Received(Form(tuple(self._fields), tuple(self._pictures)), self._blobs())

    def discard(self) -> None:
        if self._open is not None:
            self._open.discard()
        for blob in self._blobs():
            blob.release()

    def _blobs(self) -> tuple[SpooledBlob, ...]:
        return tuple(picture for _, picture in self._pictures if not isinstance(picture, Link))

    async def _on(self, event: Event) -> None:
        if isinstance(event, str):
            assert self._open is not None  # no other string is streamed that was not refused where it began
            await self._open.write(event)
        elif not event.path:
            return
        elif (name := str(event.path[0])) not in PICTURES:
            self._text(name, event)
        elif self._purpose == "edit" and name != "image":
            await self._reference(name, event)
        elif not _absent(event):
            more = "pictures are in 'images'" if self._purpose == "edit" else "a generation has no pictures"
            raise UnknownField(f"Unknown parameter: '{name}'; in JSON {more}.", param=name)

    def _text(self, name: str, event: Opened | Value | Closed) -> None:
        """A member as the text that a form would have; what is nested becomes compact JSON."""
        if len(event.path) == 1 and not isinstance(event, Closed):
            if not name or not name.isprintable():
                raise InvalidJson("A member of the body has no name, or one with control characters.")
            if _absent(event):
                return
            if not (isinstance(event, Value) and event.kind is Kind.TEXT and not event.text):
                check_kind(name, event.kind)
            self._nested = Compact() if isinstance(event, Opened) else None
        if self._nested is None:
            assert isinstance(event, Value)
            self._keep(name, event.text)
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

    async def _reference(self, name: str, event: Opened | Value | Closed) -> None:
        """`images` is a list of references, `mask` is one: an object with an `image_url`."""
        path, depth = event.path, len(event.path) - (name == "images")
        if isinstance(event, Closed):
            if depth == 2:
                await self._end()
            elif depth == 1 and not self._pointed:
                param = spelled((*path, "image_url"))
                raise MissingField(f"Missing required parameter: '{param}'.", param=param)
        elif _absent(event) and (len(path) == 1 or depth == 2):
            return
        elif depth == 2:
            self._begin(name, path, event.kind)
        else:
            expect(Kind.OBJECT if depth else Kind.ARRAY, event.kind, spelled(path))
            self._pointed = False
            if depth and path[-1] == self._limits.images:
                raise InvalidField(
                    f"At most {self._limits.images} images are taken; the request has more.", param="images"
                )

    def _begin(self, name: str, path: Path, kind: Kind) -> None:
        param = spelled(path)
        if path[-1] == "file_id":
            raise UnsupportedField(
                f"'{param}' names a file that lies at OpenAI, where no other platform reads it. Send an image_url.",
                param=param,
            )
        if path[-1] != "image_url":
            raise UnknownField(f"Unknown parameter: '{param}'.", param=param)
        expect(Kind.TEXT, kind, param)
        self._pointed = True
        field, called = ("image", f"image {int(path[1]) + 1}") if name == "images" else (name, name)
        self._open = PictureUrl(PicturePart(field, param, called, BlobWriter(self._room), self._limits))

    async def _end(self) -> None:
        assert self._open is not None
        self._pictures.append((self._open.name, await self._open.finish()))
        self._open = None
        # A request of many small pictures does not keep the others waiting.
        await asyncio.sleep(0)


def _absent(event: Opened | Value | Closed) -> bool:
    """OpenAI's optional fields may be null."""
    return isinstance(event, Value) and event.kind is Kind.NULL
