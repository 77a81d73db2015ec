"""Places in a multipart body."""

from __future__ import annotations

import pytest

from gateway.handlers.extents import Extents

BODY = (
    b"--x\r\nA: 1\r\nContent-Length: 3\r\n\r\nabc"
    b"\r\n--x\r\n\r\n"
    b"\r\n--x\r\nContent-Length : 07\r\n\r\n\r\n-\r\n-x"
    b"\r\n--x--\r\n--x--"
)


@pytest.mark.parametrize("before", [b"", b"\r\n"])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_places(step: int, before: bytes) -> None:
    """Contents, digits of lengths and the end are where slicing finds them, however the body is cut."""
    body, extents = before + BODY, Extents("x")
    for at in range(0, len(body), step):
        extents.feed(body[at : at + step])
    assert [body[e.content.start : e.content.stop] for e in extents.found] == [b"abc", b"", b"\r\n-\r\n-x"]
    assert [e.declared and body[e.declared.start : e.declared.stop] for e in extents.found] == [b"3", None, b"07"]
    assert extents.closing == body.index(b"\r\n--x--")


def test_what_has_not_ended() -> None:
    """No end, no part that has not ended."""
    extents = Extents("x")
    extents.feed(BODY[:40])
    assert (extents.found, extents.closing) == ([], None)
