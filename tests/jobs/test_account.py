"""The gauge of credits: what was last told, asked often enough and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.app import Gateway
from gateway.domain.errors import PlatformAuthFailed, PlatformError, PlatformOutOfCredits
from gateway.domain.outcome import Failed
from gateway.emulator import Emulator, EmulatorSettings
from gateway.jobs.account import EVERY_S, PAUSE_S, Accounts
from gateway.platforms.contract import Platform
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.session import Answered, MaybeSent, NotSent, Sent
from gateway.wire.call import Answer
from tests.fakes.clock import Calendar
from tests.fakes.customer import until
from tests.fakes.vendor import Vendor, Works

StartGateway = Callable[..., Awaitable[Gateway]]


def left(credits: str, status: int = 200) -> Sent:
    return Answered(Answer(status, cast(Any, {}), credits.encode()))


class Watched:
    """Accounts on a calendar; `rounds` are the times of questions, `gauge` what is shown after each."""

    def __init__(self, *probes: Sent | Exception, name: str = "toy", chance: float = 0.0) -> None:
        self.calendar, self.metrics = Calendar(), Catalogue()
        self.vendor = Vendor(probes=probes)
        self.vendor.name = name
        self.platforms: list[Platform] = [self.vendor]
        self.rounds: list[float] = []
        self.vendor.before = lambda _step: self.rounds.append(self.calendar.time)
        self.accounts = Accounts(
            lambda: self.platforms, cast(Any, self.vendor), self.metrics, self.calendar.clock, lambda: chance
        )

    def value(self, name: str = "toy") -> float | None:
        return self.metrics.registry.get_sample_value("gateway_platform_credits", {"platform": name})

    async def until(self, rounds: int, turns: int = 1000) -> None:
        """Watch until so many questions have been asked. Raises: TimeoutError after so many turns of the loop."""
        watching = asyncio.create_task(self.accounts.watch())
        try:
            for _ in range(turns):
                if len(self.rounds) >= rounds:
                    break
                await asyncio.sleep(0)
            else:
                raise TimeoutError
            await asyncio.sleep(0)
        finally:
            watching.cancel()
            await asyncio.wait([watching])


async def test_asked_at_once_and_every_five_minutes() -> None:
    """A little earlier each time, by chance, so that many gateways do not ask together."""
    for chance, longest in ((0.0, PAUSE_S + 0.9 * (EVERY_S - PAUSE_S)), (1.0, EVERY_S)):
        watched = Watched(left("1000"), left("992.5"), chance=chance)
        assert watched.value() is None
        await watched.until(3)
        assert watched.value() == 992.5
        assert watched.rounds == [0.0, longest, 2 * longest]


async def test_what_says_nothing_changes_nothing() -> None:
    """No answer, a refusal, nonsense, a bug: the last value stays, the next round comes, nothing is a fault."""
    silent = (NotSent("no"), MaybeSent("no"), left("", 503), left("nonsense"), RuntimeError("bug"))
    watched = Watched(left("7"), *silent)
    await watched.until(len(silent) + 2)
    assert watched.value() == 7.0
    assert Watched(NotSent("no")).value() is None


async def test_answers_are_counted() -> None:
    """By their status, as every vendor's answer."""
    watched = Watched(left("7"), left("", 401), NotSent("no"), NotSent("no"))
    await watched.until(4)
    for status, count in (("200", 1), ("401", 1), ("0", 2)):
        labels = {"platform": "toy", "call": "probe", "status": status}
        assert watched.metrics.registry.get_sample_value("gateway_upstream_responses_total", labels) == count


async def test_asked_soon_when_an_account_is_empty() -> None:
    """After a short pause, once, however many have said so; without a word from anybody it would not have been."""
    watched = Watched(left("7"), left("0"))

    async def sleep(seconds: float) -> None:
        await (watched.calendar.sleep(seconds) if seconds <= PAUSE_S else asyncio.Event().wait())

    def asked(_step: str) -> None:
        watched.rounds.append(watched.calendar.time)
        for _ in range(3 if len(watched.rounds) == 1 else 0):
            watched.accounts.doubt()

    watched.accounts._clock = replace(watched.calendar.clock, sleep=sleep)
    watched.vendor.before = asked
    await watched.until(2)
    assert (watched.rounds, watched.value()) == ([0.0, PAUSE_S], 0.0)
    with pytest.raises(TimeoutError):
        await watched.until(4)
    assert watched.rounds == [0.0, PAUSE_S, PAUSE_S]  # the third is that of a second watch


async def test_the_platforms_of_the_moment() -> None:
    """One that a reload brings is asked in the next round."""
    watched, second = Watched(left("7")), Vendor(probes=[left("8")])
    second.name = "second"
    await watched.until(1)
    watched.platforms.append(second)
    await watched.until(3)
    assert watched.value("second") == 7.0  # the one network of these tests says the same to everybody


@pytest.mark.parametrize(("error", "told"), [(PlatformOutOfCredits("empty"), 1), (PlatformAuthFailed("no"), 0)])
async def test_a_submission_tells(error: PlatformError, told: int) -> None:
    """Out of credits, and nothing else, makes the gauge look again."""
    heard: list[str] = []
    works = Works(Vendor(submits=[Failed(error)]), empty=lambda: heard.append("empty"))
    handle = await works.supervisor.start(works.order())
    await handle.job.until_finished()
    assert handle.job.results == [error] and len(heard) == told


async def test_in_a_gateway(start_gateway: StartGateway) -> None:
    """The emulator's account, by the platform's own name in the configuration."""
    async with Emulator(EmulatorSettings(credits=1234.5)) as bfl:
        registry = (await start_gateway(bfl)).metrics.registry
        await until(lambda: registry.get_sample_value("gateway_platform_credits", {"platform": "bfl"}) == 1234.5)
