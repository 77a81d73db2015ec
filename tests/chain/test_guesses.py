"""Guessing keys: ten at once, then one each six seconds, and nobody behind the same address suffers for it."""

from __future__ import annotations

import pytest
from aiohttp import web

from gateway.chain.guesses import KEYS, RECENT_S, Guesses
from gateway.domain.errors import TooManyFailures
from tests.chain.conftest import Serve, doorkeeping
from tests.fakes.forms import key_settings
from tests.fakes.raw import Heard, exchange

KEY, OTHER = "gw-first-0123456789abcdef", "gw-other-0123456789abcdef"
GET = "GET /v1/thing HTTP/1.1"


class Watch:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def held_up(guesses: Guesses, origin: str = "a", key: bytes = b"k") -> float:
    """For how many seconds; 0 for not at all."""
    try:
        guesses.check(origin, key)
    except TooManyFailures as error:
        return error.retry_after_s or 0.0
    return 0.0


def test_ten_at_once_then_one_each_six_seconds() -> None:
    """The eleventh waits; what has come back is counted to the second."""
    clock = Watch()
    guesses = Guesses(clock)
    for _ in range(10):
        assert held_up(guesses) == 0
        guesses.wrong("a")
    assert held_up(guesses) == pytest.approx(6)
    clock.now += 4
    assert held_up(guesses) == pytest.approx(2)
    clock.now += 2.001
    assert held_up(guesses) == 0
    guesses.wrong("a")
    assert held_up(guesses) > 5


def test_what_comes_back_has_an_end() -> None:
    """A year of silence buys no more than the ten."""
    clock = Watch()
    guesses = Guesses(clock)
    guesses.wrong("a")
    clock.now += 1e8
    for _ in range(10):
        assert held_up(guesses) == 0
        guesses.wrong("a")
    assert held_up(guesses) > 0


def test_addresses_are_counted_apart() -> None:
    """Others have their own ten."""
    guesses = Guesses(Watch(), burst=1)
    guesses.wrong("a")
    assert held_up(guesses, "a") > 0
    assert held_up(guesses, "b") == 0


def test_a_key_that_was_right_goes_on() -> None:
    """From the address it was right at, for an hour; a neighbour's first try is held up like a guess."""
    clock = Watch()
    guesses = Guesses(clock, burst=1, every_s=1e9)
    guesses.right("a", b"mine")
    guesses.wrong("a")
    assert held_up(guesses, key=b"mine") == 0
    assert held_up(guesses, key=b"new") > 0
    guesses.wrong("b")
    assert held_up(guesses, "b", b"mine") > 0
    clock.now += RECENT_S + 1
    assert held_up(guesses, key=b"mine") > 0


def test_memory_is_bounded() -> None:
    """The address unheard of for longest is forgotten, and of one address the key that is."""
    guesses = Guesses(Watch(), burst=1, most=3)
    for origin in ("a", "b", "c"):
        guesses.wrong(origin)
    guesses.wrong("a")
    guesses.wrong("d")
    assert [held_up(guesses, origin) > 0 for origin in "abcd"] == [True, False, True, True]
    for number in range(KEYS + 1):
        guesses.right("a", b"%d" % number)
    assert held_up(guesses, "a", b"0") > 0
    assert held_up(guesses, "a", b"1") == 0


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


async def ask(url: str, key: str, address: str = "8.8.8.8") -> Heard:
    return await exchange(url, GET, f"Authorization: Bearer {key}", f"X-Forwarded-For: {address}")


async def test_a_guesser_is_held_up_and_its_neighbours_are_not(serve: Serve) -> None:
    """429 with Retry-After, for right keys too unless they were right here; other addresses notice nothing."""
    clock = Watch()
    clients = {"trusted_proxies": ["127.0.0.1"]}
    stage = await serve(ok, keys=key_settings(KEY, OTHER), clients=clients, now=clock)
    assert (await ask(stage.url, KEY)).status == 200
    assert [(await ask(stage.url, f"gw-{n}")).status for n in range(12)] == [401] * 10 + [429] * 2
    heard = await ask(stage.url, OTHER)
    assert (heard.status, heard.error["code"], heard.error["type"]) == (429, "too_many_failures", "rate_limit_error")
    assert int(heard.headers["retry-after"]) >= 6
    assert (await ask(stage.url, KEY)).status == 200
    assert (await ask(stage.url, OTHER, "9.9.9.9")).status == 200
    clock.now += 6
    assert (await ask(stage.url, OTHER)).status == 200


async def test_neighbours_in_one_ipv6_network_are_one(serve: Serve) -> None:
    """Whoever has a /64 has all of its addresses to guess from."""
    clients = {"trusted_proxies": ["127.0.0.1"]}
    stage = await serve(ok, keys=key_settings(KEY), clients=clients, now=Watch())
    statuses = [(await ask(stage.url, "gw-x", f"2001:db8::{n:x}")).status for n in range(1, 12)]
    assert statuses == [401] * 10 + [429]
    assert (await ask(stage.url, "gw-x", "2001:db8:0:1::1")).status == 401


async def test_no_key_is_no_guess(serve: Serve) -> None:
    """A program that was started without its key is refused as often as it likes, and holds nobody up."""
    stage = await serve(ok, keys=key_settings(KEY), now=Watch())
    assert {(await exchange(stage.url, GET)).status for _ in range(15)} == {401}
    assert (await exchange(stage.url, GET, f"Authorization: Bearer {KEY}")).status == 200


async def test_a_reload_forgives_nobody(serve: Serve) -> None:
    """What is remembered of addresses is not part of the configuration."""
    stage = await serve(ok, keys=key_settings(KEY), now=Watch())
    for n in range(10):
        await exchange(stage.url, GET, f"Authorization: Bearer gw-{n}")
    stage.doors.append(doorkeeping(keys=key_settings(OTHER)))
    assert (await exchange(stage.url, GET, f"Authorization: Bearer {OTHER}")).status == 429
