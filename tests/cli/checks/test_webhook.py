"""An address for call-backs: this gateway's, somebody else's, nobody's, or one that nobody outside can reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.cli.checks import webhook
from gateway.cli.checks.finding import Mark
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.openai.settings import OpenAiSettings
from tests.fakes.openai_server import answer, fake_openai

StartGateway = Callable[..., Awaitable[Gateway]]


async def look(url: str | None, prefix: str = "", **options: Any) -> tuple[Mark, str] | None:
    document = {"kind": "bfl", "api_key": "k", "base_url": "http://127.0.0.1:9", "webhook": {"public_url": url}}
    found = await webhook.webhook("eu", BflSettings.model_validate(document | options), prefix)
    assert found is None or found.mark is Mark.FINE or found.advice
    return None if found is None else (found.mark, found.text)


async def test_nothing_is_configured() -> None:
    """No webhook, or a platform that has none: no line."""
    assert await look(None) is None
    assert await webhook.webhook("o", OpenAiSettings.model_validate({"kind": "openai", "api_keys": ["k"]}), "") is None


async def test_this_gateway(start_gateway: StartGateway) -> None:
    """With and without the prefix at the end; keys of clients are not asked for, and no call-back is counted."""
    gateway = await start_gateway(route_prefix="/images")
    for url in (gateway.url, f"{gateway.url}/images"):
        assert await look(url, "/images") == (Mark.FINE, f"{url} is this gateway")
    counted = gateway.metrics.registry.get_sample_value
    assert not counted("gateway_hooks_total", {"platform": "-", "outcome": "unknown"})


async def test_somebody_else() -> None:
    """Another program, whatever it says."""
    for script in (answer({"status": "ok"}), answer([]), answer({"error": {"code": "x"}})):
        async with fake_openai(script) as other:
            found = await look(other.url.removesuffix("/v1"))
            assert found is not None and found[0] is Mark.WARNING and "is not this gateway" in found[1]


async def test_nobody(unused_tcp_port: int) -> None:
    """The gateway may just not run yet."""
    found = await look(f"http://127.0.0.1:{unused_tcp_port}")
    assert found is not None and found[0] is Mark.WARNING and "nobody answers" in found[1]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.1.2.3", "[::1]", "192.168.0.7:8080"])
async def test_out_of_reach(host: str) -> None:
    """A platform on the internet is told to call this machine or its network."""
    found = await look(f"https://{host}", base_url="https://api.bfl.ai")
    assert found is not None and found[0] is Mark.PROBLEM and "can reach" in found[1]
