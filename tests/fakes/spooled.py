"""A spool whose books are balanced when it closes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool


@asynccontextmanager
async def tight_spool(directory: Path, held: dict[str, int], *, budget: int, disk: int) -> AsyncIterator[Spool]:
    """With so many bytes of memory and disk; `held` follows what is in it, and no file is left open behind it."""
    before = set(os.listdir("/proc/self/fd"))

    books = held

    def meter(kind: str, held: int) -> None:
        assert held >= 0
        books[kind] = held

    async with Spool(MemorySettings(budget=budget, disk=disk, wait=0.01), directory, meter) as spool:
        yield spool
    assert held == {"memory": 0, "disk": 0}
    assert spool.unwritten == 0
    leaked = set(os.listdir("/proc/self/fd")) - before
    assert [name for name in leaked if os.path.exists(f"/proc/self/fd/{name}")] == []
