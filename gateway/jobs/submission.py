"""
One paid call to a vendor: submit, poll, collect. The only loop of its kind; it names no platform.

INTENT is written before the first byte. From then on nothing is sent twice unless it is known to be unpaid, and only a
terminal status ends a task: bad polls, time-outs and departed clients do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from gateway.domain.blob import Blob
from gateway.domain.errors import (
    AnswerLost,
    GatewayError,
    Paid,
    PlatformBusy,
    PlatformOutOfCredits,
    PlatformUnreachable,
    QueueFull,
)
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Working
from gateway.jobs.charge import Charge
from gateway.jobs.collect import collect
from gateway.jobs.ending import end_of, terminal
from gateway.jobs.job import Job, Order, broken
from gateway.jobs.poll import Polling
from gateway.jobs.slot import Slot
from gateway.jobs.tools import Tools
from gateway.stores.contract import Made, State
from gateway.upstream.session import Answered, MaybeSent, NotSent, Sent

log = structlog.get_logger("gateway.jobs")

T = TypeVar("T")

# Nothing was sent, so trying again costs nothing; three times, about 20 s with slow connects.
CONNECT_TRIES = 3
# A lost answer may stand for a running task: its slot stays taken for as long as a slow one takes.
UNKNOWN_HOLD_S = 120.0
# Waiting for a slot ends a moment before the client's own time does, so that the client hears the reason.
REASON_SHARE, REASON_S = 0.05, 1.0


class Submission:
    """
    One submission of a job.

    Args:
        job: told when money is at stake, what was accepted and how long steps took.
        charge: told what it cost in the end.
        index: which of the job's pictures.  owner: this process's fencing number in the ledger.
    """

    def __init__(self, tools: Tools, order: Order, job: Job, charge: Charge, index: int, owner: int) -> None:
        self._tools, self._job, self._charge, self._index, self._owner = tools, job, charge, index, owner
        self._platform, self._plan = order.platform, order.plan
        spare_s = min(REASON_S, REASON_SHARE * max(0.0, order.deadline - tools.clock.now()))
        self._late, self._submit_by = order.deadline - spare_s, order.submit_by
        self._id = f"{job.record.id}/{index}"
        self._labels = (order.platform.name, job.record.model)
        self._slot = Slot(tools, order, job, self._id)
        self._breaker = tools.breakers.of(order.platform.account)
        self._written = self._taken = False
        self._cost: float | None = None
        # What came with an answer and is nobody else's yet.
        self._pictures: list[Blob] = []

    async def run(self) -> Made:
        """The stored picture. Raises: GatewayError; `Moderated` for a refusal."""
        outcome, index = "cancelled", self._index
        fault: GatewayError | None = None
        try:
            made = await self._work()
            outcome = "ok"
            return made
        except GatewayError as error:
            fault, outcome = error, error.code
            if isinstance(error, PlatformOutOfCredits):
                self._tools.empty()
            await self._failed(error)
            raise
        except asyncio.CancelledError:
            if self._written and not self._job.at_stake(index):
                await self._failed(PlatformBusy("The client left before the platform took the job."))
            raise
        except Exception:
            # Remembered like every end: a bug must not look like a job that never was, and be paid for again.
            fault = broken(Paid.MAYBE if self._job.at_stake(index) else Paid.NO)
            outcome = fault.code
            await self._failed(fault)
            raise
        finally:
            if self._written or outcome != "cancelled":
                self._tools.metrics.submissions(*self._labels, outcome).inc()
            await self.close(fault)

    async def _work(self) -> Made:
        tools, record = self._tools, self._job.record
        outcome, ticket = await self._submit(), None
        self._taken = True
        tools.queue.accepted(self._platform.account)
        if isinstance(outcome, Working):
            ticket, self._cost = outcome.ticket, outcome.ticket.cost
            await tools.ledger.submitted(record.id, self._index, self._owner, ticket)
            self._job.accepted(self._index)
            outcome = await self._step("poll", Polling(tools, self._platform, ticket, self._parked).until_over())
        finished = self._terminal(outcome)
        if finished.cost is not None:
            self._cost = finished.cost
        self._job.accepted(self._index)
        self._slot.release()
        await tools.ledger.ready(record.id, self._index, self._owner)
        ref = await self._step("collect", collect(tools, self._platform, ticket, finished))
        self._pictures = [each for each in self._pictures if each is not finished.results[0]]
        made = Made(ref, finished.seed, self._cost)
        await tools.ledger.stored(record.id, self._index, self._owner, made)
        return made

    async def close(self, fault: GatewayError | None = None) -> None:
        """Give back slot and pictures, settle the money, once; also of one that was cut off before its first step."""
        self._slot.release()
        while self._pictures:
            self._pictures.pop().release()
        charged = self._job.at_stake(self._index) if fault is None else fault.paid is not Paid.NO
        await self._charge.end(self._index, fault, charged=charged, cost=self._cost)

    # Submitting.

    async def _submit(self) -> Outcome:
        """The answer of a vendor that has taken the submission. Raises: GatewayError, saying whether it was paid."""
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
                    raise AnswerLost(
                        "The platform's answer to the submission did not arrive, so the job may have been charged; "
                        "it is not sent again. The same request within 15 minutes gets this answer; to pay for a new "
                        "job, send it with a new Idempotency-Key.",
                        paid=Paid.MAYBE,
                        detail=why,
                    )
            if outcome is not None:
                if not isinstance(outcome, Failed):
                    return outcome
                if not isinstance(outcome.error, PlatformBusy) or self._overdue():
                    raise outcome.error
                self._job.unpaid(self._index)
                self._slot.pushed_back(outcome.error.retry_after_s)

    async def _attempt(self) -> tuple[Sent, Outcome | None]:
        """Send once. Raises: PlatformUnavailable, before INTENT or while it is known to be unpaid."""
        tools, call, job = self._tools, self._plan.calls[self._index], self._job.record.id
        await self._breaker.until_decided(job)
        with self._breaker.attempt(job) as attempt:
            await self._intend()
            sent = await self._step("submit", tools.session.send(call))
            tools.heard(self._platform, "submit", sent)
            outcome = None
            if isinstance(sent, Answered):
                self._pictures += sent.answer.pictures
                outcome = self._platform.read_submit(self._plan, sent.answer)
            attempt.heard(sent, outcome)
        return sent, outcome

    async def _turn(self) -> None:
        clock, first = self._tools.clock, self._written
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
                busy = PlatformBusy if self._written else QueueFull
                text = "No slot became free in time; nothing was charged. Try again later."
                raise busy(text, retry_after_s=30) from None

    async def _intend(self) -> None:
        """Before the first byte: from here on the job goes on without its client."""
        self._job.intend(self._index)
        if not self._written:
            try:
                await self._tools.ledger.intent(self._job.record, self._index, self._owner)
            except BaseException:
                self._job.unpaid(self._index)
                raise
            self._written = True

    # Ends.

    def _terminal(self, outcome: Outcome) -> Finished:
        if isinstance(outcome, Refused):
            self._tools.metrics.moderated(*self._labels, outcome.stage.value).inc()
        return terminal(outcome)

    async def _failed(self, error: GatewayError) -> None:
        if not self._written:
            return
        state = end_of(error, taken=self._taken)
        if error.paid is not Paid.NO:
            # The client may be gone, and money without a picture is the operator's business in any case.
            log.warning("paid in vain", job=self._id, code=error.code, paid=error.paid.value, detail=error.detail)
        if state is State.UNKNOWN:
            self._slot.release_later(UNKNOWN_HOLD_S)
        await self._tools.ledger.failed(self._job.record.id, self._index, self._owner, state, error)

    # Steps.

    async def _parked(self) -> None:
        await self._tools.ledger.parked(self._job.record.id, self._index, self._owner)
        self._slot.release()

    async def _step(self, word: str, work: Awaitable[T]) -> T:
        self._job.step_begins(self._index, word, self._tools.clock.now())
        try:
            return await work
        finally:
            seconds = self._job.step_ends(self._index, word, self._tools.clock.now())
            self._tools.metrics.step_duration(word, *self._labels).observe(seconds)

    @property
    def _deadline(self) -> float:
        """Another platform may be tried for as long as no sibling may have been taken by this one."""
        return self._late if self._job.intended else min(self._submit_by, self._late)

    def _overdue(self) -> bool:
        return self._tools.clock.now() >= self._deadline
