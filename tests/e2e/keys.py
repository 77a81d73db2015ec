"""Clients' keys of the stand, with what is said of them in the file; each user has some that nobody else wears out."""

from __future__ import annotations

import hashlib
from typing import Any

SPECIAL: dict[str, dict[str, Any]] = {
    "expired": {"expires": "2020-01-31"},
    "kontext": {"models": ["flux-kontext-*"]},
    "listing": {"paths": ["/v1/models", "/v1/models/*"]},
    "requests": {"limits": {"requests": 1}},
    "patience": {"limits": {"requests": 1}},
    "images": {"limits": {"images": 3}},
    "jobs": {"limits": {"jobs": 1}},
    # One picture of flux-kontext-pro costs four.
    "money": {"limits": {"cents_month": 5}},
}
USERS = ("python-3", "python-3-async", "python-1", "python-1-async", "node-6", "ai-sdk", "curl")


def key_of(kind: str, user: str) -> str:
    return f"gw-end-to-end-{kind}-{user}-0123456789"


def entry(name: str, key: str, **told: Any) -> dict[str, Any]:
    """What the file has of a key."""
    return {"id": name, "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}", **told}


def special_keys() -> list[dict[str, Any]]:
    return [entry(f"{kind}.{user}", key_of(kind, user), **told) for kind, told in SPECIAL.items() for user in USERS]
