"""Every request has an id, one line in the log, and answers with the same headers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from gateway.handlers.keys import STORY
from tests.chain.conftest import Serve
from tests.fakes.customer import until
from tests.fakes.forms import edit_form, key_settings
from tests.fakes.logbook import logbook
from tests.fakes.raw import exchange

StartGateway = Callable[..., Awaitable[Gateway]]

GET = "GET /v1/thing HTTP/1.1"
# What a dashboard may rely on.
ALWAYS = {
    "timestamp", "level", "event", "id", "client_id", "caller", "method", "route", "status", "outcome", "platform",
    "model", "job", "replayed", "seconds", "steps", "client",
}  # fmt: skip
STEPS = ["admit", "read", "queue", "submit", "poll", "collect", "reply"]


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


async def test_an_edit_is_one_line(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Exactly these fields: who, what, where, how long in each step, how it ended. Never the prompt or the key."""
    key = "gw-story-0123456789abcdef"
    with logbook() as book:
        gateway = await start_gateway(bfl, auth={"keys": key_settings(key)})
        async with client.post(
            f"{gateway.url}/v1/images/edits",
            data=edit_form("a very private prompt"),
            headers={"Authorization": f"Bearer {key}", "X-Client-Request-Id": "mine-1"},
        ) as answer:
            assert answer.status == 200
            await answer.read()
        await until(lambda: any(line["event"] == "request" for line in book.lines))
    line = book.request
    assert set(line) == ALWAYS
    assert {name: line[name] for name in ("client_id", "caller", "method", "route", "status", "outcome")} == {
        "client_id": "mine-1",
        "caller": "client-0",
        "method": "POST",
        "route": "images.edits",
        "status": 200,
        "outcome": "ok",
    }
    assert (line["platform"], line["model"], line["replayed"]) == ("bfl", "flux-kontext-pro", False)
    assert (line["id"], line["job"]) == (answer.headers["x-request-id"], answer.headers["x-job-id"])
    assert list(line["steps"]) == STEPS
    assert 0 < sum(line["steps"].values()) <= line["seconds"] * 1.5
    assert "private prompt" not in book.text
    assert key not in book.text


async def test_a_refused_request_has_the_same_line(start_gateway: StartGateway) -> None:
    """With what was wrong in addition."""
    with logbook() as book:
        gateway = await start_gateway()
        await exchange(gateway.url, "GET /nothing HTTP/1.1")
    assert set(book.request) == ALWAYS | {"paid", "param", "detail"}
    assert (book.request["route"], book.request["status"], book.request["outcome"]) == ("unmatched", 404, "not_found")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"mine-1", "mine-1"),
        (b"x" * 200, "x" * 128),
        (b"", None),
        (b"\xff\xfe", None),
        ("prénom".encode(), None),
        (b"a\tb", None),
    ],
)
async def test_a_clients_own_id_is_repeated_if_it_is_one(serve: Serve, sent: bytes, told: str | None) -> None:
    """Printable ASCII of a sensible length; anything else is left out, and costs nobody an answer."""
    with logbook() as book:
        heard = await exchange((await serve(ok)).url, GET, b"X-Client-Request-Id: " + sent)
    assert heard.status == 200
    assert book.request["client_id"] == told


async def test_ids_are_ours_and_new(serve: Serve) -> None:
    """A client's `x-request-id` is not taken over: it could be anybody's."""
    stage = await serve(ok)
    for number in range(2):
        heard = await exchange(stage.url, GET, "X-Request-Id: theirs")
        assert heard.headers.getall("x-request-id") == [f"req_{number}"]


@pytest.mark.parametrize(
    ("request_line", "lines"),
    [
        (GET, ()),
        ("HEAD /v1/thing HTTP/1.1", ()),
        ("OPTIONS /v1/thing HTTP/1.1", ()),
        ("GET /nope HTTP/1.1", ()),
        (GET, ("Host: evil.example",)),
        (GET, ("Origin: null",)),
        (GET, (f"X-Long: {'x' * 9000}",)),
        ("GARBAGE", ()),
        ("GET /v1/thing HTTP/1.1", ("Expect: wonders",)),
    ],
)
async def test_every_answer_has_the_common_headers(serve: Serve, request_line: str, lines: tuple[str, ...]) -> None:
    """An id, no type guessing, no caching unless somebody says so, and not a word about the software."""
    heard = await exchange((await serve(ok)).url, request_line, *lines)
    assert heard.headers["x-request-id"].startswith("req_")
    assert heard.headers["X-Content-Type-Options"] == "nosniff"
    assert heard.headers["Cache-Control"] == "no-store"
    assert heard.headers.get("Server", "gateway") == "gateway"
    assert "Python" not in str(heard.headers)


