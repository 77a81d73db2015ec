"""Where connections come in, over real sockets: what is counted are turns of the loop, never seconds."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
import uvloop
from aiohttp import web

from gateway.chain import lobby
from gateway.chain.connection import Terms, listen, runner
from gateway.chain.gate import Crowding
from gateway.chain.site import EACH, AtOnce
from tests.fakes.raw import parse

TERMS = Terms(silence_s=0.05, linger_s=2.0, shutdown_s=0.1, new_id=lambda: "req_test")
PROBE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Scene = Callable[[], Coroutine[Any, Any, None]]


def played(scene: Scene, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop) as own:
        own.run(scene())


@asynccontextmanager
async def served(
    most: int = 2000, host: str = "127.0.0.1", at_once: AtOnce = lambda _said: None, terms: Terms = TERMS
) -> AsyncIterator[tuple[int, Any]]:
    """The port, and the server behind it."""
    app = web.Application()

    async def ok(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    app.router.add_route("*", "/", ok)
    run = runner(app, terms, lambda: Crowding(most))
    await run.setup()
    await listen(run, host, 0, at_once)
    try:
        yield run.addresses[0][1], run.server
    finally:
        await run.cleanup()


def connected(port: int, said: bytes = GET, host: str = "127.0.0.1") -> socket.socket:
    """The kernel takes connection and bytes, whether anybody accepts or not."""
    client = socket.create_connection((host, port))
    client.sendall(said)
    client.setblocking(False)
    return client


async def heard(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    loop, told = asyncio.get_running_loop(), b""
    async with asyncio.timeout(30):
        while piece := await loop.sock_recv(client, 65536):
            told += piece
    return told


async def answered(client: socket.socket) -> int:
    async with asyncio.timeout(30):
        return int((await asyncio.get_running_loop().sock_recv(client, 65536)).split()[1])


async def turns_until(condition: Callable[[], bool]) -> int:
    for turn in range(2000):
        if condition():
            return turn
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


@LOOPS
def test_all_who_wait_are_taken_at_once(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Within three turns of the loop, and each is answered; libuv's own server takes one a turn."""

    async def scene() -> None:
        async with served() as (port, server):
            clients = [connected(port) for _ in range(300)]
            assert await turns_until(lambda: vars(server.crowd)["_total"] == 300) <= 3
            assert {await answered(client) for client in clients} == {200}
            for client in clients:
                client.close()

    played(scene, loop)


