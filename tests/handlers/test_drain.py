"""Going away in good order: no new work, the old one finished, and the truth about what was cut."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.emulator import Emulator
from tests.conftest import KEY, StartGateway
from tests.fakes.customer import IMAGE, Customer, until

ROOT = Path(__file__).parents[2]


async def readiness(customer: Customer, client: aiohttp.ClientSession) -> int:
    async with client.get(f"{customer.gateway.admin_url}/readyz") as response:
        return response.status


async def test_running_jobs_end_and_new_ones_are_refused(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Not ready at once, 503 before the upload is read for whoever still comes, and the running job is answered."""
    customer = Customer(await start_gateway(bfl), client)
    bfl.script("poll_status", times=10)
    assert await readiness(customer, client) == 200
    running = customer.begin("make it blue")
    await until(lambda: bfl.counts.accepted == 1)
    draining = asyncio.create_task(customer.gateway.supervisor.drain(110.0))
    await until(lambda: customer.gateway.supervisor.draining)
    assert await readiness(customer, client) == 503
    received = customer.metric("image_bytes_total", direction="received")
    refused = await customer.edit("make it red")
    assert refused.refusal == (503, "shutting_down", "true")
    assert customer.metric("image_bytes_total", direction="received") == received
    async with client.get(f"{customer.gateway.url}/healthz") as alive:
        assert alive.status == 200
    assert not running.done()
    assert len((await running).pictures) == 1
    assert await draining == 0
    assert bfl.counts.accepted == 1
    await customer.balance()


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize(
    ("ledger", "code", "again", "words"),
    [
        ("sqlite", "handed_over", "true", "the job goes on in the next process"),
        ("none", "shutting_down", "false", "may have been charged"),
    ],
)
async def test_jobs_cut_at_the_limit(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    stream: str,
    ledger: str,
    code: str,
    again: str,
    words: str,
) -> None:
    """
    What was submitted is found by whoever sends it again, where it is remembered; else it may have been paid and is not
    to be sent again. What still waited may be, at once.
    """
    customer = Customer(await start_gateway(bfl, platform={"max_active_tasks": 1}, ledger=ledger), client)
    submitted = customer.begin("make it blue [[fault:pending_forever]]", stream=stream)
    await until(lambda: bfl.counts.accepted == 1)
    waiting = customer.begin("make it red")
    await until(lambda: customer.metric("queue_depth", platform="bfl") == 1)
    assert await customer.gateway.supervisor.drain(10.0) == 2
    assert (await waiting).refusal == (503, "shutting_down", "true")
    cut = await submitted
    if stream == "true":
        assert cut.status == 200 and f'"code":"{code}"' in cut.raw.decode() and words in cut.raw.decode()
    else:
        assert cut.refusal == (503, code, again)
        assert words in cut.error["message"]
    assert bfl.counts.accepted == 1
    await customer.balance()


@pytest.mark.open_world
async def test_sigterm(bfl: Emulator, tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """The process itself: a signal, the cut job's client answered, and a clean end."""
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "listen: {port: 0}\nadmin: {port: 0}\njobs: {drain: 0}\n"
        f"state_dir: {tmp_path}/state\n"
        f"platforms:\n  bfl: {{kind: bfl, api_key: {KEY}, base_url: '{bfl.api_url}'}}\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = None
        while address is None:
            line = await asyncio.wait_for(process.stdout.readline(), 100)
            assert line, "it did not start"
            address = re.search(r"gateway\s+(http://\S+/v1)", line.decode())
        form = aiohttp.FormData({"prompt": "make it blue [[fault:pending_forever]]"})
        form.add_field("image", IMAGE, filename="picture.png")
        running = asyncio.create_task(client.post(f"{address[1]}/images/edits", data=form))
        await until(lambda: bfl.counts.accepted == 1)
        process.send_signal(signal.SIGTERM)
        async with await running as response:
            assert (response.status, response.headers["x-should-retry"]) == (503, "true")
            assert (await response.json())["error"]["code"] == "handed_over"
        assert await asyncio.wait_for(process.wait(), 100) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
