"""Fingerprints: the same request gives the same one, any difference another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.form import Form, read_edit
from gateway.domain.blob import Link
from gateway.domain.edit import Edit
from gateway.jobs.fingerprint import fingerprint
from tests.fakes.blob import MemoryBlob

A, B = MemoryBlob(b"a"), MemoryBlob(b"b")
FIELDS = (("prompt", "a fox"), ("n", "2"), ("seed", "7"))
EDIT = read_edit(Form(FIELDS, (("image", A), ("image", B))))
SAME = fingerprint("caller", "route", EDIT)


def test_what_does_not_count() -> None:
    """The order of text fields, the spelling of the picture field, where text and files stand, how bytes were cut."""
    shuffled = read_edit(
        Form(FIELDS[::-1], (("image[]", MemoryBlob(b"a", cuts=[0, 1])), ("image[1]", MemoryBlob(b"b"))))
    )
    assert fingerprint("caller", "route", shuffled) == SAME
    assert len(SAME) == 64


@pytest.mark.parametrize(
    "other",
    [
        replace(EDIT, images=(B, A)),
        replace(EDIT, images=(A,)),
        replace(EDIT, images=(A, B, B)),
        replace(EDIT, images=(A, MemoryBlob(b"c"))),
        replace(EDIT, images=(A,), mask=B),
        replace(EDIT, images=(A,), markup=B),
        replace(EDIT, images=(A, Link(B.digest))),
        replace(EDIT, asked=FIELDS[:2]),
        replace(EDIT, asked=(*FIELDS, ("user", "u"))),
        replace(EDIT, asked=(("prompt", "a fox "), *FIELDS[1:])),
        replace(EDIT, asked=(*FIELDS[:2], ("seed", "07"))),
    ],
)
def test_what_counts(other: Edit) -> None:
    """Every field, every picture, its place and its role."""
    assert fingerprint("caller", "route", other) != SAME


def test_callers_and_routes_are_apart() -> None:
    """Nobody gets somebody else's picture."""
    found = {fingerprint(caller, route, EDIT) for caller in ("a", "b", "ab", "") for route in ("r", "br", "")}
    assert len(found) == 12


def test_half_a_character_has_a_fingerprint() -> None:
    """Whatever text gets this far."""
    assert fingerprint("caller", "route", replace(EDIT, asked=(("prompt", "\ud800"),))) != SAME


FORMS = st.tuples(
    st.text(max_size=3),
    st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=3),
    st.lists(st.sampled_from(["field", "image", "", "a"]).map(Link), max_size=2),
)


@settings(deadline=None)
@given(FORMS, FORMS)
def test_different_requests_differ(
    one: tuple[str, list[tuple[str, str]], list[Link]], two: tuple[str, list[tuple[str, str]], list[Link]]
) -> None:
    """No text of one field can be taken for another field, a caller or a picture."""

    def mark(form: tuple[str, list[tuple[str, str]], list[Link]]) -> str:
        return fingerprint(form[0], "route", Edit("p", tuple(form[2]), asked=tuple(form[1])))

    same = (one[0], sorted(one[1]), one[2]) == (two[0], sorted(two[1]), two[2])
    assert (mark(one) == mark(two)) is same
