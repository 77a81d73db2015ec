"""
What is promised about money, under a loop that runs what is ready in any order and stalls in between: each property
over many seeds, and beside it builds that are wrong on purpose, in which it does not hold.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

import pytest

from gateway.domain.caller import Allowance, Caller
from gateway.domain.errors import GatewayError, PlatformBusy
from gateway.domain.outcome import Failed
from gateway.jobs import join
from gateway.jobs.handle import JobHandle
from gateway.jobs.look_up import LookUp
from gateway.jobs.queue import Queue
from gateway.jobs.slot import Slot
from gateway.jobs.submit import Submit
from gateway.jobs.supervisor import Supervisor
from gateway.stores.contract import Made, State
from gateway.stores.limits import MemoryLimits
from gateway.upstream.session import MaybeSent, NotSent, Sent
from tests.fakes.customer import until
from tests.fakes.loop import Adversary, Loop
from tests.fakes.vendor import PENDING, READY, TAKEN, Said, SlowLedger, Vendor, Works

# Allowances that are never reached: what is counted is whether all is given back.
WHO = Caller("ann", allowance=Allowance(images=10_000, jobs=1000, credits_day=1e6))
SEEDS = range(40)
# Within so many each wrong build is found out.
WRONG_SEEDS = range(400)


class Scene:
    """Works whose fakes yield at random, and what became of its clients."""

    def __init__(self, seed: int, *, submits: tuple[Said, ...] = (TAKEN,), slots: int = 2) -> None:
        self.dice = dice = random.Random(seed)
        self.works = Works(Vendor(submits=submits), slots=slots)
        self.works.vendor.before = self._answer
        self.works.ledger = _Yielding.over(self.works.ledger, dice)
        self.got, self.heard = set[str](), set[str]()
        self.beside: list[str] = []
        self._watch(self.works.supervisor)

    async def _answer(self, step: str) -> None:
        """The vendor thinks."""
        self.works.vendor.says["poll"] = [self.dice.choice((PENDING, READY))]
        await _yield(self.dice)
        if self.dice.random() < 0.2:
            await asyncio.sleep(self.dice.random() * 5)

    def _watch(self, supervisor: Supervisor) -> None:
        """Each new job is compared with those that it could have joined."""
        new = supervisor._new

        def watched(order: Any, id: str, *more: Any) -> JobHandle:
            for entry in self.works.ledger._jobs.values():
                stored = any(row.state is State.STORED for row in entry.rows.values())
                if stored and entry.job.fingerprint == order.fingerprint and entry.job.id not in supervisor._live:
                    self.beside.append(f"{id} beside {entry.job.id}")
            return new(order, id, *more)

        vars(supervisor)["_new"] = watched

    async def visit(self, content: str, *, key: str | None = None) -> None:
        """One client's request, and what follows: an answer, or a cut at any moment."""
        dice, works = self.dice, self.works
        order = works.order(content, caller=WHO, key=key, resend=dice.random() < 0.3, credits=4.0)
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(dice.choice((0.001, 1.0, 5.0, 30.0, 10_000.0))):
                handle = await works.supervisor.start(order)
                try:
                    await handle.job.until_finished()
                    await _yield(dice)
                    if any(isinstance(result, Made) for result in handle.job.results):
                        self.got.add(handle.job.record.id)
                        handle.delivered()
                    else:
                        self.heard.add(handle.job.record.id)
                finally:
                    handle.abandon()  # like a handler: what follows goes on without it

    async def client(self, content: str, visits: int, *, key: str | None = None) -> None:
        """The same request again and again, with time between: also such in which nobody waits."""
        for _ in range(visits):
            await self.visit(content, key=key)
            await asyncio.sleep(self.dice.choice((0.0, 0.1, 3.0, 20.0)) * self.dice.random())

    async def over(self) -> None:
        """Everything has ended by itself."""
        works = self.works
        await until(lambda: not works.supervisor._tasks and not works.queue._timers)
        await until(lambda: works.queue._lanes["toy"].serving is None)
        assert not works.bugs

    @property
    def submissions(self) -> int:
        return self.works.vendor.asked["submit"]


class _Yielding(SlowLedger):
    """Every verb takes a few turns."""

    dice: random.Random

    @classmethod
    def over(cls, ledger: SlowLedger, dice: random.Random) -> _Yielding:
        ledger.__class__ = cls
        assert isinstance(ledger, cls)
        ledger.dice = dice
        return ledger

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("find", "intent", "submitted", "ready", "stored", "failed", "delivered", "get"):
            return found
        dice = super().__getattribute__("dice")

        async def slowly(*args: Any, **kwargs: Any) -> Any:
            await _yield(dice)
            result = await found(*args, **kwargs)
            await _yield(dice)
            if name == "find" and dice.random() < 0.3:
                await asyncio.sleep(dice.random() * 10)  # much happens while the answer is on its way
            return result

        return slowly


async def _yield(dice: random.Random) -> None:
    for _ in range(dice.randrange(5)):
        await asyncio.sleep(0)


Property = Callable[[int], Coroutine[Any, Any, None]]


def _hold_for(prop: Property, seeds: Iterable[int]) -> None:
    for seed in seeds:
        hold(prop, seed)


