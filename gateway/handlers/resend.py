"""What a client says about sending a request again."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.errors import InvalidField

KEY_LONGEST = 255


def idempotency_key(request: web.Request) -> str | None:
    """
    The `Idempotency-Key`, bare or as a quoted string of RFC 9651.

    Raises: InvalidField for more than 255 characters or anything unprintable, and for two keys.
    """
    keys = set(request.headers.getall("Idempotency-Key", ()))
    if not keys:
        return None
    if len(keys) > 1:
        raise InvalidField("Idempotency-Key came twice, with different keys.", param="Idempotency-Key")
    (sent,) = keys
    key = sent[1:-1] if len(sent) > 1 and sent[0] == sent[-1] == '"' else sent
    if not 0 < len(key) <= KEY_LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidField(
            f"Idempotency-Key has 1 to {KEY_LONGEST} printable ASCII characters.", param="Idempotency-Key"
        )
    return key


def is_resend(request: web.Request) -> bool:
    """True when an official SDK says that it is sending this again."""
    count = request.headers.get("x-stainless-retry-count", "0")
    return count.isascii() and count.isdigit() and len(count) < 6 and int(count) > 0
