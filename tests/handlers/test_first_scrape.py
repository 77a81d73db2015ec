"""What operators read is right from the first scrape after a start, not from the first sweep."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.config.schema import Config
from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import AnswerLost, Paid
from gateway.domain.outcome import Ticket
from gateway.emulator.server import Emulator
from gateway.stores.contract import JobRecord, ReplySpec, State
from gateway.stores.sqlite.database import Database
from gateway.stores.sqlite.ledger import SqliteLedger
from tests.conftest import FASTER, KEY, StartGateway
from tests.fakes.clock import UNHURRIED, fast_clock
from tests.fakes.customer import Customer, until

REPLY = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())


async def leave(folder: Path, unknown: int, parked: int) -> None:
    """Rows of a process that is over."""
    database = Database(folder, time.monotonic, time.time, lambda _took: None)
    await database.open()
    ledger = SqliteLedger(database)
    for number in range(unknown + parked):
        job = f"job_{number}"
        record = JobRecord(job, "local", job, None, "gone", "flux-kontext-pro", 1, REPLY, created=time.time())
        await ledger.intent(record, 0, database.owner)
        if number < unknown:
            error = AnswerLost("lost", paid=Paid.MAYBE)
            await ledger.failed(job, 0, database.owner, State.UNKNOWN, error)
        else:
            await ledger.submitted(job, 0, database.owner, Ticket(job, "https://api.bfl.ai/x", "m", "bfl"))
            await ledger.parked(job, 0, database.owner)
    await database.close()


@pytest.mark.parametrize(("unknown", "parked"), [(0, 0), (3, 2)])
async def test_what_the_ledger_remembers(
    start_gateway: StartGateway, client: aiohttp.ClientSession, tmp_path: Path, unknown: int, parked: int
) -> None:
    """An alert on it neither ends nor begins anew with each restart."""
    (tmp_path / "state").mkdir()
    await leave(tmp_path / "state", unknown, parked)
    gateway = await start_gateway()
    async with client.get(f"{gateway.admin_url}/metrics", headers={"Accept-Encoding": "identity"}) as answer:
        lines = (await answer.text()).splitlines()
    assert f"gateway_jobs_unknown {float(unknown)}" in lines
    assert f"gateway_jobs_parked {float(parked)}" in lines


async def test_a_quota_that_is_used_up(bfl: Emulator, tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """A process that starts with it takes no job in the time until its first sweep."""
    document: dict[str, Any] = {
        "listen": {"port": 0},
        "admin": {"port": 0},
        "state_dir": tmp_path,
        "platforms": {"bfl": {"kind": "bfl", "api_key": KEY, "base_url": bfl.api_url}},
        "jobs": {"drain": 0, **UNHURRIED},
    }
    async with Gateway(Config.model_validate(document), clock=fast_clock(FASTER)) as gateway:
        first = Customer(gateway, client)
        begun = first.begin("make it green")
        await until(lambda: bfl.counts.accepted == 1)
        await first.leave(begun)
        await until(lambda: first.metric("results_bytes") > 0)
    document["results"] = {"quota": 1}
    async with Gateway(Config.model_validate(document), clock=fast_clock(FASTER)) as gateway:
        second = Customer(gateway, client)
        async with client.get(f"{gateway.admin_url}/readyz") as answer:
            assert (answer.status, "quota" in (await answer.json())["ledger"]) == (503, True)
        assert second.metric("ledger_writable") == 0
        assert (await second.edit("make it red")).refusal == (503, "out_of_room", "true")
