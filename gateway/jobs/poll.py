"""
Asking after a paid task until it is over.

Polling never ends a task: refusals, server errors, nonsense and cut connections say nothing about it. Only a terminal
status does, half a minute in which the vendor knows no such task, or the hour after which it has forgotten every task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from math import inf

from gateway.domain.errors import Paid, TaskLost
from gateway.domain.outcome import Outcome, Ticket, Unsure, Working
from gateway.jobs.hints import Hint
from gateway.jobs.pace import Watch
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.upstream.session import Answered

# The vendor forgets finished tasks after about an hour, so asking longer is in vain.
FORGOTTEN_S = 3600.0
# While nobody waits for it; else as after an answer that says nothing.
PARKED_EVERY_S = 60.0
# "Task not found" is common in the first seconds on another region's host; half a minute of nothing else is an end.
MISSING_S = 30.0
# The vendor calls when a task is over: that was at most so long before.
CALLED_S = 0.5
# After an answer that says nothing: doubling up to the longest; what the vendor itself asks for counts up to a bound,
# as every picture is late by as much when the trouble is over.
DOUBT_S, DOUBT_LONGEST_S, REST_LONGEST_S = 0.5, 5.0, 10.0


class Polling:
    """
    One accepted task.

    Args:
        silent: told when the vendor has said nothing of use for too long, and when it does again.
        pause: sleeps for the first of two times, in seconds, or for the second when somebody waits for the task.
        parked: called once, when the task is older than the maximum age and is asked after sparsely from then on.
        age_s: how old the task is already, when another process has begun it.
        hint: told when the vendor calls back, which is when to ask, whatever the pace says.
    """

    def __init__(
        self,
        tools: Tools,
        platform: Platform,
        ticket: Ticket,
        parked: Callable[[], Awaitable[None]],
        age_s: float = 0.0,
        hint: Hint | None = None,
        silent: Callable[[bool], None] = lambda _silent: None,
        pause: Callable[[float, float], Awaitable[None]] | None = None,
    ) -> None:
        self._tools, self._platform, self._ticket, self._park = tools, platform, ticket, parked
        self._pace = tools.paces(platform, ticket.model)
        self._started = tools.clock.now() - age_s
        # Where a call-back came before the answer to the submission, nobody knows how old the task is.
        self._resumed, self._hint = age_s > 0.0 or (hint is not None and hint.calls > 0), hint
        self._working_s = self._called_s = 0.0
        self._bad, self._silent = 0, silent
        self._clock = tools.clock if pause is None else replace(tools.clock, sleep=partial(self._sleep, pause))
        self._silent_at = inf  # the age at which silence is to be told
        self._rest_s = 0.0
        self._missing: float | None = None
        self._parked = False

    async def until_over(self) -> Outcome:
        """The terminal outcome. Raises: TaskLost."""
        watch = self._pace.begin()
        try:
            return await self._until_over(watch)
        finally:
            watch.leave()

    async def _until_over(self, watch: Watch) -> Outcome:
        polls = 0
        while True:
            age = self._age()
            if age > FORGOTTEN_S:
                raise self._lost("The platform did not finish the job within an hour.")
            if age > self._tools.job_max_age_s and not self._parked:
                self._parked = True
                await self._park()
            await self._rest(self._wait_s(watch, age, polls))
            calls, asked = self._hint.calls if self._hint is not None else 0, self._age()
            outcome = await self._ask()
            polls += 1
            if isinstance(outcome, Working):
                self._works(outcome, calls)
            elif isinstance(outcome, Unsure):
                self._doubt(outcome, asked)
            else:
                self._learn(watch)
                return outcome

    def _wait_s(self, watch: Watch, age: float, polls: int) -> float:
        if self._parked:
            return PARKED_EVERY_S
        if self._resumed and not polls:
            return 0.0
        if self._bad:
            longest = min(DOUBT_LONGEST_S, DOUBT_S * 2 ** min(self._bad, 5))
            return max(self._rest_s, self._tools.jitter(longest))
        hint = self._hint
        thin_s = hint.thin_s if hint is not None and hint.trust.proven and not hint.calls else 0.0
        return watch.next_wait(age, polls) + thin_s

    async def _rest(self, seconds: float) -> None:
        silent_in_s = max(0.0, self._silent_at - self._age())
        if silent_in_s <= seconds:
            if await self._called_within(silent_in_s):
                return
            self._silent_at = inf
            self._silent(True)
            seconds -= silent_in_s
        await self._called_within(seconds)

    async def _called_within(self, seconds: float) -> bool:
        """True as soon as the vendor calls, False when it has not for so long."""
        if self._hint is None:
            await self._clock.sleep(seconds)
            return False
        try:
            await self._clock.within(seconds, self._hint.wait())
        except TimeoutError:
            return False
        self._called_s = self._age()
        return True

    async def _sleep(self, pause: Callable[[float, float], Awaitable[None]], seconds: float) -> None:
        await pause(seconds, min(seconds, DOUBT_LONGEST_S) if self._parked else seconds)

    async def _ask(self) -> Outcome:
        clock, outcome = self._tools.clock, None
        asked = clock.now()
        sent = await self._tools.ask(self._platform, self._ticket)
        if isinstance(sent, Answered):
            self._pace.observe_rtt(clock.now() - asked)
            outcome = self._platform.read_poll(self._ticket, sent.answer)
        else:
            outcome = Unsure(sent.why)
        self._tools.metrics.polls(self._platform.name, type(outcome).__name__.lower()).inc()
        return outcome

    def _works(self, outcome: Working, calls: int) -> None:
        """`calls`: how many call-backs there were when it was asked."""
        self._bad, self._missing, self._working_s = 0, None, self._age()
        self._silent_at = inf
        self._silent(False)
        if self._hint is not None:
            self._hint.spent = calls
        if not outcome.known:
            self._tools.metrics.vendor_fields_unknown(self._platform.name).inc()

    def _doubt(self, outcome: Unsure, asked_s: float) -> None:
        """`asked_s`: the age at which it was asked."""
        age = self._age()
        if not self._bad:
            self._silent_at = asked_s + self._tools.unanswered_within_s
        self._bad += 1
        self._rest_s = min(outcome.retry_after_s or 0.0, REST_LONGEST_S)
        if not outcome.missing:
            self._missing = None
        elif self._missing is None:
            self._missing = age
        elif age - self._missing >= MISSING_S and self._hint is None:  # by its id it may be another region's
            raise self._lost("The platform no longer knows the job it took.")

    def _learn(self, watch: Watch) -> None:
        age, working_s = self._age(), self._working_s
        if self._hint is not None and self._hint.fresh:
            working_s = max(working_s, self._called_s - CALLED_S)
        # Behind bad answers, sparse questions or a restart the end was seen late, which says nothing about the model.
        if not self._bad and not self._parked and not self._resumed:
            watch.found(working_s, age)
        self._tools.metrics.poll_lag(self._platform.name, self._ticket.model).observe(age - working_s)

    def _age(self) -> float:
        return self._tools.clock.now() - self._started

    def _lost(self, text: str) -> TaskLost:
        return TaskLost(text, paid=Paid.MAYBE, detail=self._ticket.task)
