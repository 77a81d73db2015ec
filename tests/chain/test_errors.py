"""Whatever goes wrong: one envelope as long as there can be an answer, a cut connection and a log line after that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from gateway.domain.errors import (
    CATALOGUE,
    AnswerLost,
    GatewayError,
    InternalError,
    InvalidField,
    MethodNotAllowed,
    Moderated,
    NotFound,
    Paid,
    PlatformBusy,
    PlatformOutOfCredits,
    QueueFull,
    RangeOutside,
)
from tests.chain.conftest import Serve
from tests.fakes.logbook import logbook
from tests.fakes.raw import exchange, parse, talk

GET = "GET /v1/thing HTTP/1.1"


def raising(fault: BaseException) -> Any:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise fault

    return handler


def sample(kind: type[GatewayError]) -> GatewayError:
    match kind.__name__:
        case "Moderated":
            return Moderated("no", stage="input", categories=())
        case "RangeOutside":
            return RangeOutside("no", length=1)
    return kind("no")


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
async def test_every_fault_of_the_tree_has_its_answer(serve: Serve, kind: type[GatewayError]) -> None:
    """Status and code of the class, four keys, JSON, an id, a word on repeating; the same code in log and metric."""
    with logbook() as book:
        stage = await serve(raising(sample(kind)))
        heard = await exchange(stage.url, GET)
    assert heard.status == kind.status
    error = heard.error
    assert (error["message"], error["param"], error["code"]) == ("no", None, kind.code)
    assert heard.headers["x-request-id"] == "req_0"
    assert heard.headers["x-should-retry"] == ("true" if kind.hopeful else "false")
    outcome = "moderated" if kind is Moderated else kind.code
    assert book.request["outcome"] == outcome
    assert stage.requests() == {("thing", outcome, str(kind.status)): 1}


@pytest.mark.parametrize(
    ("fault", "again", "after"),
    [
        (QueueFull("x", retry_after_s=17), "true", "17"),
        (QueueFull("x", retry_after_s=0.2), "true", "11"),
        (QueueFull("x", retry_after_s=1e6), "true", "60"),
        (QueueFull("x"), "true", "11"),
        (PlatformBusy("x", retry_after_s=7, paid=Paid.MAYBE), "false", None),
        (AnswerLost("x", retry_after_s=7, paid=Paid.MAYBE), "false", None),
        (PlatformOutOfCredits("x", retry_after_s=30), "false", "30"),
        (InvalidField("x", param="size"), "false", None),
        (InternalError("x"), "false", None),
    ],
)
async def test_only_what_is_unpaid_and_hopeful_may_come_again(
    serve: Serve, fault: GatewayError, again: str, after: str | None
) -> None:
    """
    `x-should-retry` rules the SDKs; `retry-after` stays between a resend and the minute that they honour. It also tells
    people when something unpaid is worth another try, which no program should make by itself.
    """
    heard = await exchange((await serve(raising(fault))).url, GET)
    assert (heard.headers["x-should-retry"], heard.headers.get("retry-after")) == (again, after)


async def test_private_detail_goes_to_the_log_only(serve: Serve) -> None:
    """The client gets the public text, the operator the reason."""
    with logbook() as book:
        fault = InvalidField("public", param="size", detail="private", paid=Paid.MAYBE)
        answer = await talk((await serve(raising(fault))).url, b"GET /v1/thing HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert b"public" in answer
    assert b"private" not in answer
    assert {name: book.request[name] for name in ("param", "detail", "paid")} == {
        "param": "size",
        "detail": "private",
        "paid": "maybe",
    }


@pytest.mark.parametrize("fault", [RuntimeError("inside"), ConnectionResetError("inside"), TimeoutError("inside")])
async def test_a_bug_is_a_500_that_tells_nothing(serve: Serve, fault: Exception) -> None:
    """A traceback in the log under the request's id, a plain sentence for the client, and no second try."""
    with logbook() as book:
        stage = await serve(raising(fault))
        heard = await exchange(stage.url, GET)
    assert heard.status == 500
    assert heard.error["code"] == "internal_error"
    assert heard.headers["x-should-retry"] == "false"
    assert b"inside" not in heard.rest
    (crash,) = [line for line in book.lines if line["event"] == "unhandled"]
    assert crash["id"] == book.request["id"] == "req_0"
    assert "inside" in crash["exception"]
    assert stage.requests() == {("thing", "internal_error", "500"): 1}


@pytest.mark.parametrize(
    ("fault", "status", "code", "extra"),
    [
        (web.HTTPNotFound(), 404, "not_found", {}),
        (web.HTTPMethodNotAllowed("PUT", ["POST", "GET"]), 405, "method_not_allowed", {"allow": "GET, POST"}),
        (web.HTTPRequestEntityTooLarge(1, 2), 413, "request_too_large", {}),
        (web.HTTPBadRequest(text="inside"), 500, "internal_error", {}),
        (MethodNotAllowed("no", allowed=("POST",)), 405, "method_not_allowed", {"allow": "POST"}),
        (RangeOutside("no", length=10), 416, "range_not_satisfiable", {"content-range": "bytes */10"}),
    ],
)
async def test_the_librarys_own_faults_speak_the_same_language(
    serve: Serve, fault: Exception, status: int, code: str, extra: dict[str, str]
) -> None:
    """aiohttp's exceptions never reach a client as they are; what belongs into the head stays there."""
    heard = await exchange((await serve(raising(fault))).url, GET)
    assert (heard.status, heard.error["code"]) == (status, code)
    assert {name: heard.headers[name] for name in extra} == extra
    assert b"inside" not in heard.rest


