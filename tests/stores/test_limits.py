"""Limits hold, and the books balance, whatever comes in whatever order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.domain.caller import Allowance, Caller
from gateway.domain.errors import LimitReached, LimitTooSmall, Paid, SpendReached
from gateway.domain.window import LIMITS, Window
from gateway.stores.contract import Usage
from gateway.stores.limits import MemoryLimits
from gateway.stores.purse import MICRO
from gateway.stores.sliding import SPAN_S, TICK_S

NOON = datetime(2026, 5, 30, 12, tzinfo=UTC).timestamp()


class Desk:
    """Limits on a clock of their own, which begins at noon on a 30th of May."""

    def __init__(self) -> None:
        self.time = 0.0
        self.limits = MemoryLimits(lambda: self.time, lambda: NOON + self.time)

    def reserve(self, id: str, caller: Caller, **usage: Any) -> Mapping[str, Window]:
        return asyncio.run(self.limits.reserve(id, caller, Usage(**usage)))

    def settle(self, id: str, credits: float) -> None:
        asyncio.run(self.limits.settle(id, credits, credits * 2))

    def give_back(self, id: str) -> None:
        asyncio.run(self.limits.give_back(id))

    def undo(self, id: str) -> None:
        asyncio.run(self.limits.undo(id))


def ann(**allowance: Any) -> Caller:
    return Caller("ann", allowance=Allowance(**allowance))


def refusal(desk: Desk, caller: Caller, **usage: Any) -> LimitReached:
    with pytest.raises(LimitReached) as refused:
        desk.reserve("refused", caller, **usage)
    assert refused.value.paid is Paid.NO
    return refused.value


def test_requests_per_minute() -> None:
    """Three go, the fourth is told which limit it met, how large it is and when to come again; then it goes."""
    desk, caller = Desk(), ann(requests=3)
    windows = [desk.reserve(str(index), caller, requests=1)["requests"] for index in range(3)]
    assert windows == [Window(3, 2, SPAN_S), Window(3, 1, SPAN_S), Window(3, 0, SPAN_S)]
    desk.time = 18.5
    told = refusal(desk, caller, requests=1)
    assert (told.code, told.limit, told.retry_after_s, told.hopeful) == ("rate_limit_exceeded", "requests", 42, True)
    assert told.text == "This key may have 3 requests a minute. Try again in 42 s."
    assert told.windows == {"requests": Window(3, 0, 41.5)}
    desk.time = 60.0
    assert desk.reserve("again", caller, requests=1) == {"requests": Window(3, 2, SPAN_S)}


def test_all_or_nothing() -> None:
    """One limit of several is reached: nothing is counted against the others, nor for other ids of the same order."""
    desk, caller = Desk(), ann(images=10, jobs=1, credits_day=100)
    desk.reserve("a", caller, images=1, jobs=1, credits=4)
    told = refusal(desk, caller, images=2, jobs=1, credits=8)
    assert told.limit == "jobs" and told.hopeful and told.retry_after_s is None
    assert told.windows["images"].remaining == 9 and told.windows["credits-day"].remaining == 96
    assert told.windows["jobs"] == Window(1, 0, math.inf)
    desk.give_back("a")
    both = {"b": Usage(images=9, jobs=1), "b/0": Usage(credits=101)}
    with pytest.raises(SpendReached):
        asyncio.run(desk.limits.reserve_all(caller, both))
    assert desk.reserve("c", caller, images=9, jobs=1)["images"].remaining == 0


def test_more_at_once_than_ever_fits() -> None:
    """No use in coming again, so nobody is told to."""
    told = refusal(Desk(), ann(images=2), images=4)
    assert isinstance(told, LimitTooSmall) and not told.hopeful
    assert told.text == "The request alone comes to 4 images, and this key may have 2 a minute. Ask for less at once."


def test_money_by_the_day() -> None:
    """Set aside at the estimate, corrected up or down, whole again at midnight UTC; the text says when that is."""
    desk, caller = Desk(), ann(credits_day=10, cents_month=1000)
    desk.reserve("a", caller, credits=4, cents=8)
    desk.reserve("b", caller, credits=4, cents=8)
    told = refusal(desk, caller, credits=4, cents=8)
    assert (told.code, told.limit, told.hopeful) == ("spend_limit_exceeded", "credits-day", False)
    assert "10 credits a day" in told.text and "2026-05-31 00:00 UTC" in told.text
    desk.settle("a", 1.5)
    assert desk.reserve("c", caller, credits=4, cents=8)["credits-day"] == Window(10, 0.5, 12 * 3600.0)
    desk.settle("b", 9.0)
    assert refusal(desk, caller, credits=0.1).windows["credits-day"].remaining == 0
    desk.time = 12 * 3600.0
    windows = desk.reserve("d", caller, credits=4, cents=8)
    assert windows["credits-day"] == Window(10, 6, 24 * 3600.0)
    assert windows["cents-month"].remaining == 1000 - 3 - 18 - 8 - 8


def test_a_reservation_belongs_to_its_day() -> None:
    """Settled after midnight, it is yesterday's money; at the month's end last month's as well."""
    desk, caller = Desk(), ann(credits_day=10, credits_month=15)
    desk.time = 35 * 3600.0
    desk.reserve("a", caller, credits=8)
    desk.time = 37 * 3600.0
    desk.settle("a", 2.0)
    windows = desk.reserve("b", caller, credits=10)
    assert (windows["credits-day"].remaining, windows["credits-month"].remaining) == (0, 5)


