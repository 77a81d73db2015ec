"""Call-backs that come, late, early, twice or never: they save polls, and never cost more than a moment."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.jobs.poll import Polling
from gateway.jobs.trust import CHECKED_EVERY, LATE_S, PROVEN, SILENT, THIN_S
from gateway.upstream.session import Answered, Sent
from gateway.wire.call import Answer, Call
from tests.fakes.clock import Agenda
from tests.fakes.vendor import PENDING, READY, TICKET, Vendor, Works
from tests.jobs.pace_simulation import RTT_S, followed

Calls = Sequence[float]
"""When the vendor calls, in seconds after the end of the task; below zero before it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A task: lag and polls, its own and what the pace alone would have made of it; the pause after that."""

    lag_s: float
    polls: int
    alone_s: float
    alone_polls: int
    pause_s: float


class Account(Vendor):
    """Its tasks take as long as they are told to, and each answer a tenth of a second."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()
        self.works = Works(self, clock=self.agenda.clock)
        self._ends = 0.0

    async def send(self, call: Call) -> Sent:
        self.asked[call.name] += 1
        await self.agenda.sleep(RTT_S / 2)
        told = READY if self.agenda.time >= self._ends else PENDING
        await self.agenda.sleep(RTT_S / 2)
        return Answered(Answer(200, {"outcome": told}, b""))  # type: ignore[dict-item]

    async def task(self, name: str, takes_s: float, calls: Calls) -> Seen:
        """One from its acceptance to its end, and until all of its calls have come or are missing."""
        tools, agenda = self.works.tools, self.agenda
        pace, before, began = tools.paces(self, "toy-1"), self.asked["poll"], agenda.time
        alone = deepcopy(pace)
        _, by, spent = followed(alone, takes_s, RTT_S)
        pause_s = alone.next_wait(by, spent) + RTT_S
        self._ends = began + takes_s

        async def call(at_s: float) -> None:
            await agenda.sleep(max(0.0, at_s))
            tools.hints.give(name, 0, TICKET.task)

        calling = [asyncio.ensure_future(call(takes_s + after_s)) for after_s in calls]
        hint = tools.hints.listen("toy", name, 0)
        await Polling(tools, self, TICKET, self.works.queue.close, hint=hint).until_over()
        found_s = agenda.time - began
        tools.hints.over(name, 0, due=True)
        tools.hints.leave(name, 0)
        await agenda.sleep(max([LATE_S, *calls]) + 1)
        await asyncio.gather(*calling)
        tools.hints.settle()
        lag_s = found_s - RTT_S / 2 - takes_s
        return Seen(lag_s, self.asked["poll"] - before, by - RTT_S / 2 - takes_s, spent, pause_s)

    async def tasks(self, each: Sequence[tuple[float, Calls]]) -> list[Seen]:
        begun = self.asked["begun"]
        self.asked["begun"] += len(each)
        return [await self.task(f"job-{begun + i}", *told) for i, told in enumerate(each)]

    def run(self, each: Sequence[tuple[float, Calls]]) -> list[Seen]:
        """One after the other."""
        return asyncio.run(self.agenda.run(self.tasks(each)))

    def counted(self, outcome: str) -> float:
        labels = {"platform": "toy", "outcome": outcome}
        return self.works.metrics.registry.get_sample_value("gateway_webhooks_total", labels) or 0.0


def times(count: int) -> list[float]:
    chance = random.Random(3)
    return [5.0 * math.exp(0.2 * chance.gauss(0, 1)) for _ in range(count)]


def later_s(seen: Sequence[Seen]) -> float:
    """How much more waiting there was than by polls alone, on average."""
    return sum(task.lag_s - task.alone_s for task in seen) / len(seen)


AT_ONCE, SLOWLY, NEVER = (0.02,), (0.3,), ()
patterns = st.lists(st.floats(-6, 12), max_size=2) | st.sampled_from([AT_ONCE, AT_ONCE, NEVER])


@settings(max_examples=40)
@given(each=st.lists(st.tuples(st.floats(0.2, 20), patterns), max_size=8), proven=st.booleans())
def test_whatever_comes_nobody_waits_much_longer(each: list[tuple[float, Calls]], proven: bool) -> None:
    """Never more than a pause and two seconds later than by polls alone; calls in time only make it sooner."""
    account = Account()
    if proven:
        account.run([(takes_s, AT_ONCE) for takes_s in times(6)])
    for seen in account.run(each):
        assert seen.lag_s <= seen.alone_s + seen.pause_s + THIN_S + 0.5


def test_calls_that_come_save_polls() -> None:
    """Of an account that calls at once tasks are asked after half as often, and found sooner than by polls."""
    seen = Account().run([(takes_s, AT_ONCE) for takes_s in times(48)])[12:]
    assert sum(task.polls for task in seen) <= 0.6 * sum(task.alone_polls for task in seen)
    assert later_s(seen) < 0


def test_an_account_that_never_calls_is_polled_as_if_it_did_not_have_to() -> None:
    """The learned pace, poll by poll; the silence is counted, and told once."""
    account = Account()
    with capture_logs() as logs:
        seen = account.run([(takes_s, NEVER) for takes_s in times(12)])
    assert abs(later_s(seen)) < 0.1
    assert [task.polls for task in seen] == [task.alone_polls for task in seen]
    assert (account.counted("missing"), account.counted("in_time")) == (12, 0)
    assert [line["event"] for line in logs] == ["webhook silent"]


def test_silence_costs_one_task_a_moment() -> None:
    """An account that has always called falls silent: from the second task on it is polled at the pace."""
    account = Account()
    account.run([(takes_s, AT_ONCE) for takes_s in times(CHECKED_EVERY + PROVEN)])
    with capture_logs() as logs:
        first, *others = account.run([(takes_s, NEVER) for takes_s in times(8)])
        assert first.lag_s <= first.alone_s + first.pause_s + THIN_S
        assert later_s(others) < 0.1
        account.run([(takes_s, AT_ONCE) for takes_s in times(2 * PROVEN)])
        again = account.run([(takes_s, AT_ONCE) for takes_s in times(2 * CHECKED_EVERY)])
    assert [line["event"] for line in logs] == ["webhook silent", "webhook calls again"]
    assert sum(task.polls for task in again) < sum(task.alone_polls for task in again)


def test_calls_slower_than_polls_are_not_waited_for() -> None:
    """Neither when they have always been slow, nor when they have become so."""
    account = Account()
    seen = account.run([(takes_s, SLOWLY) for takes_s in times(12)])
    assert later_s(seen) < 0.05
    account.run([(takes_s, AT_ONCE) for takes_s in times(CHECKED_EVERY + PROVEN)])
    seen = account.run([(takes_s, SLOWLY) for takes_s in times(6 * CHECKED_EVERY)])[CHECKED_EVERY:]
    assert later_s(seen) < 0.05


def test_a_call_before_the_end_proves_nothing() -> None:
    """It is asked after, and counts as none."""
    account = Account()
    account.run([(takes_s, (-3.0,)) for takes_s in times(SILENT)])
    assert (account.counted("missing"), account.counted("in_time"), account.counted("late")) == (SILENT, 0, 0)


def test_accounts_are_trusted_each_for_itself() -> None:
    """One that calls vouches for no other; nor does a call for one submission for another's."""
    account = Account()
    account.run([(takes_s, AT_ONCE) for takes_s in times(2 * PROVEN)])
    hints = account.works.tools.hints
    assert hints.listen("toy", "mine", 0).trust.proven
    assert not hints.listen("other", "its", 0).trust.proven
