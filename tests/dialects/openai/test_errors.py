"""Faults in OpenAI's words: the envelope, and the headers that steer a client's own retry logic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.openai.errors import envelope, headers
from gateway.domain.errors import (
    CATALOGUE,
    BadKey,
    GatewayError,
    InvalidField,
    InvalidImage,
    Moderated,
    Paid,
    PlatformBusy,
    QueueFull,
    SpendReached,
)

# What some kinds know beyond the rest.
MORE: dict[str, dict[str, Any]] = {
    "moderation_blocked": {"stage": "output", "categories": ("Safety Filter",)},
    "method_not_allowed": {"allowed": ("GET", "POST")},
    "range_not_satisfiable": {"length": 9},
}


def make(kind: type[GatewayError], paid: Paid = Paid.NO, retry_after_s: float | None = 5) -> GatewayError:
    """One of a kind, whatever its own constructor takes."""
    error = kind.__new__(kind)
    GatewayError.__init__(error, "what to do", param="size", detail="PRIVATE", paid=paid, retry_after_s=retry_after_s)
    for name, value in MORE.get(kind.code, {}).items():
        setattr(error, name, value)
    return error


KINDS = pytest.mark.parametrize("kind", CATALOGUE.values(), ids=list(CATALOGUE))


@KINDS
def test_all_four_keys(kind: type[GatewayError]) -> None:
    """Clients index into the envelope without asking; the private detail is nowhere in it."""
    body = envelope(make(kind))
    fault: dict[str, Any] = body["error"]
    assert set(body) == {"error"}
    assert set(fault) - {"moderation_details"} == {"message", "type", "param", "code"}
    assert (fault["message"], fault["param"], fault["code"]) == ("what to do", "size", kind.code)
    assert isinstance(fault["type"], str)
    assert "PRIVATE" not in json.dumps(body) + json.dumps(headers(make(kind)))


@KINDS
@pytest.mark.parametrize("paid", Paid)
def test_send_again_only_what_is_hopeful_and_unpaid(kind: type[GatewayError], paid: Paid) -> None:
    """`x-should-retry` is always there, as SDKs would otherwise go by the status; `retry-after` may be all the same."""
    error = make(kind, paid)
    found, known = headers(error), bool(error.retry_after_s) and paid is Paid.NO
    assert found["x-should-retry"] == ("true" if kind.hopeful and (paid is Paid.NO or kind.safe) else "false")
    assert ("retry-after" in found) == (found["x-should-retry"] == "true" or known)


@pytest.mark.parametrize(
    ("seconds", "header"),
    [(None, "11"), (0, "11"), (11.4, "11"), (30.6, "31"), (60, "60"), (61, "60"), (1e9, "60"), (-5, "11")],
)
def test_retry_after_is_within_what_sdks_honour(seconds: float | None, header: str) -> None:
    """11 to 60 whole seconds: longer waits make old SDKs fall back to half a second, shorter ones look like resends."""
    assert headers(make(PlatformBusy, retry_after_s=seconds)).get("retry-after") == header


def test_moderation() -> None:
    """As the image endpoints answer it, with the vendor's reasons; the code can be an older word."""
    error = Moderated("rejected by the safety system", stage="output", categories=("Safety Filter",))
    assert envelope(error) == {
        "error": {
            "message": "rejected by the safety system",
            "type": "image_generation_user_error",
            "param": None,
            "code": "moderation_blocked",
            "moderation_details": {"moderation_stage": "output", "categories": ["Safety Filter"]},
        }
    }
    assert envelope(error, "content_policy_violation")["error"]["code"] == "content_policy_violation"
    assert (error.status, headers(error)) == (400, {"x-should-retry": "false"})


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (InvalidField, "invalid_request_error"),
        (BadKey, "invalid_request_error"),
        (InvalidImage, "image_generation_user_error"),
        (QueueFull, "rate_limit_error"),
        (PlatformBusy, "rate_limit_error"),
        (SpendReached, "insufficient_quota"),
        (CATALOGUE["internal_error"], "server_error"),
        (CATALOGUE["platform_auth_failed"], "server_error"),
        (CATALOGUE["model_not_found"], "invalid_request_error"),
    ],
)
def test_types(kind: type[GatewayError], word: str) -> None:
    """By who is to blame, with OpenAI's own words for pictures and limits."""
    assert envelope(make(kind))["error"]["type"] == word


def test_401_names_its_scheme() -> None:
    """RFC 9110 wants a challenge in every 401."""
    assert headers(BadKey("no")) == {"x-should-retry": "false", "www-authenticate": "Bearer"}