def hold(prop: Property, seed: int) -> None:
    """Raises: what does not hold."""
    try:
        with asyncio.Runner(loop_factory=lambda: Loop(adversary=Adversary(seed))) as runner:
            runner.run(prop(seed))
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise


async def paid_once(seed: int) -> None:
    """A client pays once for each picture that it got, and perhaps for one that nobody took."""
    scene = Scene(seed)
    await scene.client("same", 12)
    await scene.over()
    assert scene.submissions <= len(scene.got) + 1


async def paid_once_each(seed: int) -> None:
    """The same for many who ask for the same at the same time."""
    scene = Scene(seed)
    clients = scene.dice.randrange(2, 5)
    await asyncio.gather(*(scene.client("same", 6) for _ in range(clients)))
    await scene.over()
    assert scene.submissions <= len(scene.got) + clients


async def paid_once_by_key(seed: int) -> None:
    """Whoever comes with the key."""
    scene = Scene(seed)
    await asyncio.gather(*(scene.client("same", 4, key="k") for _ in range(3)))
    await scene.over()
    assert scene.submissions <= 1 or not scene.got


async def none_beside_an_orphan(seed: int) -> None:
    """No new job while a picture lies there that nobody had and nobody waits for."""
    scene = Scene(seed)
    await asyncio.gather(*(scene.client("same", 6) for _ in range(3)))
    await scene.over()
    assert not scene.beside


async def lost_is_not_sent_again(seed: int) -> None:
    """The vendor may have taken it: for a quarter of an hour everybody hears that, and nothing is sent."""
    scene = Scene(seed, submits=(MaybeSent("reset"),))
    for _ in range(6):
        await scene.visit("same")
        await asyncio.sleep(scene.dice.random() * 20)
    await scene.over()
    assert scene.submissions <= 1


async def given_back(seed: int) -> None:
    """Whatever ends, slots, places in the line, reservations and uploads are as before."""
    busy, lost, unsent = Failed(PlatformBusy("429")), MaybeSent("reset"), NotSent("dns")
    scene = Scene(seed, submits=(TAKEN, busy, unsent, lost, TAKEN, busy, TAKEN), slots=1)
    await asyncio.gather(*(scene.client(f"of {number}", 5) for number in range(4)))
    await scene.over()
    lane = scene.works.queue._lanes["toy"]
    assert (scene.works.held, len(lane.running), len(lane.line), lane.expected) == (0, 0, 0, {})
    assert not scene.works.limits.reserved() and not scene.works.limits._accounts["ann"].jobs
    assert not scene.works.supervisor._live and not scene.works.tools.hints._listening


PROPERTIES = [paid_once, paid_once_each, paid_once_by_key, none_beside_an_orphan, lost_is_not_sent_again, given_back]


@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: prop.__name__)
def test_what_is_promised_about_money(prop: Property) -> None:
    _hold_for(prop, SEEDS)


_answers, _attempt = join._answers, Submit._attempt


def _stored_is_lost(found: Any, *args: Any, **more: Any) -> str | None:
    return None if State.STORED in {row.state for row in found.rows.values()} else _answers(found, *args, **more)


async def _sends_again(self: Submit) -> tuple[Sent, Any]:
    sent, outcome = await _attempt(self)
    return (NotSent(sent.why) if isinstance(sent, MaybeSent) else sent), outcome


def _zero(*_: Any) -> int:
    return 0


def _ignored(*_: Any) -> None:
    pass


async def _nothing(*_: Any, **__: Any) -> None:
    return None


WRONG: list[tuple[str, Property, Any, str, Any]] = [
    ("stored pictures are never handed out", paid_once, join, "_answers", _stored_is_lost),
    ("stored pictures are never handed out", paid_once_each, join, "_answers", _stored_is_lost),
    ("stored pictures are never handed out", none_beside_an_orphan, join, "_answers", _stored_is_lost),
    ("a running job is never joined", paid_once, join, "live", lambda *_: None),
    (
        "who is put down is not counted",
        none_beside_an_orphan,
        LookUp,
        "put_down",
        property(_zero, _ignored),
    ),
    ("keys are forgotten", paid_once_by_key, join, "ended", lambda *_: iter(())),
    ("a lost answer is sent again", lost_is_not_sent_again, Submit, "_attempt", _sends_again),
    ("a lost answer is forgotten", lost_is_not_sent_again, join, "REPLAY_S", 0.0),
    ("slots are kept", given_back, Slot, "release", lambda _self: None),
    ("who left is expected", given_back, Queue, "expect_no_more", lambda *_: None),
    ("reservations are kept", given_back, MemoryLimits, "give_back", _nothing),
    ("spending is not settled", given_back, MemoryLimits, "settle", _nothing),
    ("jobs are kept in hand", given_back, Supervisor, "put_down", lambda *_: None),
]


@pytest.mark.parametrize(
    ("prop", "place", "name", "wrong"),
    [pytest.param(*row[1:], id=f"{row[0]}-{row[1].__name__}") for row in WRONG],
)
def test_wrong_builds_are_caught(
    monkeypatch: pytest.MonkeyPatch, prop: Property, place: Any, name: str, wrong: Any
) -> None:
    """A property that no build can break proves nothing."""
    monkeypatch.setattr(place, name, wrong, raising=False)
    with pytest.raises(AssertionError):
        _hold_for(prop, WRONG_SEEDS)
