"""The few fields of a request that a relay gets otherwise than the client wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.domain.errors import InvalidField, UnsupportedField
from gateway.domain.size import Ratio, read_size
from gateway.domain.target import RelayTarget
from gateway.platforms.openai.sizes import NARROWEST, WIDEST, accepted

# They answer with the pictures themselves and refuse the field: https://developers.openai.com/api/reference/resources/images
_GPT_IMAGE = re.compile(r"(?:chat)?gpt-image-.*", re.DOTALL)
# All that OpenAI's picture paths take; it refuses any other field by name, as above.
_TAKEN = frozenset(
    {"background", "complexity", "frame_count", "frame_duration_ms", "image", "images", "input_fidelity", "markup"}
    | {"mask", "model", "moderation", "n", "output_compression", "output_format", "partial_images", "prompt", "quality"}
    | {"response_format", "safety_identifier", "size", "stream", "style", "svg", "user"}
)


def rewrite(text_fields: Mapping[str, str], target: RelayTarget) -> Mapping[str, str | None]:
    """
    What has to be sent instead, or in addition; a field that is not in it stays as it came, byte for byte. A pinned
    field is added where the client left it out. None stands for a field that is left out: one that was right for the
    model that the client named, and that says no more than the one that is asked does by itself.

    Raises: InvalidField for a value that a pin rules out, or a ratio that the model has no size for; UnsupportedField
    for one that only the model has in whose place OpenAI's is asked.
    """
    terms = target.terms
    for name, value in terms.pins.items():
        if text_fields.get(name, value) != value:
            raise InvalidField(f"{name} is {value} here and nothing else.", param=name)
    wanted: dict[str, str | None] = {**terms.defaults, **text_fields, **terms.pins, **terms.overrides}
    if target.model is not None:
        wanted["model"] = target.model
        if target.model != text_fields.get("model") and _GPT_IMAGE.fullmatch(target.model):
            _check(text_fields, target.model)
            if wanted.get("response_format") == "b64_json":
                wanted["response_format"] = None
    if (asked := wanted.get("size")) is not None and (size := _size(asked, wanted.get("model"))) is not None:
        wanted["size"] = size
    return {name: value for name, value in wanted.items() if text_fields.get(name) != value}


def _check(text_fields: Mapping[str, str], model: str) -> None:
    for name in text_fields:
        if name.partition("[")[0] not in _TAKEN:
            raise UnsupportedField(f"{model} has no field '{name[:64]}'.", param=name[:64])


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
