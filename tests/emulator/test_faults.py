"""Every fault of the table does what its line says, by marker and by script."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.emulator.fault_table import FAULTS, Act, Reset, Say, Stall
from gateway.emulator.faults import Faults, marked

from .conftest import Client

NOT_FOUND = "Task not found"


def names(stage: str, kind: type[Act] | None = None, **flags: bool | int) -> list[str]:
    return [
        fault.name
        for fault in FAULTS.values()
        if fault.stage == stage
        and (kind is None or isinstance(fault.act, kind))
        and all(getattr(fault, flag) == value for flag, value in flags.items())
    ]


def said(name: str) -> Say:
    act = FAULTS[name].act
    assert isinstance(act, Say)
    return act


async def ready(client: Client, marker: str) -> tuple[dict[str, Any], str]:
    accepted = await client.submit(f"a {marker}")
    return accepted, (await client.finish(accepted))["result"]["sample"]


def test_markers_are_read_with_value_and_times() -> None:
    """`[[fault:NAME=VALUE*TIMES]]`; unknown names are words like others."""
    armed = marked("x [[fault:submit_429=7]] [[fault:poll_502*3]] [[fault:poll_500]] [[fault:nonsense]]")
    assert [(one.name, one.value, one.left) for one in armed] == [
        ("submit_429", "7", None),
        ("poll_502", None, 3),
        ("poll_500", None, 1),
    ]


def test_scripts_end_after_their_times() -> None:
    """The next N calls of the stage, then no more; None never ends."""
    faults = Faults()
    faults.script("poll_500", times=2)
    assert [faults.take("poll", ()) is not None for _ in range(3)] == [True, True, False]
    faults.script("delivery_404", times=None)
    assert all(faults.take("delivery", ()) for _ in range(5))
    faults.reset()
    assert faults.take("delivery", ()) is None
    with pytest.raises(KeyError):
        faults.script("nonsense")


@pytest.mark.parametrize("name", names("submit", Say, unread=False))
async def test_canned_submit_answers(client: Client, name: str) -> None:
    """Status and bytes are those of the table; only `accepts` ones cost."""
    response = await client.post({"prompt": f"[[fault:{name}]]"})
    act = said(name)
    assert (response.status, await response.read()) == (act.status, act.body)
    assert response.content_type == act.content_type
    assert client.bfl.counts.accepted == FAULTS[name].accepts
    assert client.bfl.counts.faults == {name: 1}


@pytest.mark.parametrize("name", [*names("submit", Reset), *names("submit", Reset, unread=True)])
async def test_submit_resets(client: Client, name: str) -> None:
    """The connection is reset; whether it cost is in the counts."""
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post({"prompt": f"[[fault:{name}]]"})
    assert client.bfl.counts.accepted == FAULTS[name].accepts
    assert client.bfl.counts.faults == {name: 1}


@pytest.mark.parametrize("name", [*names("submit", Stall), *names("poll", Stall)])
async def test_stalls_never_answer(client: Client, name: str) -> None:
    """Nothing comes, and closing the emulator is not held up."""
    client.bfl.script(name)
    unknown = {"polling_url": f"{client.bfl.polling_url}/v1/get_result?id=x"}
    polls = name in names("poll")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.poll(unknown) if polls else client.post({"prompt": "a"}), 0.2)
    assert client.bfl.counts.accepted == FAULTS[name].accepts


async def test_a_reset_before_the_body_was_read(client: Client) -> None:
    """The client is cut while it still sends; a megabyte later would have been read otherwise."""
    client.bfl.script("submit_reset_unread")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post({"prompt": "a", "input_image": "A" * 20_000_000})
    assert client.bfl.counts.body_bytes == 0


async def test_retry_after_is_free_to_choose(client: Client) -> None:
    """The value becomes the header, sense or nonsense."""
    for value in ("7", "0", "999999", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"):
        response = await client.post({"prompt": f"[[fault:submit_429={value}]]"})
        assert (response.status, response.headers["Retry-After"]) == (429, value)
    response = await client.post({"prompt": "[[fault:submit_429]]"})
    assert "Retry-After" not in response.headers


async def test_a_field_can_be_blamed(client: Client) -> None:
    """A list detail on the named field."""
    response = await client.post({"prompt": "[[fault:submit_422_field=input_image_2]]"})
    assert response.status == 422
    assert (await response.json())["detail"][0]["loc"] == ["body", "input_image_2"]


async def test_a_marker_can_stop_after_some_submits(client: Client) -> None:
    """The same prompt fails twice, then passes."""
    statuses = [(await client.post({"prompt": "[[fault:submit_503*2]]"})).status for _ in range(3)]
    assert statuses == [503, 503, 200]


async def test_redirects_lead_to_another_origin_that_counts(client: Client) -> None:
    """Whoever follows, with a key or without, is seen."""
    for first in (
        await client.post({"prompt": "[[fault:submit_redirect]]"}),
        await client.poll(await client.submit("[[fault:poll_redirect]]")),
    ):
        assert first.status in (302, 307)
        assert first.headers["Location"].startswith(client.bfl.delivery_url)
    assert client.bfl.counts.strays == 0
    await client.download(first.headers["Location"], **{"x-key": "lost"})
    assert (client.bfl.counts.strays, client.bfl.counts.leaked_keys) == (1, 1)
    _, link = await ready(client, "[[fault:delivery_redirect]]")
    moved = await client.download(link)
    assert (moved.status, moved.headers["Location"]) == (302, f"{client.bfl.api_url}/stray")


async def test_answers_that_lack_or_mislead(client: Client) -> None:
    """An accepted task without an id, or with a polling URL elsewhere."""
    assert set(await client.submit("[[fault:submit_no_id]]")) == {"cost", "input_mp", "output_mp"}
    url = (await client.submit("[[fault:submit_foreign_polling]]"))["polling_url"]
    assert url.startswith("https://polling.example/v1/get_result?id=")
    url = (await client.submit("[[fault:submit_foreign_polling=http://localhost:1]]"))["polling_url"]
    assert url.startswith("http://localhost:1/v1/get_result?id=")
    assert client.bfl.counts.accepted == 3


@pytest.mark.parametrize(
    ("marker", "http_status", "status", "details"),
    [
        ("request_moderated=A|B", 200, "Request Moderated", {"Moderation Reasons": ["A", "B"]}),
        ("request_moderated", 200, "Request Moderated", {"Moderation Reasons": ["Derivative Works Filter"]}),
        ("content_moderated=C", 200, "Content Moderated", {"Moderation Reasons": ["C"]}),
        ("task_error=out of luck", 200, "Error", {"error": "out of luck"}),
        ("task_error_422", 422, "Error", {"error": "Invalid or corrupted image input"}),
        ("task_error_503", 503, "Error", {"error": "Invalid or corrupted image input"}),
        ("task_failed=x", 200, "Failed", {"error": "x"}),
    ],
)
async def test_endings_can_be_chosen(
    client: Client, marker: str, http_status: int, status: str, details: dict[str, Any]
) -> None:
    """Pending first, then the wanted ending with its HTTP status and details."""
    accepted = await client.submit(f"[[fault:{marker}]]")
    assert (await (await client.poll(accepted)).json())["status"] == "Pending"
    client.clock.time += 10
    response = await client.poll(accepted)
    body = await response.json()
    assert (response.status, body["status"], body["details"], body["result"]) == (
        http_status,
        status,
        details,
        None,
    )


async def test_pending_can_last_for_ever(client: Client) -> None:
    """A year later it is still Pending, and still active."""
    accepted = await client.submit("[[fault:pending_forever]]")
    client.clock.time += 365 * 86400
    assert (await (await client.poll(accepted)).json())["status"] == "Pending"
    assert client.bfl.counts.active == 1


async def test_ready_can_be_hollow(client: Client) -> None:
    """Ready without a sample, without a result, or with a sample elsewhere."""
    body = await client.finish(await client.submit("[[fault:ready_without_sample]]"))
    assert (body["status"], "sample" in body["result"]) == ("Ready", False)
    body = await client.finish(await client.submit("[[fault:ready_without_result]]"))
    assert (body["status"], body["result"]) == ("Ready", None)
    body = await client.finish(await client.submit("[[fault:foreign_sample=http://169.254.169.254/]]"))
    assert body["result"]["sample"] == "http://169.254.169.254/"


async def test_a_region_can_move(client: Client) -> None:
    """Unknown at its own polling URL, known at the submit host."""
    accepted = await client.submit("[[fault:region_moved]]")
    assert (await client.poll(accepted)).status == 404
    async with client.session.get(f"{client.bfl.api_url}/v1/get_result?id={accepted['id']}") as response:
        assert (await response.json())["status"] == "Pending"


@pytest.mark.parametrize("name", names("poll", Say))
async def test_canned_poll_answers_strike_once(client: Client, name: str) -> None:
    """One bad poll, then the truth."""
    accepted = await client.submit(f"[[fault:{name}]]")
    response = await client.poll(accepted)
    act = said(name)
    assert (response.status, await response.read()) == (act.status, act.body)
    assert (await client.poll(accepted)).status == 200


async def test_poll_resets(client: Client) -> None:
    """Two resets, because aiohttp's client repeats a reset GET once in silence; then the truth."""
    accepted = await client.submit("[[fault:poll_reset*2]]")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.poll(accepted)
    assert client.bfl.counts.faults == {"poll_reset": 2}
    assert (await client.poll(accepted)).status == 200


