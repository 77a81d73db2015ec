"""
One paid call to a vendor: begun, polled, collected. The only loop of its kind; it names no platform.

Only a terminal status ends a task: bad polls, time-outs and departed clients do not.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from gateway.domain.errors import GatewayError, Paid, PlatformBusy
from gateway.domain.outcome import Finished, Outcome, Refused, Working
from gateway.jobs.charge import Charge
from gateway.jobs.collect import collect
from gateway.jobs.ending import end_of, terminal
from gateway.jobs.job import Job, broken
from gateway.jobs.order import Order
from gateway.jobs.poll import Polling
from gateway.jobs.slot import Slot
from gateway.jobs.steps import Steps
from gateway.jobs.submit import Beginning, Submit
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.stores.contract import Made, State

log = structlog.get_logger("gateway.jobs")


class Submission:
    """
    One submission of a job.

    Args:
        job: told when money is at stake, what was accepted and how long steps took.
        charge: told what it cost in the end.
        begin: how it comes to its task.
        index: which of the job's pictures.  owner: this process's fencing number in the ledger.
    """

    def __init__(
        self,
        tools: Tools,
        platform: Platform,
        job: Job,
        charge: Charge,
        slot: Slot,
        begin: Beginning,
        index: int,
        owner: int,
    ) -> None:
        self._tools, self._platform, self._job, self._charge = tools, platform, job, charge
        self._slot, self._begin, self._index, self._owner = slot, begin, index, owner
        self._id = f"{job.record.id}/{index}"
        self._labels = (platform.name, job.record.model)
        self._step = Steps(tools, job, index)
        self._taken = self._made = False
        self._cost: float | None = None

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
            await self._failed(error)
            raise
        except asyncio.CancelledError:
            if not self._job.at_stake(index):
                await self._failed(PlatformBusy("The client left before the platform took the job."))
            raise
        except Exception:
            # Remembered like every end: a bug must not look like a job that never was, and be paid for again.
            fault = broken(Paid.MAYBE if self._job.at_stake(index) else Paid.NO)
            outcome = fault.code
            await self._failed(fault)
            raise
        finally:
            if self._begin.written or outcome != "cancelled":
                self._tools.metrics.submissions(*self._labels, outcome).inc()
            await self.close(fault)

    async def _work(self) -> Made:
        tools, record, begin = self._tools, self._job.record, self._begin
        outcome, ticket = await begin(), None
        self._taken, late_s = True, self._late_s() - begin.age_s
        self._slot.accepted(late_s)
        if isinstance(outcome, Working):
            ticket, self._cost = outcome.ticket, outcome.ticket.cost
            if not begin.age_s:
                await tools.ledger.submitted(record.id, self._index, self._owner, ticket)
                self._job.sent(self._index)
            self._job.accepted(self._index)
            await self._slot.found(late_s)
            hooked, name = self._platform.webhook_base is not None, self._platform.name
            hint = tools.hints.listen(name, record.id, self._index) if hooked else None
            pause = partial(self._job.pause, tools.clock)
            polling = Polling(tools, self._platform, ticket, self._parked, begin.age_s, hint, self._silent, pause)
            outcome = await self._step("poll", polling.until_over())
            if hooked:
                # Nobody promises a call about what was refused, and a process before may have had this one.
                due = isinstance(outcome, Finished) and not begin.age_s
                tools.hints.over(record.id, self._index, due=due)
        self._slot.gone()
        finished = self._terminal(outcome)
        if finished.cost is not None:
            self._cost = finished.cost
        self._job.accepted(self._index)
        self._slot.release()
        self._slot.silent(False)
        self._job.collects(self._index, tools.clock.now())
        await tools.ledger.ready(record.id, self._index, self._owner)
        ref = await self._step(
            "collect", collect(tools, self._platform, ticket, finished, record.reply.size, job=self._job)
        )
        begin.pictures[:] = [each for each in begin.pictures if not any(each is one for one in finished.results[:1])]
        made = Made(ref, finished.seed, self._cost, finished.prompt)
        try:
            await tools.ledger.stored(record.id, self._index, self._owner, made)
        finally:
            tools.results.settled(ref)
        self._made = True
        return made

    async def close(self, fault: GatewayError | None = None) -> None:
        """
        Give back slot and pictures, settle the money, once; also of one that was cut off before its first step. What
        another process goes on with is settled there.
        """
        self._slot.release()
        self._slot.silent(False)
        self._tools.hints.leave(self._job.record.id, self._index)
        while self._begin.pictures:
            self._begin.pictures.pop().release()
        at_stake = self._job.at_stake(self._index)
        if at_stake and fault is None and self._job.handed_over and not self._made:
            return
        charged = at_stake if fault is None else fault.paid is not Paid.NO
        await self._charge.end(self._index, fault, charged=charged, cost=self._cost)

    # Ends.

    def _terminal(self, outcome: Outcome) -> Finished:
        if isinstance(outcome, Refused):
            self._tools.metrics.moderated(*self._labels, outcome.stage.value).inc()
        return terminal(outcome)

    async def _failed(self, error: GatewayError) -> None:
        if not self._begin.written:
            return
        state = end_of(error, taken=self._taken)
        if error.paid is not Paid.NO:
            # The client may be gone, and money without a picture is the operator's business in any case.
            log.warning("paid in vain", job=self._id, code=error.code, paid=error.paid.value, detail=error.detail)
        if state is State.UNKNOWN:
            self._slot.lost(self._late_s() - self._begin.waited_s)
        await self._tools.ledger.failed(self._job.record.id, self._index, self._owner, state, error)

    def _late_s(self) -> float:
        return self._tools.paces(self._platform, self._job.record.model).late_s()

    def _silent(self, silent: bool) -> None:
        self._slot.silent(silent)
        if silent:
            self._job.silent(self._index, self._tools.clock.now(), self._tools.unanswered_within_s)
        else:
            self._job.heard(self._index)

    async def _parked(self) -> None:
        # Without a slot it was parked, or ready, when it came to us.
        if self._slot.held:
            await self._tools.ledger.parked(self._job.record.id, self._index, self._owner)
            self._slot.release()


def ordered(tools: Tools, order: Order, job: Job, charge: Charge, index: int, owner: int) -> Submission:
    """A new one, of a job's order."""
    slot = Slot(tools, order.platform, job.record.model, f"{job.record.id}/{index}", order.who)
    begin = Submit(tools, order, job, slot, index, owner)
    return Submission(tools, order.platform, job, charge, slot, begin, index, owner)
