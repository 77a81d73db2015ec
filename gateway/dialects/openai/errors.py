"""
Faults in OpenAI's envelope: one function for whole answers and for events.

https://developers.openai.com/api/docs/guides/error-codes; moderation as the image endpoints answer it.
"""

from __future__ import annotations

from typing import Any

from gateway.domain.errors import (
    Blame,
    GatewayError,
    InvalidImage,
    MethodNotAllowed,
    Moderated,
    Paid,
    RangeOutside,
    SpendReached,
)

REFUSAL = "image_generation_user_error"
RATE_LIMIT = "rate_limit_error"
# What OpenAI calls a budget that is spent: https://developers.openai.com/api/docs/guides/error-codes
QUOTA = "insufficient_quota"
# A resend within ten seconds of a delivery is taken for the delivered request; what was refused waits longer.
SOONEST_S = 11


def envelope(error: GatewayError, code: str | None = None) -> dict[str, Any]:
    """
    `{"error": {message, type, param, code}}`, all four always there.

    `code` replaces the error's own, for operators whose clients look for an older word.
    """
    body: dict[str, Any] = {
        "message": error.text,
        "type": _type(error),
        "param": error.param,
        "code": code or error.code,
    }
    if isinstance(error, Moderated):
        body["moderation_details"] = {"moderation_stage": error.stage, "categories": list(error.categories)}
    return {"error": body}


def headers(error: GatewayError) -> dict[str, str]:
    """
    What tells a client's own retry logic what to do. Stock SDKs send 408, 409, 429 and 5xx up to three times
    unless `x-should-retry` says no, and what may have been paid must not come again. An unpaid fault that an operator
    has to mend says no, and in `retry-after` when to try again by hand.
    """
    again = error.hopeful and (error.paid is Paid.NO or error.safe)
    found = {"x-should-retry": "true" if again else "false"}
    if again or (error.retry_after_s and error.paid is Paid.NO):
        soonest_s = 1 if error.safe else SOONEST_S
        found["retry-after"] = str(max(soonest_s, min(60, round(error.retry_after_s or 0))))
    if error.status == 401:
        found["www-authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed) and error.allowed:
        found["allow"] = ", ".join(error.allowed)
    if isinstance(error, RangeOutside):
        found["content-range"] = f"bytes */{error.length}"
    return found


def _type(error: GatewayError) -> str:
    if isinstance(error, Moderated | InvalidImage):
        return REFUSAL
    if isinstance(error, SpendReached):
        return QUOTA
    if error.status == 429:
        return RATE_LIMIT
    return "invalid_request_error" if error.blame is Blame.CLIENT else "server_error"
