"""
A body kept as it is until its fields have told where it goes.

A relay gets it byte for byte, whatever is in it, so nothing is judged here but that it is a form or JSON; the platforms
that translate read it again, strictly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from gateway.dialects.openai.form import PICTURE
from gateway.domain.size import Pixels
from gateway.handlers.body import Pace
from gateway.handlers.multipart import Part, Parts, read_boundary
from gateway.handlers.receive import SLACK_BYTES, Limits, Received, open_body, take_in
from gateway.imaging.probe import Prober
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool

# The most that OpenAI takes, sixteen pictures of 50 MB:
# https://developers.openai.com/api/reference/resources/images/methods/edit
MOST_BYTES = 16 * 50 * 1024 * 1024 + SLACK_BYTES
MOST_PARTS = 256
FIELD_BYTES = 1024
TYPES = ("multipart/form-data",)


@dataclass(slots=True)
class Seen:
    """What was seen of a body in passing: the beginnings of its text fields, and which pictures it has."""

    fields: dict[str, str] = field(default_factory=dict)
    images: int = 0
    mask: bool = False
    pixels: int = 0

    @property
    def model(self) -> str | None:
        return self.fields.get("model") or None

    @property
    def n(self) -> int:
        told = self.fields.get("n", "")
        return int(told) if told.isascii() and told.isdigit() and 0 < len(told) < 4 else 1


@dataclass(frozen=True, slots=True)
class Held:
    """The body under the request's own Content-Type, what was seen in it, and room to read it once more."""

    raw: SpooledBlob
    boundary: str
    seen: Seen
    _room: Room

    async def read(self, limits: Limits) -> Received:
        """The form in it. Raises: as `receive`."""
        return await take_in(self.raw.chunks(), self.boundary, self._room, limits)

    def release(self) -> None:
        self._room.close()
        self.raw.release()


def can_hold(request: web.BaseRequest) -> bool:
    """True when the body may be held; anything else can only be for a relay."""
    return request.content_type in TYPES


async def hold(request: web.BaseRequest, spool: Spool, pace: Pace) -> Held:
    """
    Keep the body, and look at its fields.

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, InvalidMultipart, BadSignature.
    """
    boundary = read_boundary(request.headers)
    body = open_body(request, MOST_BYTES, pace)
    # Twice: once for these bytes, once for the pictures among them, which are written with this body in hand.
    room = await spool.reserve(2 * (body.length or 0))
    writer, parts, looker = BlobWriter(room), Parts(boundary, MOST_PARTS), _Looker()
    try:
        async for chunk in body.pieces():
            await writer.write(chunk)
            for event in parts.feed(chunk):
                looker.look(event)
        parts.close()
        raw = await writer.finish(request.headers["Content-Type"], Pixels(0, 0))
    except BaseException:
        writer.discard()
        room.close()
        raise
    return Held(raw, boundary, looker.seen, room)


class _Looker:
    """Follows the parts of a form without judging them."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._name = ""
        self._text = bytearray()
        self._prober: Prober | None = None

    def look(self, event: Part | bytes | None) -> None:
        if isinstance(event, Part):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._prober is not None:
            self._prober.feed(event)
        elif len(self._text) < FIELD_BYTES:
            self._text += event[:FIELD_BYTES]

    def _begin(self, part: Part) -> None:
        self._name, self._text, self._prober = part.name, bytearray(), None
        if known := PICTURE.fullmatch(part.name):
            self._prober = Prober()
            self.seen.images += known[1] == "image"
            self.seen.mask |= known[1] == "mask"

    def _end(self) -> None:
        if self._prober is None:
            self.seen.fields.setdefault(self._name, self._text[:FIELD_BYTES].decode("utf-8", "replace"))
        elif (found := self._prober.result) is not None:
            self.seen.pixels = max(self.seen.pixels, found.width * found.height)
