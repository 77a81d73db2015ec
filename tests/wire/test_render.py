"""The renderer: what it sends is the JSON that was described, to the byte as long as it said."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import render
from gateway.wire.body import Base64, JsonBody, JsonValue
from tests.fakes.blob import MemoryBlob

TEXT = st.text(st.characters(codec="utf-8"))
BLOBS = st.builds(MemoryBlob, st.binary(max_size=40), cuts=st.lists(st.integers(0, 7), max_size=8))
LEAVES: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.builds(Base64, BLOBS)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


async def sent(body: JsonBody) -> bytes:
    """Everything that goes out; its length is what was announced before the first byte."""
    parts = render.pieces(body)
    announced = render.length(parts)
    data = b"".join([piece async for piece in render.stream(parts)])
    assert len(data) == announced
    return data


def plain(value: Any) -> Any:
    """The same with holes filled and tuples as lists: what a JSON parser gives back."""
    if isinstance(value, Base64):
        assert isinstance(value.blob, MemoryBlob)
        return base64.b64encode(value.blob.data).decode()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


async def cut(data: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    async for piece in MemoryBlob(data, cuts=cuts).chunks():
        yield piece


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=5))
async def test_any_body_is_the_json_it_describes(fields: dict[str, JsonValue]) -> None:
    """Any nesting of values and holes, read by another JSON parser."""
    assert json.loads(await sent(JsonBody(fields))) == plain(fields)


@pytest.mark.parametrize(
    "prompt",
    [
        'say "hi" \\ back',
        "tab\tline\nreturn\r",
        "\x00\x01\x1f\x7f",
        "👩‍👩‍👧 fox 🦊",
        "a\u2028b\u2029c",
        "\ufeff",
        '"},{"x":"',
        "",
    ],
)
async def test_prompts_arrive_as_they_were_written(prompt: str) -> None:
    """Quotes, control characters, emoji and line separators change nothing around them."""
    body = JsonBody({"prompt": prompt, "input_image": Base64(MemoryBlob(b"abcd"))})
    assert json.loads(await sent(body)) == {"prompt": prompt, "input_image": "YWJjZA=="}


async def test_the_exact_bytes() -> None:
    """Compact, in the order of the fields, holes as strings."""
    body = JsonBody({"b": Base64(MemoryBlob(b"x")), "a": [1, True, None, {"c": Base64(MemoryBlob(b""))}], "é": 0.5})
    assert await sent(body) == '{"b":"eA==","a":[1,true,null,{"c":""}],"é":0.5}'.encode()


def test_neighbouring_text_is_one_piece() -> None:
    """One write per stretch of text, however many values it holds."""
    first, second = MemoryBlob(b"1"), MemoryBlob(b"2")
    body = JsonBody({"a": 1, "b": "x", "c": Base64(first), "d": [Base64(second)], "e": MappingProxyType({})})
    assert render.pieces(body) == [b'{"a":1,"b":"x","c":"', first, b'","d":["', second, b'"],"e":{}}']


async def test_a_body_can_be_sent_again() -> None:
    """The description is not used up: a submission that was not sent is rendered a second time."""
    parts = render.pieces(JsonBody({"input_image": Base64(MemoryBlob(b"abcdefg", cuts=[2, 2]))}))
    first = b"".join([piece async for piece in render.stream(parts)])
    assert first == b"".join([piece async for piece in render.stream(parts)])


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_refused_before_anything_is_sent(text: str) -> None:
    """A lone surrogate, which no decoder of ours lets in, has no JSON: it fails while pieces are made, unpaid."""
    with pytest.raises(TypeError):
        render.pieces(JsonBody({"prompt": text}))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 6, 191, 192, 193])
async def test_base64_in_chunks_of_one_size(size: int, length: int) -> None:
    """Chunks of 1, 2, 3 … bytes give what one whole gives."""
    data = bytes(range(length))
    pieces = [piece async for piece in render.encoded(cut(data, [size] * (length // size)))]
    assert b"".join(pieces) == base64.b64encode(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 50), max_size=30))
async def test_base64_for_any_cut_points(data: bytes, cuts: list[int]) -> None:
    """Whatever the cut points, empty chunks included, and the length is known beforehand."""
    whole = b"".join([piece async for piece in render.encoded(cut(data, cuts))])
    assert whole == base64.b64encode(data)
    assert len(whole) == render.encoded_length(len(data))
