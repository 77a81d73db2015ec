"""From finished pictures to OpenAI's answer. https://developers.openai.com/api/reference/resources/images"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

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
    """
    A finished picture: its bytes, the link to it when the client asked for links, and the prompt that the vendor says
    it is made from.
    """

    blob: Blob
    url: str | None = None
    prompt: str | None = field(default=None, repr=False)

    @property
    def content(self) -> dict[str, JsonValue]:
        return {"url": self.url} if self.url else {"b64_json": Base64(self.blob)}


def write(pictures: Sequence[Picture], *, created: int, asked: str = "") -> JsonBody:
    """
    The whole answer. `size` and `output_format` are the real ones; `usage` is left out: no tokens were spent.

    `created` is in Unix seconds; `asked` is the client's prompt, which is no revised one.
    """
    first = pictures[0].blob
    return JsonBody(
        {
            "created": created,
            "data": [_entry(picture, asked) for picture in pictures],
            "background": "opaque",
            "output_format": _format(first),
            "size": str(first.pixels),
        }
    )


def _entry(picture: Picture, asked: str) -> dict[str, JsonValue]:
    revised = picture.prompt if picture.prompt and picture.prompt.strip() != asked.strip() else None
    return {**picture.content, **({"revised_prompt": revised} if revised else {})}


def completed(picture: Picture, *, created: int, kind: str = "image_edit") -> JsonBody:
    """The event that ends one picture of a stream."""
    return JsonBody(
        {
            "type": f"{kind}.completed",
            **picture.content,
            "created_at": created,
            "size": str(picture.blob.pixels),
            "background": "opaque",
            "output_format": _format(picture.blob),
        }
    )


def _format(blob: Blob) -> str:
    return blob.media_type.removeprefix("image/")
