"""Which call-backs are genuine, and what they name."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.hooks import hooked, read_hook
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.settings import BflSettings
from gateway.wire.body import JsonBody
from gateway.wire.call import Call

SECRET, BODY = "s3cret", b'{"id": "task-1", "status": "Ready"}'
SIGNATURE = "sha256=" + hmac.digest(SECRET.encode(), BODY, hashlib.sha256).hex()
URL = "https://gateway.example/hooks/bfl/job/0/mac"


@pytest.mark.parametrize("headers", [{"X-Webhook-Secret": SECRET}, {"X-BFL-Signature": SIGNATURE}])
def test_genuine(headers: dict[str, str]) -> None:
    """In either form."""
    assert read_hook(headers, BODY, SECRET) == "task-1"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        ({"X-Webhook-Secret": ""}, BODY),
        ({"X-Webhook-Secret": "s3creT"}, BODY),
        ({"X-BFL-Signature": SIGNATURE[:-1]}, BODY),
        ({"X-BFL-Signature": SIGNATURE}, BODY + b" "),
        ({"X-BFL-Signature": "é"}, BODY),
        *(({"X-Webhook-Secret": SECRET}, body) for body in (b"", b"[]", b"{}", b'{"id": 7}', b'{"id": ""}', b"\xff")),
        ({"X-Webhook-Secret": SECRET}, b'{"id": "%s"}' % (b"x" * 257)),
        ({"X-Webhook-Secret": SECRET}, b'{"id": "a\\nb"}'),
    ],
)
def test_anything_else(headers: dict[str, str], body: bytes) -> None:
    """Names nothing."""
    assert read_hook(headers, body, SECRET) is None


@given(st.text(), st.text(), st.binary())
def test_never_raises(secret: str, signature: str, body: bytes) -> None:
    """Whatever a stranger sends."""
    assert read_hook({"X-Webhook-Secret": secret, "X-BFL-Signature": signature}, body, "a secret of ours") is None


def test_the_submission_carries_both_fields() -> None:
    """And is otherwise the same."""
    call = Call("submit", "POST", "https://api.bfl.ai/v1/flux-kontext-pro", JsonBody({"prompt": "blue"}))
    body = hooked(call, URL, SECRET).body
    assert body == JsonBody({"prompt": "blue", "webhook_url": URL, "webhook_secret": SECRET})
    assert SECRET not in repr(hooked(call, URL, SECRET))


@pytest.mark.parametrize("model", MODELS)
def test_strict_models_take_none(model: str) -> None:
    """They refuse every field that is not theirs."""
    webhook = {"public_url": "https://gateway.example/"}
    bfl = Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": "k", "webhook": webhook}))
    assert bfl.webhook_base == "https://gateway.example"
    call = Call("submit", "POST", f"https://api.bfl.ai/v1/{model}", JsonBody({"prompt": "blue"}))
    assert (bfl.hooked(call, URL, SECRET) == call) == MODELS[model].strict


def test_a_ticket_by_id() -> None:
    """Whatever the id has in it, it stays an id."""
    bfl = Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": "k"}))
    ticket = bfl.ticket("a&b=/c", "flux-kontext-pro")
    assert ticket.polling_url == "https://api.bfl.ai/v1/get_result?id=a%26b%3D%2Fc"
    assert bfl.webhook_base is None
