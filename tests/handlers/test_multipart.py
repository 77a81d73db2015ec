"""The multipart reader against the standard library's, on bodies cut anywhere."""

from __future__ import annotations

import email
import email.policy
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import InvalidMultipart
from gateway.handlers.multipart import NOISE_BYTES, Part, Parts

BOUNDARY = "x-0"
# Content that looks like boundaries is where readers go wrong.
TRICKY = st.lists(
    st.sampled_from([b"\r\n--x-", b"--x-0", b"\r\n", b"\r", b"\n", b"-", b"0", b"a", b"\0\xff", b"\r\n--x-1\r\n"]),
    max_size=12,
).map(b"".join)
VALUES = st.one_of(st.binary(max_size=300), TRICKY).filter(lambda value: b"\r\n--x-0" not in b"\r\n" + value)
FORMS = st.lists(st.tuples(st.text("abc[]", min_size=1, max_size=8), st.booleans(), VALUES), max_size=6)
CUTS = st.lists(st.integers(0, 2000), max_size=20)


def body_of(form: list[tuple[str, bool, bytes]], ending: bytes = b"\r\n") -> bytes:
    body = b""
    for name, is_file, value in form:
        head = f'Content-Disposition: form-data; name="{name}"' + ('; filename="f"' if is_file else "")
        body += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + value + b"\r\n"
    return body + f"--{BOUNDARY}--".encode() + ending


def read(body: bytes, cuts: list[int]) -> list[tuple[str, bool, bytes]]:
    """What the reader makes of a body in these pieces."""
    parts, found = Parts(BOUNDARY, 64), list[tuple[str, bool, bytes]]()
    for start, stop in pairwise(sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})):
        for event in parts.feed(body[start:stop]):
            if isinstance(event, Part):
                found.append((event.name, event.filename is not None, b""))
            elif event is not None:
                name, is_file, value = found.pop()
                found.append((name, is_file, value + event))
    parts.close()
    return found


@given(FORMS, CUTS, st.sampled_from([b"", b"\r\n", b"\r\nepilogue"]))
@settings(max_examples=400, deadline=None)
def test_any_cut_gives_the_same_parts(form: list[tuple[str, bool, bytes]], cuts: list[int], ending: bytes) -> None:
    """However the network cuts it, what was put in comes out."""
    assert read(body_of(form, ending), cuts) == form


@given(FORMS, CUTS, st.integers(1, 10_000))
@settings(max_examples=300, deadline=None)
def test_a_missing_end_is_never_overlooked(form: list[tuple[str, bool, bytes]], cuts: list[int], missing: int) -> None:
    """A body that ends before the two dashes behind its last boundary is malformed."""
    body = body_of(form, b"")
    with pytest.raises(InvalidMultipart):
        read(body[: -min(missing, len(body))], cuts)


@given(
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=8), st.text("xyz -", max_size=40)), min_size=1, max_size=5)
)
@settings(max_examples=100, deadline=None)
def test_the_standard_library_agrees(form: list[tuple[str, str]]) -> None:
    """The parts are those that another reader sees."""
    body = body_of([(name, False, value.encode()) for name, value in form])
    whole = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body
    message = email.message_from_bytes(whole, policy=email.policy.HTTP)
    expected = [
        (str(part.get_param("name", header="content-disposition")), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]
    assert [(name, value) for name, _, value in read(body, [])] == expected


@given(st.binary(max_size=400), CUTS)
@settings(max_examples=300, deadline=None)
def test_rubbish_is_malformed_and_nothing_worse(rubbish: bytes, cuts: list[int]) -> None:
    """Any bytes behind a first boundary either make parts or are refused as malformed."""
    with suppress(InvalidMultipart):
        read(f"--{BOUNDARY}\r\n".encode() + rubbish, cuts)


def test_an_epilogue_without_end_is_stopped() -> None:
    """What follows the last boundary is let pass only for a little while."""
    parts = Parts(BOUNDARY, 64)
    list(parts.feed(body_of([])))
    for _ in range(NOISE_BYTES // 1000):
        assert list(parts.feed(bytes(1000))) == []
    with pytest.raises(InvalidMultipart):
        list(parts.feed(bytes(1000)))
