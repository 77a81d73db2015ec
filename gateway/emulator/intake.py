"""A submit's raw body becomes a checked submission, or pydantic-style errors; runs in a thread."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from gateway.emulator import inputs
from gateway.emulator.inputs import BadInput, Source
from gateway.emulator.models import Model


class Unprocessable(Exception):
    """The body breaks the schema; `errors` is the list the vendor puts under `detail`."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(f"{len(errors)} validation errors")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Submission:
    """
    A body that passed validation.

    Args:
        sha256: of the raw body, hex.  sent: the body, pictures replaced by `sha256:<hex>`.
        fields: after validation, defaults filled in, JSON types.
        sources, mask: the readable pictures.  problem: why the task must fail, if it must.
        ignored, nulls: fields the vendor drops, fields sent as null.  data_uris: how many.
    """

    sha256: str
    sent: dict[str, object]
    fields: dict[str, Any]
    sources: tuple[Source, ...]
    mask: Source | None
    problem: str | None
    ignored: tuple[str, ...]
    nulls: tuple[str, ...]
    data_uris: int

    @property
    def prompt(self) -> str:
        return self.fields.get("prompt") or ""


def examine(model: Model, raw: bytes, content_type: str) -> Submission:
    """
    Validate a body and read its pictures.

    Raises:
        Unprocessable: no JSON object, or not what the model's schema wants.
    """
    body = _parse(raw, content_type)
    try:
        fields = model.schema.model_validate(body).model_dump(mode="json")
    except ValidationError as why:
        raise Unprocessable([_error(dict(error)) for error in why.errors(include_url=False)]) from why
    found = inputs.texts(body, model.images)
    mask_text = fields.get("mask")  # None where the schema has no mask
    sources: list[Source] = []
    mask, problem = None, None
    try:
        sources = [
            inputs.read(name, text, min_side=model.min_side, max_pixels=model.max_pixels) for name, text in found
        ]
        mask = inputs.read("mask", mask_text) if mask_text else None
    except BadInput as why:
        problem = str(why)
    digests = {id(text): source.sha256 for (_, text), source in zip(found, sources, strict=False)}
    if mask:
        digests[id(body["mask"])] = mask.sha256
    return Submission(
        sha256=hashlib.sha256(raw).hexdigest(),
        sent={name: _shortened(value, digests) for name, value in body.items()},
        fields=fields,
        sources=tuple(sources),
        mask=mask,
        problem=problem,
        ignored=tuple(name for name in body if name not in model.schema.model_fields),
        nulls=tuple(name for name, value in body.items() if value is None),
        data_uris=sum(inputs.is_data_uri(text) for _, text in [*found, ("mask", mask_text or "")]),
    )


def _parse(raw: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object in a body, refused the way FastAPI refuses."""
    if not raw:
        raise Unprocessable([_fault("missing", ("body",), "Field required", None)])
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Unprocessable([_not_an_object(raw.decode("utf-8", "replace"))])
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as why:
        wrong = _fault("json_invalid", ("body", why.pos), "JSON decode error", {})
        raise Unprocessable([wrong | {"ctx": {"error": why.msg}}]) from why
    if not isinstance(body, dict):
        raise Unprocessable([_not_an_object(body)])
    return body


def _fault(kind: str, loc: Sequence[str | int], text: str, value: object) -> dict[str, Any]:
    return {"type": kind, "loc": list(loc), "msg": text, "input": value}


def _not_an_object(value: object) -> dict[str, Any]:
    text = "Input should be a valid dictionary or object to extract fields from"
    return _fault("model_attributes_type", ("body",), text, value)


def _error(error: dict[str, Any]) -> dict[str, Any]:
    """One pydantic error as FastAPI shows it: `loc` starts at the body, exceptions become `{}`."""
    shown = error | {"loc": ["body", *error["loc"]]}
    if "ctx" in shown:
        shown["ctx"] = {name: {} if isinstance(value, Exception) else value for name, value in shown["ctx"].items()}
    return shown


def _shortened(value: object, digests: dict[int, str]) -> object:
    if isinstance(value, list):
        return [_shortened(item, digests) for item in value]
    if id(value) in digests:
        return f"sha256:{digests[id(value)]}"
    return f"{value[:200]}…" if isinstance(value, str) and len(value) > 4000 else value
