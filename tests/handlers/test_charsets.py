"""Which charsets a text may be in: those that leave no byte in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.charsets import codec

TAKEN = [
    *(f"iso-8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)),
    *(f"windows-125{page}" for page in range(9)),
    *("latin1", "cp1252", "koi8-r", "koi8-u", "macintosh", "gbk", "gb2312", "gb18030", "big5", "shift_jis"),
    *("euc-jp", "euc_kr", "utf-8", "utf8", "us-ascii", "ANSI_X3.4-1968".lower()),
]
ASCII = "".join(map(chr, range(0x20, 0x7F))) + "\t\r\n"


@pytest.mark.parametrize("charset", TAKEN)
def test_what_is_taken(charset: str) -> None:
    """In all of them ASCII is ASCII, as no part of a form may be told from another by its charset alone."""
    found = codec(charset)
    assert found is not None
    assert ASCII.encode().decode(found) == ASCII


@given(st.sampled_from([charset for charset in TAKEN if charset != "us-ascii"]), st.text(max_size=20))
def test_what_was_written_is_what_is_read(charset: str, text: str) -> None:
    """Whatever can be written in it."""
    found = codec(charset)
    assert found is not None
    data = text.encode(charset.replace("ansi_x3.4-1968", "utf-8"), "ignore")
    assert data.decode(found).encode(found) == data


@given(
    st.sampled_from(
        ["utf-16", "utf-16le", "utf-32", "utf-7", "utf-8-sig", "idna", "punycode", "unicode_escape", "rot13"]
    )
    | st.sampled_from(["zlib", "cp037", "cp500", "hz", "iso-2022-jp", "iso-2022-kr", "iso-8859-12", "iso-8859-17", "x"])
    | st.text(min_size=1, max_size=12)
)
def test_every_other_name_is_refused_unseen(charset: str) -> None:
    """None of them gets as far as Python's search for codecs."""
    usual = {each.replace("_", "-") for each in (*TAKEN, "ascii", "latin-1", "cp1250", "cp1251", "cp1253")}
    assert codec(charset) is None or charset.replace("_", "-") in usual
    assert codec(None) == codec("") == "utf-8"
