"""
Who owns the jobs: starts them, lets the same request join them, keeps their results, drains them at the end.

A request joins instead of paying again when it carries a known Idempotency-Key, when an identical job is undelivered
and nobody waits for it any more, or when it declares itself a resend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.domain.blob import Blob
from gateway.domain.errors import GatewayError, KeyReused, Paid, QueueFull, ShuttingDown
from gateway.jobs.job import Job
from gateway.jobs.submission import Submission, Tools
from gateway.platforms.contract import Plan, Platform
from gateway.stores.contract import Found, JobRecord, Made, ReplySpec, State

# A lost answer may still be cured by its webhook or a person; until then the same request gets the same answer.
UNKNOWN_REPLAY_S = 900.0
# Some clients repeat any 5xx within seconds, whatever the headers say.
FAILED_REPLAY_S = 30.0
# Delivered means handed to the kernel. A client that lost the last bytes sends again within seconds.
RESEND_S = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """
    A request ready to be worked.

    `key` is its Idempotency-Key, `resend` whether it declares itself a repetition; `inputs` are the blobs it holds,
    which the supervisor takes over; `deadline` is monotonic.
    """

    caller: str
    fingerprint: str
    key: str | None
    resend: bool
    platform: Platform
    plan: Plan
    reply: ReplySpec
    inputs: Sequence[Blob]
    deadline: float


class JobHandle:
    """One waiter's hold on a job. `joined` tells how it came to an existing one: `key`, `resend`, `orphan`, or None."""

    def __init__(self, supervisor: Supervisor, job: Job, joined: str | None) -> None:
        self._supervisor, self.job, self.joined = supervisor, job, joined
        self._held = True
        self.replayed = joined is not None and job.finished
        job.waiters += 1

    async def delivered(self) -> None:
        """The answer has been written completely."""
        if self._held:
            self._let_go()
            await self._supervisor.delivered(self.job)

    async def abandon(self) -> None:
        """Nobody waits here any more. Ends the job only if no money can have been spent."""
        if self._held:
            self._let_go()
            await self._supervisor.abandoned(self.job)

    def _let_go(self) -> None:
        self._held = False
        self.job.waiters -= 1


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
        wait = self._tools.queue.wait_s(platform.account, count, typical)
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
            while (found := await self._find(order)) is None:
                # The look-up may have let others in; whoever finds nothing and is still alone starts the job.
                if self._live_match(order) is None:
                    return self._new(order)
        except BaseException:
            _release(order.inputs)
            raise
        _release(order.inputs)
        job, how = found
        self._tools.metrics.duplicates_prevented(how).inc()
        return JobHandle(self, job, how)

    async def delivered(self, job: Job) -> None:
        if job.finished:
            await self._tools.ledger.delivered(job.record.id)
            await self._settle(job, delivered=True)

    async def abandoned(self, job: Job) -> None:
        if job.waiters:
            return
        if not job.intended:
            job.cancel()
        elif job.finished:
            await self._settle(job, delivered=False)

    async def sweep(self) -> None:
        """Forget what has passed its time, and count what is open."""
        await self._tools.ledger.prune(self._forget)
        states = await self._tools.ledger.count()
        self._tools.metrics.jobs_unknown.set(states.get(State.UNKNOWN, 0))
        self._tools.metrics.jobs_parked.set(states.get(State.PARKED, 0))

    async def drain(self, limit_s: float) -> int:
        """Take nothing new, let running jobs end within `limit_s` seconds; returns how many were left."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        left = [job for job in self._live.values() if not job.finished]
        for job in left:
            job.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        return len(left)

    # Starting.

    def _new(self, order: Order) -> JobHandle:
        plan = order.plan
        self.admit(order.platform, plan.target.model, len(plan.calls), order.deadline - self._tools.clock.now())
        record = JobRecord(
            id=self._new_id(),
            caller=order.caller,
            fingerprint=order.fingerprint,
            key=order.key,
            platform=order.platform.name,
            model=plan.target.model,
            n=len(plan.calls),
            reply=order.reply,
            created=self._tools.clock.wall(),
        )
        job = Job(record, order.inputs)
        handle = JobHandle(self, job, None)
        self._live[record.id] = job
        task = asyncio.create_task(self._run(job, order), name=record.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return handle

    async def _run(self, job: Job, order: Order) -> None:
        works = [
            Submission(
                self._tools,
                order.platform,
                order.plan,
                job.record,
                index,
                owner=self._owner,
                deadline=order.deadline,
                intended=job.intend,
                accepted=job.accepted,
                spent=job.spent,
            ).run
            for index in range(job.record.n)
        ]
        try:
            await job.run(works, self._crashed)
        finally:
            del self._live[job.record.id]
        if not job.waiters:
            await self._settle(job, delivered=False)

    async def _settle(self, job: Job, *, delivered: bool) -> None:
        """Where finished pictures rest: spare ones in memory while there is room, all others on disk."""
        lasting = not delivered or job.record.key is not None or job.record.reply.response_format == "url"
        for result in job.results:
            if isinstance(result, Made):
                if lasting:
                    await self._tools.results.keep(result.ref)
                else:
                    self._tools.results.spare(result.ref)

    # Joining.

    async def _find(self, order: Order) -> tuple[Job, str] | None:
        if (live := self._live_match(order)) is not None:
            return live
        if order.key is not None:
            for found in await self._tools.ledger.find(order.caller, key=order.key):
                self._same(order, found.job)
                if found.over and not _unpaid(found) and self._complete(found):
                    return Job.over(found), "key"
            return None
        for found in await self._tools.ledger.find(order.caller, fingerprint=order.fingerprint):
            if found.over and self._joinable(found, order.resend):
                return Job.over(found), "resend" if order.resend else "orphan"
        return None

    def _live_match(self, order: Order) -> tuple[Job, str] | None:
        mine = [job for job in self._live.values() if job.record.caller == order.caller]
        if order.key is not None:
            for job in mine:
                if job.record.key == order.key:
                    self._same(order, job.record)
                    return job, "key"
            return None
        same = [job for job in mine if job.record.fingerprint == order.fingerprint]
        if orphan := next((job for job in same if not job.waiters), None):
            return orphan, "orphan"
        return (same[0], "resend") if same and order.resend else None

    @staticmethod
    def _same(order: Order, record: JobRecord) -> None:
        if record.fingerprint != order.fingerprint:
            raise KeyReused(
                "This Idempotency-Key was used with another request. Send a new key with a new request, or the same request "
                "with the old key."
            )

    def _joinable(self, found: Found, resend: bool) -> bool:
        age = self._tools.clock.wall() - found.changed
        states = {row.state for row in found.rows.values()}
        if State.STORED in states:
            return self._complete(found)
        if State.DELIVERED in states:
            return resend and age < RESEND_S and self._complete(found)
        if State.UNKNOWN in states:
            return age < UNKNOWN_REPLAY_S
        paid = any(row.error is not None and row.error.paid is not Paid.NO for row in found.rows.values())
        return paid and age < FAILED_REPLAY_S

    def _complete(self, found: Found) -> bool:
        """True when every picture that was made is still there."""
        for row in found.rows.values():
            if row.made is not None:
                blob = self._tools.results.open(row.made.ref)
                if blob is None:
                    return False
                blob.release()
        return True

    def _forget(self, found: Found) -> bool:
        age = self._tools.clock.wall() - found.changed
        if found.job.key is None and found.delivered:
            return age > RESEND_S
        return age > (0 if _unpaid(found) else self._retention_s)


def _unpaid(found: Found) -> bool:
    """True when nothing was made and nothing can have been charged: as if it had never been."""
    return all(row.state is State.NOT_ACCEPTED for row in found.rows.values())


def _release(blobs: Sequence[Blob]) -> None:
    for blob in blobs:
        blob.release()


def worst(errors: Sequence[GatewayError]) -> GatewayError:
    """The error that tells the client most: what may have been paid before what was refused before the rest."""
    return max(errors, key=lambda e: (e.paid is not Paid.NO, e.code == "moderation_blocked", not e.hopeful))
