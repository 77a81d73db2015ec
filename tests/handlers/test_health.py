"""Alive is not ready: one says that the process answers, the other that it wants work."""

from __future__ import annotations

import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from gateway import app
from gateway.app import STUCK_S, Gateway
from gateway.config.schema import Config, Listener
from gateway.emulator.server import Emulator
from gateway.handlers.health import raw
from tests.fakes.forms import edit_form
from tests.fakes.raw import exchange

StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.mark.parametrize("side", ["url", "admin_url"])
async def test_alive(start_gateway: StartGateway, client: aiohttp.ClientSession, side: str) -> None:
    """On both listeners, for GET and HEAD, whatever the platforms do."""
    gateway = await start_gateway()
    for method, body in (("GET", b'{"status":"ok"}'), ("HEAD", b"")):
        async with client.request(method, f"{getattr(gateway, side)}/healthz") as answer:
            assert (answer.status, await answer.read()) == (200, body)
            assert answer.content_type == "application/json"


async def test_ready_until_it_drains(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Then 503 with the reason, while it stays alive, keeps serving metrics, and takes no new edit."""
    gateway = await start_gateway(bfl)
    async with client.get(f"{gateway.admin_url}/readyz") as answer:
        assert (answer.status, await answer.json()) == (
            200,
            {"status": "ready", "platforms": {"bfl": "closed; 0 of 24 slots in use"}},
        )
    await gateway.supervisor.drain(0)
    async with client.get(f"{gateway.admin_url}/readyz") as answer:
        assert answer.status == 503
        told = {
            "status": "unavailable",
            "draining": "the gateway is shutting down",
            "platforms": {"bfl": "closed; 0 of 24 slots in use"},
        }
        assert await answer.json() == told
    for path in ("/healthz", "/metrics"):
        async with client.get(gateway.admin_url + path) as answer:
            assert answer.status == 200
    async with client.post(f"{gateway.url}/v1/images/edits", data=edit_form()) as answer:
        assert (answer.status, answer.headers["x-should-retry"]) == (503, "true")
        assert (await answer.json())["error"]["code"] == "shutting_down"
    assert bfl.counts.submits_seen == 0


async def test_not_ready_before_it_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    """Operators are answered before clients are: who goes by it, as a load balancer does, would be refused."""
    listen, told = app._opened, list[tuple[int, Any]]()

    async def looked(run: web.AppRunner, listener: Listener, *further: Any) -> str:
        if run.app is gateway.public:
            async with client.get(f"{gateway.admin_url}/readyz") as answer:
                told.append((answer.status, await answer.json()))
        return await listen(run, listener, *further)

    monkeypatch.setattr(app, "_opened", looked)
    document = {"listen": {"port": 0}, "admin": {"port": 0}, "state_dir": tmp_path}
    gateway = Gateway(Config.model_validate(document))
    async with gateway, client.get(f"{gateway.admin_url}/readyz") as answer:
        assert answer.status == 200
    starting = {"status": "unavailable", "starting": "the gateway does not listen for clients yet", "platforms": {}}
    assert told == [(503, starting)]


@pytest.mark.parametrize("prefix", ["", "/images"])
async def test_alive_while_many_wait(start_gateway: StartGateway, prefix: str) -> None:
    """A new connection's probe does not stand in their line, which is as long as before when it is answered."""
    gateway = await start_gateway(route_prefix=prefix)
    started = list[int]()

    def begin() -> bool:
        started.append(1)
        return True

    for _ in range(100_000):
        gateway._requests.soon(begin)
    heard = await exchange(gateway.url, f"GET {prefix}/healthz HTTP/1.1")
    assert (heard.status, heard.rest, heard.headers["Connection"]) == (200, b'{"status":"ok"}', "close")
    head = await exchange(gateway.url, f"HEAD {prefix}/healthz HTTP/1.1")
    assert (head.status, head.rest, head.headers["Content-Length"]) == (200, b"", "15")
    assert len(started) < 100_000
    gateway._requests.finish()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_operators_are_answered_however_busy_the_loop_is(start_gateway: StartGateway, path: str) -> None:
    """Here it stands still until they are."""
    gateway = await start_gateway()

    def ask() -> int:
        with urllib.request.urlopen(gateway.admin_url + path, timeout=300) as answer:
            return int(answer.status)

    with ThreadPoolExecutor() as threads:
        assert threads.submit(ask).result(60) == 200


async def test_a_loop_that_hangs_is_told(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """By whoever else is alive in the process: it has to be started again."""
    gateway = await start_gateway()
    gateway._pulse._last -= STUCK_S + 3600
    with patch.object(gateway._pulse, "beat"):
        async with client.get(f"{gateway.admin_url}/healthz") as answer:
            told = (answer.status, await answer.json())
    assert told == (503, {"status": "stuck"})


ASKED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        ASKED,
        ASKED + b"Content-Length: 1\r\n\r\n",
        ASKED + b"content-length: 1\r\n\r\n",
        ASKED + b"Transfer-Encoding: chunked\r\n\r\n",
        ASKED + b"\r\nGET / HTTP/1.1\r\n\r\n",
        ASKED.replace(b"GET", b"POST") + b"\r\n",
        ASKED.replace(b"GET", b"get") + b"\r\n",
        ASKED.replace(b"1.1", b"2.0") + b"\r\n",
        ASKED.replace(b"healthz", b"healthz/x") + b"\r\n",
        ASKED + b"no colon\r\n\r\n",
        ASKED + b" folded: x\r\n\r\n",
    ],
)
def test_what_is_no_plain_probe_takes_the_ordinary_way(said: bytes) -> None:
    """There it is parsed as everything else is."""
    assert raw(said) is None
    assert raw(ASKED + b"\r\n") is not None
    assert raw(ASKED + b"\r\n", "/images") is None


async def test_readiness_is_not_public(start_gateway: StartGateway, client: aiohttp.ClientSession) -> None:
    """Operators' paths are on the operators' listener, and nowhere else."""
    gateway = await start_gateway()
    async with client.get(f"{gateway.url}/readyz") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/images/edits", "/results/x", "/nope"])
async def test_the_admin_listener_serves_operators_only(
    start_gateway: StartGateway, client: aiohttp.ClientSession, path: str
) -> None:
    """In the same envelope, without the name of the software."""
    gateway = await start_gateway()
    async with client.get(gateway.admin_url + path) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"
        assert "aiohttp" not in str(answer.headers)
    async with client.get(f"{gateway.admin_url}/readyz") as answer:
        assert "aiohttp" not in str(answer.headers)
