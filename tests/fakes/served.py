"""A snapshot for requests that need one and care for a part of it."""

from __future__ import annotations

from typing import Any

from gateway.handlers.keys import Snapshot
from gateway.handlers.settings import UploadSettings
from gateway.routing.rules import Rules


def served(**parts: Any) -> Snapshot:
    """No platforms and the defaults, except what is named."""
    nothing: dict[str, Any] = {
        "rules": Rules({}),
        "platforms": {},
        "relays": {},
        "uploads": UploadSettings(),
        "answer_within_s": 300.0,
        "collect_within_s": 30.0,
        "patience_s": 30.0,
        "moderation_code": "moderation_blocked",
        "public_url": None,
    }
    return Snapshot(**nothing | parts)
