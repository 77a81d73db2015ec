"""Signed links to finished pictures: who has one needs no key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable


class Links:
    """`secret` is asked for what signs, `wall` for wall time in seconds."""

    def __init__(self, secret: Callable[[], bytes], wall: Callable[[], float]) -> None:
        self._secret, self._wall = secret, wall

    def link(self, ref: str, expires: int) -> str:
        """Path and query, good until `expires` (wall time, seconds)."""
        return f"/results/{ref}?expires={expires}&signature={self._sign(ref, str(expires))}"

    def check(self, ref: str, expires: str, signature: str) -> bool:
        """True for a link of ours that has not expired."""
        good = hmac.compare_digest(self._sign(ref, expires).encode(), signature.encode("utf-8", "surrogatepass"))
        return good and expires.isascii() and expires.isdigit() and len(expires) < 16 and int(expires) > self._wall()

    def _sign(self, ref: str, expires: str) -> str:
        return hmac.new(
            self._secret(), f"{ref}\n{expires}".encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()
