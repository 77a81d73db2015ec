"""A disk that takes nothing: nothing new is paid for, what runs is finished, and it goes on by itself."""

from __future__ import annotations

import errno

import aiohttp
import pytest

from gateway.emulator.server import Emulator
from gateway.stores.sqlite.reserve import Reserve
from tests.conftest import StartGateway
from tests.fakes.customer import Customer, until

# Whoever notices it, the spool or the ledger's own thread, says the same.
FULL = "OSError: [Errno 28] No space left on device"


async def test_a_full_disk(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 before the upload is read, `/readyz` and the gauge say why; the running job's picture comes."""
    gateway = await start_gateway(bfl)
    customer = Customer(gateway, client)
    bfl.script("poll_status", times=10)
    running = customer.begin("make it blue")
    await until(lambda: bfl.counts.accepted == 1)

    def full(_self: Reserve) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Reserve, "fill", full)
        gateway.stores._database.full(FULL)  # type: ignore[attr-defined]
        received = customer.metric("image_bytes_total", direction="received")
        refused = await customer.edit("make it red")
        assert refused.refusal == (503, "ledger_unwritable", "true")
        assert customer.metric("image_bytes_total", direction="received") == received
        async with client.get(f"{gateway.admin_url}/readyz") as answer:
            assert (answer.status, (await answer.json())["ledger"]) == (503, FULL)
        assert customer.metric("ledger_writable") == 0
        assert len((await running).pictures) == 1
    await until(lambda: customer.metric("ledger_writable") == 1)
    assert len((await customer.edit("make it red")).pictures) == 1
    assert bfl.counts.accepted == 2
    await customer.balance()


async def test_undelivered_pictures_use_the_quota_up(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Delivered ones make room; undelivered ones are never dropped for it, so nothing new is begun."""
    gateway = await start_gateway(bfl, results={"quota": 1})
    customer = Customer(gateway, client)
    delivered = await customer.edit("make it blue")
    await gateway._clock.sleep(30)
    await until(lambda: customer.metric("results_bytes") == 0)
    assert len(delivered.pictures) == 1
    begun = customer.begin("make it green")
    await until(lambda: bfl.counts.accepted == 2)
    await customer.leave(begun)
    await until(lambda: customer.metric("ledger_writable") == 0)
    assert (await customer.edit("make it red")).refusal == (503, "out_of_room", "true")
    assert len((await customer.edit("make it green", headers={"x-stainless-retry-count": "1"})).pictures) == 1
    await until(lambda: customer.metric("ledger_writable") == 1)
    assert bfl.counts.accepted == 2