@LOOPS
def test_few_are_let_in_a_turn(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """However many have something to say."""

    async def scene() -> None:
        async with served() as (port, server):
            clients = [connected(port) for _ in range(40)]
            seen = [0]
            while seen[-1] < 40:
                await asyncio.sleep(0)
                seen.append(len(server.connections))
                assert len(seen) < 2000
            assert max(after - before for before, after in pairwise(seen)) <= EACH
            for client in clients:
                client.close()

    played(scene, loop)


@LOOPS
def test_what_is_answered_at_once_passes_all_others(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """In the turn in which it is heard, whole, then closed; without a line it is let in like everybody else."""

    async def scene() -> None:
        asked, let_in = list[bytes](), list[int]()

        def at_once(said: bytes) -> bytes | None:
            if said != GET:
                asked.append(said)
                let_in.append(len(server.connections))
            return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" if said != GET else None

        async with served(at_once=at_once) as (port, server):
            clients = [connected(port) for _ in range(200)]
            # One speaks when it comes, the other after a while.
            probe, late = connected(port, PROBE), connected(port, b"")
            assert await turns_until(lambda: bool(asked)) <= 3
            late.send(PROBE)
            assert await turns_until(lambda: len(asked) == 2) <= 3
            assert let_in[-1] <= 6 * EACH < 200
            assert parse(await heard(late)).rest == b"ok"
            assert parse(await heard(probe)).rest == b"ok"
            assert {await answered(client) for client in clients} == {200}
            for client in (*clients, probe, late):
                client.close()
            await turns_until(lambda: vars(server.crowd)["_total"] == 0)
            alone = connected(port, PROBE)
            assert b"404" in await asyncio.get_running_loop().sock_recv(alone, 100)
            alone.close()
            assert len(asked) == 2

    played(scene, loop)


@LOOPS
def test_silence(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Who speaks after a while is served; who does not is let go; who leaves without a word is counted out."""

    async def scene() -> None:
        async with served(terms=Terms(silence_s=60, shutdown_s=0.1)) as (port, server):
            late, gone = connected(port, b""), connected(port, b"")
            await turns_until(lambda: vars(server.crowd)["_total"] == 2)
            assert len(server.connections) == 0
            late.send(GET)
            gone.close()
            assert await answered(late) == 200
            await turns_until(lambda: vars(server.crowd)["_total"] == 1)
            late.close()
        async with served() as (port, server):
            assert await heard(connected(port, b"")) == b""
            assert vars(server.crowd)["_total"] == 0

    played(scene, loop)


@LOOPS
@pytest.mark.parametrize("leaving", [lobby.MOST_LEAVING, 0])
def test_a_refusal_is_read_whatever_was_sent(
    loop: Callable[[], asyncio.AbstractEventLoop], leaving: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not lost in a reset because the request was never read; small requests not even when too many are turned away."""
    monkeypatch.setattr(lobby, "MOST_LEAVING", leaving)

    async def scene() -> None:
        async with served(most=1) as (port, _):
            first = connected(port)
            assert await answered(first) == 200
            body = b"x" * (200_000 if leaving else 2000)
            clients = [connected(port, GET + body) for _ in range(20)]
            for client in clients:
                told = parse(await heard(client))
                assert (told.status, told.error["code"]) == (503, "out_of_room")
                client.close()
            first.close()

    played(scene, loop)


@LOOPS
def test_out_of_descriptors(loop: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is lost: who waits is taken as soon as there is a descriptor again, and the log says what was missing."""

    async def scene() -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with served(terms=Terms(silence_s=60, shutdown_s=0.1)) as (port, server):
            clients = [connected(port) for _ in range(20)]
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, limits[1]))
            holes = list[int]()
            with suppress(OSError):
                while True:
                    holes.append(os.open(os.devnull, os.O_RDONLY))
            try:
                await turns_until(lambda: bool(caplog.records))
                assert vars(server.crowd)["_total"] < 20
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for hole in holes:
                    os.close(hole)
            assert {await answered(client) for client in clients} == {200}
            assert "no connection can be taken" in caplog.text
            for client in clients:
                client.close()

    played(scene, loop)


@LOOPS
def test_the_end(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The port is free, who was silent sees the end, and nothing is left of anybody."""

    async def scene() -> None:
        async with served(terms=Terms(silence_s=60, shutdown_s=0.1)) as (port, server):
            silent = connected(port, b"")
            await turns_until(lambda: vars(server.crowd)["_total"] == 1)
        assert await heard(silent) == b""
        assert vars(server.crowd)["_total"] == 0
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.1", port)) != 0
        assert len(asyncio.all_tasks()) == 1

    played(scene, loop)


@LOOPS
@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_both_families(loop: Callable[[], asyncio.AbstractEventLoop], host: str) -> None:
    """As many sockets as the name has addresses."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("no IPv6 here")

    async def scene() -> None:
        async with served(host=host) as (port, _):
            client = connected(port, host="::1" if host == "::1" else "127.0.0.1")
            assert await answered(client) == 200
            client.close()

    played(scene, loop)


@LOOPS
def test_a_taken_port(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Said in the system's words."""

    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            run = runner(web.Application(), TERMS)
            await run.setup()
            with pytest.raises(OSError, match="address already in use"):
                await listen(run, "127.0.0.1", other.getsockname()[1])
            await run.cleanup()

    played(scene, loop)