async def test_what_the_story_knows_is_in_the_head(serve: Serve) -> None:
    """Platform, model, job and steps, on errors as on successes, steps in the order of travel."""

    async def handler(request: web.Request) -> web.StreamResponse:
        told = request[STORY]
        told.platform, told.model, told.job, told.replayed = "bfl", "flux-kontext-pro", "job_1", True
        told.steps |= {"poll": 1.23456, "admit": 0.0001}
        if request.query:
            raise web.HTTPNotFound
        return web.json_response({})

    stage = await serve(handler)
    for line in (GET, "GET /v1/thing?x HTTP/1.1"):
        headers = (await exchange(stage.url, line)).headers
        assert headers["x-gateway-platform"] == "bfl/flux-kontext-pro"
        assert (headers["x-job-id"], headers["Idempotent-Replayed"]) == ("job_1", "true")
        assert headers["Server-Timing"] == "admit;dur=0.1, poll;dur=1234.6"


async def test_a_story_without_a_platform_says_nothing_of_one(serve: Serve) -> None:
    """No empty headers."""
    headers = (await exchange((await serve(ok)).url, GET)).headers
    assert not {"x-gateway-platform", "x-job-id", "Idempotent-Replayed", "Server-Timing"} & set(headers)


async def test_a_handlers_own_headers_stay(serve: Serve) -> None:
    """The common ones are defaults."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Cache-Control": "private", "X-Content-Type-Options": "mine"})

    headers: Any = (await exchange((await serve(handler)).url, GET)).headers
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("private", "mine")


IDS = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        ([f"00-{IDS}"], f"00-{IDS}"),
        ([f"01-{IDS}"], f"01-{IDS}"),
        ([f"cc-{IDS}-what-the-future-brings"], f"cc-{IDS}"),
        ([f"00-{IDS}-more"], None),
        ([f"ff-{IDS}"], None),
        ([f"00-{'0' * 32}-00f067aa0ba902b7-01"], None),
        ([f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01"], None),
        ([f"00-{IDS.upper()}"], None),
        ([f"00-{IDS[:-1]}"], None),
        ([f"00-{IDS}", f"00-{IDS}"], None),
        (["x" * 4000], None),
        ([""], None),
        ([], None),
    ],
)
async def test_the_clients_trace_is_in_the_log(serve: Serve, sent: list[str], logged: str | None) -> None:
    """As it was sent, where it is one: https://www.w3.org/TR/trace-context. It is a name and changes nothing."""
    with logbook() as book:
        stage = await serve(ok)
        heard = await exchange(stage.url, GET, *(f"traceparent: {value}" for value in sent))
    assert heard.status == 200
    assert book.request.get("traceparent") == logged
    assert "traceparent" not in heard.headers


@pytest.mark.parametrize(
    ("joined", "replayed", "translation", "told"),
    [
        (None, False, None, None),
        ("key", False, None, "request=joined(key)"),
        ("orphan", False, "size=converted(3:2)", "size=converted(3:2), request=joined(orphan)"),
        ("key", True, "size=converted(3:2)", "size=converted(3:2)"),
    ],
)
async def test_joining_is_told(
    serve: Serve, joined: str | None, replayed: bool, translation: str | None, told: str | None
) -> None:
    """Two requests under one key that run at the same time get one picture, and the second hears why."""

    async def handler(request: web.Request) -> web.StreamResponse:
        request[STORY].joined, request[STORY].replayed = joined, replayed
        return web.json_response({}, headers={"x-gateway-translation": translation} if translation else {})

    with logbook() as book:
        stage = await serve(handler)
        heard = await exchange(stage.url, GET)
    assert heard.headers.get("x-gateway-translation") == told
    assert heard.headers.get("Idempotent-Replayed") == ("true" if replayed else None)
    assert book.request.get("joined") == joined


async def test_one_key_for_three_at_once(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """As Vercel's AI SDK splits `n: 3`: one picture is made, and all but one of the answers say that they share it."""
    gateway = await start_gateway(bfl)

    async def edit() -> bool:
        headers = {"Idempotency-Key": "the-same"}
        async with client.post(f"{gateway.url}/v1/images/edits", data=edit_form(), headers=headers) as answer:
            assert answer.status == 200
            joined = "request=joined(key)" in answer.headers.get("x-gateway-translation", "")
            return joined or answer.headers.get("Idempotent-Replayed") == "true"

    assert sorted(await asyncio.gather(edit(), edit(), edit())) == [False, True, True]
    assert bfl.counts.accepted == 1
