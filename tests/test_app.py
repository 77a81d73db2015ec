"""The composition root: what is opened is closed, in the right order, however far the start or the end gets."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.app import SWEEP_EVERY_S, Gateway
from gateway.config.schema import Config
from gateway.domain.target import JobTarget, RelayTarget
from gateway.emulator.server import Emulator
from gateway.routing.choose import choose
from gateway.routing.rules import Facts
from gateway.stores.spool import Spool
from gateway.upstream.download import Download
from gateway.upstream.relay import Relay
from gateway.upstream.session import Session
from tests.fakes.clock import UNHURRIED, fast_clock
from tests.fakes.forms import edit_form
from tests.fakes.logbook import logbook

StartGateway = Callable[..., Awaitable[Gateway]]

BFL = {"kind": "bfl", "api_key": "00000000-0000-4000-8000-000000000000"}
OPENAI = {"kind": "openai", "api_keys": ["sk-of-the-tests"]}


def config(state_dir: Path, **keys: Any) -> Config:
    document = {
        "listen": {"port": 0},
        "admin": {"port": 0},
        "state_dir": state_dir,
        "jobs": {"drain": 0, **UNHURRIED},
        **keys,
    }
    return Config.model_validate(document)


def taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def closings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was closed, in order."""
    order: list[str] = []
    for kind, name in (
        (Spool, "__aexit__"),
        (Session, "__aexit__"),
        (Download, "__aexit__"),
        (Relay, "__aexit__"),
        (web.AppRunner, "cleanup"),
    ):
        original = getattr(kind, name)

        async def closing(self: Any, *told: Any, original: Any = original, called: str = kind.__name__) -> Any:
            order.append(called)
            return await original(self, *told)

        monkeypatch.setattr(kind, name, closing)
    return order


async def test_closing_is_opening_reversed(tmp_path: Path, closings: list[str]) -> None:
    """Clients first, operators next, then what served them; every task has ended when it is over."""
    before = asyncio.all_tasks()
    async with Gateway(config(tmp_path), clock=fast_clock()) as gateway:
        ports = [int(url.rsplit(":", 1)[1]) for url in (gateway.url, gateway.admin_url)]
        assert all(map(taken, ports))
        assert not closings
    assert closings == ["AppRunner", "AppRunner", "Relay", "Download", "Session", "Spool"]
    assert not any(map(taken, ports))
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("which", ["admin", "listen"])
async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path, closings: list[str], which: str) -> None:
    """A taken port, found last, closes everything that had been opened before it."""
    before = asyncio.all_tasks()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        busy = {which: {"port": other.getsockname()[1]}}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(OSError, match="address already in use"):
                async with Gateway(config(tmp_path, **busy), clock=fast_clock()):
                    raise AssertionError
            gc.collect()
    runners = 1 if which == "admin" else 2
    assert closings == ["AppRunner"] * runners + ["Relay", "Download", "Session", "Spool"]
    assert asyncio.all_tasks() == before


