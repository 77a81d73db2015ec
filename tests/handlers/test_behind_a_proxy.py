"""An edit whose paid call can only leave through the operator's proxy, to a vendor with a certificate of their own."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.conftest import KEY
from tests.fakes.certificates import Authority
from tests.fakes.connect_proxy import ConnectProxy, forward
from tests.fakes.forms import edit_form
from tests.fakes.logbook import logbook

StartGateway = Callable[..., Awaitable[Gateway]]

HOST = "api.vendor.example"


async def test_an_edit(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Submission and probe in tunnels that show no key, what is listed as insecure past them; no password is logged."""
    authority = Authority(tmp_path / "authority")

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """TLS in front of the emulator."""
        await forward(urlsplit(bfl.api_url).netloc, reader, writer)

    server = await asyncio.start_server(vendor, "127.0.0.1", 0, ssl=authority.issue(HOST).server())
    names = {f"{HOST}:443": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    async with ConnectProxy(names, credentials="ann:hunter22") as proxy:
        with logbook(["hunter22"]) as book:
            gateway = await start_gateway(
                bfl,
                platform={
                    "base_url": f"https://{HOST}",
                    "proxy": f"http://ann:hunter22@{proxy.place}",
                    "ca_file": authority.ca_file,
                    "insecure_hosts": [urlsplit(url).netloc for url in (bfl.polling_url, bfl.delivery_url)],
                },
            )
            async with client.post(f"{gateway.url}/v1/images/edits", data=edit_form()) as answer:
                assert answer.status == 200, await answer.text()
                edited = (await answer.json())["data"][0]["b64_json"]
    server.close()
    assert base64.b64decode(edited).startswith(b"\x89PNG")
    assert bfl.counts.accepted == bfl.counts.downloads == 1
    # A tunnel for the submission and one for questions after credits, made with what the proxy wants.
    assert len(proxy.heads) >= 2 and all(head.startswith(f"CONNECT {HOST}:443 ") for head in proxy.heads)
    assert KEY.encode() not in proxy.seen and KEY not in str(proxy.heads)
    assert "hunter22" not in book.text
