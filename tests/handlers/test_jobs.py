"""How far a job is, for its caller and nobody else."""

from __future__ import annotations

from functools import partial
from typing import Any

import aiohttp

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.customer import Customer, until
from tests.fakes.forms import key_settings

KEYS = ("gw-ann-0123456789abcdef", "gw-bob-0123456789abcdef")


async def told(gateway: Gateway, client: aiohttp.ClientSession, id: str, key: str = "none") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with client.get(f"{gateway.url}/v1/jobs/{id}", headers=headers) as answer:
        return answer.status, await answer.json()


def _waiting(customer: Customer, count: int) -> bool:
    return customer.metric("queue_depth", platform="bfl") == count


async def test_a_finished_job(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Its pictures are links that need no key."""
    gateway = await start_gateway(bfl)
    reply = await Customer(gateway, client).edit("make it blue", n=2)
    status, job = await told(gateway, client, reply.headers["x-job-id"])
    assert status == 200
    assert (job["object"], job["status"], job["model"], job["n"]) == ("job", "completed", "flux-kontext-pro", 2)
    assert job["created_at"] == reply.body["created"]
    for picture, delivered in zip(job["data"], reply.pictures, strict=True):
        async with client.get(picture["url"]) as answer:
            assert await answer.read() == delivered


async def test_queued_and_running(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """With one slot the first runs, and the others know how many came before."""
    gateway = await start_gateway(bfl, platform={"max_active_tasks": 1})
    customer = Customer(gateway, client)
    begun = [customer.begin("make it blue [[fault:pending_forever]]")]
    await until(lambda: bfl.counts.accepted == 1)
    for waiting in (1, 2):
        begun.append(customer.begin(f"make it red {waiting}"))
        await until(partial(_waiting, customer, waiting))
    found = [(await told(gateway, client, id))[1] for id in list(gateway.supervisor._live)]
    assert [job["status"] for job in found] == ["running", "queued", "queued"]
    assert [job["queue_position"] for job in found] == [None, 0, 1]
    await customer.leave(*begun)


async def test_ends_without_a_picture(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A refusal and a lost answer, in the words that the client was told."""
    gateway = await start_gateway(bfl)
    customer = Customer(gateway, client)
    for fault, status in (("request_moderated", "failed"), ("submit_reset", "unknown")):
        reply = await customer.edit(f"make it blue [[fault:{fault}]]")
        _, job = await told(gateway, client, reply.headers["x-job-id"])
        assert (job["status"], job["data"][0]["error"]) == (status, reply.error)


async def test_only_for_its_caller(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Another key learns nothing, not even that it is there; without one the door is closed."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(*KEYS)})
    mine, other = KEYS
    reply = await Customer(gateway, client).edit("make it blue", headers={"Authorization": f"Bearer {mine}"})
    id = reply.headers["x-job-id"]
    assert (await told(gateway, client, id, mine))[0] == 200
    status, body = await told(gateway, client, id, other)
    assert (status, body) == await told(gateway, client, "job_none", other)
    assert (status, body["error"]["code"]) == (404, "not_found")
    async with client.get(f"{gateway.url}/v1/jobs/{id}") as answer:
        assert answer.status == 401


async def test_after_a_restart(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """The next process knows it, and its old links open there."""
    gateway = await start_gateway(bfl)
    reply = await Customer(gateway, client).edit("make it blue")
    _, before = await told(gateway, client, reply.headers["x-job-id"])
    await gateway.__aexit__()
    second = await start_gateway(bfl)
    _, after = await told(second, client, reply.headers["x-job-id"])
    url = before["data"][0]["url"].replace(gateway.url, second.url)
    assert (after["status"], after["data"][0]["url"]) == ("completed", url)
    async with client.get(url) as answer:
        assert await answer.read() == reply.pictures[0]
