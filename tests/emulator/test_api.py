"""The submit origin: answers, refusals in their order, ceilings, and what is counted."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator

import pytest

from gateway.emulator.bench import canned_png

from .conftest import Client, Clock, Photo, Start

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_kontext_is_accepted_without_a_price(client: Client) -> None:
    """FLUX.1 answers an id, a polling URL on another origin, and three nulls."""
    response = await client.post({"prompt": "a cat"})
    body = await response.json()
    assert list(body) == ["id", "polling_url", "cost", "input_mp", "output_mp"]
    assert UUID4.fullmatch(body["id"])
    assert body["polling_url"] == f"{client.bfl.polling_url}/v1/get_result?id={body['id']}"
    assert (body["cost"], body["input_mp"], body["output_mp"]) == (None, None, None)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Cache"] == "CONFIG_NOCACHE"
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("size", "cost", "output_mp"),
    [((256, 256), 3.0, 0.06), ((1024, 1024), 3.0, 1.0), ((1280, 1024), 4.5, 1.25), ((1440, 1440), 4.5, 1.98)],
)
async def test_flux_2_is_priced_at_submit(client: Client, size: tuple[int, int], cost: float, output_mp: float) -> None:
    """FLUX.2 tells credits by begun megapixels, as recorded."""
    body = await client.submit("a cat", model="flux-2-pro", width=size[0], height=size[1])
    assert (body["cost"], body["input_mp"], body["output_mp"]) == (cost, 0.0, output_mp)


async def test_inputs_are_priced_too(client: Client, photo: Photo) -> None:
    """FLUX.2 charges each begun megapixel of input."""
    body = await client.submit("a cat", model="flux-2-max", input_image=photo(1024, 1024))
    assert (body["cost"], body["input_mp"]) == (10.0, 1.0)


async def test_routing_comes_before_the_key(client: Client) -> None:
    """An unknown path is 404 even with a bad key."""
    response = await client.post({"prompt": "a"}, model="flux-kontext", key="!")
    assert (response.status, await response.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("key", "status", "detail"),
    [
        (None, 403, "Not authenticated"),
        ("bad key!", 422, "Invalid API key format"),
        ("well-formed-but-unknown", 403, "Not authenticated - Invalid Authentication"),
        ("good-key-1", 200, None),
    ],
)
async def test_the_ladder_of_keys(start: Start, key: str | None, status: int, detail: str | None) -> None:
    """Missing, malformed and unknown keys are told apart as the vendor does."""
    client = await start(keys=frozenset({"good-key-1"}))
    response = await client.post({"prompt": "a"}, key=key)
    assert response.status == status
    assert detail is None or await response.json() == {"detail": detail}
    credits = await client.session.get(
        f"{client.bfl.api_url}/v1/credits", headers={} if key is None else {"x-key": key}
    )
    assert credits.status == status


async def test_a_gated_model_needs_access(start: Start) -> None:
    """A good key without access to a model is 403."""
    client = await start(gated=frozenset({"flux-kontext-max"}))
    assert (await client.post({"prompt": "a"}, model="flux-kontext-max")).status == 403
    assert (await client.post({"prompt": "a"})).status == 200


async def test_credits_go_down_and_run_out(start: Start) -> None:
    """Each accepted task costs its price; with too little left the answer is 402."""
    client = await start(credits=10.0)
    await client.submit("one")
    await client.submit("two [[fault:request_moderated]]")
    left = await client.session.get(f"{client.bfl.api_url}/v1/credits", headers={"x-key": "test-key-1"})
    assert await left.json() == {"credits": 6.0}
    await client.submit("three")
    response = await client.post({"prompt": "four"})
    assert (response.status, await response.json()) == (402, {"detail": "Insufficient credits"})
    assert client.bfl.counts.accepted == 3


async def test_ceilings_are_nested_and_end_with_the_task(start: Start, clock: Clock) -> None:
    """Kontext max has its own ceiling inside the account's; a finished task frees its place."""
    client = await start(max_active=3, max_active_by_model={"flux-kontext-max": 1})
    await client.submit("a", model="flux-kontext-max")
    refused = await client.post({"prompt": "b"}, model="flux-kontext-max")
    assert refused.status == 429
    assert isinstance((await refused.json())["detail"], str)
    await client.submit("c")
    await client.submit("d")
    assert (await client.post({"prompt": "e"})).status == 429
    assert (client.bfl.counts.active, client.bfl.counts.active_max) == (3, 3)
    clock.time += 60
    assert client.bfl.counts.active == 0
    await client.submit("f", model="flux-kontext-max")
    assert client.bfl.counts.active_max_by_model == {"flux-kontext-max": 1, "flux-kontext-pro": 2}


