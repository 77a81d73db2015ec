"""Server-sent events: one event a picture, and faults nested so that SDKs raise them."""

from __future__ import annotations

import json

from gateway.dialects.openai import events
from gateway.domain.errors import Moderated, TaskLost
from gateway.wire.body import Base64, JsonBody
from tests.fakes.blob import MemoryBlob


async def test_an_event() -> None:
    """A name, one line of data however odd the text, a blank line."""
    body = JsonBody({"type": "image_edit.completed", "b64_json": Base64(MemoryBlob(b"abc")), "x": "a\nb\rc\u2028"})
    raw = b"".join([piece async for piece in events.event("image_edit.completed", body)])
    name, data, *rest = raw.split(b"\n")
    assert (name, rest) == (b"event: image_edit.completed", [b"", b""])
    assert b"\r" not in raw
    assert json.loads(data.removeprefix(b"data: ")) == {
        "type": "image_edit.completed",
        "b64_json": "YWJj",
        "x": "a\nb\rc\u2028",
    }


def test_a_fault_is_nested() -> None:
    """A flat one would be handed to the application as if it were a picture."""
    raw = events.failure(TaskLost("gone\nfor good", detail="PRIVATE"))
    assert raw.startswith(b"event: error\ndata: {")
    assert raw.endswith(b"}\n\n")
    data = json.loads(raw.split(b"\n")[1].removeprefix(b"data: "))
    assert data["type"] == "error"
    assert data["error"] == {
        "message": "gone\nfor good",
        "type": "server_error",
        "param": None,
        "code": "platform_task_lost",
    }


def test_a_fault_under_an_older_code() -> None:
    """The moderation switch holds inside a stream as well."""
    raw = events.failure(Moderated("no", stage="input", categories=()), "content_policy_violation")
    assert b'"code":"content_policy_violation"' in raw


def test_keep_alive_is_a_comment() -> None:
    """Clients skip lines that begin with a colon."""
    assert events.KEEP_ALIVE.startswith(b":")
    assert events.KEEP_ALIVE.endswith(b"\n\n")
