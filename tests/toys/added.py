"""How a platform is added: its folder stands where the gateway looks for platforms. Nothing else knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import platforms

FOLDER = Path(__file__).parent / "platforms"


@contextmanager
def toys_added() -> Iterator[None]:
    """As if the folders of `tests/toys/platforms` lay in `gateway/platforms`, for whoever looks meanwhile."""
    platforms.__path__.append(str(FOLDER))
    try:
        yield
    finally:
        platforms.__path__.remove(str(FOLDER))