def test_a_job_without_a_price_meets_an_empty_purse() -> None:
    """Nobody knows what it costs, yet it is not for nothing."""
    desk, caller = Desk(), ann(credits_day=4)
    desk.reserve("a", caller, jobs=1)
    desk.settle("a", 4.0)
    assert isinstance(refusal(desk, caller, jobs=1), SpendReached)


def test_what_has_no_limit_costs_nothing() -> None:
    """Nothing is kept of a caller's requests, and no window is told."""
    desk = Desk()
    assert desk.reserve("a", ann(), requests=1, images=4) == {}
    assert desk.reserve("a", ann(images=9), requests=1) == {}
    assert not desk.limits._rated and not desk.limits._open


def test_ids_are_forgotten() -> None:
    """What a reservation leaves behind ends with its minute, or with its job."""
    desk, caller = Desk(), ann(requests=1000, images=1000)
    for index in range(100):
        desk.time = float(index)
        desk.reserve(f"req-{index}", caller, requests=1)
        desk.reserve(f"job-{index}", caller, images=1, jobs=1)
        desk.settle(f"job-{index}", 1.0)
    assert len(desk.limits._rated) == 60 and not desk.limits._open


def test_undone() -> None:
    """Rates return as well, which they do not when a job is given back."""
    desk, caller = Desk(), ann(images=4, jobs=1)
    desk.reserve("a", caller, images=4, jobs=1)
    desk.give_back("a")
    assert refusal(desk, caller, images=4, jobs=1).limit == "images"
    desk.time = 60.0
    desk.reserve("a", caller, images=4, jobs=1)
    desk.undo("a")
    desk.undo("a")
    assert desk.reserve("b", caller, images=4, jobs=1)["images"].remaining == 0


def test_an_allowance_that_shrinks() -> None:
    """After a reload the new limits count what was used under the old ones, and what is set aside is still settled."""
    desk, generous = Desk(), ann(requests=100, jobs=9, credits_day=100)
    for index in range(5):
        desk.reserve(f"req-{index}", generous, requests=1)
        desk.reserve(f"job-{index}", generous, jobs=1, credits=10)
    strict = ann(requests=2, jobs=2, credits_day=20)
    assert refusal(desk, strict, requests=1).windows == {"requests": Window(2, 0, SPAN_S)}
    assert refusal(desk, strict, jobs=1).limit == "jobs"
    for index in range(5):
        desk.settle(f"job-{index}", 1.0)
    assert desk.reserve("after", strict, jobs=1)["credits-day"].remaining == 15


def test_a_limit_that_is_new() -> None:
    """Money and jobs were counted before there was a limit."""
    desk = Desk()
    desk.reserve("a", ann(), jobs=1, credits=7)
    assert refusal(desk, ann(credits_day=10), jobs=1, credits=4).limit == "credits-day"


ALLOWED = Allowance(requests=4, images=6, megapixels=7.5, jobs=3, credits_day=20, cents_month=60)
CALLERS = st.sampled_from([Caller("ann", allowance=ALLOWED), Caller("bob", allowance=replace(ALLOWED, jobs=None))])
IDS = st.integers(0, 12).map("id-{}".format)
USAGES = st.builds(
    Usage,
    requests=st.integers(0, 2),
    images=st.integers(0, 3),
    megapixels=st.sampled_from([0.0, 0.1, 1.7]),
    jobs=st.integers(0, 1),
    credits=st.sampled_from([0.0, 0.1, 4.0, 7.7]),
    cents=st.sampled_from([0.0, 8.3]),
)


