"""The free question after an account: when it is asked, and what its answers do to the account's submissions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from gateway.app import Gateway
from gateway.domain.errors import GatewayError, PlatformAuthFailed, PlatformOutOfCredits, PlatformUnavailable
from gateway.domain.outcome import Failed
from gateway.emulator import Emulator, EmulatorSettings
from gateway.jobs.account import EVERY_S, PAUSE_S, SHUT_S, STALE_S, Accounts
from gateway.jobs.breakers import Breakers
from gateway.jobs.settings import BreakerSettings
from gateway.platforms.contract import Health, Platform
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.session import Answered, MaybeSent, NotSent, Sent
from gateway.wire.call import Answer
from tests.fakes.clock import loop_clock
from tests.fakes.customer import until
from tests.fakes.vendor import Vendor, Works

StartGateway = Callable[..., Awaitable[Gateway]]


class Asked(Vendor):
    """A platform that reads its own questions as BFL does: a number is what is left, 401 and 403 refuse the key."""

    def read_probe(self, answer: Answer) -> Health:
        left = float(answer.body) if answer.status == 200 and answer.body.isdigit() else None
        refused = answer.status in (401, 403)
        return Health(left is not None and left > 0, f"it says {answer.status}", left, refused)


def left(credits: str, status: int = 200) -> Sent:
    return Answered(Answer(status, cast(Any, {}), credits.encode()))


class Watched:
    """Accounts on virtual time; `rounds` are the times of questions."""

    def __init__(self, *probes: Sent | Exception, name: str = "toy", chance: float = 0.0) -> None:
        self.clock, self.metrics, self.rounds = loop_clock(), Catalogue(), list[float]()
        self.vendor = Asked(probes=probes)
        self.vendor.name = self.vendor.account = name
        self.platforms: list[Platform] = [self.vendor]
        self.vendor.before = lambda _step: self.rounds.append(self.clock.now())
        self.told: list[str] = []
        self.breakers = Breakers(BreakerSettings(), self.clock.now, shut=self.told.append)
        self.accounts = Accounts(
            lambda: self.platforms, cast(Any, self.vendor), self.metrics, self.breakers, self.clock, lambda: chance
        )

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.accounts.watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    @property
    def cause(self) -> type[GatewayError] | None:
        return self.breakers.account(self.vendor.account).cause

    def value(self, name: str = "toy") -> float | None:
        return self.metrics.registry.get_sample_value("gateway_platform_credits", {"platform": name})


@pytest.mark.parametrize(("chance", "every_s"), [(0.0, 0.9 * EVERY_S), (1.0, EVERY_S)])
async def test_asked_at_once_and_every_five_minutes(chance: float, every_s: float) -> None:
    """A little earlier each time, by chance, so that many gateways do not ask together."""
    watched = Watched(left("1000"), left("992"), chance=chance)
    assert watched.value() is None
    async with watched.watching():
        await asyncio.sleep(2.5 * every_s)
    assert watched.value() == 992 and watched.cause is None
    assert watched.rounds == pytest.approx([0.0, every_s, 2 * every_s], abs=0.1)


async def test_what_says_nothing_changes_nothing() -> None:
    """No answer, a fault, nonsense, a bug: the gauge stays, the account serves, the next question comes."""
    silent = (NotSent("no"), MaybeSent("no"), left("", 503), left("nonsense"), RuntimeError("bug"))
    watched = Watched(left("7"), *silent)
    async with watched.watching():
        await asyncio.sleep((len(silent) + 1) * EVERY_S)
    assert len(watched.rounds) > len(silent) and watched.value() == 7.0
    assert watched.cause is None and not watched.told


async def test_answers_are_counted() -> None:
    """By their status, as every vendor's answer."""
    watched = Watched(left("7"), left("", 401), NotSent("no"))
    async with watched.watching():
        await asyncio.sleep(0.9 * EVERY_S + 0.9 * SHUT_S + 1)
    for status, count in (("200", 1), ("401", 1), ("0", 1)):
        labels = {"platform": "toy", "call": "probe", "status": status}
        assert watched.metrics.registry.get_sample_value("gateway_upstream_responses_total", labels) == count


