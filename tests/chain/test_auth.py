"""Who gets in: one 401 for every wrong key, nobody but this machine without keys, and nothing read before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from yarl import URL

from gateway.app import Gateway
from gateway.chain.auth import OPEN
from gateway.emulator.server import Emulator
from tests.fakes.forms import BOUNDARY, edit_body, key_settings
from tests.fakes.logbook import logbook
from tests.fakes.raw import Heard, exchange, parse, talk

StartGateway = Callable[..., Awaitable[Gateway]]

KEY, OTHER = "gw-first-0123456789abcdef", "gw-other-0123456789abcdef"
LIST = "GET /v1/models HTTP/1.1"
NO_KEY: list[tuple[str | bytes, ...]] = [
    (),
    ("Authorization: Bearer gw-wrong",),
    (f"Authorization: Bearer {KEY}x",),
    (f"Authorization: Bearer {KEY[:-1]}",),
    (f"Authorization: Bearer {KEY.upper()}",),
    (f"Authorization: Bearer {KEY} {KEY}",),
    (f"Authorization: Bearer {KEY},{OTHER}",),
    (f"Authorization: Bearer{KEY}",),
    (f"Authorization: Basic {KEY}",),
    (f"Authorization: {KEY}",),
    ("Authorization: Bearer",),
    ("Authorization: Bearer ",),
    ("Authorization:",),
    (b"Authorization: Bearer \xff\xfe",),
    (b"Authorization: Bearer \xed\xa0\x80",),
    (f"Proxy-Authorization: Bearer {KEY}",),
    (f"X-Api-Key: {KEY}",),
]


def shape(heard: Heard) -> tuple[int, dict[str, str], object]:
    """Everything about an answer but what is new each time."""
    told = {name.lower(): value for name, value in heard.headers.items()}
    assert told.pop("x-request-id").startswith("req_")
    told.pop("date")
    return heard.status, told, heard.error


async def test_every_wrong_key_gets_the_same_answer(start_gateway: StartGateway) -> None:
    """Missing, wrong, malformed, of another scheme, not ASCII: 401, byte for byte the same."""
    gateway = await start_gateway(auth={"keys": key_settings(KEY, OTHER)})
    shapes = [shape(await exchange(gateway.url, LIST, *lines)) for lines in NO_KEY]
    assert all(told == shapes[0] for told in shapes)
    status, headers, error = shapes[0]
    assert (status, headers["www-authenticate"], headers["x-should-retry"]) == (401, "Bearer", "false")
    assert error == {
        "message": "Incorrect API key provided. Send a key of this gateway as 'Authorization: Bearer KEY'.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }


async def test_two_authorizations_are_none(start_gateway: StartGateway) -> None:
    """A proxy may have looked at the other one: no answer but a refusal, whichever is good."""
    gateway = await start_gateway(auth={"keys": key_settings(KEY)})
    good, bad = f"Authorization: Bearer {KEY}", "Authorization: Bearer x"
    for pair in ((good, bad), (bad, good), (good, good)):
        assert (await exchange(gateway.url, LIST, *pair)).status in (400, 401)


@pytest.mark.parametrize("line", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {}   "])
async def test_a_good_key_opens(start_gateway: StartGateway, line: str) -> None:
    """Any of the keys, the scheme in any case: https://www.rfc-editor.org/rfc/rfc9110#section-11.1"""
    gateway = await start_gateway(auth={"keys": key_settings(KEY, OTHER)})
    for key in (KEY, OTHER):
        assert (await exchange(gateway.url, LIST, "Authorization: " + line.format(key))).status == 200


async def test_the_hash_of_nothing_opens_nothing(start_gateway: StartGateway) -> None:
    """An operator who hashed an empty variable has not opened the gateway to everybody."""
    gateway = await start_gateway(auth={"keys": key_settings("")})
    for line in ("Authorization: Bearer ", "Authorization: Bearer", "Authorization:"):
        assert (await exchange(gateway.url, LIST, line)).status == 401


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/v1", "/v1/nothing", "/v1/images/edits", "/v1/../healthz", "//v1/models", "/admin", "/HEALTHZ"],
)
async def test_without_a_key_nothing_tells_what_exists(start_gateway: StartGateway, path: str) -> None:
    """Unknown paths and known ones look alike to strangers, in every method."""
    gateway = await start_gateway(auth={"keys": key_settings(KEY)})
    for method in ("GET", "POST", "DELETE", "OPTIONS", "BREW"):
        heard = await exchange(gateway.url, f"{method} {path} HTTP/1.1")
        assert heard.status == 401 or (heard.status == 400 and method == "BREW")


