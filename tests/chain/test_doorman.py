"""Whose key it is, whether it still opens, and which paths it opens: two spellings of one key, and no third."""

from __future__ import annotations

import hashlib
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.chain.doorman import NO_KEY, Doorman
from gateway.chain.settings import AuthSettings
from gateway.domain.caller import Allowance, Caller
from gateway.domain.errors import ForbiddenOrigin, NotFound, PathNotAllowed
from gateway.handlers.keys import CALLER
from tests.chain.conftest import Serve, doorkeeping
from tests.fakes.forms import key_settings
from tests.fakes.logbook import logbook
from tests.fakes.raw import exchange

KEY, OTHER = "gw-first-0123456789abcdef", "gw-other-0123456789abcdef"
GET = "GET /v1/thing HTTP/1.1"
BEARER, AZURE = f"Authorization: Bearer {KEY}", f"api-key: {KEY}"


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((BEARER,), 200),
        ((AZURE,), 200),
        ((f"API-KEY:   {KEY}  ",), 200),
        ((BEARER, AZURE), 200),
        ((BEARER, f"api-key: {OTHER}"), 401),
        ((f"Authorization: Bearer {OTHER}", AZURE), 401),
        ((BEARER, "api-key: wrong"), 401),
        ((BEARER, "api-key:"), 401),
        (("Authorization: Basic abc", AZURE), 401),
        ((AZURE, AZURE), 401),
        ((AZURE, f"api-key: {OTHER}"), 401),
        ((f"api-key: {KEY}, {KEY}",), 401),
        ((f"api-key: Bearer {KEY}",), 401),
        (("api-key: wrong",), 401),
        (("api-key:",), 401),
        ((b"api-key: \xff\xfe",), 401),
        ((f"apikey: {KEY}",), 401),
    ],
)
async def test_azures_header_is_the_same_key(serve: Serve, lines: tuple[str | bytes, ...], status: int) -> None:
    """Alone or beside the same bearer token; two that differ are none, whichever is good."""
    stage = await serve(ok, keys=key_settings(KEY, OTHER))
    assert (await exchange(stage.url, GET, *lines)).status == status


async def test_a_caller_is_what_its_entry_says(serve: Serve) -> None:
    """What the operator wrote reaches whoever has to keep to it."""
    found: list[Caller] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        found.append(request[CALLER])
        return web.json_response({})

    (entry,) = key_settings(KEY)
    more = {"models": ["flux-*"], "paths": ["/v1/*"], "limits": {"requests": 3, "cents_day": 2.5}, "weight": 2}
    stage = await serve(handler, keys=[entry | more])
    assert (await exchange(stage.url, GET, BEARER)).status == 200
    allowance = Allowance(requests=3, cents_day=2.5)
    assert found == [Caller("client-0", models=("flux-*",), paths=("/v1/*",), allowance=allowance, weight=2.0)]


async def test_an_expired_key_is_a_wrong_one(serve: Serve) -> None:
    """From its second on; only the log tells the two apart."""
    keys = [key | {"expires": "2027-01-31T12:00:00+02:00"} for key in key_settings(KEY)]
    time = 1801389599.0  # 2027-01-31T09:59:59Z
    with logbook() as book:
        stage = await serve(ok, keys=keys, wall=lambda: time)
        assert (await exchange(stage.url, GET, BEARER)).status == 200
        time += 1
        late = await exchange(stage.url, GET, BEARER)
        wrong = await exchange(stage.url, GET, f"Authorization: Bearer {OTHER}")
    assert (late.status, late.error) == (wrong.status, wrong.error)
    assert late.status == 401
    assert [line.get("detail") for line in book.requests] == [None, "the key of client-0 has expired", None]


async def test_a_path_that_is_not_the_keys(serve: Serve) -> None:
    """403 before the handler, with a code of its own; the log says whose key it was."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise AssertionError

    with logbook() as book:
        stage = await serve(handler, keys=[key_settings(KEY)[0] | {"paths": ["/v1/images/*"]}])
        heard = await exchange(stage.url, GET, BEARER)
    assert (heard.status, heard.error["code"]) == (403, "path_not_allowed")
    assert book.request["caller"] == "client-0"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/p/v1/images/edits", True),
        ("/p/v1/images/", True),
        ("/p/v1/models", True),
        ("/p/v1/models/x", False),
        ("/p/v1/files", False),
        ("/v1/images/edits", True),
        ("/p/p/v1/images/edits", False),
        ("/p/openai/v1/images/edits", True),
        ("/p/openai/deployments/gpt-image-1/images/edits", True),
        ("/p/openai/deployments/gpt-image-1/files", False),
        ("/p/openai/deployments/a/b/images/edits", False),
        ("/p/v1/files/openai/v1/images/edits", False),
        ("/p/x/openai/v1/images/edits", False),
        ("/p", False),
        ("", False),
    ],
)
def test_paths_are_those_of_the_api(path: str, allowed: bool) -> None:
    """Without the operator's prefix, and Azure's spellings are the same paths."""
    doorman = Doorman.of(AuthSettings(), "/p")
    caller = Caller("x", paths=("/v1/images/*", "/v1/models"))
    try:
        doorman.check_path(caller, "POST", path)
    except (PathNotAllowed, NotFound):
        assert not allowed
    else:
        assert allowed


async def test_escapes_do_not_change_the_path(serve: Serve) -> None:
    """A letter written as its code is that letter, for the key as for the router."""
    stage = await serve(ok, path="/v1/{rest:.*}", keys=[key_settings(KEY)[0] | {"paths": ["/v1/images/*"]}])
    assert (await exchange(stage.url, "GET /v1/im%61ges/x HTTP/1.1", BEARER)).status == 200
    assert (await exchange(stage.url, "GET /v1/fil%65s?/v1/images/x HTTP/1.1", BEARER)).status == 403


async def test_new_keys_are_in_force_at_once(serve: Serve) -> None:
    """The next request is judged by them, whatever connection it comes on."""
    stage = await serve(ok, keys=key_settings(KEY))
    assert (await exchange(stage.url, GET, BEARER)).status == 200
    stage.doors.append(doorkeeping(keys=key_settings(OTHER)))
    assert (await exchange(stage.url, GET, BEARER)).status == 401


def test_the_file_holds_hashes_only() -> None:
    """What a doorman knows opens nothing."""
    doorman = Doorman.of(AuthSettings.model_validate({"keys": key_settings(KEY)}))
    assert list(doorman.callers) == [hashlib.sha256(KEY.encode()).digest()]
    assert KEY not in repr(doorman)


@pytest.mark.parametrize(("peer", "served"), [("127.0.0.1", True), ("::1", True), ("10.0.0.9", False), (None, False)])
def test_a_name_makes_nobody_local(peer: str | None, served: bool) -> None:
    """Anybody may send `Host: localhost`; where the connection comes from is another matter."""
    transport = Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: (peer, 1) if name == "peername" and peer else None
    request = make_mocked_request("GET", "/v1/models", headers={"Host": "localhost"}, transport=transport)
    doorman = Doorman({})
    if served:
        assert doorman.admit(request, NO_KEY, 0.0).id == "local"
    else:
        with pytest.raises(ForbiddenOrigin):
            doorman.admit(request, NO_KEY, 0.0)
