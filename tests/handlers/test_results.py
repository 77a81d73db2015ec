"""Links to finished pictures: who gets in, what is sent, and which parts of it."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import pytest
from PIL import Image
from yarl import URL

from gateway.app import SWEEP_EVERY_S, Gateway
from gateway.emulator.server import Emulator
from tests.fakes.customer import until
from tests.fakes.forms import edit_form, key_settings
from tests.fakes.raw import exchange

StartGateway = Callable[..., Awaitable[Gateway]]


@dataclass(frozen=True)
class Linked:
    gateway: Gateway
    link: str
    data: bytes


async def linked(gateway: Gateway, client: aiohttp.ClientSession, **fields: Any) -> Linked:
    """An edit answered with a link, and what the link leads to."""
    form = edit_form(response_format="url", **fields)
    async with client.post(f"{gateway.url}/v1/images/edits", data=form) as answer:
        link = (await answer.json())["data"][0]["url"]
    async with client.get(link) as answer:
        assert answer.status == 200
        return Linked(gateway, link, await answer.read())


@pytest.fixture
async def made(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> Linked:
    return await linked(await start_gateway(bfl), client)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_the_picture_is_there(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, form: str
) -> None:
    """The real bytes under their real type, with everything a cache or a player wants to know."""
    made = await linked(await start_gateway(bfl), client, output_format=form)
    async with client.get(made.link) as answer:
        data, headers = await answer.read(), answer.headers
    assert (answer.status, data) == (200, made.data)
    assert Image.open(io.BytesIO(data)).format == form.upper()
    assert headers["Content-Type"] == f"image/{form}"
    assert headers["Content-Length"] == str(len(data))
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"].startswith("private, ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["ETag"].startswith('"')
    assert headers["x-request-id"].startswith("req_")


async def test_a_head_tells_and_sends_nothing(made: Linked, client: aiohttp.ClientSession) -> None:
    """The same head, whatever part is asked for: ranges are for GET, says RFC 9110 §14.2."""
    for asked in ({}, {"Range": "bytes=0-9"}):
        async with client.head(made.link, headers=asked) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert answer.headers["Content-Length"] == str(len(made.data))
            assert answer.headers["Content-Type"] == "image/png"


async def test_a_part(made: Linked, client: aiohttp.ClientSession) -> None:
    """First bytes, middle ones, the rest, the end; the head says which."""
    total = len(made.data)
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=10-19", 10, 20),
        ("bytes=10-", 10, total),
        ("bytes=0-", 0, total),
        ("bytes=-5", total - 5, total),
        ("bytes=-999999999", 0, total),
        ("bytes=10-999999999", 10, total),
        ("BYTES=1-2", 1, 3),
    ):
        async with client.get(made.link, headers={"Range": asked}) as answer:
            assert (answer.status, await answer.read()) == (206, made.data[start:stop]), asked
            assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{total}"
            assert answer.headers["Content-Length"] == str(stop - start)


async def test_a_part_that_is_not_there(made: Linked, client: aiohttp.ClientSession) -> None:
    """416 in the envelope, with the real length."""
    for asked in (f"bytes={len(made.data)}-", "bytes=999999999-9999999999", "bytes=-0"):
        async with client.get(made.link, headers={"Range": asked}) as answer:
            assert answer.status == 416
            assert answer.headers["Content-Range"] == f"bytes */{len(made.data)}"
            assert (await answer.json())["error"]["code"] == "range_not_satisfiable"


async def test_what_is_no_single_range_gets_the_whole(made: Linked) -> None:
    """Several ranges, reversed ones and junk are as if nothing had been asked."""
    line = f"GET {URL(made.link).raw_path_qs} HTTP/1.1"
    digits = "9" * 40
    for asked in (
        "bytes=0-1,4-5",
        "bytes=5-1",
        "bytes=-",
        "bytes=",
        "lines=0-1",
        "0-1",
        "bytes=a-b",
        f"bytes={digits}-",
    ):
        heard = await exchange(made.gateway.url, line, f"Range: {asked}")
        assert (heard.status, heard.rest) == (200, made.data), asked


async def test_a_part_only_of_what_the_client_has(made: Linked, client: aiohttp.ClientSession) -> None:
    """`If-Range` is compared strongly; a date, a weak or an old tag get the whole."""
    async with client.head(made.link) as answer:
        tag = answer.headers["ETag"]
    for condition, status in (
        (tag, 206),
        (f"W/{tag}", 200),
        ('"other"', 200),
        ("Sun, 22 Nov 2026 00:00:00 GMT", 200),
        ("", 200),
    ):
        async with client.get(made.link, headers={"Range": "bytes=0-9", "If-Range": condition}) as answer:
            assert answer.status == status, condition
            assert len(await answer.read()) == (10 if status == 206 else len(made.data))


async def test_what_the_client_has_is_not_sent_again(made: Linked, client: aiohttp.ClientSession) -> None:
    """`If-None-Match` is compared weakly, and goes before `Range`."""
    async with client.head(made.link) as answer:
        tag = answer.headers["ETag"]
    for listed in (tag, f"W/{tag}", f'"a", {tag}', f'W/"a",W/{tag}', "*", " * "):
        async with client.get(made.link, headers={"If-None-Match": listed, "Range": "bytes=0-1"}) as answer:
            assert (answer.status, await answer.read()) == (304, b""), listed
            assert answer.headers["ETag"] == tag
            assert "Content-Type" not in answer.headers
    for listed in ('"a"', "", tag.strip('"'), f"x{tag}"):
        async with client.get(made.link, headers={"If-None-Match": listed}) as answer:
            assert (answer.status, await answer.read()) == (200, made.data), listed


async def test_only_our_fresh_links_open(made: Linked, client: aiohttp.ClientSession) -> None:
    """Forged, altered, expired, for another picture: one 404, which does not say what was wrong."""
    gateway, link = made.gateway, URL(made.link)
    other = await linked(gateway, client, seed=2, prompt="make it green")
    ref, signature, expires = link.name, link.query["signature"], link.query["expires"]
    flipped = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    stale = gateway.results.link(ref, 1)
    tries = [
        link.update_query(signature=flipped),
        link.update_query(signature=signature.upper()),
        link.update_query(signature=signature[:32]),
        link.update_query(signature=""),
        link.update_query(signature="é"),
        link.update_query(expires=str(int(expires) + 1)),
        link.update_query(expires="99999999999999999999"),
        link.update_query(expires=f" {expires}"),
        link.update_query(expires=f"+{expires}"),
        link.update_query(expires=""),
        link.with_query(expires=expires),
        link.with_query(signature=signature),
        link.with_query(None),
        link.with_path("/results/none").with_query(link.query),
        link.with_path("/results/").with_query(link.query),
        link.with_query(URL(other.link).query),
        URL(gateway.url + stale),
        URL(gateway.url + gateway.results.link("none", int(expires))),
    ]
    shapes = set()
    for url in tries:
        async with client.get(url) as answer:
            assert answer.status in (404, 403), url
            shapes.add((await answer.json())["error"]["code"])
    assert shapes == {"not_found"}


def _is_zero(sample: Callable[[str], float | None], name: str) -> bool:
    return not sample(name)


@pytest.mark.parametrize("ledger", ["sqlite", "none"])
async def test_a_link_outlives_neither_its_date_nor_its_picture(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, ledger: str
) -> None:
    """Retention is a minute here, six tenths of a second on this clock; after it nothing is left."""
    made = await linked(await start_gateway(bfl, results={"retention": 60}, ledger=ledger), client)
    clock = made.gateway._clock
    await clock.sleep(61)
    async with client.get(made.link) as answer:
        assert answer.status == 404
    await clock.sleep(SWEEP_EVERY_S)
    fresh = made.gateway.results.link(URL(made.link).name, int(clock.wall() + 60))
    sample = made.gateway.metrics.registry.get_sample_value
    for name in ("gateway_spool_bytes", "gateway_results_bytes"):
        await until(partial(_is_zero, sample, name))
    async with client.get(made.gateway.url + fresh) as answer:
        assert answer.status == 404


async def test_a_link_needs_no_key_and_minds_no_other(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Some applications send their key along, others none: the signature is what counts."""
    key = "gw-results-0123456789abcdef"
    gateway = await start_gateway(bfl, auth={"keys": key_settings(key)})
    form = edit_form(response_format="url")
    async with client.post(
        f"{gateway.url}/v1/images/edits", data=form, headers={"Authorization": f"Bearer {key}"}
    ) as answer:
        link = (await answer.json())["data"][0]["url"]
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {key}"}):
        async with client.get(link, headers=headers) as answer:
            assert answer.status == 200


