"""Alive is not ready: one says that the process answers, the other that it wants work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.fakes.forms import edit_form

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
