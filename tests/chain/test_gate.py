"""How many connections there may be, over real sockets: the one too many is told so, and the others do not notice."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from aiohttp import web

from gateway.chain.address import Networks
from gateway.chain.connection import Terms, runner
from gateway.chain.gate import Crowd, Crowding, affordable
from gateway.chain.settings import ClientSettings
from tests.fakes.raw import parse
from tests.fakes.receiver import listening

TERMS = Terms(shutdown_s=0.1, new_id=lambda: "req_test")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def served(crowding: Callable[[], Crowding]) -> AsyncIterator[int]:
    app = web.Application()

    async def ok(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    app.router.add_get("/", ok)
    async with listening(runner(app, TERMS, crowding)) as port:
        yield port


class Client:
    """A connection from an address of this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, port: int, address: str = "127.0.0.1") -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))

    async def ask(self) -> int:
        """The status of an answer on this connection, whether it was asked for or not."""
        self._writer.write(GET)
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 3)
        heard = parse(head)
        await self._reader.readexactly(int(heard.headers["Content-Length"]))
        return heard.status

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
        await asyncio.sleep(0.05)


async def test_one_address_leaves_room_for_the_others() -> None:
    """Its third connection is turned away, another address's first is served, and what leaves makes room."""
    async with served(lambda: Crowding(100, per_address=2)) as port:
        mine = [await Client.of(port, "127.0.0.2") for _ in range(2)]
        assert [await client.ask() for client in mine] == [200, 200]
        assert await (await Client.of(port, "127.0.0.2")).ask() == 503
        assert await (await Client.of(port, "127.0.0.3")).ask() == 200
        assert [await client.ask() for client in mine] == [200, 200]
        await mine[0].close()
        assert await (await Client.of(port, "127.0.0.2")).ask() == 200


async def test_the_refusal_says_why() -> None:
    """An envelope that SDKs understand, with an id, and the end of the connection."""
    async with served(lambda: Crowding(100, per_address=1)) as port:
        first = await Client.of(port)
        assert await first.ask() == 200
        reader, _writer = await asyncio.open_connection("127.0.0.1", port)
        heard = parse(await asyncio.wait_for(reader.read(), 3))
    assert (heard.status, heard.error["code"]) == (503, "out_of_room")
    assert "from your address" in heard.error["message"]
    assert (heard.headers["x-request-id"], heard.headers["x-should-retry"]) == ("req_test", "true")


async def test_exempt_addresses_are_only_counted_in_total() -> None:
    """A proxy brings everybody's connections, up to what there is in all."""
    rules = Crowding(3, per_address=1, exempt=Networks.of(["127.0.0.2"]))
    async with served(lambda: rules) as port:
        proxied = [await Client.of(port, "127.0.0.2") for _ in range(3)]
        assert [await client.ask() for client in proxied] == [200, 200, 200]
        assert await (await Client.of(port, "127.0.0.3")).ask() == 503


async def test_new_rules_hold_for_new_connections() -> None:
    """A reload turns nobody out."""
    rules = [Crowding(100, per_address=1)]
    async with served(lambda: rules[-1]) as port:
        first = await Client.of(port)
        assert await first.ask() == 200
        rules.append(Crowding(100, per_address=2))
        second = await Client.of(port)
        assert await second.ask() == 200
        rules.append(Crowding(1))
        assert await (await Client.of(port)).ask() == 503
        assert [await client.ask() for client in (first, second)] == [200, 200]


async def test_a_reset_connection_is_counted_out() -> None:
    """Whichever way it ends."""
    async with served(lambda: Crowding(100, per_address=1)) as port:
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        await asyncio.sleep(0.1)
        assert await (await Client.of(port)).ask() == 200


def test_the_same_on_the_loop_of_the_program() -> None:
    """uvloop hands connections over as asyncio does."""
    uvloop.run(test_one_address_leaves_room_for_the_others())


def test_nothing_is_left_of_those_who_left() -> None:
    """What is counted is who is here: IPv6 neighbours together, and no more names than connections."""
    crowd = Crowd(lambda: Crowding(10, per_address=2))
    assert [crowd.enter(peer) for peer in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == ["", "", ""]
    assert crowd.enter("2001:db8::3")
    for peer in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        crowd.leave(peer)
    assert vars(crowd)["_present"] == {}
    assert vars(crowd)["_total"] == 0


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.0.0.1"])
def test_this_machine_and_proxies_are_exempt(peer: str) -> None:
    """Both carry other people's connections; a stranger's address has its cap."""
    rules = Crowding.of(ClientSettings(per_address=1, connections=50, trusted_proxies=("10.0.0.0/24",)))
    crowd = Crowd(lambda: rules)
    assert [crowd.enter(peer) for _ in range(50)] == [""] * 50
    assert "50 are the most" in crowd.enter(peer)


def test_the_numbers_nobody_set() -> None:
    """64 of one address, and in all what the system has file descriptors for."""
    rules = Crowding.of(ClientSettings())
    assert (rules.per_address, rules.most) == (64, affordable())
    assert 0 < affordable() <= 2000


@pytest.mark.parametrize(("asked", "most"), [(None, 50), (30, 30), (15_000, 50)])
def test_never_more_than_there_are_descriptors_for(
    asked: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is configured: without the other half nobody could be served."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (100, 1000))
    assert Crowding.of(ClientSettings(connections=asked)).most == most


def test_the_limit_is_raised_as_far_as_it_goes() -> None:
    """In a process of its own, as it cannot be lowered and raised at will."""
    program = (
        "import resource; from gateway.chain.gate import raise_limit; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512)); raise_limit(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(512, 512)"