async def test_other_methods_do_not_exist(made: Linked, client: aiohttp.ClientSession) -> None:
    """405 with the two that do."""
    for method in ("POST", "DELETE", "PUT"):
        async with client.request(method, made.link) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


# Where links lead.


@pytest.mark.parametrize(
    ("configured", "prefix", "expected"),
    [
        ("https://images.example", "", "https://images.example/results/"),
        ("https://images.example/", "", "https://images.example/results/"),
        ("https://images.example/deep/", "", "https://images.example/deep/results/"),
        ("https://images.example", "/images", "https://images.example/images/results/"),
        ("https://images.example/images", "/images", "https://images.example/images/results/"),
    ],
)
async def test_links_begin_with_the_configured_address(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    configured: str,
    prefix: str,
    expected: str,
) -> None:
    """Whatever `Host` says, and with the prefix once."""
    gateway = await start_gateway(bfl, public_base_url=configured, route_prefix=prefix)
    form = edit_form(response_format="url")
    async with client.post(f"{gateway.url}{prefix}/v1/images/edits", data=form) as answer:
        link = (await answer.json())["data"][0]["url"]
    assert link.startswith(expected)
    async with client.get(gateway.url + prefix + link[len(expected) - len("/results/") :]) as answer:
        assert answer.status == 200


