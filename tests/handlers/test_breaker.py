"""A platform in trouble, as its clients and its operator see it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from gateway.emulator.server import Emulator
from gateway.jobs.breaker import State
from tests.conftest import StartGateway
from tests.fakes.customer import RESEND, Customer, until
from tests.fakes.raw import exchange

# Longer than a test takes.
OPEN = {"failures": 2, "open_for": 6000, "longest": 6000}


async def test_an_empty_account(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """
    The first 402 is confirmed by the free question, and stops further submissions of all models, before their uploads
    are read; the metrics say so, the paid job beside it is asked after and fetched, and a top-up ends it.
    """
    customer = Customer(gateway := await start_gateway(bfl, jobs={"breaker": OPEN}), client)
    running = customer.begin("[[fault:pending_forever]] make it green")
    await until(lambda: bfl.counts.polls > 1)
    assert customer.metric("breaker_state", platform="bfl", model="flux-kontext-pro") == State.CLOSED
    bfl.set_credits(0)
    assert (await customer.edit("make it blue")).refusal == (503, "platform_out_of_credits", "false")
    await until(lambda: customer.metric("account_shut", platform="bfl") == 1)
    assert (await customer.edit("blue", model="flux-kontext-max")).refusal == (503, "platform_out_of_credits", "false")
    async with client.get(f"{gateway.admin_url}/readyz") as ready:
        # Ready all the same: what has been paid for is still fetched, and other platforms may serve.
        told = (await ready.json())["platforms"]["bfl"]
        assert ready.status == 200
        assert told.startswith("shut: the key is good; 0 credits are left") and "1 of 24 slots in use" in told
    seen = bfl.counts.submits_seen
    head = ("Content-Type: multipart/form-data; boundary=x", "Content-Length: 999999999", "Expect: 100-continue")
    refused = await exchange(gateway.url, "POST /v1/images/edits HTTP/1.1", *head)
    assert (refused.status, refused.error["code"]) == (503, "platform_out_of_credits")
    assert (refused.headers["x-should-retry"], refused.headers["retry-after"]) == ("false", "30")
    assert bfl.counts.submits_seen == seen
    polls = bfl.counts.polls
    await until(lambda: bfl.counts.polls > polls)
    bfl.set_credits(1000)
    await until(lambda: customer.metric("account_shut", platform="bfl") == 0)
    assert len((await customer.edit("make it red")).pictures) == 1
    assert customer.metric("breaker_state", platform="bfl", model="flux-kontext-pro") == State.CLOSED
    await customer.leave(running)


@pytest.mark.parametrize("headers", [RESEND, {"Idempotency-Key": "k-1"}], ids=["resend", "key"])
async def test_who_comes_back_for_a_paid_job(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    """An open breaker keeps nobody from what was paid before it opened; a new job under a new key it does."""
    customer = Customer(await start_gateway(bfl, jobs={"breaker": OPEN}), client)
    bfl.script("poll_status", times=20)
    first = customer.begin("make it blue", headers=headers)
    await until(lambda: bfl.counts.accepted == 1)
    await customer.leave(first)
    bfl.set_credits(0)
    assert (await customer.edit("make it red")).status == 503
    assert len((await customer.edit("make it blue", headers=headers)).pictures) == 1
    refused = await customer.edit("make it green", headers={"Idempotency-Key": "k-2"})
    assert refused.refusal == (503, "platform_out_of_credits", "false")
    assert bfl.counts.accepted == 1


async def test_what_clients_ask_opens_nothing(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Refused content, bad fields, failed tasks, a busy account and bad downloads are no faults of submitting."""
    jobs = {"breaker": {**OPEN, "failures": 1}, "answer_within": 60}
    customer = Customer(gateway := await start_gateway(bfl, jobs=jobs), client)
    faults = ("request_moderated", "submit_422_field", "task_error", "submit_429*2", "poll_500*3", "delivery_404*1")
    await asyncio.gather(*(customer.edit(f"[[fault:{fault}]] make it blue") for fault in faults))
    assert bfl.counts.submits_seen == len(faults) + 2
    assert {standing.state for standing in gateway.breakers.states().values()} == {State.CLOSED}