@pytest.mark.parametrize(
    ("says", "cause"),
    [
        (left("0"), PlatformOutOfCredits),
        (left("", 403), PlatformAuthFailed),
        (NotSent("no route"), PlatformUnavailable),
    ],
)
async def test_shut_and_opened_by_the_question(says: Sent, cause: type[GatewayError]) -> None:
    """Doubted, asked at once, shut with the reason; asked every few seconds, open again within five of its end."""
    watched = Watched(left("7"), says, says, says, left("9"))
    async with watched.watching():
        await asyncio.sleep(100)
        for _ in range(50):
            watched.accounts.doubt("toy", failing=isinstance(says, NotSent))
        await asyncio.sleep(0.1)
        assert watched.told == ["toy"]
        with pytest.raises(cause):
            watched.breakers.of("toy", "toy-1").check()
        await asyncio.sleep(3 * SHUT_S)
        assert watched.cause is None
        watched.breakers.of("toy", "toy-1").check()
    pauses = [after - before for before, after in zip(watched.rounds[1:], watched.rounds[2:], strict=False)]
    assert all(PAUSE_S <= pause <= 5.0 for pause in pauses)


async def test_silence_alone_shuts_nothing() -> None:
    """An account is not left alone because a free question got lost: submissions have to fail as well."""
    watched = Watched(left("7"), NotSent("no"))
    async with watched.watching():
        await asyncio.sleep(10)
        watched.accounts.doubt("toy")
        await asyncio.sleep(10)
        assert watched.cause is None
        watched.accounts.doubt("toy", failing=True)
        await asyncio.sleep(10)
        assert watched.cause is PlatformUnavailable


@pytest.mark.parametrize("failing", [False, True])
async def test_nothing_stays_shut_on_old_evidence(failing: bool) -> None:
    """The question is not answered any more, whatever shut the account: submissions find out, before long."""
    watched = Watched(left("7"), NotSent("no") if failing else left("0"), NotSent("no"))
    async with watched.watching():
        await asyncio.sleep(10)
        watched.accounts.doubt("toy", failing=failing)
        await asyncio.sleep(5)
        assert watched.cause is (PlatformUnavailable if failing else PlatformOutOfCredits)
        await asyncio.sleep(STALE_S + 3 * SHUT_S)
        watched.breakers.of("toy", "toy-1").check()


async def test_a_question_that_nobody_ever_answers() -> None:
    """A vendor or a way out without it: that says nothing of the account."""
    watched = Watched(NotSent("no"))
    async with watched.watching():
        await asyncio.sleep(10)
        watched.accounts.doubt("toy", failing=True)
        await asyncio.sleep(10)
        assert watched.cause is None and len(watched.rounds) == 2


async def test_a_question_that_hangs_holds_up_no_other() -> None:
    """Each account has its own: one vendor's silence is not another's."""
    watched, second = Watched(left("0")), Asked()
    second.name = second.account = "second"
    watched.platforms.append(second)
    hang = asyncio.Event()

    async def before(_step: str) -> None:
        watched.rounds.append(watched.clock.now())
        if len(watched.rounds) == 1:
            await hang.wait()

    watched.vendor.before = before
    async with watched.watching():
        await asyncio.sleep(30)
        assert watched.breakers.account("second").cause is PlatformOutOfCredits
        assert watched.cause is None and len(watched.rounds) > 5


async def test_the_platforms_of_the_moment() -> None:
    """One that a reload brings is asked as soon as somebody looks."""
    watched, second = Watched(left("7")), Asked()
    second.name = second.account = "second"
    async with watched.watching():
        await asyncio.sleep(10)
        watched.platforms.append(second)
        watched.accounts.doubt("second")
        await asyncio.sleep(10)
    assert watched.value("second") == 7.0  # the one network of these tests says the same to everybody


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_refused_poll_raises_doubt(status: int) -> None:
    """The question decides, not the poll."""
    heard: list[str] = []
    works = Works(Vendor(), doubt=heard.append)
    works.tools.heard(works.vendor, "poll", Answered(Answer(status, {}, b"")))
    works.tools.heard(works.vendor, "poll", Answered(Answer(404, {}, b"")))
    assert heard == ["toy"]


async def test_a_refused_submission_is_told_as_it_is() -> None:
    """The client hears the platform's reason, and the account is asked."""
    error, heard = PlatformOutOfCredits("empty"), list[str]()
    works = Works(Vendor(submits=[Failed(error)]), doubt=heard.append)
    handle = await works.supervisor.start(works.order())
    await handle.job.until_finished()
    assert handle.job.results == [error] and heard == ["toy"]


async def test_in_a_gateway(start_gateway: StartGateway) -> None:
    """The emulator's account, by the platform's own name in the configuration."""
    async with Emulator(EmulatorSettings(credits=1234.5)) as bfl:
        registry = (await start_gateway(bfl)).metrics.registry
        await until(lambda: registry.get_sample_value("gateway_platform_credits", {"platform": "bfl"}) == 1234.5)