async def test_a_drain_that_fails_does_not_keep_it_open(
    tmp_path: Path, closings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with the jobs, the listeners and files are let go."""
    gateway = Gateway(config(tmp_path), clock=fast_clock())

    async def drain(limit_s: float) -> int:
        assert not closings
        raise RuntimeError("drain")

    monkeypatch.setattr(gateway.supervisor, "drain", drain)
    with pytest.raises(RuntimeError, match="drain"):
        async with gateway:
            pass
    assert len(closings) == 6


async def test_a_client_gets_its_answer_before_the_listener_closes(
    bfl: Emulator, tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    """Leaving waits for running jobs and for their answers, while new work is refused and readiness is gone."""
    account = {**BFL, "base_url": bfl.api_url}
    settings = config(tmp_path, platforms={"bfl": account}, jobs={"drain": 100})
    async with Gateway(settings, clock=fast_clock()) as gateway:
        edits = f"{gateway.url}/v1/images/edits"
        running = asyncio.create_task(client.post(edits, data=edit_form()))
        async with asyncio.timeout(5):
            while not bfl.counts.accepted:
                await asyncio.sleep(0.001)
        assert gateway.wrong() == {}
    async with await running as answer:
        assert answer.status == 200
        assert len((await answer.json())["data"]) == 1
    assert "draining" in gateway.wrong()


async def test_jobs_that_are_left_are_told(bfl: Emulator, tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """At the end of the drain a waiting client hears 503 about a job that is handed over; the log has the number."""
    account = {**BFL, "base_url": bfl.api_url}
    with logbook() as book:
        async with Gateway(config(tmp_path, platforms={"bfl": account}), clock=fast_clock()) as gateway:
            form = edit_form("[[fault:pending_forever]]")
            running = asyncio.create_task(client.post(f"{gateway.url}/v1/images/edits", data=form))
            async with asyncio.timeout(5):
                while not bfl.counts.accepted:
                    await asyncio.sleep(0.001)
    async with await running as answer:
        assert (answer.status, answer.headers["x-should-retry"]) == (503, "true")
        assert (await answer.json())["error"]["code"] == "handed_over"
    (line,) = [line for line in book.lines if line["event"] == "jobs left unfinished"]
    assert line["count"] == 1


async def test_sweeping_goes_on_after_a_fault(start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad round is logged; the next one comes."""
    rounds = 0

    async def sweep() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("bad round")

    with logbook() as book:
        gateway = await start_gateway()
        monkeypatch.setattr(gateway.supervisor, "sweep", sweep)
        await gateway._clock.sleep(SWEEP_EVERY_S * 3)
    assert rounds >= 2
    assert [line["event"] for line in book.lines] == ["sweep failed"]


# What the configuration comes to.


@pytest.mark.parametrize(
    ("platforms", "routes", "edits", "generations"),
    [
        ({"bfl": BFL}, {}, (JobTarget,), (JobTarget,)),
        ({"openai": OPENAI}, {}, (RelayTarget,), (RelayTarget,)),
        ({"bfl": BFL, "openai": OPENAI}, {}, (RelayTarget,), (RelayTarget,)),
        ({"bfl": BFL, "openai": OPENAI}, {"edits": ["bfl"]}, (JobTarget,), (RelayTarget,)),
        ({"bfl": BFL, "openai": OPENAI}, {"edits": ["openai", "bfl"]}, (RelayTarget, JobTarget), (RelayTarget,)),
        ({"one": BFL, "two": BFL}, {}, (JobTarget,), (JobTarget,)),
        ({"bfl": BFL}, {"edits": ["bfl"], "generations": ["bfl/flux-2-pro"]}, (JobTarget,), (JobTarget,)),
        ({}, {}, (), ()),
    ],
)
def test_routes_that_nobody_wrote(
    tmp_path: Path,
    platforms: dict[str, Any],
    routes: dict[str, Any],
    edits: tuple[type, ...],
    generations: tuple[type, ...],
) -> None:
    """To the relay where there is one; without one to the first platform."""
    gateway = Gateway(config(tmp_path, platforms=platforms, routes=routes))
    for route, kinds in (("images.edits", edits), ("images.generations", generations)):
        assert tuple(dict.fromkeys(map(type, choose(gateway.snapshot.rules, Facts(route))))) == kinds


def test_constructing_opens_nothing(tmp_path: Path) -> None:
    """No file, no socket, no task before `async with`."""
    Gateway(config(tmp_path / "state", platforms={"bfl": BFL, "openai": OPENAI}))
    assert not (tmp_path / "state").exists()


async def test_addresses_of_ipv6(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """In brackets, as they are pasted."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    async with Gateway(config(tmp_path, listen={"host": "::1", "port": 0}), clock=fast_clock()) as gateway:
        assert gateway.url.startswith("http://[::1]:")
        async with client.get(f"{gateway.url}/v1/models") as answer:
            assert answer.status == 200
