"""What is known of a held JSON body, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.json_facts import MEMBERS, TEXT_LONGEST, WIDE, JsonFacts


def facts(body: Any, step: int = 10**9) -> JsonFacts:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = JsonFacts()
    for at in range(0, len(data), step):
        found.push(data[at : at + step])
    found.close()
    return found


@pytest.mark.parametrize("step", [1, 10, 10**6])
def test_what_is_told(step: int) -> None:
    """Texts, numbers and booleans of the top, how many pictures, and whether there is a mask."""
    found = facts(
        {
            "images": [{"image_url": "data:image/png;base64," + "A" * 5000}, {"file_id": "f"}, 1],
            "model": "m\u00fc",
            "n": 2,
            "stream": False,
            "user": None,
            "mask": {"image_url": "x", "model": "not this"},
            "more": ["model", {"model": "nor this"}],
        },
        step,
    )
    assert found.fields == {"model": "m\u00fc", "n": "2", "stream": "false"}
    assert (found.images, found.mask, found.broken) == (3, True, False)


def test_what_is_not_there() -> None:
    """Nothing, `null`, which is nothing, and pictures that are empty text."""
    bodies: list[dict[str, Any]] = [{}, {"images": None, "mask": None, "model": None}, {"images": []}]
    for body in bodies:
        found = facts(body)
        assert (found.fields, found.images, found.mask, found.broken) == ({}, 0, False, False)
    found = facts({"image": "", "mask": "", "images": ""})
    assert (found.images, found.mask, found.broken) == (0, False, False)


@pytest.mark.parametrize(
    "body",
    [{"image": "x"}, {"image": ["x"]}, {"image": {"image_url": "x"}}, {"images": "x"}, {"images": {"image_url": "x"}}],
)
def test_one_picture_in_every_spelling(body: dict[str, Any]) -> None:
    """Counted as the strict reader does."""
    found = facts(body | {"mask": "x"})
    assert (found.images, found.mask) == (1, True)


@given(st.text(min_size=TEXT_LONGEST - 3, max_size=TEXT_LONGEST + 3), st.integers(1, 2000))
def test_long_texts_are_cut_between_characters(text: str, step: int) -> None:
    """At most a kilobyte of UTF-8, the same however the body is cut."""
    kept = facts({"a": text, "b": 1}, step).fields["a"]
    assert text.startswith(kept)
    assert len(kept.encode()) == len(text.encode()) or TEXT_LONGEST - 4 < len(kept.encode()) <= TEXT_LONGEST


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'{"model":"a"', b'{"model":"a","model":"b"}', b'{"model":"a"}{}', b"\xff", b'{"a":' + b"[" * 99),
        json.dumps({str(index): 0 for index in range(MEMBERS + 1)}).encode(),
        b'{"a":[' + b"[]," * 10 + b"0," * WIDE.values + b"0]}",
        *(b'{"model":"a","Model":"b"}', b'{"MODEL":"b"}', b'{"model":"a","mod\\u0065l":"b"}'),
    ],
)
@pytest.mark.parametrize("step", [1, 10**6])
def test_what_is_broken(body: bytes, step: int) -> None:
    """Told, not raised; so is what could hide a member from us and show it to the upstream."""
    assert facts(body, step).broken


@given(st.binary(max_size=60), st.integers(1, 9))
def test_nothing_is_raised(data: bytes, step: int) -> None:
    """Any bytes: broken unless the standard library reads them as an object too."""
    if not facts(data, step).broken:
        assert isinstance(json.loads(data), dict)
