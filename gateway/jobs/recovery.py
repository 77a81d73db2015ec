"""
After a start: what the process before had begun is seen to its end, and its money is settled.

INTENT without an answer is UNKNOWN: it may have been paid, so it is never sent again. Everything else has a task, which
is asked after. What has ended needs nothing; it is found by whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from gateway.domain.caller import Caller
from gateway.domain.errors import Paid
from gateway.jobs.charge import Charge
from gateway.jobs.job import Job
from gateway.jobs.slot import Slot
from gateway.jobs.submission import Submission
from gateway.jobs.submit import Resumed, answer_lost, known
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.stores.contract import Conflict, Found, JobRecord, Row, State

log = structlog.get_logger("gateway.jobs")

Begin = Callable[[Job, Mapping[int, Submission]], None]
# More than nothing, which is the age of a new task.
YOUNGEST_S = 0.001


class Recovery:
    """
    Args:
        owner: this process's fencing number.  platforms: those configured, by the operator's ids.
        begin: starts a job that has submissions to go on with.
    """

    def __init__(self, tools: Tools, owner: int, platforms: Mapping[str, Platform], begin: Begin) -> None:
        self._tools, self._owner, self._platforms, self._begin = tools, owner, platforms, begin

    async def run(self) -> int:
        """How many submissions go on. Before anybody is served: what is found is nobody else's."""
        resumed, open_ids = 0, set[str]()
        for found in await self._tools.ledger.unfinished():
            job = found.job
            open_ids |= {job.id, *(f"{job.id}/{index}" for index in found.open)}
            platform = self._platforms.get(job.platform)
            if platform is None or job.model not in platform.models:
                log.error(
                    "platform of a paid job is not configured", job=job.id, platform=job.platform, model=job.model
                )
                continue
            resumed += await self._job(found, platform)
        await self._settle(open_ids)
        if resumed:
            log.info("going on with paid submissions", count=resumed)
        return resumed

    async def _job(self, found: Found, platform: Platform) -> int:
        tools, record = self._tools, found.job
        await tools.ledger.adopt(record.id, self._owner)
        charge = Charge(tools, platform, record.model, record.id, found.open)
        gone = [index for index, row in found.open.items() if row.ticket is None]
        rows = dict(found.rows)
        for index in gone:
            error = answer_lost("the process ended before the answer was written down")
            log.warning("paid in vain", job=f"{record.id}/{index}", code=error.code, paid=error.paid.value)
            await tools.ledger.failed(record.id, index, self._owner, State.UNKNOWN, error)
            slot = self._slot(found, platform, index)
            await slot.adopt()
            slot.lost(tools.paces(platform, record.model).late_s())
            await charge.end(index, error, charged=True, cost=None)
            rows[index] = Row(State.UNKNOWN, self._owner, error=error)
        job = Job.of(Found(record, rows, found.age))
        submissions = {}
        for index, row in found.open.items():
            if row.ticket is not None:
                slot, begin = self._slot(found, platform, index), Resumed(row.ticket, self._age_s(record, row))
                if row.state is State.SUBMITTED:
                    await slot.adopt()
                submissions[index] = Submission(tools, platform, job, charge, slot, begin, index, self._owner)
        if submissions:
            self._begin(job, submissions)
        return len(submissions)

    def _age_s(self, record: JobRecord, row: Row) -> float:
        """
        By the wall clock, which may have been set between two processes: so no task is given up by its age, which the
        vendor knows better, and one that is not parked yet has half its time left at least.
        """
        most = self._tools.job_max_age_s
        if row.state is State.PARKED:
            return most + YOUNGEST_S
        return min(max(YOUNGEST_S, self._tools.clock.wall() - record.created), most / 2)

    def _slot(self, found: Found, platform: Platform, index: int) -> Slot:
        return Slot(self._tools, platform, found.job.model, f"{found.job.id}/{index}", Caller(found.job.caller))

    async def found_again(self, found: Found, index: int, task: str) -> bool:
        """
        A call-back names the task of a submission whose answer was lost, and which is charged already: go on with it.
        False when the platform knows no such task.
        """
        record, platform = found.job, self._platforms.get(found.job.platform)
        if platform is None or record.model not in platform.models:
            return False
        if not await known(self._tools, platform, task, record.model):
            return False
        if found.rows[index].owner < self._owner:
            await self._tools.ledger.adopt(record.id, self._owner)
        ticket = platform.ticket(task, record.model)
        try:
            await self._tools.ledger.submitted(record.id, index, self._owner, ticket)
        except Conflict:  # another call-back about it was quicker
            return True
        rows = {**found.rows, index: Row(State.SUBMITTED, self._owner, ticket)}
        job = Job.of(Found(record, rows, found.age))
        charge = Charge(self._tools, platform, record.model, record.id, ())
        begin = Resumed(ticket, YOUNGEST_S)
        slot = self._slot(found, platform, index)
        self._begin(job, {index: Submission(self._tools, platform, job, charge, slot, begin, index, self._owner)})
        log.info("lost answer found again", job=f"{record.id}/{index}")
        return True

    async def _settle(self, open_ids: set[str]) -> None:
        """Money that was set aside for what has ended, or never began."""
        limits = self._tools.limits
        for id in limits.reserved():
            if id in open_ids:
                continue
            job, _, index = id.partition("/")
            found = await self._tools.ledger.get(job)
            row = found.rows.get(int(index)) if found and index.isdigit() else None
            if found is None or row is None or (row.error is not None and row.error.paid is Paid.NO):
                await limits.give_back(id)
                continue
            told = (row.made.cost if row.made else None, row.ticket.cost if row.ticket else None)
            cost = next((each for each in told if each is not None), None)
            platform = self._platforms.get(found.job.platform)
            if cost is None or platform is None:
                await limits.settle_as_reserved(id)
            else:
                await limits.settle(id, cost, cost * platform.cents_per_credit)
