"""A JSON body with holes where bytes go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.domain.blob import Blob
from gateway.domain.rework import Rework


@dataclass(frozen=True, slots=True)
class Base64:
    """
    A hole: the blob's bytes appear here as a JSON string of standard base64, as a data URL if `data_url` is set.

    A `Rework` has to be made first, and is put in its place by `fulfil`.
    """

    blob: Blob | Rework
    data_url: bool = False


JsonValue: TypeAlias = "str | int | float | bool | Base64 | Mapping[str, JsonValue] | Sequence[JsonValue] | None"


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON object whose values may hold `Base64` at any depth. Compared with `==`, sent by `wire.render`."""

    fields: Mapping[str, JsonValue] = field(repr=False)


def fulfil(body: JsonBody, made: Mapping[Rework, Blob]) -> JsonBody:
    """The same body with every pixel work replaced by what was made of it. Raises: KeyError for one that was not."""
    return JsonBody({name: _fulfil(value, made) for name, value in body.fields.items()})


def _fulfil(value: JsonValue, made: Mapping[Rework, Blob]) -> JsonValue:
    match value:
        case Base64(Rework() as work, data_url):
            return Base64(made[work], data_url)
        case Mapping():
            return {name: _fulfil(inner, made) for name, inner in value.items()}
        case list() | tuple():
            return [_fulfil(inner, made) for inner in value]
    return value
