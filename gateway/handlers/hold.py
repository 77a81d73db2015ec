"""
A body kept as it is until its `model` has told where it goes.

A relay gets it byte for byte, whatever is in it, so nothing is judged here but that it is a form; the platforms that
translate read it again, strictly.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from gateway.domain.size import Pixels
from gateway.handlers.body import Pace
from gateway.handlers.multipart import Part, Parts, read_boundary
from gateway.handlers.parts import TextPart
from gateway.handlers.receive import SLACK_BYTES, Limits, Received, open_body, take_in
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool

# The most that OpenAI takes, sixteen pictures of 50 MB:
# https://developers.openai.com/api/reference/resources/images/methods/edit
MOST_BYTES = 16 * 50 * 1024 * 1024 + SLACK_BYTES
MOST_PARTS = 256
MODEL_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Held:
    """The body under the request's own Content-Type, the model it names, and room to read it once more."""

    raw: SpooledBlob
    boundary: str
    model: str | None
    _room: Room

    async def read(self, limits: Limits) -> Received:
        """The form in it. Raises: as `receive`."""
        return await take_in(self.raw.chunks(), self.boundary, self._room, limits)

    def release(self) -> None:
        self._room.close()
        self.raw.release()


def is_form(request: web.BaseRequest) -> bool:
    """True when the body may be held; anything else can only be for a relay."""
    return request.content_type == "multipart/form-data"


async def hold(request: web.BaseRequest, spool: Spool, pace: Pace) -> Held:
    """
    Keep the body, and find its `model`.

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, InvalidMultipart, InvalidField.
    """
    boundary = read_boundary(request.headers)
    body = open_body(request, MOST_BYTES, pace)
    # Twice: once for these bytes, once for the pictures among them, which are written with this body in hand.
    room = await spool.reserve(2 * (body.length or 0))
    writer, parts = BlobWriter(room), Parts(boundary, MOST_PARTS)
    model: TextPart | None = None
    inside = False
    try:
        async for chunk in body.pieces():
            await writer.write(chunk)
            for event in parts.feed(chunk):
                if isinstance(event, Part):
                    inside = event.name == "model"
                    model = TextPart(event, MODEL_BYTES) if inside and model is None else model
                elif event is not None and inside and model is not None:
                    await model.write(event)
        parts.close()
        name = model.finish() if model is not None else None
        raw = await writer.finish(request.headers["Content-Type"], Pixels(0, 0))
    except BaseException:
        writer.discard()
        room.close()
        raise
    return Held(raw, boundary, name or None, room)
