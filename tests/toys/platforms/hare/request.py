"""From an edit to the vendor's words."""

from __future__ import annotations

from gateway.domain.blob import Link
from gateway.domain.edit import Edit, OutputFormat
from gateway.domain.errors import UnknownField, UnsupportedField
from gateway.domain.notes import Fate, Note, ignored
from gateway.wire.body import Base64, JsonBody

# OpenAI's fields that the vendor has nothing to match; those that matter are refused.
IGNORED = (
    *("size", "quality", "background", "moderation", "input_fidelity", "complexity", "style"),
    *("output_compression", "partial_images", "user", "safety_identifier"),
)


def translate(edit: Edit) -> tuple[JsonBody, tuple[Note, ...]]:
    """Raises: UnknownField, UnsupportedField."""
    if edit.mask is not None:
        raise UnsupportedField("Hares know no masks.", param="mask")
    if edit.markup is not None:
        raise UnsupportedField("Hares know no markup.", param="markup")
    if edit.output_format is not OutputFormat.PNG:
        raise UnsupportedField("Hares draw PNG only.", param="output_format")
    if edit.from_text:
        raise UnsupportedField("Hares make nothing from text alone.", param="model")
    for name, _ in edit.extra:
        raise UnknownField(f"Unknown parameter: '{name[:64]}'.", param=name[:64])
    (image,) = edit.images
    body = JsonBody({"words": edit.prompt, "picture": image.url if isinstance(image, Link) else Base64(image)})
    return body, (Note("image", Fate.SENT), Note("output_format", Fate.SENT), *ignored(edit, IGNORED))
