"""Delivery links: signed, expiring, read-only, in the shape of an Azure SAS link."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

_VERSION = "2026-02-06"


class Signer:
    """Makes and checks links of one delivery origin."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, path: str, content_type: str, expires: float) -> str:
        """`path` with the query that opens it until `expires` (wall clock, seconds)."""
        query = {
            "se": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sp": "r",
            "sv": _VERSION,
            "sr": "b",
            "rsct": content_type,
        }
        return f"{path}?{urlencode({**query, 'sig': self._signature(path, query)})}"

    def opens(self, path: str, query: Mapping[str, str], now: float) -> bool:
        """Whether the query was made by this signer for this path and is still in time."""
        signed = {name: query.get(name, "") for name in ("se", "sp", "sv", "sr", "rsct")}
        given = query.get("sig", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._signature(path, signed).encode()):
            return False
        return now < datetime.fromisoformat(signed["se"]).timestamp()

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        text = "\n".join((path, *query.values())).encode()
        return base64.b64encode(hmac.digest(self._secret, text, hashlib.sha256)).decode()
