"""Keys that stand in public samples, and so open nothing in earnest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gateway.chain.settings import KeySettings

# config/deploy/env.example.
SAMPLES = ("gw-replace-me-0123456789abcdef",)
_HASHES = frozenset(f"sha256:{hashlib.sha256(key.encode()).hexdigest()}" for key in SAMPLES)


def known_to_everybody(keys: Iterable[KeySettings]) -> tuple[str, ...]:
    """The ids of those that somebody copied with the sample."""
    return tuple(key.id for key in keys if key.hash in _HASHES)
