"""From an edit to the vendor's words."""

from __future__ import annotations

from gateway.domain.blob import Link
from gateway.domain.edit import Edit, OutputFormat
from gateway.domain.errors import UnknownField, UnsupportedField
from gateway.domain.notes import Fate, Note, ignored
from gateway.platforms.contract import Model
from gateway.wire.body import Base64, JsonBody

# OpenAI's fields that the vendor has nothing to match; those that matter are refused.
IGNORED = (
    *("size", "quality", "background", "moderation", "input_fidelity", "complexity", "style"),
    *("output_compression", "partial_images", "user", "safety_identifier"),
)


def translate(edit: Edit, model: Model) -> tuple[JsonBody, tuple[Note, ...]]:
    """Raises: UnknownField, UnsupportedField."""
    if edit.mask is not None:
        raise UnsupportedField("Turtles know no masks.", param="mask")
    if edit.markup is not None:
        raise UnsupportedField("Turtles know no markup.", param="markup")
    if len(edit.images) > model.max_images:
        raise UnsupportedField(f"At most {model.max_images} pictures are taken.", param="image")
    if edit.output_format is not OutputFormat.PNG:
        raise UnsupportedField("Turtles make PNG only.", param="output_format")
    for name, _ in edit.extra:
        raise UnknownField(f"Unknown parameter: '{name[:64]}'.", param=name[:64])
    pictures = [image.url if isinstance(image, Link) else Base64(image) for image in edit.images]
    notes = (Note("image", Fate.SENT), Note("output_format", Fate.SENT), *ignored(edit, IGNORED))
    return JsonBody({"prompt": edit.prompt, "pictures": pictures}), notes
