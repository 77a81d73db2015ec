"""Pages of configured origins may call and read; for all others there is no sign that CORS exists."""

from __future__ import annotations

import pytest
from aiohttp import web

from gateway.domain.errors import InvalidField
from tests.chain.conftest import Serve
from tests.fakes.forms import key_settings
from tests.fakes.raw import exchange

APP = "https://app.example"
KEY = "gw-cors-0123456789abcdef"
PREFLIGHT = "OPTIONS /v1/thing HTTP/1.1"
ASKED = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,x-stainless-lang")


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


async def test_a_preflight_needs_no_key(serve: Serve) -> None:
    """Browsers send none with it; the answer allows what was asked, and is never the handler's."""
    stage = await serve(ok, keys=key_settings(KEY), origins=[APP])
    heard = await exchange(stage.url, PREFLIGHT, f"Origin: {APP}", *ASKED)
    assert (heard.status, heard.rest) == (204, b"")
    assert heard.headers["Access-Control-Allow-Origin"] == APP
    assert "POST" in heard.headers["Access-Control-Allow-Methods"]
    assert heard.headers["Access-Control-Allow-Headers"] == "authorization,x-stainless-lang"
    assert heard.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in heard.headers


@pytest.mark.parametrize("asked", ["", b"x\xff", "a" * 1025, "<script>", "a;b"])
async def test_only_names_of_headers_are_repeated(serve: Serve, asked: str | bytes) -> None:
    """Whatever else is asked for, the answer is a plain list."""
    stage = await serve(ok, origins=[APP])
    line = b"Access-Control-Request-Headers: " + (asked if isinstance(asked, bytes) else asked.encode())
    heard = await exchange(stage.url, PREFLIGHT, f"Origin: {APP}", ASKED[0], line)
    assert heard.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", f"{APP}.evil.example", APP.upper(), f"{APP}/", "*"]
)
async def test_other_origins_get_nothing(serve: Serve, origin: str) -> None:
    """No answer to the preflight without a key, and no leave to read what comes with one."""
    stage = await serve(ok, keys=key_settings(KEY), origins=[APP])
    refused = await exchange(stage.url, PREFLIGHT, f"Origin: {origin}", *ASKED)
    assert refused.status == 401
    read = await exchange(stage.url, "GET /v1/thing HTTP/1.1", f"Origin: {origin}", f"Authorization: Bearer {KEY}")
    assert read.status == 200
    for heard in (refused, read):
        assert not [name for name in heard.headers if name.lower().startswith("access-control")]
        assert heard.headers["Vary"] == "Origin"


async def test_without_origins_there_is_no_cors(serve: Serve) -> None:
    """Not a header of it."""
    stage = await serve(ok, keys=key_settings(KEY))
    heard = await exchange(stage.url, PREFLIGHT, f"Origin: {APP}", *ASKED)
    assert heard.status == 401
    assert not {"Vary", "Access-Control-Allow-Origin"} & set(heard.headers)


async def test_an_options_that_is_no_preflight_is_a_request(serve: Serve) -> None:
    """It needs a key like any other."""
    stage = await serve(ok, keys=key_settings(KEY), origins=[APP])
    assert (await exchange(stage.url, PREFLIGHT, f"Origin: {APP}")).status == 401


@pytest.mark.parametrize("path", ["/v1/thing", "/nope"])
async def test_errors_can_be_read_too(serve: Serve, path: str) -> None:
    """A page learns why it was refused, by 401 and by everything behind it."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise InvalidField("x", param="size")

    stage = await serve(handler, keys=key_settings(KEY), origins=[APP])
    for lines in ((), (f"Authorization: Bearer {KEY}",)):
        heard = await exchange(stage.url, f"GET {path} HTTP/1.1", f"Origin: {APP}", *lines)
        assert heard.status in (400, 401, 404)
        assert heard.headers["Access-Control-Allow-Origin"] == APP
        assert "x-request-id" in heard.headers["Access-Control-Expose-Headers"]


async def test_a_handlers_vary_stays(serve: Serve) -> None:
    """A relayed answer may differ by more than the origin."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Vary": "Accept-Encoding"})

    heard = await exchange((await serve(handler, origins=[APP])).url, "GET /v1/thing HTTP/1.1", f"Origin: {APP}")
    assert heard.headers.getall("Vary") == ["Accept-Encoding", "Origin"]
