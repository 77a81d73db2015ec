"""From finished pictures to OpenAI's answer. https://developers.openai.com/api/reference/resources/images"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.blob import Blob
from gateway.domain.edit import ResponseFormat
from gateway.wire.body import Base64, JsonBody, JsonValue

# Of the models that answer with links unless they are asked for the pictures themselves; later ones have no links.
_LINKED = re.compile(r"dall-e-[23](?:-.*)?", re.DOTALL)


def usual_format(model: str | None) -> ResponseFormat:
    """What a client expects of the model it named when it says nothing."""
    return ResponseFormat.URL if model is not None and _LINKED.fullmatch(model) else ResponseFormat.B64_JSON


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture: its bytes, and the link to it when the client asked for links."""

    blob: Blob
    url: str | None = None


def write(pictures: Sequence[Picture], *, created: int) -> JsonBody:
    """
    The whole answer. `size` and `output_format` are the real ones; `usage` is left out: no tokens were spent.

    `created` is in Unix seconds.
    """
    first = pictures[0].blob
    return JsonBody(
        {
            "created": created,
            "data": [{"url": p.url} if p.url else {"b64_json": Base64(p.blob)} for p in pictures],
            "background": "opaque",
            "output_format": _format(first),
            "size": str(first.pixels),
        }
    )


def completed(picture: Picture, *, created: int, kind: str = "image_edit") -> JsonBody:
    """The event that ends one picture of a stream."""
    content: dict[str, JsonValue] = {"url": picture.url} if picture.url else {"b64_json": Base64(picture.blob)}
    return JsonBody(
        {
            "type": f"{kind}.completed",
            **content,
            "created_at": created,
            "size": str(picture.blob.pixels),
            "background": "opaque",
            "output_format": _format(picture.blob),
        }
    )


def _format(blob: Blob) -> str:
    return blob.media_type.removeprefix("image/")
