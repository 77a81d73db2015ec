"""
One paid call to a vendor: submit, poll, collect. The only loop of its kind; it names no platform.

INTENT is written before the first byte. From then on nothing is sent twice unless it is known to be unpaid, and only a
terminal status ends a task: bad polls, time-outs and departed clients do not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.domain.blob import Blob, Link
from gateway.domain.errors import (
    AnswerLost,
    GatewayError,
    Moderated,
    Paid,
    PlatformBusy,
    PlatformError,
    PlatformUnreachable,
    QueueFull,
    ResultLost,
    TaskLost,
)
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Ticket, Unsure, Working
from gateway.jobs.clock import Clock
from gateway.jobs.pace import Pace
from gateway.jobs.queue import Queue
from gateway.platforms.contract import Plan, Platform
from gateway.stores.contract import JobRecord, Ledger, Made, Results, State
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.download import Download, FetchFailed
from gateway.upstream.session import Answered, MaybeSent, NotSent, Session

T = TypeVar("T")

# Nothing was sent, so trying again costs nothing; three times, about 20 s with slow connects.
CONNECT_TRIES = 3
# The vendor forgets finished tasks after about an hour, so asking longer is in vain.
FORGOTTEN_S = 3600.0
PARKED_EVERY_S = 60.0
# "Task not found" is common in the first seconds on another region's host; half a minute of nothing else is an end.
MISSING_S = 30.0
# A lost answer may stand for a running task: its slot stays taken for as long as a slow one takes.
UNKNOWN_HOLD_S = 120.0
FETCH_TRIES, FETCH_ROUNDS = 3, 3


@dataclass(frozen=True, slots=True)
class Tools:
    """What every submission works with; made once."""

    session: Session
    download: Download
    queue: Queue
    ledger: Ledger
    results: Results
    metrics: Catalogue
    clock: Clock
    chance: Callable[[], float]
    paces: Callable[[Platform, str], Pace]
    job_max_age_s: float


class Submission:
    """
    One submission of a job.

    Args:
        index: which of the job's pictures.  deadline: when waiting for a slot ends (monotonic).
        intended: called before money may be spent.  accepted: called when no further byte of the request is needed.
        spent: told the seconds a step took.
    """

    def __init__(
        self,
        tools: Tools,
        platform: Platform,
        plan: Plan,
        job: JobRecord,
        index: int,
        *,
        owner: int,
        deadline: float,
        intended: Callable[[], None],
        accepted: Callable[[int], None],
        spent: Callable[[str, float], None],
    ) -> None:
        self._tools, self._platform, self._plan, self._job, self._index = tools, platform, plan, job, index
        self._owner, self._deadline = owner, deadline
        self._intended, self._accepted, self._spent = intended, accepted, spent
        self._id = f"{job.id}/{index}"
        self._labels = (platform.name, job.model)
        self._holds_slot = False
        self._written = self._taken = False
        self._pace = tools.paces(platform, job.model)

    async def run(self) -> Made:
        """The stored picture. Raises: GatewayError; `Moderated` for a refusal."""
        outcome = "cancelled"
        try:
            made = await self._work()
            outcome = "ok"
            return made
        except GatewayError as error:
            outcome = error.code
            await self._failed(error)
            raise
        finally:
            if self._written or outcome != "cancelled":
                self._tools.metrics.submissions(*self._labels, outcome).inc()
            await self._release()

    async def _work(self) -> Made:
        outcome = await self._submit()
        if isinstance(outcome, Working):
            ticket = outcome.ticket
            self._taken = True
            await self._tools.ledger.submitted(self._job.id, self._index, self._owner, ticket)
            self._accepted(self._index)
            self._tools.queue.accepted(self._platform.account)
            finished = await self._step("poll", self._poll(ticket))
        else:
            ticket, finished = None, self._terminal(outcome)
            self._accepted(self._index)
        await self._release()
        await self._tools.ledger.ready(self._job.id, self._index, self._owner)
        blob = await self._step("collect", self._collect(ticket, finished))
        ref = await self._tools.results.put(blob)
        cost = finished.cost if finished.cost is not None else (ticket.cost if ticket else None)
        made = Made(ref, finished.seed, cost)
        await self._tools.ledger.stored(self._job.id, self._index, self._owner, made)
        return made

    # Submitting.

    async def _submit(self) -> Outcome:
        """The first answer that is not about waiting. Raises: GatewayError, saying whether it was paid."""
        tools, call, failures = self._tools, self._plan.calls[self._index], 0
        while True:
            await self._turn(again=self._written)
            if not self._written:
                self._intended()
                self._written = True
                await tools.ledger.intent(self._job, self._index, self._owner)
            sent = await self._step("submit", tools.session.send(call))
            self._heard("submit", sent)
            match sent:
                case NotSent(why):
                    failures += 1
                    if failures == CONNECT_TRIES or self._overdue():
                        raise PlatformUnreachable(
                            "The platform could not be reached; nothing was sent and nothing was charged.",
                            detail=why,
                            retry_after_s=5,
                        )
                    await tools.clock.sleep(self._jitter(0.5 * 2**failures))
                case MaybeSent(why):
                    raise AnswerLost(
                        "The platform's answer to the submission did not arrive, so the job may have been charged; "
                        "it is not sent again. The same request within 15 minutes gets this answer; to pay for a new "
                        "job, send it with a new Idempotency-Key.",
                        paid=Paid.MAYBE,
                        detail=why,
                    )
                case Answered(answer):
                    outcome = self._platform.read_submit(self._plan, answer)
                    if isinstance(outcome, Failed) and isinstance(outcome.error, PlatformBusy):
                        if self._overdue():
                            raise outcome.error
                        self._holds_slot = False
                        await tools.queue.pushed_back(self._platform.account, self._id, outcome.error.retry_after_s)
                        continue
                    if not isinstance(outcome, Working):
                        self._terminal(outcome)
                    return outcome

    async def _turn(self, *, again: bool) -> None:
        if self._holds_slot:
            return
        clock = self._tools.clock
        turn = self._tools.queue.turn(self._platform.account, self._job.model, self._job.caller, self._id, first=again)
        try:
            await self._step("queue", clock.within(self._deadline - clock.now(), turn))
        except TimeoutError:
            busy = PlatformBusy if again else QueueFull
            raise busy("No slot became free in time; nothing was charged. Try again later.", retry_after_s=30) from None
        self._holds_slot = True
        self._tools.metrics.submissions_active(*self._labels).inc()

    # Polling.

    async def _poll(self, ticket: Ticket) -> Finished:
        """Ask until the task is over. Raises: GatewayError of what was paid."""
        tools, pace, clock = self._tools, self._pace, self._tools.clock
        started, polls, bad, working_s = clock.now(), 0, 0, 0.0
        missing: float | None = None
        rest: float | None = None
        parked = False
        while True:
            age = clock.now() - started
            if age > FORGOTTEN_S:
                raise TaskLost(
                    "The platform did not finish the job within an hour.", paid=Paid.MAYBE, detail=ticket.task
                )
            if age > tools.job_max_age_s and not parked:
                parked = True
                await tools.ledger.parked(self._job.id, self._index, self._owner)
                await self._release()
            if parked:
                wait = PARKED_EVERY_S
            elif bad:
                wait = max(rest or 0.0, self._jitter(min(5.0, 0.5 * 2 ** min(bad, 5))))
            else:
                wait = pace.next_wait(age, polls)
            await clock.sleep(wait)
            asked = clock.now()
            sent = await tools.session.send(self._platform.poll(ticket))
            self._heard("poll", sent)
            polls += 1
            outcome: Outcome
            if isinstance(sent, Answered):
                pace.observe_rtt(clock.now() - asked)
                outcome = self._platform.read_poll(ticket, sent.answer)
            else:
                outcome = Unsure(sent.why)
            tools.metrics.polls(self._platform.name, type(outcome).__name__.lower()).inc()
            heard = clock.now() - started
            if isinstance(outcome, Working):
                bad, missing, working_s = 0, None, heard
                if not outcome.known:
                    tools.metrics.vendor_fields_unknown(self._platform.name).inc()
            elif isinstance(outcome, Unsure):
                bad += 1
                rest = min(outcome.retry_after_s, 30.0) if outcome.retry_after_s else None
                if not outcome.missing:
                    missing = None
                elif missing is None:
                    missing = heard
                elif heard - missing >= MISSING_S:
                    raise TaskLost("The platform no longer knows the job it took.", paid=Paid.MAYBE, detail=ticket.task)
            else:
                finished = self._terminal(outcome)
                if not bad and not parked:
                    pace.observe(working_s, heard)
                tools.metrics.poll_lag(*self._labels).observe(heard - working_s)
                return finished

    # Collecting.

    async def _collect(self, ticket: Ticket | None, finished: Finished) -> Blob:
        """The picture, whole. A stale link is cured by asking once more. Raises: ResultLost."""
        why = ""
        for _ in range(FETCH_ROUNDS):
            result = finished.results[0]
            if not isinstance(result, Link):
                return result
            for attempt in range(FETCH_TRIES):
                try:
                    blob = await self._tools.download.fetch(result, self._platform.private)
                except FetchFailed as error:
                    why = str(error)
                    self._tools.metrics.upstream_responses(self._platform.name, "collect", str(error.status)).inc()
                    if error.expired:
                        break
                    await self._tools.clock.sleep(self._jitter(0.25 * 2**attempt))
                else:
                    self._tools.metrics.upstream_responses(self._platform.name, "collect", "200").inc()
                    return blob
            if ticket is not None:
                finished = await self._fresh(ticket) or finished
        self._tools.metrics.results_lost(self._platform.name).inc()
        raise ResultLost("The picture was made, but could not be fetched from the platform.", paid=Paid.YES, detail=why)

    async def _fresh(self, ticket: Ticket) -> Finished | None:
        sent = await self._tools.session.send(self._platform.poll(ticket))
        self._heard("poll", sent)
        outcome = self._platform.read_poll(ticket, sent.answer) if isinstance(sent, Answered) else None
        return outcome if isinstance(outcome, Finished) else None

    # Ends.

    def _terminal(self, outcome: Outcome) -> Finished:
        match outcome:
            case Finished():
                return outcome
            case Refused(stage, reasons):
                self._tools.metrics.moderated(*self._labels, stage.value).inc()
                raise Moderated(
                    "Your request was rejected by the safety system of the platform. Change the prompt or the picture.",
                    stage=stage.value,
                    categories=reasons,
                )
            case Failed(error):
                raise error
        raise PlatformError("The platform answered out of order.", paid=Paid.MAYBE, detail=repr(outcome))

    async def _failed(self, error: GatewayError) -> None:
        if not self._written:
            return
        if error.paid is Paid.NO:
            state = State.FAILED if isinstance(error, Moderated) else State.NOT_ACCEPTED
        elif not self._taken:
            state = State.UNKNOWN
        else:
            state = State.LOST if isinstance(error, ResultLost | TaskLost) else State.FAILED
        await self._tools.ledger.failed(self._job.id, self._index, self._owner, state, error)
        if state is State.UNKNOWN and self._holds_slot:
            # Not awaited: the client hears of the lost answer now, the slot is given back later.
            self._holds_slot = False
            self._tools.queue.release_later(self._platform.account, self._id, UNKNOWN_HOLD_S)
            self._tools.metrics.submissions_active(*self._labels).dec()

    async def _step(self, word: str, work: Awaitable[T]) -> T:
        started = self._tools.clock.now()
        try:
            return await work
        finally:
            seconds = self._tools.clock.now() - started
            self._tools.metrics.step_duration(word, *self._labels).observe(seconds)
            self._spent(word, seconds)

    async def _release(self) -> None:
        if self._holds_slot:
            self._holds_slot = False
            self._tools.metrics.submissions_active(*self._labels).dec()
            await self._tools.queue.release(self._platform.account, self._id)

    def _heard(self, call: str, sent: Answered | NotSent | MaybeSent) -> None:
        status = str(sent.answer.status) if isinstance(sent, Answered) else "0"
        self._tools.metrics.upstream_responses(self._platform.name, call, status).inc()

    def _overdue(self) -> bool:
        return self._tools.clock.now() >= self._deadline

    def _jitter(self, longest_s: float) -> float:
        return longest_s * (0.5 + 0.5 * self._tools.chance())
