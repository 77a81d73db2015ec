"""What a model allows at a key: asked of its JSON schema, so that the answer is what the published schema says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from gateway.config.problem import KeyPath

Node = Mapping[str, Any]


class Shape:
    """Schema nodes by path. A path may lead to several: the branches of a union not decided yet."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    @cached_property
    def _root(self) -> dict[str, Any]:
        return self._model.model_json_schema()

    @property
    def top(self) -> tuple[Node, ...]:
        return (self._root,)

    def at(self, path: KeyPath) -> Sequence[Node]:
        nodes: Sequence[Node] = self.top
        for key in path:
            nodes = self.inside(nodes, key)
        return nodes

    def inside(self, nodes: Sequence[Node], key: str | int) -> tuple[Node, ...]:
        """One step down, by a mapping's key or a list's index."""
        return tuple(found for node in self._branches(nodes) if (found := _child(node, key)) is not None)

    def tagged(self, nodes: Sequence[Node], tag: str | int) -> tuple[Node, ...]:
        """The branch of a tagged union that `tag` chooses; empty where the nodes are no such union."""
        return tuple({"$ref": mapping[tag]} for mapping in self._unions(nodes) if tag in mapping)

    def tags(self, nodes: Sequence[Node]) -> list[str]:
        return [str(tag) for mapping in self._unions(nodes) for tag in mapping]

    def keys(self, nodes: Sequence[Node]) -> list[str]:
        """Every key a mapping here may have, in the order of the model."""
        return list(dict.fromkeys(key for node in self._branches(nodes) for key in node.get("properties", ())))

    def types(self, nodes: Sequence[Node]) -> set[str]:
        return {node["type"] for node in self._branches(nodes) if "type" in node}

    def secret(self, nodes: Sequence[Node]) -> bool:
        """Whether a secret belongs here or anywhere below."""
        seen: set[int] = set()
        waiting: list[Any] = list(nodes)
        while waiting:
            node = waiting.pop()
            if isinstance(node, Mapping):
                if id(node) in seen:
                    continue
                seen.add(id(node))
                if node.get("writeOnly") is True:
                    return True
                waiting.extend(node.values())
                waiting.extend(self._branches([node]) if "$ref" in node else ())
            elif isinstance(node, list):
                waiting.extend(node)
        return False

    def _unions(self, nodes: Sequence[Node]) -> Iterator[Mapping[str | int, str]]:
        for node in self._branches(nodes):
            if "discriminator" in node:
                yield node["discriminator"].get("mapping", {})

    def _branches(self, nodes: Sequence[Node]) -> Iterator[Node]:
        for node in nodes:
            if "$ref" in node:
                yield from self._branches([self._root["$defs"][node["$ref"].removeprefix("#/$defs/")]])
                continue
            yield node
            for union in ("anyOf", "oneOf", "allOf"):
                yield from self._branches(node.get(union, ()))


def _child(node: Node, key: str | int) -> Node | None:
    if isinstance(key, int):
        # A fixed-length list has a schema per place, any other one for all.
        places = node.get("prefixItems", ())
        child = places[key] if key < len(places) else node.get("items")
    elif key in node.get("properties", ()):
        child = node["properties"][key]
    else:
        # A mapping's pattern for its keys does not decide here: a key that breaks it has a value all the same.
        child = next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties"))
    return child if isinstance(child, Mapping) else None
