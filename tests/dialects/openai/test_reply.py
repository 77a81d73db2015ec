"""The answer to an edit: the real size and format, pictures as base64 or as our own links."""

from __future__ import annotations

from gateway.dialects.openai.reply import Picture, completed, write
from gateway.domain.size import Pixels
from gateway.wire.body import Base64, JsonBody
from tests.fakes.blob import MemoryBlob

BLOB = MemoryBlob(media_type="image/jpeg", pixels=Pixels(1248, 832))
OTHER = MemoryBlob(b"other")


def test_pictures_in_the_answer() -> None:
    """One entry each, in order; no `usage`, as no tokens were spent."""
    assert write([Picture(BLOB), Picture(OTHER)], created=1_700_000_000) == JsonBody(
        {
            "created": 1_700_000_000,
            "data": [{"b64_json": Base64(BLOB)}, {"b64_json": Base64(OTHER)}],
            "background": "opaque",
            "output_format": "jpeg",
            "size": "1248x832",
        }
    )


def test_links_in_the_answer() -> None:
    """A link stands alone: clients that find both fetch both."""
    body = write([Picture(BLOB, "https://gateway.example/results/a")], created=1)
    assert body.fields["data"] == [{"url": "https://gateway.example/results/a"}]


def test_what_the_vendor_made_of_the_prompt() -> None:
    """Under OpenAI's name for it, beside the picture or the link; events have no place for it."""
    link = "https://gateway.example/results/a"
    body = write([Picture(BLOB, prompt="a red fox"), Picture(OTHER), Picture(BLOB, link, "a \u00fc")], created=1)
    assert write([Picture(BLOB, prompt="a fox ")], created=1, asked=" a fox").fields["data"] == [
        {"b64_json": Base64(BLOB)}
    ]
    assert body.fields["data"] == [
        {"b64_json": Base64(BLOB), "revised_prompt": "a red fox"},
        {"b64_json": Base64(OTHER)},
        {"url": link, "revised_prompt": "a \u00fc"},
    ]
    assert "revised_prompt" not in completed(Picture(BLOB, prompt="a red fox"), created=1).fields


def test_the_event_of_a_finished_picture() -> None:
    """The bare object of the stream, with `created_at`."""
    assert completed(Picture(BLOB), created=1) == JsonBody(
        {
            "type": "image_edit.completed",
            "b64_json": Base64(BLOB),
            "created_at": 1,
            "size": "1248x832",
            "background": "opaque",
            "output_format": "jpeg",
        }
    )
    linked = completed(Picture(BLOB, "https://g/r"), created=1, kind="image_generation").fields
    assert linked["type"] == "image_generation.completed"
    assert linked["url"] == "https://g/r"
    assert "b64_json" not in linked
