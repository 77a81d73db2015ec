"""Trouble of the vendor, of keys and of accounts: none outlives its cause, and everybody hears what is the matter."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import pytest

from gateway.config.schema import Config
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.jobs import pace
from gateway.upstream import session
from tests.conftest import FASTER, KEY, StartGateway
from tests.fakes.customer import RESEND, Customer, until

OTHER_KEY = "00000000-0000-4000-8000-000000000001"


async def test_lost_answers_take_no_slots_for_long(
    start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fifth of the submissions is lost, many after another: all others are served, and gauges tell which is which."""
    monkeypatch.setattr(pace, "LATE_LEAST_S", 15.0)
    async with Emulator(EmulatorSettings(speed=FASTER, max_active=8)) as bfl:
        gateway = await start_gateway(
            bfl, platform={"max_active_tasks": 8}, jobs={"breaker": {"failures": 1000}, "answer_within": 6000}
        )
        customer = Customer(gateway, client)
        bfl.script("submit_502", times=None, share=0.2)
        replies = await asyncio.gather(*(customer.edit(f"number {number}") for number in range(30)))
        codes = {reply.error["code"] for reply in replies if reply.status != 200}
        assert codes == {"platform_answer_lost"}
        assert sum(reply.status == 200 for reply in replies) >= 15
        bfl.reset()
        assert len((await customer.edit("the last")).pictures) == 1
        await until(lambda: customer.metric("slots", platform="bfl", reason="unknown") == 0)


