"""The way of one edit through its handler: what decides, in which order, and what is given back on every way out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from PIL import Image
from yarl import URL

from gateway.app import Gateway
from gateway.domain.errors import InvalidField
from gateway.emulator.server import Emulator
from gateway.handlers.resend import idempotency_key, is_resend
from tests.fakes.forms import BOUNDARY, edit_body, edit_form, key_settings
from tests.fakes.logbook import logbook
from tests.fakes.openai_server import answer, fake_openai
from tests.fakes.pictures import picture
from tests.fakes.raw import exchange, parse

StartGateway = Callable[..., Awaitable[Gateway]]

EDITS = "/v1/images/edits"


def request_with(**headers: str) -> Any:
    return make_mocked_request("POST", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("sent", "key"),
    [("abc", "abc"), ('"abc"', "abc"), ('a"b', 'a"b'), ("x" * 255, "x" * 255), ("a b", "a b"), ('"', '"')],
)
def test_an_idempotency_key(sent: str, key: str) -> None:
    """Bare, as most clients write it, or quoted, as RFC 9651 does: the same key."""
    assert idempotency_key(request_with(Idempotency_Key=sent)) == key
    assert idempotency_key(request_with()) is None


@pytest.mark.parametrize("sent", ["", '""', "x" * 256, "prénom", "a\tb"])
def test_what_is_no_idempotency_key(sent: str) -> None:
    """Refused by name: a key that is not understood would be money spent twice."""
    with pytest.raises(InvalidField) as caught:
        idempotency_key(request_with(Idempotency_Key=sent))
    assert caught.value.param == "Idempotency-Key"


@pytest.mark.parametrize(
    ("sent", "resend"),
    [
        ("0", False),
        ("1", True),
        ("2", True),
        ("00", False),
        ("-1", False),
        ("x", False),
        ("", False),
        ("²", False),
        ("9" * 9, False),
    ],
)
def test_a_declared_resend(sent: str, resend: bool) -> None:
    """By the count that the official SDKs send; junk declares nothing."""
    assert is_resend(request_with(x_stainless_retry_count=sent)) is resend
    assert is_resend(request_with()) is False


async def test_only_post(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """The path is the gateway's own, whatever else is relayed."""
    gateway = await start_gateway(bfl)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        async with client.request(method, gateway.url + EDITS) as heard:
            assert (heard.status, heard.headers["Allow"]) == (405, "POST")


