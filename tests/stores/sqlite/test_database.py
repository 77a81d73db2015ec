"""One gateway, one file: locked, whole, of a known version."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.stores.sqlite.broken import LedgerUnusable
from gateway.stores.sqlite.database import NAME, Database, connect


def database(folder: Path) -> Database:
    return Database(folder, time.monotonic, time.time, lambda _took: None)


async def test_each_process_has_a_higher_number(tmp_path: Path) -> None:
    """So that one that was paused can write nothing any more."""
    owners = []
    for _ in range(3):
        one = database(tmp_path)
        await one.open()
        owners.append(one.owner)
        await one.close()
    assert owners == sorted(set(owners))


async def test_a_second_gateway(tmp_path: Path) -> None:
    """Is told what to do, and the first one works on; after it the folder is free."""
    first, second = database(tmp_path), database(tmp_path)
    await first.open()
    with pytest.raises(LedgerUnusable, match="another gateway works in"):
        await second.open()
    await first.write(lambda db: None)
    await first.close()
    again = database(tmp_path)
    await again.open()
    await again.close()


@pytest.mark.parametrize("data", [b"no database at all, but long enough to be read as one" * 100, None])
async def test_a_damaged_file(tmp_path: Path, data: bytes | None) -> None:
    """Is not worked with: what it remembers would be paid again."""
    one = database(tmp_path)
    await one.open()
    await one.close()
    whole = (tmp_path / NAME).read_bytes()
    torn = whole[:4096] + b"\xff" * 4096 + whole[8192:]
    (tmp_path / NAME).write_bytes(data or torn)
    with pytest.raises(LedgerUnusable, match="damaged"):
        await database(tmp_path).open()


async def test_a_newer_file(tmp_path: Path) -> None:
    """An older gateway does not guess at it."""
    one = database(tmp_path)
    await one.open()
    await one.close()
    connect(tmp_path / NAME).pragma("user_version", 99)
    with pytest.raises(LedgerUnusable, match="newer gateway"):
        await database(tmp_path).open()


async def test_private(tmp_path: Path) -> None:
    """Nobody else reads who asked for what."""
    one = database(tmp_path / "state")
    await one.open()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    for file in (tmp_path / "state").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    await one.close()


async def test_a_clock_that_is_set(tmp_path: Path) -> None:
    """Stamps go on, whatever the wall says."""
    wall, now = [1000.0], [5.0]
    one = Database(tmp_path, lambda: now[0], lambda: wall[0], lambda _took: None)
    await one.open()
    assert one.stamp() == 1000.0
    wall[0], now[0] = 90_000.0, 6.0
    assert one.stamp() == 1001.0
    await one.close()
