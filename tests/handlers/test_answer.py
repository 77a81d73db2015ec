"""What a waiting client gets of its job: one whole answer, or a stream of events."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest
from PIL import Image

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.fakes.forms import edit_form
from tests.fakes.logbook import logbook

StartGateway = Callable[..., Awaitable[Gateway]]

EDITS = "/v1/images/edits"


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """A stream's events, after a look at their shape: an `event` line, one `data` line, a blank one; comments."""
    assert text.endswith("\n\n")
    assert "\r" not in text
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            assert "\n" not in block
            continue
        first, second = block.split("\n")
        body = json.loads(second.removeprefix("data: "))
        assert first == f"event: {body['type']}"
        found.append((body["type"], body))
    return found


async def test_a_whole_answer(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """OpenAI's object with the real size and format, plain base64, and nothing made up."""
    gateway = await start_gateway(bfl)
    form = edit_form(size="1536x1024", output_format="jpeg", quality="high", model="gpt-image-1")
    async with client.post(gateway.url + EDITS, data=form) as answer:
        body, headers = json.loads(data := await answer.read()), answer.headers
    assert (answer.status, headers["Content-Type"]) == (200, "application/json")
    assert headers["Content-Length"] == str(len(data))
    assert list(body) == ["created", "data", "background", "output_format", "size"]
    assert isinstance(body["created"], int)
    assert abs(body["created"] - time.time()) < 3600
    (item,) = body["data"]
    assert list(item) == ["b64_json"]
    image = Image.open(io.BytesIO(base64.b64decode(item["b64_json"], validate=True)))
    assert (image.format, f"{image.width}x{image.height}") == ("JPEG", body["size"])
    assert (body["output_format"], body["background"]) == ("jpeg", "opaque")
    assert headers["x-job-id"].startswith("job_")
    assert headers["x-gateway-platform"] == "bfl/flux-kontext-pro"
    assert headers["x-gateway-queue-ms"].isdigit()
    assert headers["x-gateway-translation"] == "model=converted(flux-kontext-pro), size=converted(3:2), quality=ignored"
    assert "Idempotent-Replayed" not in headers
    steps = [part.split(";dur=") for part in headers["Server-Timing"].split(", ")]
    assert [word for word, _ in steps] == ["admit", "read", "queue", "submit", "poll", "collect"]
    assert all(float(spent) >= 0 for _, spent in steps)


async def test_several_pictures(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """As many as were asked for, each paid once."""
    gateway = await start_gateway(bfl)
    async with client.post(gateway.url + EDITS, data=edit_form(n=3, seed=5)) as answer:
        body = await answer.json()
    assert len(body["data"]) == 3
    assert bfl.counts.accepted == 3
    labels = {"platform": "bfl", "model": "flux-kontext-pro"}
    assert gateway.metrics.registry.get_sample_value("gateway_images_total", labels) == 3


async def test_what_is_finished_is_not_lost(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A refused sibling costs the others nothing, and the head says how many there are."""
    gateway = await start_gateway(bfl)
    bfl.script("content_moderated", times=1)
    async with client.post(gateway.url + EDITS, data=edit_form(n=2)) as answer:
        body = await answer.json()
    assert (answer.status, len(body["data"])) == (200, 1)
    assert "n=emulated(1 of 2)" in answer.headers["x-gateway-translation"]


async def test_a_fault_names_its_job(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """So that whoever asks about money can say which; with the steps that were gone."""
    gateway = await start_gateway(bfl)
    async with client.post(gateway.url + EDITS, data=edit_form("[[fault:task_error=boom]]", n=2)) as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["code"]) == (502, "platform_error")
    assert answer.headers["x-job-id"].startswith("job_")
    assert answer.headers["x-gateway-platform"] == "bfl/flux-kontext-pro"
    assert answer.headers["x-should-retry"] == "false"
    assert "poll;dur=" in answer.headers["Server-Timing"]


@pytest.mark.parametrize(
    ("prompt", "status"), [("make it blue", 200), ("[[fault:submit_accepted_reset]]", 502)], ids=["whole", "fault"]
)
async def test_a_replay_says_that_it_is_one(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, prompt: str, status: int
) -> None:
    """The same key gets the same answer, good or bad, for the price of one."""
    gateway = await start_gateway(bfl)
    seen = []
    for _ in range(2):
        async with client.post(
            gateway.url + EDITS, data=edit_form(prompt), headers={"Idempotency-Key": "once"}
        ) as answer:
            assert answer.status == status
            body = await answer.json()
            body.pop("created", None)
            seen.append((answer.headers.get("Idempotent-Replayed"), answer.headers["x-job-id"], body))
    assert [replayed for replayed, *_ in seen] == [None, "true"]
    assert seen[0][1:] == seen[1][1:]
    assert bfl.counts.submits_seen == 1


async def test_time_runs_out(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """504 that names the job and forbids a blind resend: the job goes on, and is paid."""
    gateway = await start_gateway(bfl, jobs={"answer_within": 20})
    async with client.post(gateway.url + EDITS, data=edit_form("[[fault:pending_forever]]")) as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["code"]) == (504, "answer_overdue")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-job-id"].startswith("job_")
    steps = [step.partition(";")[0] for step in answer.headers["Server-Timing"].split(", ")]
    assert steps == ["admit", "read", "queue", "submit", "poll"]
    assert bfl.counts.accepted == 1


async def test_a_client_that_leaves_with_the_last_byte(bfl: Emulator, start_gateway: StartGateway) -> None:
    """Who has read the whole answer has been answered: counted as that, and the picture is delivered."""
    gateway = await start_gateway(bfl)
    for number in range(10):
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
            session.post(
                gateway.url + EDITS, data=edit_form(f"picture {number}"), headers={"Idempotency-Key": f"{number}"}
            ) as answer,
        ):
            assert len((await answer.json())["data"]) == 1
    labels = {"route": "images.edits", "outcome": "ok", "status": "200"}
    async with asyncio.timeout(5):
        while gateway.metrics.registry.get_sample_value("gateway_requests_total", labels) != 10:
            await asyncio.sleep(0.001)


async def test_a_lost_result_is_told(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that was made and is gone is an error, never an empty success; in a stream it is an event."""
    gateway = await start_gateway(bfl)
    monkeypatch.setattr(gateway.results, "open", AsyncMock(return_value=None))
    async with client.post(gateway.url + EDITS, data=edit_form()) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (502, "platform_result_lost")
    async with client.post(gateway.url + EDITS, data=edit_form(stream="true", seed=1)) as answer:
        ((kind, body),) = events_of(await answer.text())
    assert (kind, body["error"]["code"]) == ("error", "platform_result_lost")


# Streams.


async def test_a_stream(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """One event a picture, in OpenAI's words, under a head that keeps proxies from collecting it."""
    with logbook() as book:
        gateway = await start_gateway(bfl)
        form = edit_form(stream="true", n=2, partial_images=2, output_format="webp")
        async with client.post(gateway.url + EDITS, data=form) as answer:
            found, headers = events_of(await answer.text()), answer.headers
    assert (answer.status, headers["Content-Type"]) == (200, "text/event-stream")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["x-job-id"].startswith("job_")
    assert "partial_images=ignored" in headers["x-gateway-translation"]
    assert [kind for kind, _ in found] == ["image_edit.completed"] * 2
    for _, body in found:
        assert set(body) == {"type", "b64_json", "created_at", "size", "background", "output_format"}
        image = Image.open(io.BytesIO(base64.b64decode(body["b64_json"], validate=True)))
        assert (image.format, f"{image.width}x{image.height}") == ("WEBP", body["size"])
        assert body["output_format"] == "webp"
    assert list(book.request["steps"]) == ["admit", "read", "queue", "submit", "poll", "collect"]
    assert (book.request["outcome"], book.request["status"]) == ("ok", 200)


async def test_a_stream_of_links(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Links of our own, which open."""
    gateway = await start_gateway(bfl)
    async with client.post(gateway.url + EDITS, data=edit_form(stream="true", response_format="url")) as answer:
        ((_, body),) = events_of(await answer.text())
    assert "b64_json" not in body
    async with client.get(body["url"]) as answer:
        assert answer.status == 200


async def test_silence_is_filled_and_an_overdue_job_told(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A comment every ten seconds; at the end of the promised time a nested error, which SDKs raise."""
    with logbook() as book:
        gateway = await start_gateway(bfl, jobs={"answer_within": 45})
        form = edit_form("[[fault:pending_forever]]", stream="true")
        async with client.post(gateway.url + EDITS, data=form) as answer:
            text = await answer.text()
    assert 2 <= text.count(": keep-alive\n\n") <= 5
    ((kind, body),) = events_of(text)
    assert kind == "error"
    assert set(body) == {"type", "error"}
    assert body["error"]["code"] == "answer_overdue"
    assert {"message", "type", "param", "code"} == set(body["error"])
    assert (book.request["status"], book.request["outcome"], book.request["paid"]) == (200, "answer_overdue", "maybe")


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [
        ("[[fault:submit_402]]", 503, "platform_out_of_credits"),
        ("[[fault:submit_422_field=prompt]]", 400, "invalid_value"),
        ("[[fault:submit_accepted_reset]]", 502, "platform_answer_lost"),
    ],
)
async def test_what_fails_before_the_stream_begins_has_a_status(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, prompt: str, status: int, code: str
) -> None:
    """No 200 is spent on a refusal."""
    gateway = await start_gateway(bfl)
    async with client.post(gateway.url + EDITS, data=edit_form(prompt, stream="true")) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
        assert answer.headers["x-job-id"].startswith("job_")


async def test_a_long_queue_does_not_hold_the_head_back(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """After 15 s without an acceptance the stream begins, or a proxy would give up on it."""
    gateway = await start_gateway(bfl, platform={"max_active_tasks": 1}, jobs={"answer_within": 60})
    blocking = asyncio.create_task(client.post(gateway.url + EDITS, data=edit_form("[[fault:pending_forever]]")))
    while not bfl.counts.accepted:
        await asyncio.sleep(0.005)
    async with client.post(gateway.url + EDITS, data=edit_form(stream="true")) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        found = events_of(await answer.text())
    assert [kind for kind, _ in found] == ["error"]
    assert found[0][1]["error"]["code"] in ("queue_full", "answer_overdue")
    (await blocking).close()


async def test_a_client_that_leaves_a_stream(bfl: Emulator, start_gateway: StartGateway) -> None:
    """Counted as gone, told in one line, and its paid job goes on."""
    with logbook() as book:
        gateway = await start_gateway(bfl, jobs={"answer_within": 300})
        async with aiohttp.ClientSession() as session:
            answer = await session.post(gateway.url + EDITS, data=edit_form("[[fault:pending_forever]]", stream="true"))
            assert answer.status == 200
            answer.close()
        async with asyncio.timeout(5):
            while not book.requests:
                await asyncio.sleep(0.01)
    assert (book.request["status"], book.request["outcome"]) == (499, "client_gone")
    assert [line["level"] for line in book.lines] == ["info"]
    assert bfl.counts.active == 1


async def test_nothing_stays_behind(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """After answers of every kind no upload is held, and no descriptor is open for one."""
    gateway = await start_gateway(bfl)
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"stream": "true"},
        {"prompt": "[[fault:request_moderated]]"},
        {"prompt": "[[fault:task_error]]"},
        {"prompt": "[[fault:submit_402]]", "stream": "true"},
    )
    for fields in kinds:
        async with client.post(gateway.url + EDITS, data=edit_form(**fields)) as answer:
            await answer.read()
    sample = gateway.metrics.registry.get_sample_value
    assert sample("gateway_memory_budget_bytes", {"kind": "held"}) == 0
    assert sample("gateway_spool_bytes") == 0
    assert sample("gateway_requests_in_flight") == 0


async def test_what_the_vendor_made_of_the_prompt(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Beside each picture where it is another one. No ledger keeps it, so that a repetition later is without."""
    gateway = await start_gateway(bfl)
    for upsampling, revised in (("true", "a fox, in fine detail"), ("false", None), ("true", None)):
        form = edit_form("a fox", prompt_upsampling=upsampling, n=2)
        async with client.post(gateway.url + EDITS, data=form, headers={"Idempotency-Key": upsampling}) as answer:
            assert answer.status == 200, await answer.text()
            found = (await answer.json())["data"]
        assert [each.get("revised_prompt") for each in found] == [revised] * 2
    assert bfl.counts.accepted == 4
