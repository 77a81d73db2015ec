"""A picture's host in trouble: its client has an answer in bounded time, and the picture in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.config.schema import Config
from gateway.domain.blob import Link
from gateway.emulator.server import Emulator
from gateway.stores.blobs import SpooledBlob
from gateway.upstream import download
from tests.conftest import FASTER, KEY, StartGateway
from tests.fakes.clock import fast_clock
from tests.fakes.customer import RESEND, Customer, Reply, until

SLOTS = {"platform": "bfl", "model": "flux-kontext-pro"}
OVERDUE = (504, "answer_overdue", "false")
LOST = (502, "platform_result_lost", "false")

Serve = Callable[..., Any]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent host is given up after a moment."""
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=1.0, sock_read=0.2))


@pytest.fixture
def collect_within() -> float:
    return 10.0


@pytest.fixture
async def customer(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, collect_within: float
) -> AsyncIterator[Customer]:
    """Of a gateway that waits so long for a picture's host, and would for an answer for ten hours."""
    jobs = {"collect_within": collect_within, "answer_within": 36_000}
    served = Customer(await start_gateway(bfl, jobs=jobs), client)
    yield served
    await served.balance()


def heal(bfl: Emulator) -> None:
    bfl._world.faults.reset()


@pytest.mark.parametrize(
    "fault", ["delivery_404", "delivery_503", "delivery_expired", "delivery_stall", "delivery_html", "delivery_empty"]
)
@pytest.mark.parametrize("again", [{}, RESEND], ids=["person", "resend"])
async def test_an_honest_answer_and_the_picture_later(
    customer: Customer, bfl: Emulator, fault: str, again: dict[str, str]
) -> None:
    """Paid, and said so; no slot is kept; the same request joins the job and gets what was paid once."""
    bfl.script(fault, times=None)
    reply = await customer.edit("make it blue")
    assert reply.refusal == OVERDUE
    assert "same request again" in reply.error["message"]
    assert customer.metric("submissions_active", **SLOTS) == 0
    still = await customer.edit("make it blue", headers=again)
    assert still.refusal == OVERDUE and still.headers["x-job-id"] == reply.headers["x-job-id"]
    heal(bfl)
    while (found := await customer.edit("make it blue", headers=again)).status == 504:
        assert found.headers["x-job-id"] == reply.headers["x-job-id"]
    assert len(found.pictures) == 1 and found.headers["x-job-id"] == reply.headers["x-job-id"]
    assert bfl.counts.accepted == 1


