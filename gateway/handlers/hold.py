"""
A body kept as it is until its fields have told where it goes.

A relay gets it byte for byte, whatever is in it, so nothing is judged here but that it is a form or JSON; the platforms
that translate read it again, strictly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDictProxy

from gateway.dialects.openai.form import PICTURE
from gateway.domain.errors import InvalidJson, InvalidMultipart, ModelNotAllowed
from gateway.domain.size import Pixels
from gateway.handlers.body import Pace
from gateway.handlers.charsets import FIELD, codec
from gateway.handlers.json_body import take_in_json
from gateway.handlers.json_facts import JsonFacts
from gateway.handlers.keys import CALLER
from gateway.handlers.multipart import Part, Parts, read_boundary
from gateway.handlers.receive import is_json, may_be_unused, take_in
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
BESIDE = (
    "Your key is for certain models, and this request may use another one beside its own; "
    "name allowed ones, in its tools as well."
)
# What a key's limits are counted by.
COUNTED = {"n", "size"}
# `model` as some server may read it: with spaces around it, or as a list.
_MODEL = re.compile(r"\s*model\s*(?:\[.*)?", re.IGNORECASE | re.DOTALL)
TYPES = ("multipart/form-data", "application/json")


@dataclass(slots=True)
class Seen:
    """
    What was seen of a body in passing: the beginnings of its text fields, which pictures it has, and which models it
    names beside its own, "" where that is left to the platform.

    `doubtful` are the names of fields that came more than once, or as a file: the first text counts here, and perhaps
    the last one elsewhere. `unclear` when nobody can tell which model the body names, if any. `fault` is why a form
    cannot be read to its end: what was seen before it counts, and only a relay of the body as it came is left.
    """

    fields: dict[str, str] = field(default_factory=dict)
    images: int = 0
    mask: bool = False
    pixels: int = 0
    tools: tuple[str, ...] = ()
    doubtful: set[str] = field(default_factory=set)
    unclear: bool = False
    fault: InvalidMultipart | None = None

    @property
    def model(self) -> str | None:
        return self.fields.get("model") or None

    def certain(self, changes: Mapping[str, str | None]) -> Mapping[str, str] | None:
        """The fields as they are sent on with these changes; None when it is not certain how they are read there."""
        if self.unclear or self.doubtful & COUNTED:
            return None
        return {name: text for name, text in {**self.fields, **changes}.items() if text is not None}

    def into(self, facts: Facts) -> Facts:
        """The facts with what was seen; a model that is known from the path stands over the field."""
        told = self.fields.get("n", "")
        n = int(told) if told.isascii() and told.isdigit() and 0 < len(told) < 4 else 1
        return replace(facts, read=True, model=facts.model or self.model, n=n).with_pictures(
            self.images, self.pixels, mask=self.mask
        )


@dataclass(frozen=True, slots=True)
class Held:
    """
    The body under the request's own Content-Type, what was seen in it, and room to read it once more.

    `boundary` is None for JSON, and for a form whose Content-Type names none that is legal.
    """

    raw: SpooledBlob
    boundary: str | None
    seen: Seen
    _room: Room

    async def read(self, limits: Limits, purpose: Purpose) -> Received:
        """The form in it. Raises: as `receive_any`."""
        if self.boundary is None and self.seen.fault is not None:
            raise self.seen.fault
        if self.boundary is None:
            return await take_in_json(self.raw.chunks(), self._room, limits, purpose)
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

    Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, BadSignature, InvalidJson or
    InvalidMultipart for no body; ModelNotAllowed for a key that names models when the body may name another one.
    """
    looker: _Form | _Json = _Json() if is_json(request) else _Form(request.headers)
    body = open_body(request, MOST_BYTES, pace, InvalidJson if is_json(request) else InvalidMultipart)
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
        # Names too are in another charset for whoever goes by it.
        looker.seen.unclear |= codec((request.charset or "").lower()) is None
        if looker.seen.unclear and request[CALLER].models:
            raise ModelNotAllowed(UNCLEAR, param="model")
        if not all(map(request[CALLER].may_use, looker.seen.tools)):
            raise ModelNotAllowed(BESIDE, param="tools")
        raw = await writer.finish(request.headers["Content-Type"], Pixels(0, 0))
    except BaseException:
        writer.discard()
        room.close()
        raise
    return Held(raw, looker.boundary, looker.seen, room)


class _Json:
    """Looks at a JSON body; one that is none is for the relay's platform to judge."""

    boundary = None

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
            self.seen = Seen(self._facts.fields, self._facts.images, self._facts.mask, tools=self._facts.tools.models)


class _Form:
    """Follows the parts of a form; one that cannot be followed to its end is for the relay's platform to judge."""

    def __init__(self, headers: CIMultiDictProxy[str]) -> None:
        """Raises: UnsupportedMedia."""
        self.seen = Seen()
        self.boundary: str | None = None
        self._name = ""
        self._text = bytearray()
        self._unused = False
        self._prober: Prober | None = None
        self._is_file = False
        self._models = 0
        try:
            self.boundary = read_boundary(headers)
            self._parts = Parts(self.boundary, MOST_PARTS)
        except InvalidMultipart as fault:
            self._give_up(fault)

    def push(self, chunk: bytes) -> None:
        """Never raises."""
        if self.seen.fault is not None:
            return
        try:
            for event in self._parts.feed(chunk):
                self._look(event)
        except InvalidMultipart as fault:
            self._give_up(fault)

    def close(self) -> None:
        """To be called at the body's end; never raises."""
        if self.seen.fault is not None:
            return
        try:
            self._parts.close()
        except InvalidMultipart as fault:
            self._give_up(fault)

    def _give_up(self, fault: InvalidMultipart) -> None:
        """Whoever reads on may find another model behind."""
        self.seen.fault, self.seen.unclear = fault, True

    def _look(self, event: Part | bytes | None) -> None:
        if isinstance(event, Part):
            self._unused = may_be_unused(event)
            self._begin(event)
        elif event is None:
            if not self._unused:
                self._end()
        else:
            self._unused = False
            if self._prober is not None:
                self._prober.feed(event)
            elif len(self._text) < FIELD_BYTES:
                self._text += event[:FIELD_BYTES]

    def _begin(self, part: Part) -> None:
        self._name, self._text, self._prober = part.name, bytearray(), None
        self._is_file = part.filename is not None
        if _MODEL.fullmatch(unquote(part.name)):
            self._models += 1
            strange = part.name != "model" or part.filename is not None or codec(part.charset) is None
            self.seen.unclear |= self._models > 1 or strange
        if PICTURE.fullmatch(part.name):
            self._prober = Prober()

    def _end(self) -> None:
        known = PICTURE.fullmatch(self._name)
        if self._prober is None or known is None:
            if self._is_file or self._name in self.seen.fields:
                self.seen.doubtful.add(self._name)
            self.seen.fields.setdefault(self._name, self._text[:FIELD_BYTES].decode("utf-8", "replace"))
            self.seen.unclear |= self._name == FIELD and codec(self.seen.fields[FIELD].lower()) is None
            return
        self.seen.images += known[1] == "image"
        self.seen.mask |= known[1] == "mask"
        if (found := self._prober.result) is not None:
            self.seen.pixels = max(self.seen.pixels, found.width * found.height)
