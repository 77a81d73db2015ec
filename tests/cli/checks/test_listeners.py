"""Free, taken by a gateway, or taken by somebody else."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from gateway.app import Gateway
from gateway.cli.checks import listeners
from gateway.cli.checks.finding import Mark
from gateway.config.schema import Listener
from tests.fakes.openai_server import answer, fake_openai, silence

StartGateway = Callable[..., Awaitable[Gateway]]


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


async def look(port: int, host: str = "127.0.0.1", prefix: str = "") -> tuple[Mark, str]:
    found = await listeners.listener("listen", Listener(host=host, port=port), prefix)
    assert found.mark is Mark.FINE or "listen." in found.advice
    return found.mark, found.text


async def test_free(unused_tcp_port: int) -> None:
    """And free again after the look."""
    for _ in range(2):
        assert await look(unused_tcp_port) == (Mark.FINE, f"127.0.0.1:{unused_tcp_port} is free")
    assert await look(0) == (Mark.FINE, "127.0.0.1, any free port")


async def test_a_running_gateway(start_gateway: StartGateway) -> None:
    """On both of its listeners, and below its prefix."""
    gateway = await start_gateway(route_prefix="/images")
    for url, prefix in ((gateway.url, "/images"), (gateway.admin_url, "")):
        assert await look(port_of(url), prefix=prefix) == (
            Mark.FINE,
            f"127.0.0.1:{port_of(url)} is served by a running gateway",
        )
        assert (await look(port_of(url), host="0.0.0.0", prefix=prefix))[0] is Mark.FINE


async def test_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that speaks http, one that is silent, one that speaks something else."""
    monkeypatch.setattr(listeners, "WITHIN_S", 0.2)
    for script in (answer({"status": "fine"}), answer([]), silence(), silence(b"SSH-2.0\r\n")):
        async with fake_openai(script) as other:
            mark, text = await look(port_of(other.url))
            assert mark is Mark.PROBLEM and "taken by another program" in text


async def test_an_address_of_another_machine(unused_tcp_port: int) -> None:
    """And a name that leads nowhere."""
    for host in ("192.0.2.1", "nowhere.invalid"):
        mark, text = await look(unused_tcp_port, host=host)
        assert mark is Mark.PROBLEM and "cannot be listened on" in text


async def test_a_port_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said as what it is."""

    def refuse(*_: object, **__: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refuse)
    mark, text = await look(443)
    assert (mark, text) == (Mark.PROBLEM, "127.0.0.1:443 is for root only")
