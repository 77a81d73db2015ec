"""What relayed pictures are counted for against their key's limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from gateway.handlers.counted import MOST_PICTURES, usage
from gateway.stores.contract import Usage
from tests.conftest import StartGateway
from tests.fakes.customer import Customer, Reply, until
from tests.fakes.forms import key_settings
from tests.fakes.openai_server import FakeOpenAi, Script, answer, fake_openai, silence

CLIENT_KEY = "gw-of-the-tests-0123456789abcdef"
KEY = {"Authorization": f"Bearer {CLIENT_KEY}"}
PICTURES = answer({"data": []})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Usage(images=1, megapixels=1, jobs=1)),
        ({"n": "3"}, Usage(images=3, megapixels=3, jobs=1)),
        ({"n": "2", "size": "2048x1024"}, Usage(images=2, megapixels=4, jobs=1)),
        ({"size": "512x512"}, Usage(images=1, megapixels=0.25, jobs=1)),
        ({"size": "16:9"}, Usage(images=1, megapixels=1, jobs=1)),
        ({"size": "huge"}, Usage(images=1, megapixels=1, jobs=1)),
        ({"n": "0"}, Usage(images=1, megapixels=1, jobs=1)),
        ({"n": "11"}, Usage(images=10, megapixels=10, jobs=1)),
        (None, Usage(images=10, megapixels=10, jobs=1)),
    ],
)
def test_usage(fields: dict[str, str] | None, expected: Usage) -> None:
    """Pictures and their sizes as asked; what nobody has read counts as the most there is."""
    assert usage(fields) == expected


@given(st.text(min_size=1))
def test_no_spelling_of_a_number_gets_more_for_less(text: str) -> None:
    """Only a plain number counts as less than the most."""
    images = usage({"n": text}).images
    assert 1 <= images <= MOST_PICTURES
    assert images == MOST_PICTURES or int(text) in (0, images)


Front = Callable[..., Awaitable[tuple[Customer, FakeOpenAi]]]


@pytest.fixture
async def front(start_gateway: StartGateway, client: aiohttp.ClientSession) -> AsyncIterator[Front]:
    """A gateway whose one client has these limits, in front of an OpenAI that plays these scripts."""
    async with AsyncExitStack() as stack:

        async def start(
            limits: dict[str, Any], *scripts: Script, bfl: Emulator | None = None, edits: tuple[str, ...] = ("openai",)
        ) -> tuple[Customer, FakeOpenAi]:
            openai = await stack.enter_async_context(fake_openai(*scripts))
            relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
            keys = [{**entry, "limits": limits} for entry in key_settings(CLIENT_KEY)]
            gateway: Gateway = await start_gateway(
                bfl, platforms={"openai": relay}, routes={"edits": list(edits)}, auth={"keys": keys}
            )
            return Customer(gateway, client), openai

        yield start


async def edit(customer: Customer, **fields: Any) -> Reply:
    return await customer.edit("make it blue", headers=KEY, **fields)


@pytest.mark.parametrize(
    ("limits", "fields", "limit"),
    [
        ({"images": 4}, {"n": 3}, "images"),
        ({"images": 10}, {"n": "+2"}, "images"),
        ({"megapixels": 4}, {"size": "2048x2048"}, "megapixels"),
    ],
)
async def test_pictures_of_a_relay_count(
    front: Front, limits: dict[str, Any], fields: dict[str, Any], limit: str
) -> None:
    """The second request is one too many, the platform hears nothing of it, and other paths go on."""
    customer, openai = await front(limits, PICTURES)
    first, second = await edit(customer, **fields), await edit(customer, **fields)
    assert first.status == 200
    assert f"x-ratelimit-remaining-{limit}" in first.headers
    assert second.refusal == (429, "rate_limit_exceeded", "true")
    assert limit in second.error["message"]
    assert customer.metric("limited_total", limit=limit) == 1
    async with aiohttp.request("POST", f"{customer.gateway.url}/v1/chat/completions", headers=KEY, json={}) as other:
        assert other.status == 200
    assert len(openai.seen) == 2


async def test_a_relayed_request_is_a_job_while_it_lasts(front: Front) -> None:
    """One at a time; the next may come when it has been answered, or when its client has gone."""
    customer, openai = await front({"jobs": 1}, silence(), PICTURES)
    waiting = customer.begin("make it blue", headers=KEY)
    await until(lambda: openai.seen and openai.seen[0].complete)
    assert (await edit(customer)).refusal == (429, "rate_limit_exceeded", "true")
    await customer.leave(waiting)
    assert [(await edit(customer)).status for _ in range(2)] == [200, 200]


async def test_what_a_relay_could_not_serve_does_not_count(bfl: Emulator, front: Front) -> None:
    """The one picture a minute is still there for the platform behind it."""
    customer, _ = await front({"images": 1}, answer({}, 429), bfl=bfl, edits=("openai", "bfl"))
    reply = await edit(customer)
    assert len(reply.pictures) == 1
    assert reply.headers["x-gateway-attempts"] == "openai platform_busy, bfl/flux-kontext-pro"
    assert (await edit(customer)).refusal == (429, "rate_limit_exceeded", "true")


async def test_who_has_spent_it_all_is_not_relayed(bfl: Emulator, front: Front) -> None:
    """What OpenAI bills is unknown here, but not nothing."""
    customer, openai = await front({"credits_day": 4}, PICTURES, bfl=bfl, edits=("bfl", "openai"))
    assert len((await edit(customer, model="flux-kontext-pro")).pictures) == 1
    assert (await edit(customer, model="gpt-image-1")).refusal == (429, "spend_limit_exceeded", "false")
    assert openai.seen == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"prompt":"a","images":[],"n":1,"n":10}', "application/json"),
        (
            b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n'
            b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n10\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"n=10", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_number_said_twice_is_the_most(front: Front, body: bytes, content_type: str) -> None:
    """Whichever of the two the platform reads, or in whatever form."""
    customer, openai = await front({"images": 9}, PICTURES)
    url = f"{customer.gateway.url}/v1/images/edits"
    async with aiohttp.request("POST", url, headers={**KEY, "Content-Type": content_type}, data=body) as answered:
        assert answered.status in (415, 429)
    assert openai.seen == []
