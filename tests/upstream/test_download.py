"""A picture is fetched whole, from where it may be fetched, without credentials; or not at all."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.blob import Link
from gateway.domain.egress import DIRECT
from gateway.domain.hosts import PrivateHosts
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool
from gateway.upstream import download
from gateway.upstream.download import Download, FetchFailed
from gateway.upstream.guard import PrivateAddress
from tests.fakes.customer import until
from tests.fakes.pictures import picture

PICTURE = picture(400, 300, noise=True)
CAP = 1_000_000
LOOPBACK = PrivateHosts(loopback=True)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Listen = Callable[[Handle], Awaitable[str]]


class Held(dict[str, int]):
    """What the spool holds, by kind."""

    def __call__(self, kind: str, held: int) -> None:
        self[kind] = held


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is given up after a moment."""
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=2, sock_connect=0.5, sock_read=0.2))


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def fetch(tmp_path: Path, held: Held) -> AsyncIterator[Callable[..., Awaitable[bytes]]]:
    """Fetch and read a picture; afterwards nothing may be held."""
    settings = MemorySettings(budget=2_000_000, disk=0, wait=0)
    async with Spool(settings, tmp_path / "spool", held) as spool, Download(spool, cap=CAP) as opened:

        async def fetch(url: str, private: PrivateHosts = LOOPBACK) -> bytes:
            blob = await opened.fetch(Link(url), private, DIRECT, "bfl")
            assert (blob.media_type, str(blob.pixels)) == ("image/png", "400x300")
            data = b"".join([chunk async for chunk in blob.chunks()])
            blob.release()
            return data

        yield fetch
    assert not any(held.values())


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Serve one handler under every path; returns an address."""
    runners: list[web.AppRunner] = []

    async def start(handle: Handle) -> str:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/sample.png?sig=a%2Bb%3D"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_a_picture(listen: Listen, fetch: Callable[..., Awaitable[bytes]]) -> None:
    """The bytes as they were, the signature as it was, and neither key nor cookie nor compression asked for."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(body=PICTURE, headers={"Set-Cookie": "a=b"}, content_type="text/plain")

    url = await listen(handle)
    assert await fetch(url) == await fetch(url) == PICTURE
    for request in asked:
        assert request.raw_path == "/sample.png?sig=a%2Bb%3D"
        assert request.headers["Accept-Encoding"] == "identity"
        assert {"x-key", "authorization", "cookie"}.isdisjoint(name.lower() for name in request.headers)


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"", 200, {}),
        (b"<html>hello</html>", 200, {"Content-Type": "image/png"}),
        (PICTURE[: len(PICTURE) // 2], 200, {}),
        (PICTURE[:-8], 200, {}),
        (b"GIF89a" + bytes(100), 200, {}),
        (PICTURE + bytes(CAP), 200, {}),
        (gzip.compress(PICTURE), 200, {"Content-Encoding": "gzip"}),
        (PICTURE, 206, {}),
        (b"", 302, {"Location": "/elsewhere"}),
        (b"<Error/>", 403, {}),
        (b"", 500, {}),
    ],
    ids=["empty", "html", "half", "no-end", "gif", "oversize", "gzip", "part", "redirect", "expired", "broken"],
)
async def test_what_is_no_picture(
    listen: Listen, fetch: Callable[..., Awaitable[bytes]], body: bytes, status: int, headers: dict[str, str]
) -> None:
    """Anything but a whole picture fails with the status that was seen, and leaves nothing behind."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers=headers)

    with pytest.raises(FetchFailed) as failed:
        await fetch(await listen(handle))
    assert failed.value.status == status
    assert failed.value.page is (body in (b"", b"<html>hello</html>") and status == 200)
    assert "sig=" not in str(failed.value)


@pytest.mark.parametrize("declared", [CAP + 1, 10**12])
async def test_a_huge_length_is_not_read(
    listen: Listen, fetch: Callable[..., Awaitable[bytes]], held: Held, declared: int
) -> None:
    """What declares more than the cap gets no room."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(PICTURE)
        return response

    with pytest.raises(FetchFailed):
        await fetch(await listen(handle))
    assert not held


async def test_more_than_the_cap_without_a_word(listen: Listen, fetch: Callable[..., Awaitable[bytes]]) -> None:
    """A length that was never declared is counted."""
    taken = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal taken
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PICTURE[:-100])
        while taken < 100 * CAP:
            await response.write(bytes(CAP))
            taken += CAP
        return response

    with pytest.raises(FetchFailed):
        await fetch(await listen(handle))
    assert taken < 50 * CAP


