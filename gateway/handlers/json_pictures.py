"""
The pictures of a JSON body while it arrives.

OpenAI's form is `images: [{image_url}]` and `mask: {image_url}`; applications also write `image`, leave the list out
for a single picture, or write the address without an object around it. The meaning is the same.
https://developers.openai.com/api/reference/resources/images/methods/edit
"""

from __future__ import annotations

import asyncio

from gateway.dialects.openai.members import expect
from gateway.domain.blob import Link
from gateway.domain.errors import MissingField, UnknownField, UnsupportedField
from gateway.handlers.json_facts import IMAGES
from gateway.handlers.parts import PicturePart
from gateway.handlers.picture_url import PictureUrl
from gateway.handlers.received import Limits
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room
from gateway.wire.scanned import Closed, Kind, Opened, Path, Value, spelled

# Members whose texts are streamed, so that one that is none can be refused before it has come.
PICTURES = (*IMAGES, "mask", "markup")


class Pictures:
    """`found` are those that are complete; `empty` the members that are empty text, which is as good as none."""

    def __init__(self, room: Room, limits: Limits) -> None:
        self.found: list[tuple[str, SpooledBlob | Link]] = []
        self.empty: list[str] = []
        self._room, self._limits = room, limits
        self._open: PictureUrl | None = None
        self._blank = False
        self._object: Path | None = None
        self._pointed = False
        self._images = 0

    @property
    def blobs(self) -> tuple[SpooledBlob, ...]:
        return tuple(picture for _, picture in self.found if not isinstance(picture, Link))

    def discard(self) -> None:
        if self._open is not None:
            self._open.discard()
        for blob in self.blobs:
            blob.release()

    async def write(self, piece: str) -> None:
        """A piece of the text that is open. Raises: as `PictureUrl`."""
        assert self._open is not None
        self._blank = False
        await self._open.write(piece)

    async def take(self, name: str, event: Opened | Value | Closed) -> None:
        """What is at `name` or below it. Raises: as `PictureUrl`, InvalidField and its kinds."""
        path = event.path
        if isinstance(event, Closed):
            await self._close(name, path)
        elif is_null(event) and (len(path) == 1 or path[:-1] == self._object):
            return
        elif path[:-1] == self._object:
            self._member(name, path, event.kind)
        elif event.kind is Kind.ARRAY and len(path) == 1 and name in IMAGES:
            return
        elif event.kind is Kind.TEXT:
            self._count(name)
            self._begin(name, path)
        else:
            if event.kind is not Kind.OBJECT:
                expect(Kind.ARRAY if name == "images" and len(path) == 1 else Kind.OBJECT, event.kind, spelled(path))
            self._count(name)
            self._object, self._pointed = path, False

    def _count(self, name: str) -> None:
        self._images += name in IMAGES
        self._limits.check_count(self._images if name in IMAGES else 0, name)

    def _member(self, name: str, path: Path, kind: Kind) -> None:
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
        self._begin(name, path)

    def _begin(self, name: str, path: Path) -> None:
        field, called = ("image", f"image {self._images}") if name in IMAGES else (name, name)
        self._open = PictureUrl(PicturePart(field, spelled(path), called, BlobWriter(self._room), self._limits))
        self._blank = True

    async def _close(self, name: str, path: Path) -> None:
        if self._open is not None:
            opened = self._open
            if self._blank and len(path) == 1:
                opened.discard()
                self.empty.append(name)
            else:
                self.found.append((opened.name, await opened.finish()))
            self._open = None
            # A request of many small pictures does not keep the others waiting.
            await asyncio.sleep(0)
        elif path == self._object:
            self._object = None
            if not self._pointed:
                param = spelled((*path, "image_url"))
                raise MissingField(f"Missing required parameter: '{param}'.", param=param)


def is_null(event: Opened | Value | Closed) -> bool:
    """OpenAI's optional fields may be null."""
    return isinstance(event, Value) and event.kind is Kind.NULL