async def test_a_host_that_trickles(customer: Customer, bfl: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never silent and never done: that try is given up for its rate, and the next one has the picture."""
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=100, sock_read=50))
    monkeypatch.setattr(download, "WINDOW_S", 0.05)
    reply = await customer.edit("make it blue [[fault:delivery_trickle=1]]", size="1024x1024")
    while reply.status == 504:
        reply = await customer.edit("make it blue [[fault:delivery_trickle=1]]", size="1024x1024")
    assert len(reply.pictures) == 1
    assert (bfl.counts.accepted, bfl.counts.faults["delivery_trickle"]) == (1, 1)


async def test_by_its_key(customer: Customer, bfl: Emulator) -> None:
    """An Idempotency-Key finds it as well."""
    bfl.script("delivery_404", times=None)
    key = {"Idempotency-Key": "once"}
    assert (await customer.edit("make it blue", headers=key)).refusal == OVERDUE
    heal(bfl)
    found: Reply | None = None
    while found is None or found.status == 504:
        found = await customer.edit("make it blue", headers=key)
    assert len(found.pictures) == 1 and bfl.counts.accepted == 1


async def test_a_stream(customer: Customer, bfl: Emulator) -> None:
    """It ends with an event that says so."""
    bfl.script("delivery_404", times=None)
    reply = await customer.edit("make it blue", stream="true")
    assert reply.status == 200
    assert b'"code":"answer_overdue"' in reply.raw and b"event: error" in reply.raw
    heal(bfl)
    while (found := await customer.edit("make it blue", stream="true")).raw.count(b"completed") == 0:
        assert b'"code":"answer_overdue"' in found.raw
    assert bfl.counts.accepted == 1


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_what_came_is_delivered(
    customer: Customer, bfl: Emulator, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three pictures one cannot be fetched: what came is answered, and later all are, for the price of three."""
    stuck, pictures = asyncio.Event(), set[str]()
    fetch = customer.gateway.download.fetch

    async def slow(link: Link, *way: Any) -> SpooledBlob:
        pictures.add(link.url.partition("?")[0])
        if len(pictures) == 1:
            await stuck.wait()
        return await fetch(link, *way)

    monkeypatch.setattr(customer.gateway.download, "fetch", slow)
    reply = await customer.edit("make it blue", n=3, stream=stream)
    # On a busy machine the others may be late as well.
    if stream == "true":
        came = reply.raw.count(b"event: image_edit.completed")
        assert came < 3 and (f": {came} of 3 pictures; answer_overdue" if came else OVERDUE[1]).encode() in reply.raw
    elif reply.status == 200:
        came = len(reply.pictures)
        assert came < 3 and f"n=emulated({came} of 3)" in reply.headers["x-gateway-translation"]
    else:
        assert reply.refusal == OVERDUE
    stuck.set()
    while customer.metric("submissions_total", **SLOTS, outcome="ok") < 3:
        await asyncio.sleep(0.01)
    whole = await customer.edit("make it blue", n=3, stream=stream)
    assert (whole.raw.count(b"completed") if stream == "true" else len(whole.pictures)) >= 3
    assert whole.headers["x-job-id"] == reply.headers["x-job-id"] and bfl.counts.accepted == 3


@pytest.mark.parametrize(
    "fault",
    [
        "foreign_sample=http://pictures.example/a.png",
        "foreign_sample=https://pictures.example:8443/a.png",
        "foreign_sample=https://10.0.0.1/a.png",
        "foreign_sample=https://169.254.169.254/a.png",
        "foreign_sample=ftp://pictures.example/a.png",
        "ready_without_sample",
        "ready_without_result",
    ],
)
@pytest.mark.parametrize("collect_within", [36_000.0])
@pytest.mark.parametrize("stream", ["false", "true"])
async def test_what_can_never_succeed_ends(customer: Customer, bfl: Emulator, fault: str, stream: str) -> None:
    """The task is over and paid, and its picture is nowhere: told without waiting, remembered, never paid again."""
    prompt = f"make it blue [[fault:{fault}]]"
    reply = await customer.edit(prompt, stream=stream)
    if stream == "true":
        assert b'"code":"platform_result_lost"' in reply.raw
    else:
        assert reply.refusal == LOST
    assert customer.metric("results_lost_total", platform="bfl") == 1
    again = await customer.edit(prompt, stream=stream, headers=RESEND)
    assert again.refusal == LOST and again.headers["x-job-id"] == reply.headers["x-job-id"]
    assert bfl.counts.accepted == 1


async def test_another_process_goes_on(bfl: Emulator, tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """The picture that one could not fetch is fetched by the next, by the ledger; no slot is taken for it meanwhile."""
    account = {"kind": "bfl", "api_key": KEY, "base_url": bfl.api_url}
    document = {
        "listen": {"port": 0},
        "admin": {"port": 0},
        "state_dir": tmp_path / "state",
        "platforms": {"bfl": account},
        "jobs": {"drain": 0, "collect_within": 10, "answer_within": 36_000},
    }
    bfl.script("delivery_404", times=None)
    config = Config.model_validate(document)
    async with Gateway(config, clock=fast_clock(FASTER), chance=lambda: 0.5) as gateway:
        reply = await Customer(gateway, client).edit("make it blue")
        assert reply.refusal == OVERDUE
    async with Gateway(config, clock=fast_clock(FASTER), chance=lambda: 0.5) as gateway:
        customer = Customer(gateway, client)
        assert customer.metric("submissions_active", **SLOTS) == 0
        tries = bfl.counts.faults["delivery_404"]
        await until(lambda: bfl.counts.faults["delivery_404"] > tries)
        assert (await customer.edit("make it blue")).refusal == OVERDUE
        heal(bfl)
        while (found := await customer.edit("make it blue")).status == 504:
            pass
        assert len(found.pictures) == 1 and found.headers["x-job-id"] == reply.headers["x-job-id"]
        assert bfl.counts.accepted == 1
        await customer.balance()
