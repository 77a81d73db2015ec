"""
Which type each member of a JSON request has; past this point a member is the text that a form would carry.

https://developers.openai.com/api/reference/resources/images/methods/edit
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.domain.errors import InvalidType
from gateway.wire.scanned import Kind, Value

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("prompt", "model", "size", "quality", "background", "moderation", "style"), Kind.TEXT),
    **dict.fromkeys(("response_format", "output_format", "input_fidelity", "complexity"), Kind.TEXT),
    **dict.fromkeys(("user", "safety_identifier"), Kind.TEXT),
    **dict.fromkeys(("n", "output_compression", "partial_images"), Kind.NUMBER),
    **dict.fromkeys(("frame_count", "frame_duration_ms"), Kind.NUMBER),
    "stream": Kind.TRUTH,
    "svg": Kind.OBJECT,
}


# https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.1: a zero fraction leaves a number whole.
_FRACTION = re.compile(r"(-?[0-9]+)\.0+", re.ASCII)


def plain(value: Value) -> str:
    """The text of a member as a form carries it: 2 also of a program that has only floating point and writes 2.0."""
    found = _FRACTION.fullmatch(value.text) if value.kind is Kind.NUMBER else None
    return found[1] if found else value.text


def check_kind(name: str, kind: Kind) -> None:
    """Let a member pass that OpenAI does not define, or whose type is right. Raises: InvalidType."""
    expect(KINDS.get(name, kind), kind, name)


def expect(wanted: Kind, kind: Kind, param: str) -> None:
    """Raises: InvalidType."""
    if kind is not wanted:
        raise InvalidType(f"Invalid type for '{param}': expected {wanted}, but got {kind} instead.", param=param)
