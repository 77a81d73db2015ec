"""One job and everybody who waits for it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import (
    AnswerLost,
    GatewayError,
    Moderated,
    Paid,
    PlatformBusy,
    PlatformError,
    QueueFull,
    ShuttingDown,
)
from gateway.jobs.clock import Clock
from gateway.jobs.job import Job, worst
from gateway.stores.contract import Found, JobRecord, Made, ReplySpec, Row, State
from tests.fakes.blob import MemoryBlob
from tests.fakes.clock import Agenda, Calendar

LOST = AnswerLost("lost", paid=Paid.MAYBE)
BLOCKED = Moderated("no", stage="input", categories=("Violence",))


def record(n: int = 1) -> JobRecord:
    reply = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())
    return JobRecord("job-1", "ann", "content", None, "toy", "toy-1", n, reply, 0.0)


class Steps:
    """Submissions that end when they are told to."""

    def __init__(self, n: int) -> None:
        self.job, self.bugs = Job(record(n), [blob := MemoryBlob()]), list[Exception]()
        self.blob = blob
        self._ends: list[asyncio.Future[Made]] = [asyncio.get_running_loop().create_future() for _ in range(n)]
        self.job.begin({index: self._work(end) for index, end in enumerate(self._ends)}, self.bugs.append)
        self.over = asyncio.create_task(self.job.until_over())

    @staticmethod
    def _work(end: asyncio.Future[Made]) -> Callable[[], Awaitable[Made]]:
        async def work() -> Made:
            return await end

        return work

    async def end(self, index: int, result: Made | BaseException) -> None:
        if isinstance(result, BaseException):
            self._ends[index].set_exception(result)
        else:
            self._ends[index].set_result(result)
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_every_waiter_hears_every_end_once() -> None:
    """Whoever comes early, late or in between gets all results, in the order of their ends, those before first."""
    steps = Steps(3)

    async def listen() -> list[int]:
        return [index async for index, _ in steps.job.ends()]

    early = asyncio.create_task(listen())
    await steps.end(1, Made("b"))
    between = asyncio.create_task(listen())
    await steps.end(2, LOST)
    await steps.end(0, Made("a"))
    assert await early == [1, 2, 0]
    assert sorted(await between) == [0, 1, 2]
    assert sorted(await listen()) == [0, 1, 2]
    await steps.over


async def test_a_waiter_that_was_away_misses_nothing() -> None:
    """Results that come while a waiter is busy with one are there when it looks again."""
    steps = Steps(3)
    ends = steps.job.ends()
    await steps.end(0, Made("a"))
    assert (await anext(ends))[0] == 0
    await steps.end(1, Made("b"))
    await steps.end(2, Made("c"))
    assert [index async for index, _ in ends] == [1, 2]


async def test_acceptance_is_the_first_one_or_the_last_end() -> None:
    """A refused sibling is no acceptance: a stream begins when the platform has taken something, or all is over."""
    steps = Steps(2)
    accepted = asyncio.create_task(steps.job.until_accepted())
    await steps.end(0, QueueFull("full"))
    assert not accepted.done()
    steps.job.accepted(1)
    await settled()
    assert accepted.done()
    steps = Steps(2)
    accepted = asyncio.create_task(steps.job.until_accepted())
    await steps.end(0, QueueFull("full"))
    await steps.end(1, QueueFull("full"))
    assert accepted.done()


async def test_the_upload_is_let_go_once() -> None:
    """With the last submission that is accepted or has ended; never twice."""
    steps = Steps(3)
    steps.job.accepted(0)
    await steps.end(1, BLOCKED)
    assert steps.blob.released == 0
    steps.job.accepted(2)
    assert steps.blob.released == 1
    steps.job.accepted(2)
    await steps.end(0, Made("a"))
    await steps.end(2, Made("c"))
    await steps.over
    assert steps.blob.released == 1


async def test_money_at_stake() -> None:
    """Intended until known to be unpaid; a refusal that costs nothing puts nothing at stake either."""
    steps = Steps(2)
    steps.job.waiters = 1
    assert (steps.job.intended, steps.job.paid) == (False, Paid.NO)
    steps.job.intend(0)
    assert (steps.job.intended, steps.job.paid) == (True, Paid.MAYBE)
    steps.job.unpaid(0)
    assert not steps.job.intended
    steps.job.intend(1)
    await steps.end(1, BLOCKED)
    assert not steps.job.intended
    steps.job.intend(0)
    await steps.end(0, LOST)
    assert steps.job.intended


async def test_nobody_waits_and_nothing_is_at_stake() -> None:
    """Then it ends; with a waiter or with money at stake it goes on."""
    steps = Steps(1)
    steps.job.waiters = 1
    steps.job.cancel_if_free()
    steps.job.waiters = 0
    steps.job.intend(0)
    steps.job.cancel_if_free()
    await settled()
    assert steps.job.results == [None]
    steps.job.unpaid(0)
    await steps.over
    assert steps.job.cancelled and isinstance(steps.job.results[0], ShuttingDown)


@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_cancelled_at_any_time(turns: int) -> None:
    """Also before its first step: every waiter hears an end, and the upload is let go."""
    steps = Steps(2)
    for _ in range(turns):
        await asyncio.sleep(0)
    steps.job.cancel()
    await steps.over
    await asyncio.wait_for(steps.job.until_finished(), 1)
    assert [isinstance(result, ShuttingDown) for result in steps.job.results] == [True, True]
    assert steps.blob.released == 1


@pytest.mark.parametrize(("intended", "paid", "again"), [(True, Paid.MAYBE, False), (False, Paid.NO, True)])
async def test_cut_off_by_the_shutdown(intended: bool, paid: Paid, again: bool) -> None:
    """What was under way says that it may be paid for; what was not may be sent again."""
    steps = Steps(1)
    await settled()
    if intended:
        steps.job.intend(0)
    steps.job.cancel()
    await steps.over
    (result,) = steps.job.results
    assert isinstance(result, ShuttingDown) and result.paid is paid
    assert ("Send the request again" in result.text) is again


async def test_a_bug_is_told_and_perhaps_paid() -> None:
    """The log has the bug, the client an error that nobody repeats."""
    steps = Steps(1)
    steps.job.intend(0)
    await steps.end(0, ZeroDivisionError("oops"))
    (result,) = steps.job.results
    assert isinstance(result, GatewayError) and (result.code, result.paid) == ("internal_error", Paid.MAYBE)
    assert "oops" not in result.text and [str(bug) for bug in steps.bugs] == ["oops"]


def test_a_job_that_is_over() -> None:
    """From the ledger's rows, in order; what has no row was never submitted."""
    rows = {
        2: Row(State.STORED, 1, made=Made("c")),
        0: Row(State.UNKNOWN, 1, error=LOST),
    }
    job = Job.of(Found(record(3), rows))
    assert job.results[0] is LOST and job.results[2] == Made("c")
    assert isinstance(job.results[1], QueueFull) and job.results[1].paid is Paid.NO
    assert job.finished and job.intended


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([QueueFull("a"), BLOCKED, LOST], "platform_answer_lost"),
        ([QueueFull("a"), BLOCKED, PlatformBusy("b")], "moderation_blocked"),
        ([QueueFull("a"), PlatformError("b")], "platform_error"),
        ([PlatformError("b", paid=Paid.YES), BLOCKED], "platform_error"),
    ],
)
def test_the_worst_error_is_told(errors: list[GatewayError], code: str) -> None:
    """What may have been paid before what was refused before what may be tried again."""
    assert worst(errors).code == worst(errors[::-1]).code == code


