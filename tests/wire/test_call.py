"""Calls and bodies as values: compared with `==`, printed without what is private."""

from __future__ import annotations

from gateway.wire.body import Base64, JsonBody
from gateway.wire.call import Answer, Call
from tests.fakes.blob import MemoryBlob


def test_calls_are_compared_by_value() -> None:
    """Translators are tested with `==`; a hole equals a hole over the same blob."""
    blob = MemoryBlob()
    one = Call("submit", "POST", "https://api.bfl.ai/v1/m", JsonBody({"input_image": Base64(blob)}), secrets={"k": "v"})
    assert one == Call(
        "submit", "POST", "https://api.bfl.ai/v1/m", JsonBody({"input_image": Base64(blob)}), secrets={"k": "v"}
    )
    assert one != Call("submit", "POST", "https://api.bfl.ai/v1/m", JsonBody({"input_image": Base64(MemoryBlob(b"o"))}))


def test_printing_a_call_shows_nothing_private() -> None:
    """Neither key nor address nor prompt, in calls and in answers."""
    call = Call("poll", "GET", "https://h/?sig=SIGNED", JsonBody({"prompt": "PROMPT"}), secrets={"x-key": "SECRET"})
    shown = repr(call) + repr(call.body) + repr(Answer(200, {}, b"BODY"))
    assert not any(word in shown for word in ("SIGNED", "PROMPT", "SECRET", "BODY"))