async def test_only_the_table_is_open(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Every resource of the public side asks for a key unless it is listed, and the list is these four."""
    gateway = await start_gateway(auth={"keys": key_settings(KEY)})
    assert sorted(OPEN) == ["healthz", "hooks", "results", "welcome"]
    for resource in gateway.public.router.resources():
        path = resource.canonical.replace("{ref}", "x").replace("{id}", "x").replace("{rest}", "x")
        path = re.sub(r"{[a-z]+}", "x", path)
        async with client.get(gateway.url + path) as answer:
            assert (answer.status != 401) == (resource.name in OPEN), path


@pytest.mark.parametrize("prefix", ["", "/pictures"])
async def test_a_browser_is_told_where_clients_go(
    start_gateway: StartGateway, client: aiohttp.ClientSession, prefix: str
) -> None:
    """Plain words at the address that an operator opens first: no key, no riddle, nothing of the configuration."""
    gateway = await start_gateway(auth={"keys": key_settings(KEY)}, route_prefix=prefix)
    page = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    async with client.get(f"{gateway.url}{prefix}/", headers=page) as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        assert f"base_url is this address with {prefix}/v1 behind it" in await answer.text()
    async with client.head(f"{gateway.url}{prefix}/") as answer:
        assert answer.status == 200
    async with client.post(f"{gateway.url}{prefix}/") as answer:
        assert answer.status == 401


async def test_the_metrics_are_not_public(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Not even with a key; the admin listener has them, and nothing of the public side."""
    gateway = await start_gateway(auth={"keys": key_settings(KEY)})
    for path in ("/metrics", "/readyz", "/debug", "/admin"):
        async with client.get(gateway.url + path, headers={"Authorization": f"Bearer {KEY}"}) as answer:
            assert answer.status == 404
    async with client.get(gateway.admin_url + "/v1/models", headers={"Authorization": f"Bearer {KEY}"}) as answer:
        assert answer.status == 404


async def test_a_refusal_comes_before_the_body(bfl: Emulator, start_gateway: StartGateway) -> None:
    """A client that waits for `100 Continue` is refused without sending a byte of its upload."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)})
    place = URL(gateway.url)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(
        f"POST /v1/images/edits HTTP/1.1\r\nHost: {place.host}\r\nContent-Length: 20000000\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3)
    assert parse(head).status == 401
    writer.transport.abort()
    assert gateway.metrics.registry.get_sample_value("gateway_image_bytes_total", {"direction": "received"}) == 0


async def test_a_caller_is_known_by_the_id_of_its_key(start_gateway: StartGateway) -> None:
    """What the log calls a caller is the operator's word, never the key."""
    with logbook() as book:
        gateway = await start_gateway(auth={"keys": key_settings(KEY, OTHER)})
        await exchange(gateway.url, LIST, f"Authorization: Bearer {OTHER}")
        await exchange(gateway.url, LIST)
        await exchange(gateway.url, "GET /healthz HTTP/1.1")
    assert [line["caller"] for line in book.requests] == ["client-1", None, "anonymous"]
    assert OTHER not in book.text


# Without keys.


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80", "127.9.9.9:80", "[::1]", "[::1]:8080"],
)
async def test_this_machines_names_are_served(start_gateway: StartGateway, host: str) -> None:
    """Under whatever name and port a local program knows the gateway."""
    gateway = await start_gateway()
    assert (await exchange(gateway.url, LIST, f"Host: {host}")).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "evil.example",
        "evil.example:8080",
        "localhost:8080@evil.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "[::1].evil.example",
        "[localhost",
        "127.1",
        "0.0.0.0",
        "2130706433",
        "0x7f.0.0.1",
        "::1",
        "localhost:",
        "localhost:80:80",
        "localhost, evil.example",
        "10.0.0.1",
    ],
)
async def test_other_names_are_refused(start_gateway: StartGateway, host: str) -> None:
    """A page whose name was pointed at this machine sends its own name: DNS rebinding ends here."""
    gateway = await start_gateway()
    heard = await exchange(gateway.url, LIST, f"Host: {host}")
    assert heard.status == 403
    assert heard.error["code"] == "forbidden_origin"


async def test_no_host_and_two_hosts_are_refused(start_gateway: StartGateway) -> None:
    """Nothing to go by is not local, and two of them are two opinions; a forwarded name counts for nothing."""
    gateway = await start_gateway()
    assert parse(await talk(gateway.url, b"GET /v1/models HTTP/1.0\r\n\r\n")).status == 403
    assert (await exchange(gateway.url, LIST, "Host: localhost", "Host: evil.example")).status == 400
    evil = await exchange(
        gateway.url, LIST, "Host: evil.example", "X-Forwarded-Host: localhost", "Forwarded: host=localhost"
    )
    assert evil.status == 403


@pytest.mark.parametrize(
    "lines",
    [
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: http://localhost:3000",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
        ("Sec-Fetch-Site: junk",),
        ("Origin: https://evil.example", "Sec-Fetch-Site: same-origin"),
        ("Origin: https://app.example.evil.example", "Sec-Fetch-Site: cross-site"),
    ],
)
async def test_web_pages_are_refused(bfl: Emulator, start_gateway: StartGateway, lines: tuple[str, ...]) -> None:
    """A page in a local browser is not a local program: no edit is paid for it."""
    gateway = await start_gateway(bfl, auth={"origins": ["https://app.example"]})
    body = edit_body()
    heard = await exchange(
        gateway.url,
        "POST /v1/images/edits HTTP/1.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        *lines,
        body=body,
    )
    assert heard.status == 403
    assert heard.error["code"] == "forbidden_origin"
    assert bfl.counts.accepted == 0


@pytest.mark.parametrize(
    "lines",
    [
        ("Sec-Fetch-Site: none",),
        ("Sec-Fetch-Site: same-origin",),
        ("Origin: https://app.example", "Sec-Fetch-Site: cross-site"),
    ],
)
async def test_typed_addresses_and_listed_pages_are_served(start_gateway: StartGateway, lines: tuple[str, ...]) -> None:
    """What the user typed, and the pages that the operator listed."""
    gateway = await start_gateway(auth={"origins": ["https://app.example"]})
    assert (await exchange(gateway.url, LIST, *lines)).status == 200


@pytest.mark.parametrize(
    "line",
    ["X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9", "Via: 1.1 proxy"],
)
async def test_a_proxy_on_this_machine_brings_nobody_in(start_gateway: StartGateway, line: str) -> None:
    """nginx asks for `127.0.0.1:8080` unless it is told otherwise, on behalf of the whole internet."""
    gateway = await start_gateway()
    assert (await exchange(gateway.url, LIST)).status == 200
    heard = await exchange(gateway.url, LIST, line)
    assert (heard.status, heard.error["code"]) == (403, "forbidden_origin")
