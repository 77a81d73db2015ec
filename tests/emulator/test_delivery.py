"""The delivery origin: signed links that expire and renew, ranges, and no credentials."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .conftest import Client, Clock


async def ready(client: Client, prompt: str = "a", **fields: Any) -> tuple[dict[str, Any], str]:
    accepted = await client.submit(prompt, **fields)
    return accepted, (await client.finish(accepted))["result"]["sample"]


async def test_the_link_is_signed_like_a_sas_link(client: Client, clock: Clock) -> None:
    """Expiry ten minutes from the poll, read only, the content type inside."""
    _, link = await ready(client)
    query = parse_qs(urlsplit(link).query)
    assert list(query) == ["se", "sp", "sv", "sr", "rsct", "sig"]
    assert query["se"] == ["2025-12-17T20:00:00Z"]
    assert (query["sp"], query["sr"], query["rsct"]) == (["r"], ["b"], ["image/png"])


async def test_a_picture_comes_with_azures_headers(client: Client) -> None:
    """Length, digest, ETag, ranges, the type of the link, and nothing for browsers."""
    _, link = await ready(client)
    response = await client.download(link)
    data = await response.read()
    assert response.status == 200
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Length"] == str(len(data))
    assert response.headers["Content-MD5"] == base64.b64encode(hashlib.md5(data).digest()).decode()
    assert response.headers["ETag"].startswith('"0x')
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Access-Control-Allow-Origin" not in response.headers
    assert client.bfl.counts.downloads == 1


async def test_links_expire_and_a_poll_renews_them(client: Client, clock: Clock) -> None:
    """After ten minutes 403 in XML; one more poll gives a link that works."""
    accepted, link = await ready(client)
    clock.time += 599
    assert (await client.download(link)).status == 200
    clock.time += 2
    expired = await client.download(link)
    assert (expired.status, expired.content_type) == (403, "application/xml")
    assert "AuthenticationFailed" in await expired.text()
    fresh = (await (await client.poll(accepted)).json())["result"]["sample"]
    assert fresh != link
    assert (await client.download(fresh)).status == 200
    assert client.bfl.counts.downloads_refused == 1


@pytest.mark.parametrize("part", ["sig=", "se=", "rsct=", "sp="])
async def test_a_touched_link_is_refused(client: Client, part: str) -> None:
    """Changing any signed part closes it."""
    _, link = await ready(client)
    assert (await client.download(link.replace(part, part + "A"))).status == 403
    assert (await client.download(link.partition("?")[0])).status == 403


@pytest.mark.parametrize("name", ["x-key", "Authorization", "Cookie"])
async def test_credentials_are_refused_and_counted(client: Client, name: str) -> None:
    """No key belongs here."""
    _, link = await ready(client)
    assert (await client.download(link, **{name: "secret=1"})).status == 400
    assert client.bfl.counts.leaked_keys == 1
    assert client.bfl.counts.downloads == 0


@pytest.mark.parametrize(
    ("wanted", "slice_"),
    [("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, None)), ("bytes=-5", slice(-5, None))],
)
async def test_ranges_are_served(client: Client, wanted: str, slice_: slice) -> None:
    """A part of the picture with its place in the whole."""
    _, link = await ready(client)
    whole = await (await client.download(link)).read()
    part = await client.download(link, Range=wanted)
    assert part.status == 206
    assert await part.read() == whole[slice_]
    start, stop, _ = slice_.indices(len(whole))
    assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


async def test_ranges_past_the_end_are_not(client: Client) -> None:
    """416 with the real length."""
    _, link = await ready(client)
    assert (await client.download(link, Range="bytes=99999999-")).status == 416


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_the_type_follows_the_format(client: Client, output_format: str) -> None:
    """The link, the header and the bytes agree."""
    _, link = await ready(client, output_format=output_format)
    response = await client.download(link)
    assert response.content_type == f"image/{output_format}"
    magic = {"png": b"\x89PNG", "jpeg": b"\xff\xd8", "webp": b"RIFF"}[output_format]
    assert (await response.read()).startswith(magic)


async def test_formats_have_the_vendors_defaults(client: Client) -> None:
    """Kontext answers PNG, the others JPEG."""
    assert (await client.picture("a")).format == "PNG"
    assert (await client.picture("a", model="flux-2-pro")).format == "JPEG"
    assert (await client.picture("a", model="flux-3-image")).format == "PNG"
