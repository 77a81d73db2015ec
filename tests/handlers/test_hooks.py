"""The vendor's call-backs, genuine and forged, early, late, twice and never: one submission, and the picture comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.jobs.trust import LATE_S
from tests.bench.processes import free_port
from tests.conftest import FASTER, StartGateway
from tests.fakes.customer import RESEND, Customer, until

Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def hooked(bfl: Emulator, start_gateway: StartGateway) -> Start:
    """Starts gateways one after the other at one address, which the vendor calls."""
    port = free_port()

    async def start(**jobs: float) -> Gateway:
        webhook = {"public_url": f"http://127.0.0.1:{port}"}
        return await start_gateway(bfl, platform={"webhook": webhook}, listen={"port": port}, jobs=jobs)

    return start


async def test_call_backs_are_taken_and_counted(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """The task is asked after by its id, as the answer named no address; its call is counted once, soon or late."""
    customer = Customer(await hooked(), client)
    reply = await customer.edit("make it blue")
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 1
    await until(lambda: bfl.counts.webhooks == {"204": 1})
    outcomes = ("in_time", "late", "missing")
    assert sum(customer.metric("webhooks_total", platform="bfl", outcome=outcome) for outcome in outcomes) == 1
    await customer.balance()


async def test_a_silent_webhook_is_counted(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """Every picture comes by polls, and every call that did not come is told."""
    customer = Customer(gateway := await hooked(), client)
    for number in range(2):
        assert len((await customer.edit(f"make it blue, {number} [[fault:webhook_lost]]")).pictures) == 1
    await gateway._clock.sleep(LATE_S + 1)
    gateway.hints.settle()
    assert customer.metric("webhooks_total", platform="bfl", outcome="missing") == 2
    await customer.balance()


@pytest.mark.parametrize("fault", ["lost", "twice", "early", "late", "forged", "garbage"])
async def test_call_backs_as_they_come(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession, fault: str) -> None:
    """Polling is the net: whatever becomes of the call-back, the picture comes and is paid once."""
    customer = Customer(await hooked(), client)
    reply = await customer.edit(f"make it blue [[fault:webhook_{fault}]]")
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 1
    await customer.balance()


@pytest.mark.parametrize("how", ["reset", "502", "empty"])
async def test_a_lost_answer_is_found_again(
    hooked: Start, bfl: Emulator, client: aiohttp.ClientSession, how: str
) -> None:
    """The id comes with the call-back: the client that waits gets its picture."""
    customer = Customer(await hooked(), client)
    reply = await customer.edit(f"make it blue [[fault:submit_accepted_{how}]]")
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 1
    await customer.balance()


async def test_nobody_waits_long_for_a_call_back(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """Which is all that is left of a lost answer: whoever waits is told, and gets the picture when it has come."""
    customer = Customer(await hooked(unanswered_within=20), client)
    order = "make it blue [[fault:submit_accepted_reset]] [[fault:webhook_late=30]]"
    reply = await customer.edit(order)
    assert reply.refusal == (504, "platform_silent", "true")
    assert len((await customer.edit(order, headers=RESEND)).pictures) == 1
    assert bfl.counts.accepted == 1
    await customer.balance()


async def test_a_lost_answer_is_found_again_after_a_restart(
    hooked: Start, bfl: Emulator, client: aiohttp.ClientSession
) -> None:
    """The call-back comes to the next process, which has only the row that says that nobody knows."""
    first = Customer(await hooked(), client)
    prompt, key = "make it blue [[fault:submit_accepted_reset]] [[fault:webhook_late]]", {"Idempotency-Key": "k"}
    begun = first.begin(prompt, headers=key)
    await until(lambda: bfl.counts.accepted == 1)
    await first.gateway._clock.sleep(1)
    await first.gateway.__aexit__()
    assert (await begun).status == 503
    second = Customer(await hooked(), client)
    await until(lambda: bfl.counts.webhooks["204"] == 1)
    reply = await second.edit(prompt, headers=key)
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 1
    await second.balance()


async def test_two_at_once_about_a_lost_answer(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """One of them brings the job back, and the other does no harm."""
    first = Customer(await hooked(), client)
    prompt, key = "make it blue [[fault:submit_accepted_reset]] [[fault:webhook_lost]]", {"Idempotency-Key": "k"}
    begun = first.begin(prompt, headers=key)
    await until(lambda: bfl.counts.accepted == 1)
    (id,) = first.gateway.supervisor._live
    await first.gateway.__aexit__()
    await begun
    second = Customer(gateway := await hooked(), client)
    url, secret = gateway.hints.url(gateway.url, "bfl", id, 0), gateway.hints.secret("bfl", id, 0)

    async def call() -> int:
        async with client.post(url, json={"id": bfl.tasks[0]["id"]}, headers={"X-Webhook-Secret": secret}) as answer:
            return answer.status

    assert set(await asyncio.gather(call(), call(), call())) == {204}
    assert len((await second.edit(prompt, headers=key)).pictures) == 1
    assert bfl.counts.accepted == 1
    await second.balance()


async def test_strangers(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """An address that was not given out, a wrong secret, any bytes, and too many of them: 4xx, and nothing ends."""
    gateway = await hooked()
    customer = Customer(gateway, client)
    begun = customer.begin("make it blue [[fault:webhook_lost]]")
    await until(lambda: bfl.counts.accepted == 1)
    (id,) = gateway.supervisor._live
    good = gateway.hints.url(gateway.url, "bfl", id, 0)
    secret = {"X-Webhook-Secret": gateway.hints.secret("bfl", id, 0)}
    tries: list[tuple[str, dict[str, str], bytes, int]] = [
        (good[:-1] + "x", secret, b"{}", 404),
        (good.replace("/0/", "/1/"), secret, b"{}", 404),
        (good.replace("/bfl/", "/nobody/"), secret, b"{}", 404),
        (good, {}, b'{"id": "x"}', 401),
        (good, {"X-Webhook-Secret": "a-guess"}, b'{"id": "x"}', 401),
        (good, {"X-BFL-Signature": "sha256=00"}, b'{"id": "x"}', 401),
        (good, {"X-BFL-Signature": "v1"}, b"\xff\xfe", 401),
        (good, secret, b"\xff\xfe", 401),
        (good, secret, b'{"id": 7}', 401),
        (good, secret, b"x" * 10_000_000, 413),
    ]
    for url, headers, data, status in tries:
        async with client.post(url, data=data, headers=headers) as answer:
            assert answer.status == status, (url, headers)
    async with client.get(good) as answer:
        assert answer.status == 405
    assert len((await begun).pictures) == 1
    assert bfl.counts.accepted == 1


async def test_a_hint_that_is_wrong(hooked: Start, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """Even a genuine call-back is not believed: the vendor knows no such task, so the lost answer stays lost."""
    gateway = await hooked()
    customer = Customer(gateway, client)
    begun = customer.begin("make it blue [[fault:submit_reset]]")
    await until(lambda: bfl.counts.submits_seen == 1)
    await until(lambda: len(gateway.supervisor._live) == 1)
    (id,) = gateway.supervisor._live
    url, secret = gateway.hints.url(gateway.url, "bfl", id, 0), gateway.hints.secret("bfl", id, 0)
    async with client.post(url, json={"id": "made-up"}, headers={"X-Webhook-Secret": secret}) as answer:
        assert answer.status == 204
    assert (await begun).refusal == (502, "platform_answer_lost", "false")
    assert bfl.counts.accepted == 0
    async with client.post(url, json={"id": "made-up"}, headers={"X-Webhook-Secret": secret}) as answer:
        assert answer.status == 503
    assert customer.metric("hooks_total", platform="bfl", outcome="taken") == 1


async def test_the_other_header(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """An HMAC of the body beside the secret itself."""
    port = free_port()
    async with Emulator(EmulatorSettings(speed=FASTER, webhook_signature=True)) as bfl:
        webhook = {"public_url": f"http://127.0.0.1:{port}"}
        gateway = await start_gateway(bfl, platform={"webhook": webhook}, listen={"port": port})
        assert len((await Customer(gateway, client).edit("make it blue")).pictures) == 1
        await until(lambda: bfl.counts.webhooks == {"204": 1})
        await asyncio.sleep(0)
