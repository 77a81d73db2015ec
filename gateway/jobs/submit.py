"""
How a submission comes to its task: it is sent, once, or it was sent by another process before.

INTENT is written before the first byte. From then on nothing is sent twice unless it is known to be unpaid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from gateway.domain.blob import Blob
from gateway.domain.errors import (
    AnswerLost,
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformOutOfCredits,
    PlatformUnavailable,
    PlatformUnreachable,
    QueueFull,
)
from gateway.domain.outcome import Failed, Outcome, Ticket, Unsure, Working
from gateway.jobs.breaker import Attempt
from gateway.jobs.hints import LOST_S, Hint
from gateway.jobs.job import Job
from gateway.jobs.order import Order
from gateway.jobs.slot import Slot
from gateway.jobs.steps import Steps
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.upstream.session import Answered, MaybeSent, NotSent, Sent

# Nothing was sent, so trying again costs nothing; three times, about 20 s with slow connects.
CONNECT_TRIES = 3
# What says that the account itself may be no good.
REFUSED = (PlatformAuthFailed, PlatformOutOfCredits)
# An upload takes its time before silence counts: at the most one second for so many bytes.
LEAST_RATE = 1_000_000
# Waiting for a slot ends a moment before the client's own time does, so that the client hears the reason.
REASON_SHARE, REASON_S = 0.05, 1.0


class Beginning(Protocol):
    """
    `written`: the ledger has a row of it. `age_s`: how old the task is when it comes to us, 0 for a new one.
    `waited_s`: how long an answer that was lost has been waited for. `pictures` came with the answer and are nobody
    else's yet.
    """

    written: bool
    age_s: float
    waited_s: float
    pictures: list[Blob]

    async def __call__(self) -> Outcome:
        """The answer of a vendor that has taken the submission. Raises: GatewayError, saying whether it was paid."""
        ...


class Resumed:
    """A task that another process has begun, and the ledger remembers."""

    written, waited_s = True, 0.0

    def __init__(self, ticket: Ticket, age_s: float) -> None:
        self._ticket, self.age_s = ticket, age_s
        self.pictures: list[Blob] = []

    async def __call__(self) -> Outcome:
        return Working(self._ticket, "submitted")


class Submit:
    """One submission of an order, sent."""

    age_s = 0.0

    def __init__(self, tools: Tools, order: Order, job: Job, slot: Slot, index: int, owner: int) -> None:
        self._tools, self._job, self._slot, self._index, self._owner = tools, job, slot, index, owner
        self._platform, self._plan = order.platform, order.plan
        spare_s = min(REASON_S, REASON_SHARE * max(0.0, order.deadline - tools.clock.now()))
        self._late, self._submit_by = order.deadline - spare_s, order.submit_by
        self._upload_s = sum(blob.length for blob in order.inputs) / LEAST_RATE
        self._step = Steps(tools, job, index)
        self._breaker = tools.breakers.of(order.platform.account, job.record.model)
        self.written, self.waited_s = False, 0.0
        self.pictures: list[Blob] = []
        self._call, self._hint = self._plan.calls[index], None
        if (base := self._platform.webhook_base) is not None:
            name = (self._platform.name, job.record.id, index)
            self._call = self._platform.hooked(self._call, tools.hints.url(base, *name), tools.hints.secret(*name))
            if self._call is not self._plan.calls[index]:
                self._hint = tools.hints.listen(self._platform.name, job.record.id, index)

    async def __call__(self) -> Outcome:
        try:
            return await self._until_taken()
        except AnswerLost:
            if self._hint is None or (task := await self._named(self._hint)) is None:
                raise
            return Working(self._platform.ticket(task, self._plan.target.model), "called back")

    async def _named(self, hint: Hint) -> str | None:
        """
        The task that a call-back names, and that the vendor knows. The answer to the submission is lost, but the vendor
        calls when the task is over.
        """
        clock, tools = self._tools.clock, self._tools
        # Others take its place meanwhile, as that of any other whose answer is lost.
        self._slot.lost(self._late_s() - self.waited_s)
        until = clock.now() + LOST_S
        with self._after(tools.unanswered_within_s - self.waited_s, self._silent):
            while hint.task is None or not await known(tools, self._platform, hint.task, self._plan.target.model):
                try:
                    await clock.within(until - clock.now(), hint.wait())
                except TimeoutError:
                    return None
        return hint.task

    async def _until_taken(self) -> Outcome:
        tools, failures = self._tools, 0
        while True:
            await self._turn()
            sent, outcome = await self._attempt()
            match sent:
                case NotSent(why):
                    self._job.unpaid(self._index)
                    failures += 1
                    if failures == CONNECT_TRIES or self._overdue():
                        raise PlatformUnreachable(
                            "The platform could not be reached; nothing was sent and nothing was charged.",
                            detail=why,
                            retry_after_s=5,
                        )
                    await tools.clock.sleep(tools.jitter(0.5 * 2**failures))
                case MaybeSent(why):
                    raise answer_lost(why)
            if outcome is not None:
                if not isinstance(outcome, Failed):
                    return outcome
                if not isinstance(outcome.error, PlatformBusy) or self._overdue():
                    raise outcome.error
                self._job.unpaid(self._index)
                self._slot.pushed_back(outcome.error.retry_after_s)

    async def _attempt(self) -> tuple[Sent, Outcome | None]:
        """Send once. Raises: PlatformUnavailable, before INTENT or while it is known to be unpaid."""
        tools, call, job = self._tools, self._call, self._job.record.id
        await self._breaker.until_decided(job)
        with self._breaker.attempt(job) as attempt:
            await self._intend()
            self._job.sends(self._index)
            began = tools.clock.now()
            answer_s = max(tools.unanswered_within_s, call.patience_s or 0.0)
            with self._after(self._upload_s + answer_s, partial(self._unanswered, attempt)):
                sent = await self._step("submit", tools.send(self._platform, call))
            if isinstance(sent, MaybeSent):  # a task, if there is one, has been running meanwhile
                self.waited_s = tools.clock.now() - began
            outcome = None
            if isinstance(sent, Answered):
                self.pictures += sent.answer.pictures
                outcome = self._platform.read_submit(self._plan, sent.answer)
                if isinstance(outcome, Failed) and isinstance(outcome.error, REFUSED):
                    tools.doubt(self._platform.account)
            if not isinstance(outcome, Working):
                self._job.sent(self._index)
            attempt.heard(sent, outcome)
        if isinstance(sent, NotSent) or (isinstance(outcome, Failed) and outcome.error.paid is Paid.NO):
            self._slot.gone()
        return sent, outcome

    def _unanswered(self, attempt: Attempt) -> None:
        """
        The answer is overdue: everybody is told, and others may take its place. The submission itself goes on, for its
        answer is the only way to what may have been paid for.
        """
        queue, account, model = self._tools.queue, self._platform.account, self._job.record.model
        if attempt.unanswered() and not queue.moves(account, model):
            # Whoever waits in line would hear the same much later: it moves at the pace of the silence.
            queue.refuse(account, _silence, model=model)
        self._slot.lost(self._late_s() - self._tools.unanswered_within_s)
        self._silent()

    def _late_s(self) -> float:
        return self._tools.paces(self._platform, self._job.record.model).late_s()

    def _silent(self) -> None:
        self._job.silent(self._index, self._tools.clock.now(), self._tools.unanswered_within_s)

    @contextmanager
    def _after(self, seconds: float, then: Callable[[], None]) -> Iterator[None]:
        """Around what is awaited: `then` is called if that takes longer."""

        async def alarm() -> None:
            await self._tools.clock.sleep(max(0.0, seconds))
            then()

        task = asyncio.create_task(alarm())
        try:
            yield
        finally:
            task.cancel()

    async def _turn(self) -> None:
        clock, first = self._tools.clock, self.written
        while not self._slot.held:
            await self._breaker.until_decided(self._job.record.id)
            self._breaker.check()
            limit = self._deadline
            try:
                await self._step("queue", clock.within(limit - clock.now(), self._slot.take(first=first)))
            except TimeoutError:
                if limit < self._deadline:  # meanwhile the platform has taken a sibling
                    first = True
                    continue
                busy = PlatformBusy if self.written else QueueFull
                text = "No slot became free in time; nothing was charged. Try again later."
                raise busy(text, retry_after_s=30) from None

    async def _intend(self) -> None:
        """Before the first byte: from here on the job goes on without its client."""
        self._job.intend(self._index)
        if not self.written:
            try:
                await self._tools.ledger.intent(self._job.record, self._index, self._owner)
            except asyncio.CancelledError:
                self.written = True  # or will be in a moment: its end has to be written as well
                self._job.unpaid(self._index)
                raise
            except BaseException:
                self._job.unpaid(self._index)
                raise
            self.written = True

    @property
    def _deadline(self) -> float:
        """Another platform may be tried for as long as no sibling may have been taken by this one."""
        return self._late if self._job.intended else min(self._submit_by, self._late)

    def _overdue(self) -> bool:
        return self._tools.clock.now() >= self._deadline


async def known(tools: Tools, platform: Platform, task: str, model: str) -> bool:
    """True when the vendor has a task of this id: whoever names one may be wrong."""
    ticket = platform.ticket(task, model)
    sent = await tools.ask(platform, ticket)
    return isinstance(sent, Answered) and not isinstance(platform.read_poll(ticket, sent.answer), Unsure)


def _silence() -> PlatformUnavailable:
    return PlatformUnavailable(
        "The platform does not answer just now; nothing was sent and nothing was charged. Try again later.",
        retry_after_s=5,
    )


def answer_lost(why: str) -> AnswerLost:
    """`why` is for the log."""
    return AnswerLost(
        "The platform's answer to the submission did not arrive, so the job may have been charged; it is not sent "
        "again. The same request within 15 minutes gets this answer; to pay for a new job, send it with a new "
        "Idempotency-Key.",
        paid=Paid.MAYBE,
        detail=why,
    )
