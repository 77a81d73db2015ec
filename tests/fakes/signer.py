"""Requests signed as README tells clients to, written apart from the gateway's own code."""

from __future__ import annotations

import hashlib
import hmac

SECRET = "a-secret-that-clients-share"


def body_mac(body: bytes, secret: str = SECRET) -> str:
    """The value of `X-Request-Signature` in mode `body`."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def stamped_mac(t: float | str, method: str, target: str, body: bytes = b"", secret: str = SECRET) -> str:
    """The value of `X-Request-Signature` in mode `timestamp`; `target` is path and query."""
    signed = f"{t}.{method}.{target}.".encode() + body
    return f"t={t},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
