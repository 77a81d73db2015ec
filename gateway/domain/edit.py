"""What the client asked: syntax checked, every field kept, no vendor's rule applied yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.blob import Blob, Link
from gateway.domain.errors import InvalidField
from gateway.domain.size import Pixels, Ratio


class ResponseFormat(StrEnum):
    B64_JSON = "b64_json"
    URL = "url"


def read_response_format(text: str) -> ResponseFormat:
    """Raises: InvalidField."""
    if text in tuple(ResponseFormat):
        return ResponseFormat(text)
    raise InvalidField(f"response_format is {' or '.join(ResponseFormat)}.", param="response_format")


class OutputFormat(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class Edit:
    """
    One `POST /v1/images/edits`, or `/v1/images/generations`: then there may be no pictures.

    `asked` holds every text field as it came, in order; `extra` those of them that OpenAI's API does not define: a
    platform takes the ones it knows and refuses the rest. What OpenAI defines and nobody acts on is only in `asked`.
    `empty` names the fields that came without a value, which is as if they had not come. Without a `response_format`
    the route says which, or the model that was asked for.
    https://developers.openai.com/api/reference/resources/images/methods/edit
    """

    prompt: str = field(repr=False)
    images: tuple[Blob | Link, ...]
    model: str | None = None
    n: int = 1
    size: Pixels | Ratio | None = None
    response_format: ResponseFormat | None = None
    output_format: OutputFormat = OutputFormat.PNG
    moderation: str | None = None
    stream: bool = False
    end_user: str | None = field(default=None, repr=False)
    mask: Blob | Link | None = None
    markup: Blob | Link | None = None
    asked: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    empty: tuple[str, ...] = field(default=(), repr=False)

    @property
    def from_text(self) -> bool:
        """True for a generation."""
        return not self.images

    def has(self, name: str) -> bool:
        """True when the client sent this text field."""
        return any(name == key for key, _ in self.asked)
