"""What is needed to answer later, written down and read again."""

from __future__ import annotations

import pytest

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.notes import Fate, Note
from gateway.domain.size import Pixels
from gateway.stores.records import ReplySpec
from gateway.stores.sqlite.rows import read_reply, reply_text


@pytest.mark.parametrize("size", [None, Pixels(800, 600)])
def test_a_reply_is_read_as_it_was_written(size: Pixels | None) -> None:
    """With and without a size that its pictures are brought to."""
    notes = (Note("size", Fate.CONVERTED, "4:3"), Note("n", Fate.EMULATED))
    reply = ReplySpec(ResponseFormat.URL, OutputFormat.WEBP, notes, "image_generation", size)
    assert read_reply(reply_text(reply)) == reply


def test_a_reply_of_before_is_read() -> None:
    """Rows that an earlier version has written have no size, and one without stays readable there."""
    written = '["b64_json","png",[["n","emulated","2 submissions"]],"image_edit"]'
    assert read_reply(written).size is None
    assert reply_text(read_reply(written)) == written