def test_an_error_is_told_as_a_copy() -> None:
    """Everything it says is in the copy, and raising the copy leaves the original as it was."""
    told = worst([BLOCKED])
    assert isinstance(told, Moderated) and told is not BLOCKED
    assert (told.text, told.stage, told.categories, str(told)) == ("no", "input", ("Violence",), "no")
    with pytest.raises(Moderated):
        raise told
    assert BLOCKED.__traceback__ is None


async def test_kept_errors_hold_nothing_else() -> None:
    """An error is remembered for a quarter of an hour; the frames it was raised in are not."""

    class Heavy:
        pass

    seen: list[weakref.ref[Heavy]] = []

    async def work() -> Made:
        heavy = Heavy()
        seen.append(weakref.ref(heavy))
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise PlatformError("broken", paid=Paid.MAYBE) from cause

    job = Job(record())
    job.begin({0: work}, lambda _bug: None)
    await job.until_over()
    gc.collect()
    assert isinstance(job.results[0], PlatformError)
    assert seen[0]() is None


async def test_the_slowest_submission_counts() -> None:
    """Steps are as long as the longest, which is what the client waited for."""
    job = Job(record(3))
    for index, seconds in enumerate((1.0, 3.0, 2.0)):
        job.step_begins(index, "poll", 10.0)
        assert job.step_ends(index, "poll", 10.0 + seconds) == seconds
    assert job.steps(50.0) == {"poll": 3.0}


