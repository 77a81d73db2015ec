"""
Who owns the jobs: starts them, lets the same request join them, keeps their results, drains them at the end.

A job stays in hand while it runs or somebody is being answered from it; after that the ledger alone remembers it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.domain.errors import QueueFull, ShuttingDown
from gateway.jobs import join
from gateway.jobs.job import Job, Order
from gateway.jobs.submission import Submission
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.stores.contract import Found, JobRecord, Made, State


class JobHandle:
    """One waiter's hold on a job. `joined` tells how it came to an existing one: `key`, `resend`, `orphan`, or None."""

    def __init__(self, supervisor: Supervisor, job: Job, joined: str | None) -> None:
        self._supervisor, self.job, self.joined = supervisor, job, joined
        self._held = True
        self.replayed = joined is not None and job.finished
        job.waiters += 1

    def delivered(self) -> Awaitable[None]:
        """The answer has been written completely. What follows is the supervisor's: the handler may end at once."""
        return self._let_go(self._supervisor.delivered)

    def abandon(self) -> Awaitable[None]:
        """Nobody waits here any more. Ends the job only if no money can have been spent."""
        return self._let_go(self._supervisor.abandoned)

    def _let_go(self, then: Callable[[Job], Coroutine[Any, Any, None]]) -> Awaitable[None]:
        held, self._held = self._held, False
        return self._supervisor.own(then(self.job) if held else _nothing())


class Supervisor:
    """
    Args:
        new_id: makes job ids.  owner: this process's fencing number in the ledger.
        retention_s: how long answers to an Idempotency-Key and undelivered results are kept.
        crashed: told of bugs, for the log.
    """

    def __init__(
        self,
        tools: Tools,
        *,
        new_id: Callable[[], str],
        owner: int,
        retention_s: float,
        crashed: Callable[[Exception], None],
    ) -> None:
        self._tools, self._new_id, self._owner = tools, new_id, owner
        self._retention_s, self._crashed = retention_s, crashed
        self._live: dict[str, Job] = {}
        self._put_down = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def draining(self) -> bool:
        return self._draining

    def admit(self, platform: Platform, model: str, count: int, patience_s: float) -> None:
        """
        Refuse what cannot be answered in time, before anything is read.

        Raises: QueueFull, ShuttingDown.
        """
        if self._draining:
            raise ShuttingDown("The gateway is shutting down. Send the request again.", retry_after_s=5)
        typical = self._tools.paces(platform, model).expected_s()
        wait = self._tools.queue.wait_s(platform.account, model, count, typical)
        if wait is None:
            raise QueueFull("Too many requests are waiting already. Try again later.", retry_after_s=typical)
        if wait and wait + typical > patience_s:
            raise QueueFull(
                f"The request would wait about {wait:.0f} s for a slot, longer than the {patience_s:.0f} s in which it "
                "is to be answered. Try again later.",
                retry_after_s=wait + typical - patience_s,
            )

    async def start(self, order: Order) -> JobHandle:
        """Join a job or start one. Raises: KeyReused, QueueFull, ShuttingDown."""
        try:
            while True:
                before = self._put_down
                if (found := await self._find(order)) is not None:
                    break
                # The look-up may have let others in or out; only who was alone starts the job.
                if before == self._put_down and join.live(self._live.values(), order) is None:
                    return self._new(order)
        except BaseException:
            for blob in order.inputs:
                blob.release()
            raise
        for blob in order.inputs:
            blob.release()
        job, how = found
        self._tools.metrics.duplicates_prevented(how).inc()
        return JobHandle(self, job, how)

    def own(self, work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """Run it to its end, whoever else ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def delivered(self, job: Job) -> None:
        """One waiter has the whole answer. A job with pictures still to come is not delivered."""
        try:
            if job.finished and any(isinstance(result, Made) for result in job.results):
                job.delivered = True
                await self._tools.ledger.delivered(job.record.id)
                await self._settle(job)
        finally:
            job.waiters -= 1
            self.put_down(job)

    async def abandoned(self, job: Job) -> None:
        """One waiter has left without the whole answer."""
        job.waiters -= 1
        self.put_down(job)
        if job.waiters:
            return
        if not job.finished:
            job.cancel_if_free()
        elif not job.delivered:
            await self._settle(job)

    def put_down(self, job: Job) -> None:
        """Forget a job that has ended and that nobody is being answered from."""
        if job.finished and not job.waiters and job.record.id in self._live:
            del self._live[job.record.id]
            self._put_down += 1

    async def sweep(self) -> None:
        """Forget what has passed its time, and count what is open."""
        await self._tools.ledger.prune(
            lambda found: found.job.id not in self._live and join.forgettable(found, self._retention_s)
        )
        states = await self._tools.ledger.count()
        self._tools.metrics.jobs_unknown.set(states.get(State.UNKNOWN, 0))
        self._tools.metrics.jobs_parked.set(states.get(State.PARKED, 0))

    async def drain(self, limit_s: float) -> int:
        """Take nothing new, let running jobs end within `limit_s` seconds; returns how many were left."""
        self._draining = True
        with suppress(TimeoutError):
            await self._tools.clock.within(limit_s, self._until_idle())
        left = [job for job in self._live.values() if not job.finished]
        for job in left:
            job.cancel()
        await self._until_idle()
        return len(left)

    async def _until_idle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    # Starting.

    def _new(self, order: Order) -> JobHandle:
        target, count = order.plan.target, len(order.plan.calls)
        self.admit(order.platform, target.model, count, order.deadline - self._tools.clock.now())
        record = JobRecord(
            id=self._new_id(),
            caller=order.caller,
            fingerprint=order.fingerprint,
            key=order.key,
            platform=order.platform.name,
            model=target.model,
            n=count,
            reply=order.reply,
            created=self._tools.clock.wall(),
        )
        job = self._live[record.id] = Job(record, order.inputs)
        handle = JobHandle(self, job, None)
        job.begin(
            [Submission(self._tools, order, job, index, self._owner).run for index in range(count)], self._crashed
        )
        self.own(self._see_through(job))
        return handle

    async def _see_through(self, job: Job) -> None:
        await job.until_over()
        self.put_down(job)
        if not job.waiters and not job.delivered:
            await self._settle(job)

    async def _settle(self, job: Job) -> None:
        """Where finished pictures rest: spare ones in memory while there is room, all others on disk."""
        lasting = not job.delivered or job.record.key is not None or job.record.reply.response_format == "url"
        for result in job.results:
            if isinstance(result, Made):
                if lasting:
                    await self._tools.results.keep(result.ref)
                else:
                    self._tools.results.spare(result.ref)

    # Joining.

    async def _find(self, order: Order) -> tuple[Job, str] | None:
        if (found := join.live(self._live.values(), order)) is not None:
            return found
        wanted = {"key": order.key} if order.key is not None else {"fingerprint": order.fingerprint}
        rows = [
            found for found in await self._tools.ledger.find(order.caller, **wanted) if found.job.id not in self._live
        ]
        if (over := join.ended(rows, order, self._tools.clock.now() - order.began, self._kept)) is None:
            return None
        job, how = Job.over(over[0]), over[1]
        return self._live.setdefault(job.record.id, job), how

    def _kept(self, found: Found) -> bool:
        """True when every picture that was made is still there."""
        for row in found.rows.values():
            if row.made is not None:
                blob = self._tools.results.open(row.made.ref)
                if blob is None:
                    return False
                blob.release()
        return True


async def _nothing() -> None:
    """What is left to do for a waiter that has let go before."""
