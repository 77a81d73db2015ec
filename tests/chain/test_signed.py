"""Signed requests on a real socket: verified by whoever reads them, or here, or not answered."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from gateway.handlers.body import Body, Pace
from gateway.handlers.duty import DUTY
from tests.chain.conftest import Serve, doorkeeping
from tests.fakes.raw import Heard, exchange
from tests.fakes.signer import SECRET, body_mac, stamped_mac

NOW = 1_800_000_000
BODY = b"what was signed"
PATH = "/v1/thing?a=%2F"
STAMPED = {"secrets": [SECRET], "mode": "timestamp"}


async def read(request: web.Request) -> web.StreamResponse:
    """Reads a body as every handler does that reads one."""
    return web.Response(body=b"".join([piece async for piece in Body(request, 1000, Pace()).pieces()]))


async def blind(_request: web.Request) -> web.StreamResponse:
    return web.json_response({"did": "something"})


async def ask(url: str, signature: str | None, body: bytes | None = BODY, method: str = "POST") -> Heard:
    lines = [] if signature is None else [f"X-Request-Signature: {signature}"]
    lines += [] if body is None else [f"Content-Length: {len(body)}"]
    return await exchange(url, f"{method} {PATH} HTTP/1.1", *lines, body=body or b"")


@pytest.mark.parametrize(
    ("signature", "status"),
    [
        (body_mac(BODY), 200),
        (f"sha256={body_mac(BODY)}", 200),
        (body_mac(BODY, "another"), 401),
        (body_mac(b""), 401),
        ("x", 401),
        (None, 401),
    ],
)
async def test_a_body_is_verified_by_its_reader(serve: Serve, signature: str | None, status: int) -> None:
    """The right one is served, every other one is a 401 that no SDK repeats."""
    heard = await ask((await serve(read, signature={"secrets": [SECRET]})).url, signature)
    assert heard.status == status
    if status == 401:
        assert (heard.error["code"], heard.headers["x-should-retry"]) == ("invalid_signature", "false")
    else:
        assert heard.rest == BODY


async def test_chunks_are_the_same_body(serve: Serve) -> None:
    """Signed is what was sent, not how."""
    stage = await serve(read, signature={"secrets": [SECRET]})
    pieces = b"4\r\nwhat\r\nb\r\n was signed\r\n0\r\n\r\n"
    for mac, status in ((body_mac(BODY), 200), (body_mac(pieces), 401)):
        lines = ("Transfer-Encoding: chunked", f"X-Request-Signature: {mac}")
        assert (await exchange(stage.url, f"POST {PATH} HTTP/1.1", *lines, body=pieces)).status == status


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_no_body_is_verified_before_anything_is_done(serve: Serve, method: str) -> None:
    """Also for handlers that never look for one."""
    done: list[str] = []

    async def act(request: web.Request) -> web.StreamResponse:
        done.append(request.method)
        return web.Response()

    stage = await serve(act, signature={"secrets": [SECRET]})
    assert (await ask(stage.url, body_mac(BODY), None, method)).status == 401
    assert done == []
    assert (await ask(stage.url, body_mac(b""), None, method)).status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "QUERY"])
async def test_a_body_where_none_belongs_is_refused(serve: Serve, method: str) -> None:
    """Whoever serves these acts on the head: a signature of the body would come too late."""
    stage = await serve(blind, signature={"secrets": [SECRET]})
    heard = await ask(stage.url, body_mac(BODY), BODY, method)
    assert heard.status in (400, 401)


async def test_a_body_that_nobody_reads_makes_no_answer(serve: Serve) -> None:
    """Closed, not open, where a handler forgets; also when the signature would have been right."""
    stage = await serve(blind, signature={"secrets": [SECRET]})
    heard = await ask(stage.url, body_mac(BODY))
    assert (heard.status, heard.error["code"]) == (401, "invalid_signature")


async def test_a_stamped_request_is_used_once(serve: Serve) -> None:
    """Within its time; a new stamp, or a fraction of a second, makes it another one."""
    stage = await serve(read, signature=STAMPED, wall=lambda: NOW)
    first = stamped_mac(NOW, "POST", PATH, BODY)
    assert [(await ask(stage.url, first)).status for _ in range(2)] == [200, 401]
    assert (await ask(stage.url, stamped_mac(NOW + 1, "POST", PATH, BODY))).status == 200
    assert (await ask(stage.url, stamped_mac(f"{NOW}.5", "POST", PATH, BODY))).status == 200


async def test_a_failed_attempt_uses_nothing_up(serve: Serve) -> None:
    """Somebody who sends a client's signature with another body does not spoil it."""
    stage = await serve(read, signature=STAMPED, wall=lambda: NOW)
    signature = stamped_mac(NOW, "POST", PATH, BODY)
    assert (await ask(stage.url, signature, b"another body")).status == 401
    assert (await ask(stage.url, signature)).status == 200


async def test_a_reload_forgets_no_signature(serve: Serve) -> None:
    """New rules, and the old ones' signatures are used all the same."""
    stage = await serve(read, signature=STAMPED, wall=lambda: NOW)
    signature = stamped_mac(NOW, "POST", PATH, BODY)
    assert (await ask(stage.url, signature)).status == 200
    stage.doors.append(doorkeeping(signature=STAMPED | {"secrets": ["a-new-one", SECRET]}))
    assert (await ask(stage.url, signature)).status == 401


async def test_an_old_one_is_refused_before_its_body(serve: Serve) -> None:
    """No byte of the upload is asked for."""
    stage = await serve(read, signature=STAMPED, wall=lambda: NOW)
    lines = ("Content-Length: 20000000", "Expect: 100-continue")
    signature = f"X-Request-Signature: {stamped_mac(NOW - 301, 'POST', PATH, BODY)}"
    assert (await exchange(stage.url, f"POST {PATH} HTTP/1.1", *lines, signature)).status == 401


@pytest.mark.parametrize(("path", "name"), [("/healthz", "healthz"), ("/results/x", "results")])
async def test_open_paths_are_not_signed(serve: Serve, path: str, name: str) -> None:
    """Probes and browsers that follow a link sign nothing."""
    stage = await serve(blind, path=path, name=name, signature={"secrets": [SECRET]})
    assert (await exchange(stage.url, f"GET {path} HTTP/1.1")).status == 200


@pytest.mark.parametrize("settings", [{}, {"secrets": [SECRET], "required": False}])
async def test_who_need_not_sign(serve: Serve, settings: dict[str, Any]) -> None:
    """Nothing is owed then."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert DUTY not in request
        return await read(request)

    assert (await ask((await serve(handler, signature=settings)).url, None)).status == 200
