"""
Who owns the jobs: starts them, lets the same request join them, keeps their results, drains them at the end.

A job stays in hand while it runs or somebody is being answered from it; after that the ledger alone remembers it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any

from gateway.domain.errors import ShuttingDown
from gateway.domain.window import Window
from gateway.jobs import admission, join
from gateway.jobs.charge import Charge
from gateway.jobs.handle import JobHandle as JobHandle
from gateway.jobs.job import Job
from gateway.jobs.look_up import LookUp
from gateway.jobs.order import Order
from gateway.jobs.recovery import Recovery
from gateway.jobs.refusals import Refusals
from gateway.jobs.submission import Submission, ordered
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.stores.contract import JobRecord, Made, State

# What is being sent at the end is answered within seconds; a submission whose answer nobody takes is paid in vain.
SENDING_S = 20.0


class Supervisor:
    """
    Args:
        new_id: makes job ids.  owner: this process's fencing number in the ledger.  crashed: told of bugs, for the log.
        retention_s: how long answers to an Idempotency-Key and undelivered results are kept.
        lasting: the ledger outlives the process, so that another one can go on with what is left at the end.
    """

    def __init__(
        self,
        tools: Tools,
        *,
        new_id: Callable[[], str],
        owner: Callable[[], int],
        retention_s: float,
        crashed: Callable[[Exception], None],
        lasting: bool = False,
    ) -> None:
        self._tools, self._new_id, self._owner = tools, new_id, owner
        self._retention_s, self._crashed, self._lasting = retention_s, crashed, lasting
        self._live: dict[str, Job] = {}
        self.look_up = LookUp(tools, self._live)
        self.refusals = Refusals(tools.clock.now)
        self._doors: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def draining(self) -> bool:
        return self._draining

    def admit(self, platform: Platform, model: str, count: int, within_s: float, *, patience_s: float = inf) -> None:
        """
        Refuse what cannot be answered in time, or would wait for longer than `patience_s`, before anything is read.

        Raises: QueueFull, PlatformUnavailable, ShuttingDown.
        """
        if self._draining:
            raise ShuttingDown("The gateway is shutting down. Send the request again.", retry_after_s=5)
        admission.admit(self._tools, platform, model, count, within_s, patience_s)

    async def start(self, order: Order) -> JobHandle:
        """
        Join a job or start one. The order's inputs are taken over in any case.

        Raises: KeyReused, QueueFull, LimitReached, PlatformUnavailable, ShuttingDown.
        """
        try:
            while True:
                before = self.look_up.put_down
                if (found := await self.look_up.find(order)) is not None:
                    break
                # One at a time of each caller: who sends the same again meanwhile joins, and is counted once.
                async with self._doors[order.caller]:
                    # The look-up may have let others in or out; only who was alone starts the job.
                    if self._alone(order, before) and (handle := await self._begin(order, before)) is not None:
                        return handle
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
        """Run it to its end, whoever else ends, also whoever waits for that."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return asyncio.shield(task)

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
            self.look_up.put_down += 1

    def live(self, job: str) -> Job | None:
        """The job of this id while it runs or is being answered."""
        return self._live.get(job)

    async def recover(self, platforms: Mapping[str, Platform]) -> int:
        """Go on with what the process before has begun; returns how many submissions that are. Before `start`."""
        return await self._recovery(platforms).run()

    async def called_back(self, platforms: Mapping[str, Platform], job: str, index: int, task: str) -> bool:
        """A vendor's call-back names a submission's task. False when it has to come again, as the job is in use."""
        if self._tools.hints.give(job, index, task):
            return True
        found = await self._tools.ledger.get(job)
        row = found.rows.get(index) if found is not None else None
        if found is None or row is None or row.state is not State.UNKNOWN:
            return True
        if job in self._live or self._draining:
            return False
        return await self._recovery(platforms).found_again(found, index, task)

    def _recovery(self, platforms: Mapping[str, Platform]) -> Recovery:
        def begin(job: Job, submissions: Mapping[int, Submission]) -> None:
            self._live[job.record.id] = job
            self._run(job, submissions)

        return Recovery(self._tools, self._owner(), platforms, begin)

    async def sweep(self) -> None:
        """Forget what has passed its time, and count what is open."""
        self._tools.hints.settle()
        await self._tools.ledger.prune(self._live.__contains__, self._retention_s)
        await self.count()

    async def count(self) -> None:
        """Tell how many submissions are unknown or parked."""
        states = await self._tools.ledger.count()
        self._tools.metrics.jobs_unknown.set(states.get(State.UNKNOWN, 0))
        self._tools.metrics.jobs_parked.set(states.get(State.PARKED, 0))

    async def drain(self, limit_s: float) -> int:
        """
        Take nothing new, let running jobs end within `limit_s` seconds; returns how many were left.

        Where the ledger lasts, those are let go once nothing is being sent any more: the next process has them.
        """
        self._draining = True
        with suppress(TimeoutError):
            await self._tools.clock.within(limit_s, self._until_idle())
        left = [job for job in self._live.values() if not job.finished]
        if self._lasting and left:
            for job in left:
                job.hand_over()
            with suppress(TimeoutError):
                await self._tools.clock.within(SENDING_S, self._until_idle())
        for job in left:
            job.cancel()
        await self._until_idle()
        return len(left)

    async def _until_idle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    # Starting.

    def _alone(self, order: Order, before: int) -> bool:
        """True when no job has come or gone that the order might join, since `before` were put down."""
        return before == self.look_up.put_down and join.live(self._live.values(), order) is None

    async def _begin(self, order: Order, before: int) -> JobHandle | None:
        """A new job, or None when there is one to join after all. Raises: as `start`."""
        target, count, account = order.plan.target, len(order.plan.calls), order.platform.account
        now = self._tools.clock.now()
        self.admit(order.platform, target.model, count, order.deadline - now, patience_s=order.submit_by - now)
        id = self._new_id()
        names = [f"{id}/{index}" for index in range(count)]
        charge = Charge(self._tools, order.platform, target.model, id, range(count), order.plan.credits)
        # In the line from here on, so that of many who come at once each sees those before.
        self._tools.queue.expect(account, target.model, names)
        try:
            windows = await charge.reserve(order.who, order.plan.megapixels)
            if self._alone(order, before) and not self._draining:
                return self._new(order, id, charge, windows)
        except BaseException:
            self._forget(account, names, charge)
            raise
        self._forget(account, names, charge)
        return None

    def _forget(self, account: str, names: Sequence[str], charge: Charge) -> None:
        for name in names:
            self._tools.queue.expect_no_more(account, name)
        self.own(charge.close())

    def _new(self, order: Order, id: str, charge: Charge, windows: Mapping[str, Window]) -> JobHandle:
        count = len(order.plan.calls)
        record = JobRecord(
            id=id,
            caller=order.caller,
            fingerprint=order.fingerprint,
            key=order.key,
            platform=order.platform.name,
            model=order.plan.target.model,
            n=count,
            reply=order.reply,
            created=self._tools.clock.wall(),
        )
        job = self._live[id] = Job(record, order.inputs)
        handle = JobHandle(self, job, None, windows)
        self._run(
            job, {index: ordered(self._tools, order, job, charge, index, self._owner()) for index in range(count)}
        )
        return handle

    def _run(self, job: Job, submissions: Mapping[int, Submission]) -> None:
        job.begin({index: submission.run for index, submission in submissions.items()}, self._crashed)
        self.own(self._see_through(job, list(submissions.values())))

    async def _see_through(self, job: Job, submissions: Sequence[Submission]) -> None:
        await job.until_over()
        for submission in submissions:
            await submission.close()
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