async def test_every_way_out_gives_the_upload_back(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Refused by the form, the routes, the platform or the answer: 400 or 404 by name, nothing held, nothing paid."""
    gateway = await start_gateway(bfl)
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"prompt": " "}, 400, "missing_required_parameter", "prompt"),
        ({"n": 11}, 400, "invalid_value", "n"),
        ({"model": "nobody"}, 404, "model_not_found", "model"),
        ({"size": "9000x10"}, 400, "invalid_value", "size"),
        ({"background": "transparent"}, 400, "unsupported_parameter", "background"),
        ({"wonder": 1}, 400, "unknown_parameter", "wonder"),
        ({"image": b"not a picture"}, 400, "invalid_image_file", "image"),
    ]
    for fields, status, code, param in cases:
        async with client.post(gateway.url + EDITS, data=edit_form(**fields)) as heard:
            error = (await heard.json())["error"]
        assert (heard.status, error["code"], error["param"]) == (status, code, param)
        assert heard.headers["x-should-retry"] == "false"
    bad_key = {"Idempotency-Key": "x" * 256}
    async with client.post(gateway.url + EDITS, data=edit_form(), headers=bad_key) as heard:
        assert (heard.status, (await heard.json())["error"]["param"]) == (400, "Idempotency-Key")
    sample = gateway.metrics.registry.get_sample_value
    assert sample("gateway_memory_budget_bytes", {"kind": "held"}) == 0
    assert sample("gateway_spool_bytes") == 0
    assert bfl.counts.submits_seen == 0


async def test_the_json_form_of_an_edit(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A data URL is the same edit as the file; a faulty one is refused by its place in the document."""
    gateway = await start_gateway(bfl)
    url = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    document: dict[str, Any] = {"prompt": "make it blue", "images": [{"image_url": url}], "n": 2}
    async with client.post(gateway.url + EDITS, json=document) as heard:
        assert (heard.status, len((await heard.json())["data"])) == (200, 2)
    document["images"] = [{"image_url": "https://127.0.0.1/a.png"}]
    async with client.post(gateway.url + EDITS, json=document) as heard:
        error = (await heard.json())["error"]
    assert (heard.status, error["code"], error["param"]) == (400, "invalid_image_url", "images[0].image_url")
    assert bfl.counts.submits_seen == 2


async def test_a_full_queue_is_told_before_the_upload(bfl: Emulator, start_gateway: StartGateway) -> None:
    """429 with a time, while the client still waits for its `100 Continue`."""
    gateway = await start_gateway(bfl, platform={"max_active_tasks": 1}, jobs={"queue_limit": 0})
    body = edit_body("[[fault:pending_forever]]")
    lines = (
        f"POST {EDITS} HTTP/1.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    first = asyncio.create_task(exchange(gateway.url, *lines, body=body))
    async with asyncio.timeout(5):
        while not bfl.counts.accepted:
            await asyncio.sleep(0.005)
    place = URL(gateway.url)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write("\r\n".join((*lines, f"Host: {place.host}", "Expect: 100-continue", "", "")).encode())
    heard = parse(await asyncio.wait_for(reader.readuntil(b"}}"), 3))
    writer.transport.abort()
    assert (heard.status, heard.error["code"]) == (429, "queue_full")
    assert heard.headers["x-should-retry"] == "true"
    assert 1 <= int(heard.headers["retry-after"]) <= 60
    first.cancel()


async def test_a_client_that_leaves_while_it_uploads(bfl: Emulator, start_gateway: StartGateway) -> None:
    """Its half of an upload is dropped; the line in the log says that it went, not that anything failed."""
    with logbook() as book:
        gateway = await start_gateway(bfl)
        place = URL(gateway.url)
        _, writer = await asyncio.open_connection(place.host, place.port)
        body = edit_body()
        writer.write(
            f"POST {EDITS} HTTP/1.1\r\nHost: {place.host}\r\nContent-Length: {len(body) + 9}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()
        async with asyncio.timeout(5):
            while not book.requests:
                await asyncio.sleep(0.005)
    assert book.request["status"] == 499
    assert book.request["outcome"] == "client_gone"
    sample = gateway.metrics.registry.get_sample_value
    assert sample("gateway_memory_budget_bytes", {"kind": "held"}) == 0
    assert bfl.counts.submits_seen == 0


# Routes.


async def test_a_route_of_a_relay_alone(bfl: Emulator, start_gateway: StartGateway) -> None:
    """Edits that belong to OpenAI pass through unread, byte for byte."""
    async with fake_openai(answer({"data": []})) as openai:
        platform = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
        gateway = await start_gateway(bfl, platforms={"openai": platform}, routes={"edits": ["openai"]})
        body = edit_body(wonder="1")
        heard = await post(gateway, body)
    assert heard.status == 200
    assert openai.seen[0].digest == hashlib.sha256(body).hexdigest()
    assert heard.headers["x-gateway-platform"] == "openai"
    assert bfl.counts.submits_seen == 0


@pytest.mark.parametrize(
    ("fields", "platform"),
    [
        ({}, "bfl/flux-kontext-pro"),
        ({"model": "flux-kontext-max"}, "bfl/flux-kontext-max"),
        ({"model": "flux1_kontext"}, "bfl/flux-kontext-pro"),
        ({"model": "gpt-image-2"}, "openai"),
        ({"model": "gpt-image-2", "wonder": "1"}, "openai"),
    ],
)
async def test_the_body_decides(
    bfl: Emulator, start_gateway: StartGateway, fields: dict[str, str], platform: str
) -> None:
    """With two platforms the model chooses; the relay gets the original bytes, the other one a translation."""
    async with fake_openai(answer({"data": []})) as openai:
        relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
        gateway = await start_gateway(bfl, platforms={"openai": relay}, routes={"edits": ["bfl", "openai"]})
        body = edit_body(**fields)
        heard = await post(gateway, body)
    assert (heard.status, heard.headers["x-gateway-platform"]) == (200, platform)
    if platform == "openai":
        assert [seen.digest for seen in openai.seen] == [hashlib.sha256(body).hexdigest()]
        assert openai.seen[0].one("Content-Type") == f"multipart/form-data; boundary={BOUNDARY}"
    assert bfl.counts.accepted == (platform != "openai")
    assert gateway.metrics.registry.get_sample_value("gateway_memory_budget_bytes", {"kind": "held"}) == 0


async def test_a_relayed_body_is_given_back_when_the_relay_fails(bfl: Emulator, start_gateway: StartGateway) -> None:
    """An OpenAI that cannot be reached leaves nothing behind."""
    relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": "http://127.0.0.1:9/v1"}
    gateway = await start_gateway(bfl, platforms={"openai": relay}, routes={"edits": ["bfl", "openai"]})
    heard = await post(gateway, edit_body(model="gpt-image-2"))
    assert (heard.status, heard.error["code"]) == (502, "platform_unreachable")
    assert gateway.metrics.registry.get_sample_value("gateway_memory_budget_bytes", {"kind": "held"}) == 0


async def test_without_any_platform(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """404 that names the variables to set."""
    gateway = await start_gateway()
    async with client.post(gateway.url + EDITS, data=edit_form()) as heard:
        error = (await heard.json())["error"]
    assert (heard.status, error["code"]) == (404, "platform_not_configured")
    assert "BFL_API_KEY" in error["message"]


async def post(gateway: Gateway, body: bytes) -> Any:
    return await exchange(
        gateway.url,
        f"POST {EDITS} HTTP/1.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        body=body,
    )


async def test_what_the_relay_gets_is_not_judged(bfl: Emulator, start_gateway: StartGateway) -> None:
    """Where the model decides for a relay, odd files, unknown words and repeated fields pass byte for byte."""
    async with fake_openai(answer({"data": []})) as openai:
        relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
        gateway = await start_gateway(bfl, platforms={"openai": relay}, routes={"edits": ["bfl", "openai"]})
        body = edit_body(model="gpt-image-2", quality="ultra", seed="x").replace(b"PNG", b"GNP")
        heard = await post(gateway, body)
    assert heard.status == 200
    assert [seen.digest for seen in openai.seen] == [hashlib.sha256(body).hexdigest()]
    assert bfl.counts.submits_seen == 0


async def test_a_full_queue_does_not_stop_what_is_relayed(bfl: Emulator, start_gateway: StartGateway) -> None:
    """BFL's queue has no say over a request whose model may be OpenAI's."""
    async with fake_openai(answer({"data": []})) as openai:
        relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
        gateway = await start_gateway(
            bfl,
            platform={"max_active_tasks": 1},
            platforms={"openai": relay},
            routes={"edits": ["bfl", "openai"]},
            jobs={"queue_limit": 0},
        )
        bfl.script("pending_forever")
        waiting = asyncio.create_task(post(gateway, edit_body("one")))
        while not bfl.counts.accepted:
            await asyncio.sleep(0.005)
        assert (await post(gateway, edit_body("two", model="gpt-image-2"))).status == 200
        assert (await post(gateway, edit_body("three"))).error["code"] == "queue_full"
        waiting.cancel()


async def test_time_begins_behind_the_upload(bfl: Emulator, start_gateway: StartGateway) -> None:
    """A slow upload is the client's own time: the answer is promised from its end on."""
    gateway = await start_gateway(bfl, jobs={"answer_within": 20})
    body = edit_body()
    head = (
        f"POST {EDITS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(gateway.url).port)
    writer.write(head + body[:50])
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, gate.set)  # thirty seconds of the gateway's clock
    await gate.wait()
    writer.write(body[50:])
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()


async def test_a_mask_needs_a_key_for_its_model(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """The model that `mask: fill` switches to is one that the key has to allow as well, by any of its names."""
    keys = [
        entry | {"models": models}
        for entry, models in zip(
            key_settings("gw-narrow", "gw-wide"), (["flux-kontext-*"], ["flux-kontext-*", "painter"]), strict=True
        )
    ]
    platform = {"aliases": {"painter": "flux-pro-1.0-fill"}}
    gateway = await start_gateway(bfl, platform=platform, auth={"keys": keys}, routes={"mask": "fill"})
    data = io.BytesIO()
    Image.new("RGBA", (64, 48), (0, 0, 0, 0)).save(data, "PNG")

    async def masked(key: str) -> tuple[int, str]:
        form = edit_form(model="flux-kontext-pro")
        form.add_field("mask", data.getvalue(), filename="mask.png")
        async with client.post(gateway.url + EDITS, data=form, headers={"Authorization": f"Bearer {key}"}) as heard:
            answer = await heard.json()
            return heard.status, answer["error"]["code"] if "error" in answer else "ok"

    assert await masked("gw-narrow") == (403, "model_not_allowed")
    assert bfl.counts.submits_seen == 0
    assert await masked("gw-wide") == (200, "ok")