async def test_a_stuck_task_and_a_refusal(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A window that only feedback opens, with no feedback left: probes open it all the same."""
    customer = Customer(await start_gateway(bfl, jobs={"answer_within": 6000}), client)
    stuck = customer.begin("[[fault:ready_without_sample]] make it green")
    await until(lambda: bfl.counts.accepted == 1)
    bfl.script("submit_429")
    replies = await asyncio.gather(*(customer.edit(f"number {number}") for number in range(20)))
    assert {reply.status for reply in replies} == {200}
    await customer.leave(stuck)


async def test_one_lost_answer_and_one_refusal(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """On an idle gateway: the next is served."""
    customer = Customer(await start_gateway(bfl), client)
    bfl.script("submit_502")
    assert (await customer.edit("lost")).error["code"] == "platform_answer_lost"
    bfl.script("submit_429")
    replies = await asyncio.gather(*(customer.edit(f"number {number}") for number in range(7)))
    assert {reply.status for reply in replies} == {200}


async def test_stuck_tasks_in_all_slots(
    start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every slot is held by a task that never ends: past their age they make room, and gauge and `/readyz` say so."""
    monkeypatch.setattr(pace, "LATE_LEAST_S", 15.0)
    async with Emulator(EmulatorSettings(speed=FASTER, max_active=100)) as bfl:
        gateway = await start_gateway(bfl, platform={"max_active_tasks": 2})
        customer = Customer(gateway, client)
        stuck = [customer.begin(f"[[fault:pending_forever]] {number}") for number in range(2)]
        await until(lambda: bfl.counts.accepted == 2)
        assert len((await customer.edit("make it blue")).pictures) == 1
        assert customer.metric("slots", platform="bfl", reason="over_age") == 2
        async with client.get(f"{gateway.admin_url}/readyz") as ready:
            assert "2 tasks past their age" in (await ready.json())["platforms"]["bfl"]
        await customer.leave(*stuck)


async def test_a_key_rotated_by_reload(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Running jobs ask with the account's new key; the old one may be refused from the moment of the reload."""
    gateway = await start_gateway(bfl, platform={"max_active_tasks": 6})
    customer = Customer(gateway, client)
    bfl.script("poll_status", times=60)
    running = [customer.begin(f"number {number}") for number in range(6)]
    await until(lambda: bfl.counts.accepted == 6)
    waiting = customer.begin("the seventh")
    document = gateway.config.model_dump(exclude_unset=True)
    document["platforms"]["bfl"] = {"kind": "bfl", "api_key": OTHER_KEY, "base_url": bfl.api_url, "max_active_tasks": 6}
    bfl.revoke(KEY)
    gateway.reload(Config.model_validate(document))
    for reply in await asyncio.gather(*running, waiting):
        assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 7


async def test_refused_polls_are_told_and_shut_the_account(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """The key is revoked while jobs run: new requests hear it at once, the paid ones go on when it is good again."""
    customer = Customer(gateway := await start_gateway(bfl), client)
    bfl.script("poll_status", times=20)
    running = customer.begin("paid")
    await until(lambda: bfl.counts.polls > 0)
    bfl.revoke(KEY)
    await until(lambda: customer.metric("account_shut", platform="bfl") == 1)
    assert customer.metric("upstream_responses_total", platform="bfl", call="poll", status="403") > 0
    assert (await customer.edit("new")).refusal == (502, "platform_auth_failed", "false")
    document = gateway.config.model_dump(exclude_unset=True)
    document["platforms"]["bfl"] = {"kind": "bfl", "api_key": OTHER_KEY, "base_url": bfl.api_url}
    gateway.reload(Config.model_validate(document))
    assert len((await running).pictures) == 1
    await until(lambda: customer.metric("account_shut", platform="bfl") == 0)
    assert len((await customer.edit("new")).pictures) == 1


async def test_a_gated_model_closes_nothing_else(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """403 for one model, asked for again and again: its callers hear why, the others are all served."""
    async with Emulator(EmulatorSettings(speed=FASTER, gated=frozenset({"flux-kontext-max"}))) as bfl:
        customer = Customer(await start_gateway(bfl), client)
        for number in range(8):
            gated, good = await asyncio.gather(
                customer.edit(f"gated {number}", model="flux-kontext-max"), customer.edit(f"good {number}")
            )
            assert gated.refusal == (502, "platform_auth_failed", "false")
            assert len(good.pictures) == 1
        assert customer.metric("account_shut", platform="bfl") == 0


@pytest.mark.parametrize("fault", ["submit_402", "submit_403"])
async def test_a_stray_refusal(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, fault: str
) -> None:
    """The account says that it is well: those beside it, behind it and after it are all served."""
    customer = Customer(await start_gateway(bfl, platform={"max_active_tasks": 2}), client)
    bfl.script(fault)
    replies = await asyncio.gather(*(customer.edit(f"number {number}") for number in range(6)))
    assert sorted(reply.status == 200 for reply in replies) == [False] + 5 * [True]
    assert len((await customer.edit("next")).pictures) == 1


@pytest.mark.parametrize("detail", ["Invalid API key format", "The keyword is too long"])
async def test_a_422_is_about_the_key_only_when_it_says_so(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, detail: str
) -> None:
    """By the vendor's own sentence, not by a word inside another one."""
    customer = Customer(await start_gateway(bfl), client)
    bfl.script("submit_422" if "API" in detail else "submit_422_field", value="keyword")
    code = (await customer.edit("make it blue")).error["code"]
    assert (code == "platform_auth_failed") is ("API" in detail)


async def test_everybody_waiting_hears_of_an_empty_account(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Those in the line too, as soon as the account has said so."""
    customer = Customer(await start_gateway(bfl, platform={"max_active_tasks": 1}), client)
    running = customer.begin("[[fault:pending_forever]] running")
    await until(lambda: bfl.counts.accepted == 1)
    waiting = [customer.begin(f"number {number}") for number in range(5)]
    await until(lambda: customer.metric("queue_depth", platform="bfl") == 5)
    bfl.set_credits(0)
    customer.gateway.accounts.doubt("bfl")
    for reply in await asyncio.gather(*waiting):
        assert reply.refusal == (503, "platform_out_of_credits", "false")
    await customer.leave(running)


async def test_a_vendor_that_hangs(
    start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and answers nothing: whoever comes when it is well again is served, whatever still hangs."""
    monkeypatch.setattr(pace, "LATE_LEAST_S", 15.0)
    async with Emulator(EmulatorSettings(speed=FASTER)) as bfl:
        customer = Customer(await start_gateway(bfl, platform={"max_active_tasks": 4}), client)
        bfl.script("submit_stall", times=3)
        hanging = [customer.begin(f"number {number}") for number in range(3)]
        await until(lambda: bfl.counts.submits_seen == 3)
        assert len((await customer.edit("well")).pictures) == 1
        await customer.leave(*hanging)


SILENT = (504, "platform_silent", "true")
SILENCE_S = 20
SOON: dict[str, Any] = {"answer_within": 600, "unanswered_within": SILENCE_S}


@pytest.fixture
def time_outs(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the gateway's time, which runs faster than the network's."""
    for times in ("SUBMIT_TIMES", "POLL_TIMES"):
        usual = getattr(session, times)
        monkeypatch.setattr(session, times, aiohttp.ClientTimeout(sock_read=usual.sock_read / FASTER))


@pytest.mark.usefixtures("time_outs")
async def test_whoever_hangs_hears_it_soon(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """
    With a submission that is not answered: within seconds, as long as nobody knows what became of it; with three of
    them those who wait in line and newcomers as well. Nothing is sent again.
    """
    jobs = SOON | {"breaker": {"failures": 3, "open_for": 3000, "longest": 3000}}
    customer = Customer(await start_gateway(bfl, platform={"max_active_tasks": 3}, jobs=jobs), client)
    now = customer.gateway._clock.now
    bfl.script("submit_accepted_stall", times=3)
    came = now()
    hanging = [customer.begin(f"number {number}") for number in range(3)]
    await until(lambda: bfl.counts.submits_seen == 3)
    waiting = [customer.begin(f"waiting {number}") for number in range(3)]
    for reply in await asyncio.gather(*hanging):
        assert reply.refusal == SILENT and reply.headers["retry-after"] == "5"
        assert "same request again" in reply.error["message"]
    assert SILENCE_S <= now() - came < SILENCE_S + 10
    for reply in await asyncio.gather(*waiting, customer.edit("newcomer")):
        assert reply.refusal == (503, "platform_unavailable", "true")
    assert now() - came < SILENCE_S + 10
    # The time-out says that the answer is lost, and everybody who comes back hears that.
    for number in range(3):
        while (reply := await customer.edit(f"number {number}", headers=RESEND)).refusal == SILENT:
            pass
        assert reply.refusal == (502, "platform_answer_lost", "false")
    assert bfl.counts.accepted == bfl.counts.submits_seen == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_silence_before_another_platform(
    start_gateway: StartGateway, client: aiohttp.ClientSession, stream: bool
) -> None:
    """
    The one that is tried first may have the job, so the other is not tried; whoever waits hears it after the same time.
    """
    settings = EmulatorSettings(speed=FASTER)
    async with Emulator(settings) as first, Emulator(settings) as second:
        platforms = {
            name: {"kind": "bfl", "api_key": KEY, "base_url": emulator.api_url}
            for name, emulator in (("one", first), ("two", second))
        }
        jobs = {"answer_within": 6000, "unanswered_within": 600, "patience": 3000}
        gateway = await start_gateway(platforms=platforms, routes={"edits": ["one", "two"]}, jobs=jobs)
        customer, now = Customer(gateway, client), gateway._clock.now
        first.script("submit_accepted_stall")
        came = now()
        asked: dict[str, Any] = {"stream": "true"} if stream else {}
        reply = await customer.edit("make it blue", **asked)
        assert b'"platform_silent"' in reply.raw
        assert now() - came < 2 * 600
        assert (first.counts.accepted, second.counts.accepted) == (1, 0)


async def test_one_picture_of_a_stream_is_missing(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """The others are there; the last line says why it is not, and the same request gets all."""
    customer = Customer(await start_gateway(bfl, jobs=SOON), client)
    bfl.script("submit_accepted_late", value="35")
    reply = await customer.edit("make it blue", n=2, stream="true")
    assert reply.raw.count(b'"b64_json"') == 1 and b": 1 of 2 pictures; platform_silent\n" in reply.raw
    assert (await customer.edit("make it blue", n=2, stream="true")).raw.count(b'"b64_json"') == 2
    assert bfl.counts.accepted == bfl.counts.submits_seen == 2


@pytest.mark.parametrize("again", [{}, RESEND], ids=["person", "resend"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_comes_late(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, again: dict[str, str], stream: bool
) -> None:
    """The same request gets the picture, paid once."""
    customer = Customer(await start_gateway(bfl, jobs=SOON), client)
    order = "[[fault:submit_accepted_late=35]] make it blue"
    if stream:
        told, made = [await customer.edit(order, headers=headers, stream="true") for headers in ({}, again)]
        assert b'"platform_silent"' in told.raw and b'"b64_json"' in made.raw
    else:
        assert (await customer.edit(order)).refusal == SILENT
        assert len((await customer.edit(order, headers=again)).pictures) == 1
    assert bfl.counts.accepted == bfl.counts.submits_seen == 1
    await until(lambda: customer.metric("slots", platform="bfl", reason="unknown") == 0)


@pytest.mark.usefixtures("time_outs")
@pytest.mark.parametrize("fault", ["poll_stall", "poll_502", "poll_403", "poll_429", "poll_html_200"])
async def test_polls_that_say_nothing(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, fault: str
) -> None:
    """Whoever waits hears it within seconds, and gets the picture as soon as the vendor is well."""
    customer = Customer(await start_gateway(bfl, jobs=SOON), client)
    now = customer.gateway._clock.now
    came = now()
    bfl.script(fault, times=None)
    reply = await customer.edit("make it blue")
    assert reply.refusal == SILENT
    assert now() - came < SILENCE_S + 40
    assert "1 tasks of which polls say nothing" in customer.gateway._standing()["bfl"]
    bfl.calm()
    assert len((await customer.edit("make it blue", headers=RESEND)).pictures) == 1
    assert bfl.counts.accepted == 1
    assert "say nothing" not in customer.gateway._standing()["bfl"]


async def test_refused_has_lost_nothing(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """
    Equal requests at once, where a limit lets one through: the repetition of each that was refused is an order of its
    own, that of one which was answered is not.
    """
    digest = hashlib.sha256(b"gw-secret-of-ann").hexdigest()
    keys = [{"id": "ann", "hash": f"sha256:{digest}", "limits": {"jobs": 1}}]
    customer = Customer(await start_gateway(bfl, auth={"keys": keys}), client)
    mine = {"Authorization": "Bearer gw-secret-of-ann"}
    bfl.script("poll_status", times=3)
    first = customer.begin("make it blue", headers=mine)
    await until(lambda: bfl.counts.accepted == 1)
    refused = [await customer.edit("make it blue", headers=mine) for _ in range(2)]
    assert {(reply.status, reply.headers["x-should-retry"]) for reply in refused} == {(429, "true")}
    assert len((await first).pictures) == 1
    for accepted in (2, 3, 3):
        assert len((await customer.edit("make it blue", headers=mine | RESEND)).pictures) == 1
        assert bfl.counts.accepted == accepted


@pytest.mark.parametrize(("requests", "damage"), [(1, "e"), (100, "\0")], ids=["limit", "damaged"])
async def test_a_repetition_that_is_refused_stays_one(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, requests: int, damage: str
) -> None:
    """
    The answer to a running job was lost, and its repetition is refused unread: the next repetition joins the job, as
    that one would have.
    """
    digest = hashlib.sha256(b"gw-secret-of-ann").hexdigest()
    keys = [{"id": "ann", "hash": f"sha256:{digest}", "limits": {"requests": requests}}]
    customer = Customer(await start_gateway(bfl, auth={"keys": keys}), client)
    mine = {"Authorization": "Bearer gw-secret-of-ann"}
    bfl.script("poll_status", times=None)
    first = customer.begin("make it blue", headers=mine)
    await until(lambda: bfl.counts.accepted == 1)
    assert (await customer.edit(f"make it blu{damage}", headers=mine | RESEND)).status in (400, 429)
    await customer.gateway._clock.sleep(61.0)
    second = customer.begin("make it blue", headers=mine | RESEND)
    joined = {"reason": "resend"}
    await until(lambda: customer.metric("duplicate_submissions_prevented_total", **joined) or bfl.counts.accepted > 1)
    assert bfl.counts.accepted == 1
    await customer.leave(first, second)


async def test_a_repetition_is_not_taken_for_another_that_was_refused(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Another request of the same length was refused unread: who lost the answer to a running job still joins it."""
    digest = hashlib.sha256(b"gw-secret-of-ann").hexdigest()
    keys = [{"id": "ann", "hash": f"sha256:{digest}", "limits": {"requests": 2}}]
    customer = Customer(await start_gateway(bfl, auth={"keys": keys}), client)
    mine = {"Authorization": "Bearer gw-secret-of-ann"}
    bfl.script("poll_status", times=None)
    begun = [customer.begin(f"number {number}", headers=mine) for number in range(2)]
    await until(lambda: bfl.counts.accepted == 2)
    assert (await customer.edit("number 3", headers=mine)).refusal == (429, "rate_limit_exceeded", "true")
    await customer.gateway._clock.sleep(61.0)
    again = customer.begin("number 0", headers=mine | RESEND)
    joined = {"reason": "resend"}
    await until(lambda: customer.metric("duplicate_submissions_prevented_total", **joined) or bfl.counts.accepted > 2)
    assert bfl.counts.accepted == 2
    await customer.leave(*begun, again)


async def test_what_went_on_to_another_platform_was_not_refused(
    start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """One platform had no room and the next one served it: whoever lost that answer gets it again, unpaid."""
    settings = EmulatorSettings(speed=FASTER)
    async with Emulator(settings) as first, Emulator(settings) as second:
        platforms = {
            name: {"kind": "bfl", "api_key": KEY, "base_url": emulator.api_url}
            for name, emulator in (("one", first), ("two", second))
        }
        customer = Customer(await start_gateway(platforms=platforms, routes={"edits": ["one", "two"]}), client)
        first.script("submit_402", times=None)
        assert len((await customer.edit("make it blue")).pictures) == 1
        assert len((await customer.edit("make it blue", headers=RESEND)).pictures) == 1
        assert second.counts.accepted == 1