async def test_a_reset_is_no_orderly_end(client: Client) -> None:
    """The socket tells ECONNRESET, not end of file."""
    client.bfl.script("poll_reset")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.bfl.polling_url.rpartition(":")[2]))
    writer.write(b"GET /v1/get_result?id=x HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_not_found_can_be_early_or_late(client: Client) -> None:
    """Early: the first N polls. Late: from the second on."""
    early = await client.submit("[[fault:poll_404_early*2]]")
    assert [(await client.poll(early)).status for _ in range(3)] == [404, 404, 200]
    late = await client.submit("[[fault:poll_404_late]]")
    assert [(await client.poll(late)).status for _ in range(3)] == [200, 404, 404]
    assert (await (await client.poll(late)).json())["status"] == NOT_FOUND


async def test_any_status_word_can_be_said(client: Client) -> None:
    """Unknown words and known ones, for N polls."""
    accepted = await client.submit("[[fault:poll_status=Reasoning*1]] [[fault:poll_status*1]]")
    words = [(await (await client.poll(accepted)).json())["status"] for _ in range(3)]
    assert words == ["Reasoning", "Upscaling", "Pending"]


async def test_scripts_strike_any_task(client: Client) -> None:
    """The next calls of a stage, whoever makes them."""
    client.bfl.script("request_moderated", value="Z")
    first, second = await client.submit("a"), await client.submit("b")
    assert (await client.finish(first))["details"] == {"Moderation Reasons": ["Z"]}
    client.bfl.script("poll_502", times=1)
    assert [(await client.poll(second)).status for _ in range(2)] == [502, 200]


@pytest.mark.parametrize("name", names("delivery", Say, times=1))
async def test_canned_deliveries_strike_once(client: Client, name: str) -> None:
    """One bad download, then the picture."""
    _, link = await ready(client, f"[[fault:{name}]]")
    act = said(name)
    response = await client.download(link)
    assert (response.status, await response.read()) == (act.status, act.body)
    assert (await (await client.download(link)).read()).startswith(b"\x89PNG")


async def test_an_expired_link_by_fault(client: Client) -> None:
    """403 in XML although the link is in time."""
    _, link = await ready(client, "[[fault:delivery_expired]]")
    assert [(await client.download(link)).status for _ in range(2)] == [403, 200]


@pytest.mark.parametrize("name", ["delivery_reset", "delivery_short"])
async def test_deliveries_break_off(client: Client, name: str) -> None:
    """The declared length never arrives."""
    _, link = await ready(client, f"[[fault:{name}]]")
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
        await client.download(link)


@pytest.mark.parametrize("name", ["delivery_unmarked_short", "delivery_torn"])
async def test_halves_that_look_whole(client: Client, name: str) -> None:
    """HTTP is content, the picture is not."""
    _, link = await ready(client, f"[[fault:{name}]]")
    response = await client.download(link)
    half = await response.read()
    assert ("Content-Length" in response.headers) == (name == "delivery_torn")
    whole = await (await client.download(link)).read()
    assert half == whole[: len(whole) // 2]


async def test_deliveries_can_lie(client: Client) -> None:
    """HTML as a picture, gzip unasked, more bytes than anyone wants."""
    _, link = await ready(client, "[[fault:delivery_html]]")
    response = await client.download(link)
    assert response.content_type == "image/png"
    assert (await response.read()).startswith(b"<!DOCTYPE html>")
    _, link = await ready(client, "[[fault:delivery_gzip]]")
    async with aiohttp.ClientSession(auto_decompress=False) as raw, raw.get(link) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await response.read()).startswith(b"\x89PNG")
    for name, declared in (("delivery_oversize", False), ("delivery_huge_length", True)):
        _, link = await ready(client, f"[[fault:{name}=2000000]]")
        response = await client.download(link)
        assert ("Content-Length" in response.headers) == declared
        assert len(await response.read()) == 2_000_000


async def test_deliveries_can_drip(client: Client) -> None:
    """Sixteen pieces with a pause after each, and all of the picture."""
    _, link = await ready(client, "[[fault:delivery_drip=2]]")
    before = client.clock.time
    dripped = await (await client.download(link)).read()
    assert client.clock.time - before == 32
    assert dripped == await (await client.download(link)).read()


async def test_a_stalled_delivery(client: Client) -> None:
    """Nothing comes."""
    _, link = await ready(client, "[[fault:delivery_stall]]")
    with pytest.raises(TimeoutError):
        await client.session.get(link, timeout=aiohttp.ClientTimeout(total=0.2))


async def test_deliveries_can_trickle(client: Client) -> None:
    """Byte by byte, each after a pause."""
    _, link = await ready(client, "[[fault:delivery_trickle=0.001]]")
    before = client.clock.time
    whole = await (await client.download(link)).read()
    assert client.clock.time - before == pytest.approx(0.001 * len(whole), rel=0.01)
    assert whole == await (await client.download(link)).read()


async def test_a_picture_that_is_gone(client: Client) -> None:
    """404, however often it is asked for, and the task stays Ready."""
    accepted, link = await ready(client, "[[fault:delivery_gone]]")
    assert [(await client.download(link)).status for _ in range(4)] == [404] * 4
    assert (await client.finish(accepted))["status"] == "Ready"


@pytest.mark.parametrize(("marker", "least"), [("", 65_536), ("=2000000", 2_000_000)])
async def test_a_reset_after_a_part(client: Client, marker: str, least: int) -> None:
    """So much has come and no more was read; it costs nothing."""
    body = {"prompt": f"[[fault:submit_reset_part{marker}]]", "input_image": "A" * 30_000_000}
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        data = orjson.dumps(body)
        for start in range(0, len(data), 65_536):
            sent = start
            yield data[start : start + 65_536]

    with pytest.raises(aiohttp.ClientConnectionError):
        await client.session.post(
            f"{client.bfl.api_url}/v1/flux-kontext-pro", data=pieces(), headers={"Content-Type": "application/json"}
        )
    assert least <= sent < 30_000_000
    assert (client.bfl.counts.accepted, client.bfl.counts.body_bytes) == (0, 0)


async def test_early_answers_before_the_body(client: Client) -> None:
    """503 while the client still sends, and nothing was read."""
    port = int(client.bfl.api_url.rpartition(":")[2])
    client.bfl.script("submit_503_unread")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
    assert b" 503 " in await reader.readline()
    writer.close()
    assert client.bfl.counts.body_bytes == 0


@pytest.mark.parametrize(("marker", "longer"), [("", 1800), ("=50", 50)])
async def test_a_task_that_takes_long(client: Client, marker: str, longer: float) -> None:
    """It ends as it should, so much later."""
    accepted = await client.submit(f"[[fault:pending_long{marker}]]")
    client.clock.time += longer
    assert (await (await client.poll(accepted)).json())["status"] == "Pending"
    assert (await client.finish(accepted))["status"] == "Ready"
