"""What goes on with a request to the next platform, and what stays: streams, numbers, repetitions, money, reloads."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.config.schema import Config
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.handlers.answer import BEGIN_WITHIN_S
from tests.conftest import FASTER, StartGateway
from tests.fakes.company import PATIENCE, PICTURE, company
from tests.fakes.customer import RESEND, until
from tests.fakes.forms import key_settings
from tests.handlers.conftest import Office

CLIENT_KEY = "gw-of-the-tests-0123456789abcdef"
KEY = {"Authorization": f"Bearer {CLIENT_KEY}"}
DATA_URL = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
JSON_EDIT = {"prompt": "make it blue", "images": [{"image_url": DATA_URL}]}


@pytest.mark.parametrize(
    ("fault", "code"), [("submit_402", "platform_out_of_credits"), ("submit_429", "platform_busy")]
)
async def test_a_stream(office: Office, fault: str, code: str) -> None:
    """It begins when somebody has taken the job, so its head tells who."""
    customer = await office()
    customer.bfl.script(fault, times=None)
    reply = await customer.edit("make it blue", stream="true")
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert reply.headers["x-gateway-attempts"] == f"bfl/flux-kontext-pro {code}, spare/flux-2-pro"
    events = [orjson.loads(line[6:]) for line in reply.raw.splitlines() if line.startswith(b"data: {")]
    assert [event["type"] for event in events] == ["image_edit.completed"]
    assert customer.accepted == (0, 1)


def asked(stream: bool) -> dict[str, Any]:
    return {"stream": "true"} if stream else {}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("next_one", ["openai/gpt-image-1", "spare/flux-2-pro"])
@pytest.mark.parametrize("takes_s", [5.0, 16.0, 28.0])
async def test_a_no_that_takes_long(
    start_gateway: StartGateway, client: aiohttp.ClientSession, takes_s: float, next_one: str, stream: bool
) -> None:
    """
    However long the client has waited for it: the next one gets the whole request, once. A stream has begun by then,
    and ends with what the first one says.
    """
    async with (
        Emulator(EmulatorSettings(speed=FASTER, submit_takes_s=takes_s)) as slow,
        company(start_gateway, client, slow, ["bfl", next_one], jobs=PATIENCE) as customer,
    ):
        slow.script("submit_402", times=None)
        reply = await customer.edit("make it blue", **asked(stream))
        if stream and takes_s > BEGIN_WITHIN_S:
            assert b'"platform_out_of_credits"' in reply.raw
            assert (customer.openai.seen, customer.accepted) == ([], (0, 0))
            return
        assert reply.status == 200 and b'"b64_json"' in reply.raw
        if next_one.startswith("openai"):
            (seen,) = customer.openai.seen
            assert seen.complete and PICTURE in bytes(seen.body)
        else:
            assert customer.accepted == (0, 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_no_behind_a_yes(office: Office, stream: bool) -> None:
    """One picture was taken and failed, the others were never submitted: nobody else is asked."""
    customer = await office(jobs={**PATIENCE, "answer_within": 60})
    customer.bfl.script("submit_402", times=2)
    reply = await customer.edit("[[fault:task_error=out of order]] make it blue", n=3, **asked(stream))
    assert b'"error"' in reply.raw and customer.openai.seen == []
    assert customer.accepted == (1, 0)


async def test_all_of_several_pictures(office: Office) -> None:
    """None could be submitted: all of them go on."""
    customer = await office()
    customer.bfl.script("submit_402", times=None)
    assert len((await customer.edit("make it blue", n=3)).pictures) == 3
    assert customer.accepted == (0, 3)


async def test_some_of_several_pictures(office: Office) -> None:
    """One was taken, so the job is that account's: what it made is the answer, and nobody else is asked."""
    customer = await office(jobs={**PATIENCE, "answer_within": 60})
    customer.bfl.script("submit_402", times=2)
    reply = await customer.edit("make it blue", n=3)
    assert len(reply.pictures) == 1
    assert customer.accepted == (1, 0)
    assert customer.openai.seen == []


async def test_what_was_begun_is_finished_there(office: Office) -> None:
    """One slot, three pictures, each longer than the patience: two wait for the account that has taken the first."""
    customer = await office(platforms={"bfl": {"max_active_tasks": 1}}, jobs={**PATIENCE, "patience": 4})
    customer.bfl.script("poll_status", times=4)
    reply = await customer.edit("make it blue", n=3)
    assert len(reply.pictures) == 3
    assert customer.accepted == (3, 0)
    assert "x-gateway-attempts" not in reply.headers


async def test_an_edit_in_json(office: Office) -> None:
    """To the next account as a job, to the relay as JSON with its own model, every other byte as it came."""
    customer = await office()
    customer.bfl.script("submit_402", times=None)
    assert len((await customer.post("images/edits", JSON_EDIT)).pictures) == 1
    customer.spare.script("submit_402", times=None)
    reply = await customer.post("images/edits", {**JSON_EDIT, "model": "flux-kontext-pro", "user": "ann"})
    assert reply.body["data"] == [{"b64_json": "UE5H"}]
    assert orjson.loads(customer.openai.seen[0].body) == {**JSON_EDIT, "model": "gpt-image-1", "user": "ann"}
    assert customer.accepted == (0, 1)


