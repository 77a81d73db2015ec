"""A JSON body with holes where bytes go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.domain.blob import Blob


@dataclass(frozen=True, slots=True)
class Base64:
    """A hole: the blob's bytes appear here as a JSON string of standard base64."""

    blob: Blob


JsonValue: TypeAlias = "str | int | float | bool | Base64 | Mapping[str, JsonValue] | Sequence[JsonValue] | None"


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON object whose values may hold `Base64` at any depth. Compared with `==`, sent by `wire.render`."""

    fields: Mapping[str, JsonValue] = field(repr=False)
