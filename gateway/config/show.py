"""A configuration shown: as YAML with its secrets masked, and as the JSON schema editors check a file against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from pydantic import BaseModel

from gateway.config.problem import KeyPath, Place

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: Final = {"type": "string", "pattern": r"\$\{"}


def show(config: BaseModel, origins: Mapping[KeyPath, Place] | None = None) -> str:
    """Every key with its value in force, defaults included; with `origins` each line says where it comes from."""
    data = config.model_dump(mode="json", by_alias=True)
    # One scalar, one line: a comment can then follow each.
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=2**31)
    if origins is None:
        return text
    lines = text.splitlines()
    for path, node in _leaves(yaml.compose(text, Loader=yaml.CSafeLoader), ()):
        place = origins.get(path)
        origin = f"{place} {place.name}".rstrip() if place else "default"
        lines[node.end_mark.line] += f"  # {origin}"
    return "\n".join(lines) + "\n"


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """
    JSON Schema of the file. Unknown keys are refused, as the loader does, and a `${VARIABLE}` is accepted where a
    number or a boolean is wanted.
    """
    generated = model.model_json_schema()
    definitions = {name: _as_written(node) for name, node in generated.pop("$defs", {}).items()}
    return {"$schema": _DIALECT, **_as_written(generated), "$defs": definitions}


def _leaves(node: yaml.Node | None, path: KeyPath) -> Iterator[tuple[KeyPath, yaml.Node]]:
    if isinstance(node, yaml.MappingNode) and node.value:
        for key, value in node.value:
            yield from _leaves(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode) and node.value:
        for index, item in enumerate(node.value):
            yield from _leaves(item, (*path, index))
    elif node is not None:
        yield path, node


def _as_written(node: dict[str, Any]) -> dict[str, Any]:
    written = dict(node)
    for word in ("properties", "patternProperties"):
        if word in node:
            written[word] = {name: _as_written(inner) for name, inner in node[word].items()}
            written.setdefault("additionalProperties", False)
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            written[word] = _as_written(node[word])
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if word in node:
            written[word] = [_as_written(inner) for inner in node[word]]
    if node.get("type") in ("integer", "number", "boolean"):
        bare = {word: written.pop(word) for word in node if word not in ("title", "description", "default")}
        written["anyOf"] = [bare, _VARIABLE]
    return written