@pytest.mark.parametrize("declared", [True, False])
async def test_a_cut_connection(listen: Listen, fetch: Callable[..., Awaitable[bytes]], declared: bool) -> None:
    """Cut in the middle, with its length declared or not: never a picture."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(PICTURE))} if declared else {})
        await response.prepare(request)
        await response.write(PICTURE[:-100])
        assert request.transport is not None
        request.transport.abort()
        return response

    with pytest.raises(FetchFailed):
        await fetch(await listen(handle))


async def test_a_silent_host(listen: Listen, fetch: Callable[..., Awaitable[bytes]]) -> None:
    """Nothing comes any more: it is given up, and what came is let go."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(PICTURE))})
        await response.prepare(request)
        await response.write(PICTURE[:1000])
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.01)
        return response

    with pytest.raises(FetchFailed) as failed:
        await fetch(await listen(handle))
    assert failed.value.status == 0


async def test_a_dripping_host(
    listen: Listen, fetch: Callable[..., Awaitable[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never silent, and never done: it is given up for its rate, long before the whole time is over."""
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=60, sock_read=30))
    monkeypatch.setattr(download, "WINDOW_S", 0.1)

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(PICTURE))})
        await response.prepare(request)
        for start in range(len(PICTURE)):
            if request.transport is None or request.transport.is_closing():
                break
            await response.write(PICTURE[start : start + 1])
            await asyncio.sleep(0.001)
        return response

    with pytest.raises(FetchFailed, match="TooSlowly") as failed:
        await fetch(await listen(handle))
    assert (failed.value.status, failed.value.forbidden) == (0, False)


async def test_each_account_has_its_own_connections(
    listen: Listen, tmp_path: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose host does not answer fills its own pool: another's picture comes nevertheless."""
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=60))
    monkeypatch.setattr(download, "LIMIT", 2)
    waiting, over = list[web.Request](), asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if request.path.startswith("/slow"):
            waiting.append(request)
            await over.wait()
        return web.Response(body=PICTURE)

    quick = await listen(handle)
    slow = quick.replace("/sample", "/slow")
    settings = MemorySettings(budget=2_000_000, disk=0, wait=0)
    async with Spool(settings, tmp_path / "spool", held) as spool, Download(spool, cap=CAP) as opened:
        begun = [asyncio.ensure_future(opened.fetch(Link(slow), LOOPBACK, DIRECT, "one")) for _ in range(5)]
        await until(lambda: len(waiting) == 2)
        begun.append(asyncio.ensure_future(opened.fetch(Link(quick), LOOPBACK, DIRECT, "one")))
        blob = await opened.fetch(Link(quick), LOOPBACK, DIRECT, "two")
        assert len(waiting) == 2 and not any(one.done() for one in begun)
        over.set()
        for one in [blob, *await asyncio.gather(*begun)]:
            one.release()
    assert not any(held.values())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://example.com:8443/a.png",
        "https://user:pass@example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "https://exämple.com/",
        "https://example.com/\r\nx-key: a",
        "//example.com/a.png",
        "",
    ],
)
async def test_addresses_that_are_not_visited(fetch: Callable[..., Awaitable[bytes]], url: str) -> None:
    """Only https on its own port, or what the operator listed."""
    with pytest.raises(FetchFailed) as failed:
        await fetch(url, PrivateHosts())
    assert (failed.value.status, failed.value.forbidden) == (0, True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "two.example"]
)
async def test_private_addresses_are_not_visited(
    fetch: Callable[..., Awaitable[bytes]], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link from outside does not lead inside, and never will; nor does a name with several addresses there."""
    loop = asyncio.get_running_loop()
    plain = loop.getaddrinfo

    async def two(name: str, port: int, **options: Any) -> Any:
        if name != "two.example":
            return await plain(name, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{number}", port)) for number in (1, 2)]

    monkeypatch.setattr(loop, "getaddrinfo", two)
    with pytest.raises(FetchFailed) as failed:
        await fetch(f"https://{host}/a.png", PrivateHosts())
    assert failed.value.forbidden
    refused = failed.value.__cause__
    assert isinstance(refused, aiohttp.ClientConnectorError) and isinstance(refused.os_error, PrivateAddress)


async def test_paid_pictures_always_find_room(tmp_path: Path, held: Held, listen: Listen) -> None:
    """Memory and disk are over their limits: what was paid for is written to disk nevertheless."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    url = await listen(handle)
    settings = MemorySettings(budget=1000, disk=1000, wait=0)
    async with Spool(settings, tmp_path / "spool", held) as spool, Download(spool, cap=CAP) as opened:
        blob = await opened.fetch(Link(url), LOOPBACK, DIRECT, "bfl")
        assert held["disk"] == len(PICTURE) and not held.get("memory")
        blob.release()
    assert not any(held.values())


async def test_a_broken_disk(tmp_path: Path, held: Held, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be made: what was paid for stays in memory, over the budget."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    def full(_spool: Spool) -> tuple[int, Path]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "open_named", full)
    url = await listen(handle)
    settings = MemorySettings(budget=1000, disk=1000, wait=0)
    async with Spool(settings, tmp_path / "spool", held) as spool, Download(spool, cap=CAP) as opened:
        blob = await opened.fetch(Link(url), LOOPBACK, DIRECT, "bfl")
        assert held["memory"] == len(PICTURE) and not held.get("disk")
        blob.release()
    assert not any(held.values())
