"""What a job costs its caller, however it ends: the books against what the vendor was asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.caller import Allowance, Caller
from gateway.domain.errors import (
    AnswerLost,
    InvalidField,
    LimitReached,
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformError,
    QueueFull,
    SpendReached,
)
from gateway.domain.outcome import Failed, Finished, Refused, Stage, Ticket, Unsure, Working
from gateway.domain.window import Window
from gateway.stores.contract import Made, Usage
from gateway.stores.limits import MemoryLimits
from gateway.stores.purse import MICRO, periods
from gateway.upstream.download import FetchFailed
from gateway.upstream.session import MaybeSent, NotSent
from tests.fakes.blob import MemoryBlob
from tests.fakes.customer import until
from tests.fakes.vendor import MODEL, PENDING, READY, TAKEN, Said, Vendor, Works

ANN = Caller("ann", allowance=Allowance(images=20, jobs=4, credits_day=100.0))
PRICE = 5.0
PRICELESS = Working(Ticket("task-1", "https://toy.example/task-1", MODEL, "toy"), "submitted")
REFUSED = Refused(Stage.OUTPUT, ("Violence",))
FAILED = Failed(PlatformError("broken", paid=Paid.MAYBE))


def books(works: Works, caller: str = "ann") -> tuple[float, int, int]:
    """Credits of the day, jobs that are counted, and pictures of the last minute."""
    account = works.limits._accounts[caller]
    credits = account.purse.used("credits", periods(works.clock.wall())["day"]) / MICRO
    account.rates["images"].forget(works.clock.now())
    return credits, account.jobs, account.rates["images"].used // MICRO


def spent(works: Works) -> float:
    labels = {"platform": "toy", "model": MODEL}
    return works.metrics.registry.get_sample_value("gateway_spent_credits_total", labels) or 0.0


async def finished(works: Works) -> None:
    await until(lambda: not works.supervisor._tasks)


@pytest.mark.parametrize(
    ("submits", "polls", "cost", "counted"),
    [
        ([TAKEN], [READY], 4.0, True),
        ([TAKEN], [Finished(READY.results, cost=6.5)], 6.5, True),
        ([PRICELESS], [READY], PRICE, True),
        ([READY], [], PRICE, True),
        ([TAKEN], [FAILED], 4.0, True),
        ([PRICELESS], [FAILED], PRICE, True),
        ([TAKEN], [Unsure("gone", missing=True)], 4.0, True),
        ([MaybeSent("reset")], [], PRICE, True),
        ([Failed(AnswerLost("502", paid=Paid.MAYBE))], [], PRICE, True),
        ([ZeroDivisionError()], [], PRICE, True),
        ([REFUSED], [], 0.0, True),
        ([TAKEN], [REFUSED], 0.0, True),
        ([Failed(InvalidField("no", param="size"))], [], 0.0, True),
        ([NotSent("dns")], [], 0.0, False),
        ([Failed(PlatformAuthFailed("401"))], [], 0.0, False),
        ([Failed(PlatformBusy("429"))], [], 0.0, False),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, list) and value else None,
)
async def test_ends(submits: list[Said], polls: list[Said], cost: float, counted: bool) -> None:
    """
    The vendor's word when it gave one, the price list when money is or may be gone, nothing when it is not. Pictures
    stay counted unless the platform was in trouble, so that they can be asked from another.
    """
    works = Works(Vendor(submits, polls))
    handle = await works.supervisor.start(works.order(caller=ANN, credits=PRICE, within_s=20.0))
    assert books(works) == (PRICE, 1, 1)
    assert handle.windows["credits-day"].remaining == 95.0 and handle.windows["images"].remaining == 19
    await handle.job.until_finished()
    assert books(works)[:2] == (cost, 0), "settled before anybody knows the result"
    assert spent(works) == cost
    assert works.limits._accounts["ann"].rates["images"].used == counted * MICRO
    await finished(works)
    assert not works.limits._open
    assert works.limits._accounts["ann"].purse.used("cents", periods(works.clock.wall())["day"]) == round(cost * MICRO)


async def test_each_picture_settles_by_itself() -> None:
    """Of four submissions one is refused and three are made."""
    works = Works(Vendor([TAKEN, REFUSED, TAKEN, TAKEN]), slots=4)
    handle = await works.supervisor.start(works.order(caller=ANN, n=4, credits=PRICE, megapixels=1.5))
    assert books(works) == (20.0, 1, 4)
    await handle.job.until_finished()
    assert sum(isinstance(result, Made) for result in handle.job.results) == 3
    assert books(works) == (12.0, 0, 4)


async def test_who_joins_uses_nothing() -> None:
    """The job was counted when it was made; at a limit of one job, fifty with one key are one."""
    works = Works(Vendor())
    caller = Caller("ann", allowance=Allowance(jobs=1, images=1, credits_day=PRICE))
    orders = [works.order(caller=caller, key="k", credits=PRICE) for _ in range(50)]
    handles = await asyncio.gather(*map(works.supervisor.start, orders))
    assert len({handle.job.record.id for handle in handles}) == 1
    assert [bool(handle.windows) for handle in handles].count(True) == 1
    await handles[0].job.until_finished()
    assert books(works)[:2] == (4.0, 0)


class SlowLimits(MemoryLimits):
    """Limits somewhere else: every verb takes a few turns of the loop, before and after."""

    dice = random.Random(1)

    async def reserve_all(self, caller: Caller, usages: Mapping[str, Usage]) -> Mapping[str, Window]:
        await self._wait()
        found = await super().reserve_all(caller, usages)
        await self._wait()
        return found

    async def settle(self, id: str, credits: float, cents: float) -> None:
        await self._wait()
        await super().settle(id, credits, cents)

    async def _wait(self) -> None:
        for _ in range(self.dice.randrange(12)):
            await asyncio.sleep(0)


def slow(works: Works) -> Works:
    """The same with slow limits."""
    limits = SlowLimits(works.clock.now, works.clock.wall)
    works.limits = limits
    object.__setattr__(works.tools, "limits", limits)
    return works


async def test_a_crowd_at_slow_limits() -> None:
    """Those with one key are still one job, and are not refused for what the first of them uses."""
    works = slow(Works(Vendor()))
    caller = Caller("ann", allowance=Allowance(jobs=1, images=1, credits_day=PRICE))
    orders = [works.order(caller=caller, key="k", credits=PRICE) for _ in range(20)]
    handles = await asyncio.gather(*map(works.supervisor.start, orders))
    assert sorted(str(handle.joined) for handle in handles) == ["None"] + ["key"] * 19
    await finished(works)
    assert works.vendor.asked["submit"] == 1 and not works.limits._open


@pytest.mark.parametrize("seed", range(20))
async def test_the_books_balance(seed: int) -> None:
    """Clients come, go and are cut at any moment; what is counted in the end is what was submitted and taken."""
    dice = random.Random(seed)
    works = slow(Works(Vendor(polls=[PENDING, READY]), slots=3))
    caller = Caller("ann", allowance=Allowance(images=200, jobs=6, credits_day=1000.0))
    refused = list[str]()

    async def client(number: int) -> None:
        try:
            handle = await works.supervisor.start(
                works.order(str(number), caller=caller, n=dice.randrange(1, 4), credits=PRICE)
            )
        except LimitReached as limit:
            refused.append(limit.limit)
            return
        try:
            for _ in range(dice.randrange(60)):
                await asyncio.sleep(0)
        finally:
            await handle.abandon()

    clients = [asyncio.create_task(client(number)) for number in range(30)]
    for _ in range(60):
        await asyncio.sleep(0)
        if dice.random() < 0.3:
            dice.choice(clients).cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    await finished(works)
    assert not works.limits._open and set(refused) <= {"jobs"}
    credits, jobs, _ = books(works)
    assert jobs == 0 and credits == 4.0 * works.vendor.asked["submit"] == spent(works)
    assert not works.queue._lanes["toy"].expected
    await until(lambda: works.held == 0)


async def test_a_limit_refuses_before_anything_is_sent() -> None:
    """Unpaid, counted by its name, the upload let go, nothing of it left in the queue."""
    works, blob = Works(Vendor()), MemoryBlob()
    poor = Caller("ann", allowance=Allowance(credits_day=9.0))
    with pytest.raises(SpendReached) as refused:
        await works.supervisor.start(works.order(caller=poor, n=2, credits=PRICE, inputs=[blob]))
    assert refused.value.windows["credits-day"].remaining == 9.0
    await finished(works)
    assert blob.released == 1 and not works.vendor.asked and not works.queue._lanes["toy"].expected
    assert works.metrics.registry.get_sample_value("gateway_limited_total", {"limit": "credits-day"}) == 1
    handle = await works.supervisor.start(works.order(caller=poor, credits=PRICE))
    await handle.job.until_finished()
    assert isinstance(handle.job.results[0], Made)


async def test_dropped_before_intent() -> None:
    """The client goes while its job waits for a slot: nothing is sent, and everything is given back."""
    works = Works(Vendor(polls=[PENDING]), slots=1)
    await works.supervisor.start(works.order("other"))
    await until(lambda: works.held)
    handle = await works.supervisor.start(
        works.order(caller=Caller("bob", allowance=ANN.allowance), n=2, credits=PRICE)
    )
    await until(lambda: works.queue._lanes["toy"].line.waiting.total() == 2)
    assert books(works, "bob") == (10.0, 1, 2)
    await handle.abandon()
    await until(lambda: handle.job.finished)
    assert books(works, "bob") == (0.0, 0, 0)
    assert works.vendor.asked["submit"] == 1 and await works.rows(caller="bob") == []
    await works.supervisor.drain(0)


async def test_dropped_before_its_first_step() -> None:
    """Cancelled tasks that never ran have nothing to say; it is given back all the same."""
    works = Works(Vendor())
    handle = await works.supervisor.start(works.order(caller=ANN, n=3, credits=PRICE))
    handle.job.cancel()
    assert len(works.queue._lanes["toy"].expected) == 3
    await finished(works)
    assert books(works) == (0.0, 0, 0) and not works.queue._lanes["toy"].expected


async def test_cut_at_the_end() -> None:
    """A shutdown in the middle of a paid job: it may have been charged, so it is counted."""
    works = Works(Vendor(submits=[PRICELESS], polls=[PENDING]))
    handle = await works.supervisor.start(works.order(caller=ANN, credits=PRICE))
    await until(lambda: works.vendor.asked["poll"])
    await works.supervisor.drain(0)
    assert handle.job.finished and books(works)[:2] == (PRICE, 0)


async def test_broken_books_take_no_picture_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits cannot be reached at the end: the picture is the client's, the log has the rest."""
    works = Works(Vendor())

    async def refuses(*_: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(works.limits, "settle", refuses)
    handle = await works.supervisor.start(works.order(caller=ANN, credits=PRICE))
    await handle.job.until_finished()
    assert isinstance(handle.job.results[0], Made) and not works.bugs


async def test_a_lost_picture_is_paid() -> None:
    """Made, and never fetched: settled at what the vendor said."""
    works = Works(Vendor(fetches=[FetchFailed("no", status=403)]))
    handle = await works.supervisor.start(works.order(caller=ANN, credits=PRICE))
    await handle.job.until_finished()
    assert books(works)[:2] == (4.0, 0)


@pytest.mark.parametrize("cost", [-5.0, 1e308, float("inf"), float("nan")])
async def test_a_price_that_is_none(cost: float) -> None:
    """The estimate counts instead, and nothing stays open."""
    works = Works(Vendor(submits=[PRICELESS], polls=[replace(READY, cost=cost)]))
    handle = await works.supervisor.start(works.order(caller=ANN, credits=PRICE))
    await handle.job.until_finished()
    await finished(works)
    assert isinstance(handle.job.results[0], Made) and not works.bugs
    assert books(works)[:2] == (PRICE, 0)


async def test_a_full_queue_uses_nothing() -> None:
    """Refused for the wait before anything is counted: its pictures are not used up."""
    works = Works(Vendor(polls=[PENDING]), slots=1)
    await works.supervisor.start(works.order("other"))
    await until(lambda: works.held)
    with pytest.raises(QueueFull):
        await works.supervisor.start(works.order(caller=Caller("bob", allowance=ANN.allowance), within_s=2.0))
    assert "bob" not in works.limits._accounts
    await works.supervisor.drain(0)
