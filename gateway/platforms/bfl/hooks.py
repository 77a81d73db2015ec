"""
BFL's call-backs: https://docs.bfl.ai/kontext/kontext_image_editing has `webhook_url` and `webhook_secret`.

The documentation sends the secret itself in `X-Webhook-Secret`; the vendor's own samples check `X-BFL-Signature`, an
HMAC-SHA256 of the body: https://github.com/black-forest-labs/skills. Either is taken, and of the body the id alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace

import orjson

from gateway.wire.body import JsonBody
from gateway.wire.call import Call

SIGNED = "sha256="
LONGEST_ID = 256


def hooked(call: Call, url: str, secret: str) -> Call:
    """The submission with both fields."""
    assert call.body is not None
    return replace(call, body=JsonBody({**call.body.fields, "webhook_url": url, "webhook_secret": secret}))


def read_hook(headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
    """The id in a genuine call-back, else None. Compared as bytes, in constant time."""
    if not _genuine(headers, body, secret.encode()):
        return None
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    task = found.get("id") if isinstance(found, dict) else None
    good = isinstance(task, str) and 0 < len(task) <= LONGEST_ID and task.isprintable()
    return task if good else None


def _genuine(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    shown = headers.get("X-Webhook-Secret", "").encode("utf-8", "surrogateescape")
    signature = headers.get("X-BFL-Signature", "").encode("utf-8", "surrogateescape")
    wanted = (SIGNED + hmac.digest(secret, body, hashlib.sha256).hex()).encode()
    # Both, whatever the first one says: how long it takes tells nothing.
    return hmac.compare_digest(shown, secret) | hmac.compare_digest(signature, wanted)
