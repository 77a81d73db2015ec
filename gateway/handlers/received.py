"""What a request's body may weigh, and what came of it; shared by the readers of forms and of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from aiohttp import web

from gateway.dialects.openai.form import Form
from gateway.domain.errors import InvalidField, InvalidMultipart, InvalidRequest, UnsupportedField
from gateway.handlers.body import Body, Pace
from gateway.stores.blobs import SpooledBlob
from gateway.stores.spool import Room

# What the body asks for: a generation may have no pictures.
Purpose: TypeAlias = Literal["edit", "generation"]

ELSEWHERE = "Send pictures to /v1/images/edits, with a model that edits them."

# Text fields, part headers and boundaries, all together.
SLACK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one upload may weigh; `image_pixels` is width × height of one picture, `text_bytes` one text field. No `images`
    where no model in reach takes any.

    `convertible`: pictures may come in formats that are converted before anybody gets them.
    """

    image_bytes: int
    images: int
    image_pixels: int
    parts: int = 64
    text_bytes: int = 128 * 1024
    pace: Pace = field(default=Pace())
    convertible: bool = False

    def check_count(self, count: int, param: str) -> None:
        """Let the `count`th picture pass, a mask being the 0th. Raises: UnsupportedField, InvalidField."""
        if not self.images:
            raise UnsupportedField(f"No model in reach here takes a picture. {ELSEWHERE}", param=param)
        if count > self.images:
            raise InvalidField(f"At most {self.images} images are taken; the request has more.", param=param)

    @property
    def total_bytes(self) -> int:
        return self.images * self.image_bytes + SLACK_BYTES

    @property
    def json_bytes(self) -> int:
        """The same in base64, with some room for escapes."""
        return self.total_bytes * 4 // 3 + SLACK_BYTES


@dataclass(frozen=True, slots=True)
class Received:
    """What came. `blobs` are the pictures of `form`; whoever takes them over releases each."""

    form: Form
    blobs: tuple[SpooledBlob, ...]

    def release(self) -> None:
        """Let everything go."""
        for blob in self.blobs:
            blob.release()


class Intake(Protocol):
    """The form of one request while it grows."""

    async def take(self, chunk: bytes) -> None: ...
    def finish(self) -> Received: ...
    def discard(self) -> None: ...


async def filled(intake: Intake, pieces: AsyncIterator[bytes], room: Room) -> Received:
    """The form in a body that comes in pieces; closes the room. Raises: what the intake raises."""
    try:
        async for chunk in pieces:
            await intake.take(chunk)
        return intake.finish()
    except BaseException:
        intake.discard()
        raise
    finally:
        room.close()


def open_body(request: web.BaseRequest, most: int, pace: Pace, empty: type[InvalidRequest] = InvalidMultipart) -> Body:
    """Raises: UnsupportedMedia, ExpectationFailed, TooLarge, `empty`; nothing has been read then."""
    body = Body(request, most, pace)
    if not request.body_exists or body.length == 0:
        raise empty("The request has no body.")
    return body
