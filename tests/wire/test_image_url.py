"""Addresses and data URLs, in pieces of any size."""

from __future__ import annotations

import base64
import itertools
import textwrap
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.image_url import ADDRESS_LONGEST, BadBase64, BadUrl, ImageUrl


def read(text: str, step: int = 10**9) -> tuple[bytes, str | None]:
    url = ImageUrl()
    data = b"".join([url.feed(text[at : at + step]) for at in range(0, len(text), step)])
    return data + url.close(), url.address


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50), st.booleans(), st.integers(0, 80))
def test_bytes_come_back_however_the_text_is_cut(data: bytes, step: int, padded: bool, width: int) -> None:
    """With padding or without, in one line or in many."""
    text = base64.b64encode(data).decode()
    text = text if padded else text.rstrip("=")
    text = "\r\n ".join(textwrap.wrap(text, width)) if width else text
    assert read(f"data:image/png;base64,{text}", step) == (data, None)


def escaped(data: str, which: list[bool]) -> str:
    """The text with some of its characters percent-encoded."""
    flags = itertools.cycle(which)
    return "".join(f"%{ord(each):02x}" if next(flags) else each for each in data)


BLANK = st.text("\0\t\n\r \x1f", max_size=5)
ESCAPES = st.lists(st.booleans(), min_size=1, max_size=5)


@given(
    st.binary(min_size=1, max_size=200), st.integers(1, 50), ESCAPES, BLANK, BLANK, st.sampled_from(["", "#", "#a,b"])
)
def test_escapes_blanks_and_fragments(
    data: bytes, step: int, which: list[bool], before: str, behind: str, fragment: str
) -> None:
    """As a browser reads it, in base64 and without."""
    text = escaped(base64.b64encode(data).decode(), which)
    blank = behind if fragment else behind.translate({0: None, 0x1F: None})
    assert read(f"{before}data:image/png;base64 ,{text}{fragment}{blank}", step) == (data, None)
    assert read(f"{before}Data:image/png,{quote_from_bytes(data)}{fragment}", step) == (data, None)


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("%", b"%"),
        ("%4", b"%4"),
        ("%4%41", b"%4A"),
        ("%%41", b"%A"),
        ("%zz%41", b"%zzA"),
        ("%\n4\t1", b"A"),
        ("a b", b"a b"),
        ("\u00e4", b"\xc3\xa4"),
        ("", b""),
    ],
)
def test_what_is_no_escape_stands_for_itself(text: str, data: bytes, step: int) -> None:
    """https://url.spec.whatwg.org/#percent-decode"""
    assert read(f"data:,{text}", step) == (data, None)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_blanks_around_an_address(step: int) -> None:
    """They belong to no URL."""
    assert read(" \n\0https://a.example/x.png\r\n ", step) == (b"", "https://a.example/x.png")


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64",
        "DATA:IMAGE/JPEG;BASE64",
        "data:;base64",
        "data:image/webp;name=a b.webp;base64",
        "data:a/b; base64",
        f"data:image/png;name={'%E7' * 251}.png;base64",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_heads_of_data_urls(head: str, step: int) -> None:
    """The type it claims does not matter: the bytes say what it is."""
    assert read(f"{head},QUJD", step) == (b"ABC", None)


@pytest.mark.parametrize("text", ["", "d", "data", "https://a.example/x.png", "file_1", "x" * ADDRESS_LONGEST])
@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_everything_else_is_an_address(text: str, step: int) -> None:
    """Which somebody else judges."""
    assert read(text, step) == (b"", text)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("data:", BadUrl, "no ','"),
        ("data:image/png;base64", BadUrl, "no ','"),
        ("data:" + "x" * 300, BadUrl, "no ','"),
        ("data:" + "x" * 1100 + ",QUJD", BadUrl, "no ','"),
        ("x" * (ADDRESS_LONGEST + 1), BadUrl, "longer"),
        ("data:image/png;base64,", BadBase64, "empty"),
        ("data:image/png;base64, \n", BadBase64, "empty"),
        ("data:image/png;base64,Q", BadBase64, "not base64"),
        ("data:image/png;base64,QUJDQ", BadBase64, "not base64"),
        ("data:image/png;base64,QQ=", BadBase64, "not base64"),
        ("data:image/png;base64,=", BadBase64, "not base64"),
        ("data:image/png;base64,QUJD=", BadBase64, "not base64"),
        ("data:image/png;base64,QUJD====", BadBase64, "not base64"),
        ("data:image/png;base64,QQ==QUJD", BadBase64, "not base64"),
        ("data:image/png;base64,QUJD-_-_", BadBase64, "not base64"),
        ("data:image/png;base64,QU*D", BadBase64, "not base64"),
        ("data:image/png;base64,QUJ\u00e4", BadBase64, "not base64"),
        ("data:image/png;base64,QUJD%3D", BadBase64, "not base64"),
        ("data:image/png;base64,QUJ%C3%A4", BadBase64, "not base64"),
        ("data:image/png;base64,QUJD%", BadBase64, "not base64"),
        ("data:image/png;base64,QUJD%2", BadBase64, "not base64"),
        ("data:image/png;base64,#QUJD", BadBase64, "empty"),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 10**6])
def test_what_is_broken(text: str, kind: type[Exception], words: str, step: int) -> None:
    """Other encodings, other alphabets, too little and too much, however it is cut."""
    with pytest.raises(kind, match=words):
        read(text, step)


@pytest.mark.parametrize("step", [1, 7, 10**9])
@pytest.mark.parametrize(
    ("begin", "media_type"),
    [(b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"RIFF\x10\0\0\0WEBP", "image/webp")],
)
def test_base64_without_a_head_is_told_what_it_lacks(begin: bytes, media_type: str, step: int) -> None:
    """Of any length: it is neither a short address nor one that is too long."""
    for length in (9, 20_000):
        with pytest.raises(BadUrl, match=f"base64 needs 'data:{media_type};base64,' before it"):
            read(base64.b64encode(begin + bytes(length)).decode(), step)
