"""
What stands in front of the gateway passes on what it gets: uploads and events as they come, a cut as a cut, and an
order once.

The samples of config/deploy are run as they are, by the real programs.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from gateway.jobs.settings import JobSettings
from tests.conftest import StartGateway
from tests.fakes.forms import edit_form, key_settings
from tests.fakes.installed import installed
from tests.fakes.logbook import logbook
from tests.fakes.openai_server import Exchange, FakeOpenAi, cut, events, fake_openai
from tests.operations.proxies import DEPLOY, NAMES, Front, proxy

CHAT = "/v1/chat/completions"
ASKED = {"model": "gpt-5", "stream": True, "messages": []}
BEARER = {"Authorization": "Bearer k"}
# Far beyond what a test takes, on however busy a machine.
PATIENCE_S = 60.0


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


async def behind(name: str, start: StartGateway, upstream: FakeOpenAi, bfl: Emulator | None = None) -> Gateway:
    installed(name)
    return await start(
        bfl,
        platforms={"openai": {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}},
        auth={"keys": key_settings("k")},
        clients={"trusted_proxies": ["127.0.0.1/32"]},
        **({"routes": {"edits": ["bfl"]}} if bfl else {}),
    )


def client_of(front: Front) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=front.trust)
    return aiohttp.ClientSession(front.url, connector=connector, headers=BEARER)


@pytest.mark.parametrize("name", NAMES)
async def test_events_leave_one_by_one(
    name: str, upstream: FakeOpenAi, start_gateway: StartGateway, tmp_path: Path
) -> None:
    """The second is not sent before the first has reached the client; the end is an end."""
    heard = [asyncio.Event() for _ in range(4)]

    async def after_the_one_before(number: int) -> None:
        if number:
            await heard[number - 1].wait()

    upstream.play(events(4, after_the_one_before))
    gateway = await behind(name, start_gateway, upstream)
    async with (
        proxy(name, gateway.url, tmp_path / name) as front,
        client_of(front) as client,
        asyncio.timeout(PATIENCE_S),
        client.post(CHAT, json=ASKED) as answer,
    ):
        assert answer.status == 200
        found = []
        async for line in answer.content:
            if line.startswith(b"data: "):
                found.append(line)
                heard[len(found) - 1].set()
    assert found == [f"data: {number}\n".encode() for number in range(4)]


def one_event_and_a_cut(told: asyncio.Event) -> object:
    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        await exchange.chunk(b"data: 0\n\n")
        await told.wait()
        exchange.drop()

    return script


@pytest.mark.parametrize("name", NAMES)
async def test_a_cut_is_a_cut(name: str, upstream: FakeOpenAi, start_gateway: StartGateway, tmp_path: Path) -> None:
    """A stream that breaks off between two events does not look complete; old Caddies, of which theirs warns, do so."""
    told = asyncio.Event()
    upstream.play(one_event_and_a_cut(told))  # type: ignore[arg-type]
    gateway = await behind(name, start_gateway, upstream)
    async with proxy(name, gateway.url, tmp_path / name) as front, client_of(front) as client:
        async with asyncio.timeout(PATIENCE_S), client.post(CHAT, json=ASKED) as answer:
            assert await answer.content.readline() == b"data: 0\n"
            told.set()
            try:
                await answer.read()
                complete = True
            except aiohttp.ClientPayloadError:
                complete = False
        assert complete is not front.tells_cuts
    assert "Caddy 2.7 or newer" in (DEPLOY / "Caddyfile").read_text()


async def test_a_cut_is_a_cut_in_http_2(upstream: FakeOpenAi, start_gateway: StartGateway, tmp_path: Path) -> None:
    """Where there are no chunks the stream is reset: curl's exit code for that is 92, or 18 for a partial file."""
    told = asyncio.Event()
    upstream.play(one_event_and_a_cut(told))  # type: ignore[arg-type]
    gateway = await behind("nginx", start_gateway, upstream)
    async with proxy("nginx", gateway.url, tmp_path / "nginx") as front:
        process = await asyncio.create_subprocess_exec(
            *(installed("curl"), "-q", "-sSN", "--http2", "--noproxy", "*", "--cacert", front.ca_file),
            *("-H", "Authorization: Bearer k", "--json", '{"model": "gpt-5", "stream": true}', front.url + CHAT),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await process.stdout.readline() == b"data: 0\n"
            told.set()
            assert await process.wait() in (18, 92)


@pytest.mark.parametrize("name", NAMES)
async def test_an_order_is_sent_once(name: str, tmp_path: Path) -> None:
    """The gateway's connection breaks without an answer: the client is told, and nobody tries again."""
    installed(name)
    async with fake_openai(cut(b"")) as gateway:
        address = gateway.url.removesuffix("/v1")
        async with (
            proxy(name, address, tmp_path / name) as front,
            client_of(front) as client,
            asyncio.timeout(PATIENCE_S),
            client.post("/v1/images/edits", data=edit_form()) as answer,
        ):
            assert answer.status == 502
        assert len(gateway.seen) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_uploads_pass_as_they_come(name: str, tmp_path: Path) -> None:
    """The gateway has a request's head, with the proxy's word for its client, before its body has ended."""
    installed(name)
    async with fake_openai() as gateway:
        address = gateway.url.removesuffix("/v1")
        async with proxy(name, address, tmp_path / name) as front, client_of(front) as client:

            async def body() -> AsyncIterator[bytes]:
                yield b"x" * 100_000
                await gateway.until(lambda fake: bool(fake.seen))
                yield b"y"

            headers = {"X-Forwarded-For": "203.0.113.9", "Content-Length": "100001"}
            async with (
                asyncio.timeout(PATIENCE_S),
                client.post("/v1/images/edits", data=body(), headers=headers) as answer,
            ):
                assert answer.status == 200
    (seen,) = gateway.seen
    assert (seen.length, seen.all("X-Forwarded-For")) == (100_001, ["127.0.0.1"])


@pytest.mark.parametrize("name", NAMES)
async def test_an_edit(
    name: str, bfl: Emulator, upstream: FakeOpenAi, start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A picture, streamed and whole; the log has the client's address, not the proxy's."""
    with logbook() as book:
        gateway = await behind(name, start_gateway, upstream, bfl)
        async with (
            proxy(name, gateway.url, tmp_path / name) as front,
            client_of(front) as client,
            asyncio.timeout(PATIENCE_S),
        ):
            async with client.post("/v1/images/edits", data=edit_form()) as answer:
                assert answer.status == 200, await answer.text()
                assert base64.b64decode((await answer.json())["data"][0]["b64_json"]).startswith(b"\x89PNG")
            async with client.post("/v1/images/edits", data=edit_form(stream="true", prompt="b")) as answer:
                assert "event: image_edit.completed" in await answer.text()
    assert {line["client"] for line in book.requests} == {"127.0.0.1"}


@pytest.mark.parametrize("name", NAMES)
async def test_the_gateway_is_asked_in_http_1_1(name: str, tmp_path: Path) -> None:
    """In HTTP/1.0 the end of a connection is the end of an answer, whoever ended it."""
    installed(name)
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever looks whether the port is open sends nothing.
        if line := await reader.readline():
            lines.append(line)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with (
            proxy(name, f"http://{host}:{port}", tmp_path / name) as front,
            client_of(front) as client,
            asyncio.timeout(PATIENCE_S),
            client.get("/v1/models") as answer,
        ):
            assert answer.status == 204
    assert lines == [b"GET /v1/models HTTP/1.1\r\n"]


def test_they_wait_longer_than_the_gateway() -> None:
    """Past `jobs.answer_within` the gateway itself says what became of a request."""
    longest = JobSettings().answer_within
    nginx, caddy = (DEPLOY / "nginx.conf").read_text(), (DEPLOY / "Caddyfile").read_text()
    waits = re.findall(r"(?:proxy_\w+|header)_timeout (\d+)s", nginx + caddy)
    assert len(waits) == 3 and all(int(wait) > longest for wait in waits)
