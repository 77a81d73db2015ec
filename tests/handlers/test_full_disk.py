"""A gateway whose state is on a disk without room, for real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.config.schema import Config
from gateway.emulator.server import Emulator
from gateway.stores.sqlite import database
from tests.conftest import FASTER, KEY
from tests.fakes.clock import UNHURRIED, fast_clock
from tests.fakes.customer import RESEND, Customer, until
from tests.fakes.small_disk import MIB, SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    monkeypatch.setattr(database, "RESERVE_BYTES", MIB // 2)
    monkeypatch.setattr(database, "ROOM_BYTES", MIB // 4)
    with small_disk(tmp_path / "disk", 64) as disk:
        yield disk


@asynccontextmanager
async def serving(bfl: Emulator, disk: SmallDisk) -> AsyncIterator[Gateway]:
    document = {
        "listen": {"port": 0},
        "admin": {"port": 0},
        "state_dir": disk.path,
        "platforms": {"bfl": {"kind": "bfl", "api_key": KEY, "base_url": bfl.api_url}},
        "jobs": {"drain": 0, **UNHURRIED},
    }
    async with Gateway(Config.model_validate(document), clock=fast_clock(FASTER), chance=lambda: 0.5) as gateway:
        yield gateway


async def test_a_restart_on_a_full_disk(bfl: Emulator, disk: SmallDisk, client: aiohttp.ClientSession) -> None:
    """
    It starts, finishes and delivers what was paid for, refuses what is new before its upload, says why, and takes new
    jobs by itself when there is room. Nothing is paid twice.
    """
    async with serving(bfl, disk) as gateway:
        first = Customer(gateway, client)
        delivered = await first.edit("make it blue")
        assert len(delivered.pictures) == 1
        bfl.script("poll_status", times=20)
        begun = first.begin("make it green")
        await until(lambda: bfl.counts.accepted == 2)
    assert (await begun).refusal == (503, "handed_over", "true")
    (disk.path / "reserve").unlink()
    disk.fill(MIB // 4)
    async with serving(bfl, disk) as gateway:
        second = Customer(gateway, client)
        async with client.get(f"{gateway.admin_url}/readyz") as answer:
            assert (answer.status, "No space left" in (await answer.json())["ledger"]) == (503, True)
        assert second.metric("ledger_writable") == 0
        assert (await second.edit("make it red")).refusal == (503, "ledger_unwritable", "true")
        assert second.metric("image_bytes_total", direction="received") == 0
        green = await second.edit("make it green", headers=RESEND)
        assert len(green.pictures) == 1
        assert bfl.counts.accepted == 2
        disk.free()
        await until(lambda: second.metric("ledger_writable") == 1)
        assert len((await second.edit("make it red")).pictures) == 1
    assert bfl.counts.accepted == 3


async def test_a_disk_that_fills_up(bfl: Emulator, disk: SmallDisk, client: aiohttp.ClientSession) -> None:
    """With delivered pictures to drop the service goes on; none that still has to be delivered is dropped."""
    async with serving(bfl, disk) as gateway:
        customer = Customer(gateway, client)
        begun = customer.begin("nobody has fetched this")
        await until(lambda: bfl.counts.accepted == 1)
        await customer.leave(begun)
        count = 0
        while customer.metric("results_bytes") < MIB:
            count += 1
            assert len((await customer.edit(f"number {count}")).pictures) == 1
        disk.fill()
        before = customer.metric("results_bytes")
        refused = 0
        while (answer := await customer.edit("one more")).status != 200:
            assert answer.refusal == (503, "ledger_unwritable", "true")
            refused += 1
            assert refused < 1000
        await until(lambda: customer.metric("ledger_writable") == 1)
        assert customer.metric("results_bytes") < before
        accepted = bfl.counts.accepted
        assert len((await customer.edit("nobody has fetched this", headers=RESEND)).pictures) == 1
        assert bfl.counts.accepted == accepted
