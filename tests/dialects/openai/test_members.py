"""Types of members, before they become text."""

from __future__ import annotations

import pytest

from gateway.dialects.openai.form import CHOICES, TAKEN, WHOLE
from gateway.dialects.openai.members import KINDS, check_kind
from gateway.domain.errors import InvalidType
from gateway.wire.scanned import Kind


def test_every_field_has_a_type() -> None:
    """What the form knows, the table knows."""
    assert KINDS.keys() >= TAKEN | CHOICES.keys() | WHOLE.keys()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("prompt", Kind.ARRAY, "expected a string, but got an array instead"),
        ("n", Kind.TEXT, "expected a number, but got a string instead"),
        ("stream", Kind.NUMBER, "expected a boolean, but got a number instead"),
        ("svg", Kind.TRUTH, "expected an object, but got a boolean instead"),
    ],
)
def test_wrong_types(name: str, kind: Kind, words: str) -> None:
    """Refused by name, with both types."""
    with pytest.raises(InvalidType, match=words) as caught:
        check_kind(name, kind)
    assert caught.value.param == name


@pytest.mark.parametrize("kind", list(Kind))
def test_what_openai_does_not_define_may_be_anything(kind: Kind) -> None:
    """The platform that knows it looks at its text."""
    check_kind("seed", kind)
