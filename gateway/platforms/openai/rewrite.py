"""The few fields of a request that a relay gets otherwise than the client wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.domain.errors import InvalidField
from gateway.domain.size import Ratio, read_size
from gateway.domain.target import RelayTarget
from gateway.platforms.openai.sizes import NARROWEST, WIDEST, accepted

# They answer with the pictures themselves and refuse the field: https://developers.openai.com/api/reference/resources/images
_WITHOUT_LINKS = re.compile(r"(?:chat)?gpt-image-.*", re.DOTALL)


def rewrite(text_fields: Mapping[str, str], target: RelayTarget) -> Mapping[str, str | None]:
    """
    What has to be sent instead, or in addition; a field that is not in it stays as it came, byte for byte. A pinned
    field is added where the client left it out. None stands for a field that is left out: one that was right for the
    model that the client named, and that says no more than the one that is asked does by itself.

    Raises: InvalidField for a value that a pin rules out, or a ratio that the model has no size for.
    """
    terms = target.terms
    for name, value in terms.pins.items():
        if text_fields.get(name, value) != value:
            raise InvalidField(f"{name} is {value} here and nothing else.", param=name)
    wanted: dict[str, str | None] = {**terms.defaults, **text_fields, **terms.pins, **terms.overrides}
    if target.model is not None:
        wanted["model"] = target.model
        renamed = target.model != text_fields.get("model") and _WITHOUT_LINKS.fullmatch(target.model)
        if renamed and wanted.get("response_format") == "b64_json":
            wanted["response_format"] = None
    if (asked := wanted.get("size")) is not None and (size := _size(asked, wanted.get("model"))) is not None:
        wanted["size"] = size
    return {name: value for name, value in wanted.items() if text_fields.get(name) != value}


def _size(text: str, model: str | None) -> str | None:
    """None for what is left to OpenAI's own judgement."""
    try:
        asked = read_size(text)
    except ValueError:
        return None
    found = accepted(asked, model)
    if found is None and isinstance(asked, Ratio):
        raise InvalidField(f"size asks for {asked}; allowed are ratios from {NARROWEST} to {WIDEST}.", param="size")
    return found