async def test_a_step_that_goes_on_counts_so_far() -> None:
    """An answer given before the job's end says how long the open step has taken."""
    job = Job(record())
    job.step_begins(0, "submit", 10.0)
    job.step_ends(0, "submit", 11.0)
    job.step_begins(0, "poll", 11.0)
    assert job.steps(14.0) == {"submit": 1.0, "poll": 3.0}


async def test_a_waiter_is_answered_while_pictures_are_still_fetched() -> None:
    """Not while a task runs; then after so much time since the last was ready, or since the waiter came."""
    steps, calendar = Steps(3), Calendar()
    first = asyncio.create_task(steps.job.until_answerable(calendar.clock, 30.0, calendar.time))
    steps.job.collects(0, calendar.time)
    await steps.end(1, Made("b"))
    assert not first.done() and calendar.time == 0.0
    calendar.time = 50.0
    steps.job.collects(2, calendar.time)
    assert steps.job.collecting
    await first
    assert calendar.time == 80.0 and not steps.job.finished
    calendar.time = 200.0
    await steps.job.until_answerable(calendar.clock, 30.0, calendar.time)
    assert calendar.time == 230.0
    await steps.end(0, Made("a"))
    await steps.end(2, LOST)
    await steps.job.until_answerable(calendar.clock, 30.0, calendar.time)
    assert calendar.time == 230.0 and not steps.job.collecting


async def test_a_waiter_is_answered_while_the_vendor_keeps_silent() -> None:
    """At once when that has lasted, a moment later whoever comes then; not when the vendor speaks again meanwhile."""
    steps, calendar = Steps(2), Calendar()
    first = asyncio.create_task(steps.job.until_answerable(calendar.clock, 30.0, calendar.time))
    other = asyncio.create_task(steps.job.until_accepted())
    await asyncio.sleep(0)
    calendar.time = 50.0
    steps.job.silent(0, 50.0, 20.0)
    await other
    steps.job.collects(1, 55.0)
    await first
    told = calendar.time, steps.job.unanswered
    assert told == (85.0, True)
    await steps.job.until_answerable(calendar.clock, 1.0, calendar.time)
    steps.job.heard(0)
    told = calendar.time, steps.job.unanswered
    assert told == (105.0, False)
    last = asyncio.create_task(steps.job.until_answerable(calendar.clock, 1.0, calendar.time))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not last.done()
    await steps.end(0, LOST)
    await steps.end(1, LOST)
    await last


@pytest.mark.parametrize(
    ("waiters", "comes_at", "took"),
    [(0, None, 30.0), (1, None, 5.0), (0, 2.0, 5.0), (0, 12.0, 12.0), (0, 40.0, 30.0)],
    ids=["nobody", "somebody", "soon", "later", "too late"],
)
async def test_a_pause_is_short_for_whoever_waits(waiters: int, comes_at: float | None, took: float) -> None:
    """Also for who comes meanwhile, at once if the last try was long ago; coming and going makes no more tries."""
    agenda, steps = Agenda(), Steps(1)
    for _ in range(waiters):
        steps.job.join()

    async def come() -> None:
        if comes_at is not None:
            await agenda.clock.sleep(comes_at)
            steps.job.join()

    coming = asyncio.create_task(come())
    await agenda.run(steps.job.pause(agenda.clock, 30.0, 5.0))
    assert agenda.time == took
    coming.cancel()
    await steps.end(0, LOST)


async def test_a_picture_that_comes_in_time_is_not_overdue() -> None:
    """Whoever waits is woken by its end."""
    steps, calendar = Steps(1), Calendar()
    slow = Clock(now=calendar.clock.now, sleep=lambda _seconds: asyncio.Future[None]())
    waiting = asyncio.create_task(steps.job.until_answerable(slow, 30.0, 0.0))
    steps.job.collects(0, 0.0)
    await steps.end(0, Made("a"))
    await waiting
    assert steps.job.finished and calendar.time == 0.0