async def test_ceilings_belong_to_the_account(start: Start) -> None:
    """Two keys of one account share its ceiling; a key of another account has its own."""
    client = await start(max_active=1, accounts={"other-key-1": "other"})
    await client.submit("a")
    assert (await client.post({"prompt": "b"}, key="second-key")).status == 429
    assert (await client.post({"prompt": "c"}, key="other-key-1")).status == 200


async def test_ceilings_hold_under_a_rush(start: Start) -> None:
    """Submits that arrive together never exceed the ceiling."""
    client = await start(max_active=5)
    answers = await asyncio.gather(*(client.post({"prompt": str(n)}) for n in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 15
    assert client.bfl.counts.active_max == 5


async def test_everything_odd_is_counted(client: Client, photo: Photo) -> None:
    """Fields that vanish, nulls, data URIs, header names and repeated bodies leave a trace."""
    body = {
        "prompt": "a",
        "width": 512,
        "seed": None,
        "input_image": "data:image/png;base64," + photo(),
    }
    await client.post(body)
    await client.post(body)
    counts = client.bfl.counts
    assert counts.ignored_fields == {"width": 2}
    assert counts.explicit_nulls == {"seed": 2}
    assert counts.data_uris == 2
    assert list(counts.accepted_by_body.values()) == [2]
    assert counts.accepted_by_prompt == {"a": 2}
    assert counts.accepted_by_model == {"flux-kontext-pro": 2}
    assert counts.keys_seen["api"] == 2
    assert counts.chunked_submits == 0
    names = "accept,accept-encoding,content-length,content-type,host,user-agent,x-key"
    assert counts.submit_headers == {names: 2}


async def test_chunked_bodies_are_read_and_counted(client: Client) -> None:
    """A body without a Content-Length is accepted, and told."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"prompt":'
        yield b'"a"}'

    headers = {"x-key": "test-key-1", "Content-Type": "application/json"}
    url = f"{client.bfl.api_url}/v1/flux-kontext-pro"
    async with client.session.post(url, data=pieces(), headers=headers) as response:
        assert response.status == 200
    assert client.bfl.counts.chunked_submits == 1


async def test_a_body_cut_short_is_no_submission(client: Client) -> None:
    """A client that leaves before its body is complete has bought nothing."""
    port = int(client.bfl.api_url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/flux-kontext-pro HTTP/1.1\r\nHost: x\r\nx-key: test-key-1\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"prompt":')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while client.bfl.counts.submits_cut == 0:
            await asyncio.sleep(0.01)
    assert client.bfl.counts.accepted == 0


async def test_a_client_that_leaves_after_its_body_has_bought(client: Client) -> None:
    """Once the body is there the task is accepted, whoever still listens."""
    port = int(client.bfl.api_url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"prompt":"gone"}'
    head = (
        "POST /v1/flux-kontext-pro HTTP/1.1\r\nHost: x\r\nx-key: test-key-1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()
    async with asyncio.timeout(5):
        while client.bfl.counts.accepted == 0:
            await asyncio.sleep(0.01)
    assert client.bfl.counts.accepted_by_prompt == {"gone": 1}


async def test_twenty_megabytes_are_read(client: Client) -> None:
    """The largest picture the vendor takes fits through."""
    picture = base64.b64encode(canned_png(20_000_000)).decode()
    accepted = await client.submit("blur", input_image=picture)
    assert (await client.finish(accepted))["status"] == "Ready"
    assert client.bfl.counts.body_bytes > 26_000_000


async def test_unknown_methods_answer_in_the_vendors_words(client: Client) -> None:
    """GET on a model is 405 with a string detail."""
    async with client.session.get(f"{client.bfl.api_url}/v1/flux-kontext-pro") as response:
        assert (response.status, await response.json()) == (405, {"detail": "Method Not Allowed"})


async def test_three_origins_are_three(client: Client) -> None:
    """Each origin has its own port."""
    urls = {client.bfl.api_url, client.bfl.polling_url, client.bfl.delivery_url}
    assert len(urls) == 3
    assert all(url.startswith("http://127.0.0.1:") for url in urls)