async def test_a_generation(office: Office) -> None:
    """Text goes the same way, under the same headers and metrics."""
    customer = await office()
    customer.bfl.script("submit_402", times=None)
    reply = await customer.post("images/generations", {"prompt": "a fox", "size": "1024x768"})
    assert reply.body["size"] == "1024x768"
    assert reply.headers["x-gateway-attempts"].endswith(" platform_out_of_credits, spare/flux-2-pro")
    assert customer.fallbacks("bfl", "platform_out_of_credits", "images.generations") == 1
    assert customer.accepted == (0, 1)


@pytest.mark.parametrize("headers", [RESEND, {"Idempotency-Key": "k-1"}], ids=["resend", "key"])
async def test_a_repetition_joins_the_job_that_was_taken(office: Office, headers: dict[str, str]) -> None:
    """The client went while the second account worked; it comes back when the first one is well, and pays once."""
    customer = await office()
    customer.bfl.script("submit_402", times=None)
    customer.spare.script("poll_status", times=10)
    first = customer.begin("make it blue", headers=headers)
    await until(lambda: customer.accepted == (0, 1))
    await customer.leave(first)
    customer.bfl.reset()
    reply = await customer.edit("make it blue", headers=headers)
    assert len(reply.pictures) == 1
    assert customer.accepted == (0, 1)


async def test_an_answer_is_kept_under_its_key(office: Office) -> None:
    """Delivered once, it is replayed, not made again by the account that is well now."""
    customer, headers = await office(), {"Idempotency-Key": "k-2"}
    customer.bfl.script("submit_402", times=None)
    first = await customer.edit("make it blue", headers=headers)
    customer.bfl.reset()
    again = await customer.edit("make it blue", headers=headers)
    assert again.pictures == first.pictures
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["x-job-id"] == first.headers["x-job-id"]
    assert customer.accepted == (0, 1)


async def test_a_client_that_leaves_while_nobody_has_it(office: Office) -> None:
    """The first account is busy; who waits for it goes away: no second account is asked, and nothing is paid."""
    customer = await office(jobs={**PATIENCE, "patience": 300})
    customer.bfl.script("submit_429", times=None)
    begun = customer.begin("make it blue")
    await until(lambda: customer.bfl.counts.submits_seen)
    await customer.leave(begun)
    assert customer.accepted == (0, 0)
    assert customer.spare.counts.submits_seen == 0


async def test_limits_count_what_served(office: Office) -> None:
    """One picture and its price at the second account; what was set aside for the first is given back."""
    limits = {"images": 1, "jobs": 1, "credits_day": 20}
    customer = await office(auth={"keys": [{**entry, "limits": limits} for entry in key_settings(CLIENT_KEY)]})
    customer.bfl.script("submit_402", times=None)
    reply = await customer.edit("make it blue", headers=KEY)
    assert len(reply.pictures) == 1
    spent = customer.metric("spent_credits_total", platform="spare", model="flux-2-pro")
    assert spent > 0 and customer.metric("spent_credits_total", platform="bfl", model="flux-kontext-pro") == 0
    refused = await customer.edit("make it red", headers=KEY)
    assert refused.refusal == (429, "rate_limit_exceeded", "true")
    assert "images" in refused.error["message"]
    assert float(refused.headers["x-ratelimit-remaining-credits-day"]) == pytest.approx(20 - spent)
    assert refused.headers["x-ratelimit-remaining-jobs"] == "1"
    assert customer.accepted == (0, 1)


@pytest.mark.parametrize(
    ("word", "platform"),
    [("openai", "openai/gpt-image-1"), ("flux", "bfl/flux-kontext-pro"), (None, "bfl/flux-kontext-pro")],
)
async def test_a_preference(office: Office, word: str | None, platform: str) -> None:
    """`X-ImageModel` puts that family first; the others stay behind it."""
    customer = await office()
    reply = await customer.edit("make it blue", headers={"X-ImageModel": word} if word else None)
    assert (reply.status, reply.headers["x-gateway-platform"]) == (200, platform)
    if word == "openai":
        assert customer.accepted == (0, 0)


async def test_nobody_can_serve_it(office: Office) -> None:
    """404 that says why of each."""
    customer = await office("bfl", "spare")
    reply = await customer.edit("make it blue", model="flux-9-enormous")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")
    assert "flux-9-enormous" in reply.error["message"]
    assert customer.accepted == (0, 0)


async def test_new_routes_in_the_middle(office: Office) -> None:
    """A running job keeps its platform; who comes after the reload goes the new way; a breaker stays open."""
    customer = await office("bfl", "spare", jobs={"breaker": {"failures": 1, "open_for": 6000, "longest": 6000}})
    customer.bfl.script("poll_status", times=30)
    running = customer.begin("make it green")
    await until(lambda: customer.accepted == (1, 0))
    customer.bfl.script("submit_403", times=None)
    assert len((await customer.edit("make it red")).pictures) == 1
    document = customer.gateway.config.model_dump(exclude_unset=True)
    document["routes"]["rules"][0]["to"] = [{"platform": "spare"}, {"platform": "bfl"}]
    customer.gateway.reload(Config.model_validate(document))
    reply = await customer.edit("make it blue")
    assert reply.headers["x-gateway-platform"] == "spare/flux-kontext-pro"
    assert "x-gateway-attempts" not in reply.headers
    assert "platform_auth_failed" in customer.gateway.breakers.told()["bfl"]
    assert len((await running).pictures) == 1
    assert customer.accepted == (1, 2)