class Books(RuleBasedStateMachine):
    """Against plain lists of everything that was ever counted."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.rated: list[tuple[float, str, str, Usage]] = []
        self.open: dict[str, tuple[str, Usage, str]] = {}
        self.spent: list[tuple[str, str, float, float]] = []

    @property
    def day(self) -> str:
        return f"{datetime.fromtimestamp(NOON + self.desk.time, UTC):%Y-%m-%d}"

    def rate(self, caller: str, name: str, span_s: float = SPAN_S) -> float:
        since = self.desk.time - span_s
        return float(sum(getattr(usage, name) for when, who, _, usage in self.rated if who == caller and when > since))

    def money(self, caller: str, unit: str, span: int) -> float:
        now = self.day[:span]
        aside = [getattr(usage, unit) for who, usage, day in self.open.values() if (who, day[:span]) == (caller, now)]
        paid = [
            {"credits": credits, "cents": cents}[unit]
            for who, day, credits, cents in self.spent
            if (who, day[:span]) == (caller, now)
        ]
        return float(sum(aside) + sum(paid))

    def known(self, id: str) -> bool:
        return id in self.open or any(name == id and when > self.desk.time - SPAN_S for when, _, name, _ in self.rated)

    def exceeded(self, caller: Caller, usage: Usage, span_s: float) -> bool:
        """By an exact count, with a minute of `span_s`."""
        allowance, tiny = caller.allowance, 1e-9
        touches = usage.jobs or usage.credits or usage.cents
        for name in ("requests", "images", "megapixels"):
            amount = getattr(usage, name)
            if amount and self.rate(caller.id, name, span_s) + amount > getattr(allowance, name) + tiny:
                return True
        jobs = sum(held.jobs for who, held, _ in self.open.values() if who == caller.id)
        if usage.jobs and allowance.jobs is not None and jobs + usage.jobs > allowance.jobs:
            return True
        for unit, span, limit in (("credits", 10, 20.0), ("cents", 7, 60.0)):
            used = self.money(caller.id, unit, span)
            if touches and (used + getattr(usage, unit) > limit + tiny or used >= limit - tiny):
                return True
        return False

    @rule(id=IDS, caller=CALLERS, usage=USAGES)
    def reserve(self, id: str, caller: Caller, usage: Usage) -> None:
        if self.known(id) and not any(name == id and who == caller.id for _, who, name, _ in self.rated):
            return
        exceeded, barely = (self.exceeded(caller, usage, span_s) for span_s in (SPAN_S, SPAN_S + TICK_S))
        refused: LimitReached | None = None
        try:
            asyncio.run(self.desk.limits.reserve(id, caller, usage))
        except LimitReached as error:
            refused = error
        if refused is not None:
            assert not self.known(id) and barely
            assert refused.limit in LIMITS
        if refused is not None or self.known(id):
            return
        assert not exceeded
        if usage.requests or usage.images or usage.megapixels:
            self.rated.append((self.desk.time, caller.id, id, usage))
        if usage.jobs or usage.credits or usage.cents:
            self.open[id] = (caller.id, usage, self.day)

    def end(self, id: str, credits: float, cents: float) -> None:
        # The id may come again; what was counted stays.
        self.rated = [(when, who, "" if name == id else name, usage) for when, who, name, usage in self.rated]
        if id in self.open:
            caller, _, day = self.open.pop(id)
            self.spent.append((caller, day, credits, cents))

    @rule(id=IDS, cost=st.sampled_from([0.0, 2.5, 4.0, 9.1]))
    def settle(self, id: str, cost: float) -> None:
        self.desk.settle(id, cost)
        self.end(id, cost, cost * 2)

    @rule(id=IDS)
    def give_back(self, id: str) -> None:
        self.desk.give_back(id)
        self.end(id, 0.0, 0.0)

    @rule(id=IDS)
    def undo(self, id: str) -> None:
        self.desk.undo(id)
        since = self.desk.time - SPAN_S
        self.rated = [entry for entry in self.rated if entry[2] != id or entry[0] <= since]
        self.end(id, 0.0, 0.0)

    @rule(pause=st.sampled_from([0.04, 1.0, 20.0, 59.0, 61.0, 6 * 3600.0, 40 * 3600.0]))
    def wait(self, pause: float) -> None:
        self.desk.time += pause

    @invariant()
    def limits_hold_and_books_balance(self) -> None:
        for caller in ("ann", "bob"):
            assert self.rate(caller, "requests") <= 4 and self.rate(caller, "images") <= 6
            assert self.rate(caller, "megapixels") <= 7.5 + 1e-9
            account = self.desk.limits._accounts.get(caller)
            if account is None:
                continue
            assert account.purse.used("credits", self.day) == round(self.money(caller, "credits", 10) * MICRO)
            assert account.purse.used("cents", self.day[:7]) == round(self.money(caller, "cents", 7) * MICRO)
            assert account.jobs == sum(usage.jobs for who, usage, _ in self.open.values() if who == caller)
        assert set(self.desk.limits._open) == set(self.open)


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBooks = Books.TestCase
