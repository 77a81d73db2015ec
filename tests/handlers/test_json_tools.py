"""Models of tools are found wherever they stand, however the body arrives in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.json_facts import JsonFacts

DRAWS, NAMED = {"type": "image_generation"}, {"type": "later", "model": "x" * 3000}
FOUND: list[tuple[Any, tuple[str, ...]]] = [
    ({}, ()),
    ({"tools": []}, ()),
    ({"tools": "image_generation"}, ()),
    ({"tools": ["image_generation"]}, ()),
    ({"tools": {"type": "image_generation"}}, ()),
    ({"tools": [{"type": "function", "parameters": {"type": "object", "model": "x"}}]}, ()),
    ({"metadata": {"type": "image_generation", "model": "x"}}, ()),
    ({"tools": [DRAWS]}, ("",)),
    ({"tools": [DRAWS | {"model": "a"}, {"model": "b", "type": "image_generation"}]}, ("a", "b")),
    ({"tools": [DRAWS | {"model": None}]}, ("",)),
    ({"tools": [DRAWS | {"model": 7}]}, ("7",)),
    ({"tools": [DRAWS | {"model": {"id": "a"}}]}, ("",)),
    ({"Tools": [{"Type": "Image_Generation", "MODEL": "a"}]}, ("a",)),
    ({"a": {"b": [{"tools": [DRAWS]}]}}, ("",)),
    ({"tools": [{"tools": [{"tools": [DRAWS]}]}]}, ("",)),
    ({"tools": [NAMED]}, ("x" * 1024,)),
    ({"models": ["a", "b"], "Fallbacks": ["c", {"model": "d"}, {"e": ["f"]}, None]}, ("a", "b", "c", "d")),
    ({"session": {"model": "a", "audio": {"input": {"transcription": {"Model": "b"}}}}}, ("a", "b")),
    (
        {
            "models": "a",
            "fallbacks": {"a": "b"},
            "session": "a",
            "input": [{"models": ["a"], "session": {"model": "a"}}],
        },
        (),
    ),
]


@pytest.mark.parametrize(("value", "models"), FOUND)
@given(data=st.data())
def test_models_of_tools(value: Any, models: tuple[str, ...], data: st.DataObject) -> None:
    """Empty for one that leaves it to the platform; what merely looks like a tool is none."""
    text = json.dumps(value).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    facts = JsonFacts()
    for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
        facts.push(text[start:stop])
    facts.close()
    assert not facts.broken
    assert facts.tools.models == models


def test_what_is_nobodys_tool() -> None:
    """A long list of numbers, as embeddings have, is looked at and left alone."""
    facts = JsonFacts()
    facts.push(json.dumps({"input": [[1, 2, 3]] * 1000, "tools": [[1]]}).encode())
    facts.close()
    assert not facts.broken and facts.tools.models == ()
