"""From an edit to the vendor's words."""

from __future__ import annotations

from gateway.domain.blob import Link
from gateway.domain.edit import Edit
from gateway.domain.errors import UnknownField, UnsupportedField
from gateway.wire.body import Base64, JsonBody


def translate(edit: Edit) -> JsonBody:
    """Raises: UnknownField, UnsupportedField."""
    if edit.mask is not None:
        raise UnsupportedField("Hares know no masks.", param="mask")
    if edit.from_text:
        raise UnsupportedField("Hares make nothing from text alone.", param="model")
    for name, _ in edit.extra:
        raise UnknownField(f"Unknown parameter: '{name[:64]}'.", param=name[:64])
    (image,) = edit.images
    return JsonBody({"words": edit.prompt, "picture": image.url if isinstance(image, Link) else Base64(image)})
