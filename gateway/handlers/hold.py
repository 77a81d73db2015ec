"""
A body kept as it is until its fields have told where it goes.

A relay gets it byte for byte, whatever is in it, so nothing is judged here but that it is a form or JSON; the platforms
that translate read it again, strictly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aiohttp import web

from gateway.dialects.openai.form import PICTURE
from gateway.domain.errors import ModelNotAllowed, UnsupportedMedia
from gateway.domain.size import Pixels
from gateway.handlers.body import Pace
from gateway.handlers.json_body import take_in_json
from gateway.handlers.json_facts import JsonFacts
from gateway.handlers.keys import CALLER
from gateway.handlers.multipart import Part, Parts, read_boundary
from gateway.handlers.receive import GENERATION_TYPE, is_json, take_in
from gateway.handlers.received import SLACK_BYTES, Limits, Purpose, Received, open_body
from gateway.imaging.probe import Prober
from gateway.routing.facts import Facts
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool

# The most that OpenAI takes, sixteen pictures of 50 MB:
# https://developers.openai.com/api/reference/resources/images/methods/edit
MOST_BYTES = 16 * 50 * 1024 * 1024 + SLACK_BYTES
MOST_PARTS = 256
FIELD_BYTES = 1024
LOOK_BYTES = 64 * 1024
UNCLEAR = "Your key is for certain models, and it cannot be told which model this request is for."
# What a key's limits are counted by.
COUNTED = {"n", "size"}
TYPES = ("multipart/form-data", "application/json")


@dataclass(slots=True)
class Seen:
    """
    What was seen of a body in passing: the beginnings of its text fields, and which pictures it has.

    `doubtful` are the names of fields that came more than once, or as a file: the first text counts here, and perhaps
    the last one elsewhere. `unclear` when nobody can tell which model the body names, if any.
    """

    fields: dict[str, str] = field(default_factory=dict)
    images: int = 0
    mask: bool = False
    pixels: int = 0
    doubtful: set[str] = field(default_factory=set)
    unclear: bool = False

    @property
    def model(self) -> str | None:
        return self.fields.get("model") or None

    def certain(self, changes: Mapping[str, str]) -> Mapping[str, str] | None:
        """The fields as they are sent on with these changes; None when it is not certain how they are read there."""
        return None if self.unclear or self.doubtful & COUNTED else {**self.fields, **changes}

    def into(self, facts: Facts) -> Facts:
        """The facts with what was seen; a model that is known from the path stands over the field."""
        told = self.fields.get("n", "")
        n = int(told) if told.isascii() and told.isdigit() and 0 < len(told) < 4 else 1
        return replace(
            facts,
            read=True,
            model=facts.model or self.model,
            n=n,
            images=self.images,
            mask=self.mask,
            pixels=self.pixels,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The body under the request's own Content-Type, what was seen in it, and room to read it once more."""

    raw: SpooledBlob
    boundary: str | None
    seen: Seen
    _room: Room

    async def read(self, limits: Limits, purpose: Purpose) -> Received:
        """The form in it. Raises: as `receive_any`."""
        if self.boundary is None:
            return await take_in_json(self.raw.chunks(), self._room, limits, purpose)
        if purpose == "generation":
            raise UnsupportedMedia(GENERATION_TYPE)
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

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, InvalidMultipart, BadSignature;
    ModelNotAllowed for a key that names models when the body may name another one.
    """
    boundary = None if is_json(request) else read_boundary(request.headers)
    body = open_body(request, MOST_BYTES, pace)
    looker: _Form | _Json = _Json() if boundary is None else _Form(boundary)
    # Twice: once for these bytes, once for the pictures among them, which are written with this body in hand.
    room = await spool.reserve(2 * (body.length or 0))
    writer = BlobWriter(room)
    try:
        async for chunk in body.pieces():
            await writer.write(chunk)
            for start in range(0, len(chunk), LOOK_BYTES):
                looker.push(chunk[start : start + LOOK_BYTES])
                # Small values, one after the other, take a while.
                await asyncio.sleep(0)
        looker.close()
        if looker.seen.unclear and request[CALLER].models:
            raise ModelNotAllowed(UNCLEAR, param="model")
        raw = await writer.finish(request.headers["Content-Type"], Pixels(0, 0))
    except BaseException:
        writer.discard()
        room.close()
        raise
    return Held(raw, boundary, looker.seen, room)


class _Json:
    """Looks at a JSON body; one that is none is for the relay's platform to judge."""

    def __init__(self) -> None:
        self._facts = JsonFacts()
        self.seen = Seen()

    def push(self, chunk: bytes) -> None:
        self._facts.push(chunk)

    def close(self) -> None:
        self._facts.close()
        if self._facts.broken:
            self.seen = Seen(unclear=True)
        else:
            self.seen = Seen(self._facts.fields, self._facts.images, self._facts.mask)


class _Form:
    """Follows the parts of a form without judging them."""

    def __init__(self, boundary: str) -> None:
        self.seen = Seen()
        self._parts = Parts(boundary, MOST_PARTS)
        self._name = ""
        self._text = bytearray()
        self._prober: Prober | None = None
        self._is_file = False
        self._models = 0

    def push(self, chunk: bytes) -> None:
        """Raises: InvalidMultipart."""
        for event in self._parts.feed(chunk):
            self._look(event)

    def close(self) -> None:
        """Raises: InvalidMultipart."""
        self._parts.close()

    def _look(self, event: Part | bytes | None) -> None:
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
        self._is_file = part.has_filename
        if part.name.lower() == "model":
            self._models += 1
            self.seen.unclear |= self._models > 1 or part.name != "model" or part.has_filename
        if known := PICTURE.fullmatch(part.name):
            self._prober = Prober()
            self.seen.images += known[1] == "image"
            self.seen.mask |= known[1] == "mask"

    def _end(self) -> None:
        if self._prober is None:
            if self._is_file or self._name in self.seen.fields:
                self.seen.doubtful.add(self._name)
            self.seen.fields.setdefault(self._name, self._text[:FIELD_BYTES].decode("utf-8", "replace"))
        elif (found := self._prober.result) is not None:
            self.seen.pixels = max(self.seen.pixels, found.width * found.height)