@pytest.mark.parametrize("path", ["/nope", "/v1/nope", "/v1/thing/", "/%00", "/a%0d%0ab", "/" + "x" * 3000, "*"])
async def test_unknown_paths_are_told_in_the_envelope(serve: Serve, path: str) -> None:
    """With the path, cut to a decent length, and nothing that breaks the JSON."""
    heard = await exchange((await serve(raising(NotFound("x")))).url, f"OPTIONS {path} HTTP/1.1")
    assert heard.status == 404
    assert len(heard.rest) < 700


async def test_a_wrong_method_says_which_are_right(serve: Serve) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6"""
    stage = await serve(raising(NotFound("x")), method="POST")
    heard = await exchange(stage.url, GET)
    assert (heard.status, heard.headers["Allow"], heard.error["code"]) == (405, "POST", "method_not_allowed")


async def test_a_head_gets_the_same_head_and_no_body(serve: Serve) -> None:
    """Errors included."""
    stage = await serve(raising(InvalidField("x", param="size")))
    whole, head = await exchange(stage.url, GET), await exchange(stage.url, GET.replace("GET", "HEAD"))
    assert (head.status, head.rest) == (400, b"")
    assert head.headers["Content-Length"] == str(len(whole.rest))
    assert set(head.headers) == set(whole.headers)


# Once an answer has begun.


def beginning(fault: BaseException, sent: bytes) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        if sent:
            await response.write(sent)
        raise fault

    return handler


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (RuntimeError("inside"), "internal_error"),
        (AnswerLost("x", paid=Paid.MAYBE), "platform_answer_lost"),
        (Moderated("x", stage="output", categories=()), "moderated"),
        (web.HTTPNotFound(), "not_found"),
        (ConnectionResetError("x"), "client_gone"),
    ],
)
@pytest.mark.parametrize("sent", [b"half", b""])
async def test_a_fault_in_mid_answer_cuts_the_connection(
    serve: Serve, fault: Exception, outcome: str, sent: bytes
) -> None:
    """No second answer behind the first; what happened is in the log and in the metric, under no answer's status."""
    with logbook() as book:
        stage = await serve(beginning(fault, sent))
        answer = await talk(stage.url, f"{GET}\r\nHost: localhost\r\n\r\n".encode())
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") or not answer
    assert rest in (sent, b"")
    assert book.request["status"] == 499
    assert book.request["outcome"] == outcome
    assert stage.requests() == {("thing", outcome, "499"): 1}


async def test_a_departed_client_is_no_error(serve: Serve) -> None:
    """The handler is cancelled; one access line says so, and there is no traceback."""
    entered, left = asyncio.Event(), asyncio.Event()

    async def handler(_request: web.Request) -> web.StreamResponse:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    with logbook() as book:
        stage = await serve(handler)
        place = URL(stage.url)
        _, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(f"{GET}\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.wait_for(entered.wait(), 3)
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), 3)
        await asyncio.sleep(0)
    assert [(line["event"], line["level"]) for line in book.lines] == [("request", "info")]
    assert (book.request["status"], book.request["outcome"]) == (499, "client_gone")
    assert stage.requests() == {("thing", "client_gone", "499"): 1}
    assert stage.value("requests_in_flight") == 0


async def test_a_client_that_leaves_in_mid_answer_is_no_error(serve: Serve) -> None:
    """Writing into the void ends the request, quietly."""
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        finally:
            done.set()

    with logbook() as book:
        stage = await serve(handler)
        place = URL(stage.url)
        reader, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(f"{GET}\r\nHost: localhost\r\n\r\n".encode())
        await reader.readexactly(1000)
        writer.transport.abort()
        await asyncio.wait_for(done.wait(), 3)
        await asyncio.sleep(0.01)
    assert [(line["event"], line["level"]) for line in book.lines] == [("request", "info")]
    assert (book.request["status"], book.request["outcome"]) == (499, "client_gone")


async def test_the_next_request_on_the_connection_is_served(serve: Serve) -> None:
    """A refused request does not cost its connection."""
    stage = await serve(raising(InvalidField("x", param="size")))
    place = URL(stage.url)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    for number in range(2):
        writer.write(f"{GET}\r\nHost: localhost\r\n\r\n".encode())
        head = parse(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3))
        assert (head.status, head.headers["x-request-id"]) == (400, f"req_{number}")
        await reader.readexactly(int(head.headers["Content-Length"]))
    writer.transport.abort()