async def test_a_prefix_is_in_links_of_this_machine(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Derived from `Host`, they lead back here."""
    gateway = await start_gateway(bfl, route_prefix="/images")
    async with client.post(f"{gateway.url}/images/v1/images/edits", data=edit_form(response_format="url")) as answer:
        link = (await answer.json())["data"][0]["url"]
    assert link.startswith(f"{gateway.url}/images/results/")
    async with client.get(link) as answer:
        assert answer.status == 200
    async with client.get(f"{gateway.url}/images/v1/models") as answer:
        assert answer.status == 200
    async with client.get(f"{gateway.url}/images/healthz") as answer:
        assert answer.status == 200
    async with client.get(f"{gateway.url}/v1/models") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "host", ["images.example", "localhost.evil.example", "localhost:1@evil.example", "127.0.0.1.nip.io"]
)
async def test_without_an_address_links_are_refused_before_anything_is_paid(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, host: str
) -> None:
    """Off this machine nobody knows where a link should lead: 400, and the vendor never hears of it."""
    key = "gw-results-0123456789abcdef"
    gateway = await start_gateway(bfl, auth={"keys": key_settings(key)})
    async with client.post(
        f"{gateway.url}/v1/images/edits",
        data=edit_form(response_format="url"),
        headers={"Host": host, "Authorization": f"Bearer {key}"},
    ) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["param"]) == (400, "response_format")
    assert "PUBLIC_BASE_URL" in error["message"]
    assert bfl.counts.submits_seen == 0
    assert gateway.metrics.registry.get_sample_value("gateway_memory_budget_bytes", {"kind": "held"}) == 0


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"model": "dall-e-2"}, "url"),
        ({"model": "dall-e-3"}, "url"),
        ({"model": "dall-e-3-2024-01-01"}, "url"),
        ({"model": "dall-e-3", "response_format": ""}, "url"),
        ({"model": "dall-e-3", "response_format": "b64_json"}, "b64_json"),
        ({"model": "gpt-image-2"}, "b64_json"),
        ({"model": "flux-kontext-pro"}, "b64_json"),
        ({}, "b64_json"),
    ],
)
async def test_links_where_the_model_has_them_by_itself(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, fields: dict[str, Any], key: str
) -> None:
    """Applications written for dall-e ask for no format and read `url`."""
    gateway = await start_gateway(bfl)
    async with client.post(f"{gateway.url}/v1/images/edits", data=edit_form(**fields)) as answer:
        assert answer.status == 200, await answer.text()
        (found,) = (await answer.json())["data"]
    assert found.keys() & {"url", "b64_json"} == {key}


@pytest.mark.parametrize("place", ["account", "route"])
@pytest.mark.parametrize(("sent", "key"), [({}, "url"), ({"response_format": "b64_json"}, "b64_json")])
async def test_links_where_the_operator_says_so(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    place: str,
    sent: dict[str, Any],
    key: str,
) -> None:
    """A default for clients that say nothing, of an account or of a route."""
    said: dict[str, Any] = {"defaults": {"response_format": "url"}}
    routes = {"routes": {"rules": [{"name": "all", "to": [{"platform": "bfl", **said}]}]}}
    gateway = await (start_gateway(bfl, **routes) if place == "route" else start_gateway(bfl, platform=said))
    async with client.post(f"{gateway.url}/v1/images/edits", data=edit_form(**sent)) as answer:
        assert answer.status == 200, await answer.text()
        (found,) = (await answer.json())["data"]
    assert found.keys() & {"url", "b64_json"} == {key}
