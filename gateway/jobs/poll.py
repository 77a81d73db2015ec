"""
Asking after a paid task until it is over.

Polling never ends a task: refusals, server errors, nonsense and cut connections say nothing about it. Only a terminal
status does, half a minute in which the vendor knows no such task, or the hour after which it has forgotten every task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway.domain.errors import Paid, TaskLost
from gateway.domain.outcome import Outcome, Ticket, Unsure, Working
from gateway.jobs.hints import NET_S, Hint
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.upstream.session import Answered

# The vendor forgets finished tasks after about an hour, so asking longer is in vain.
FORGOTTEN_S = 3600.0
PARKED_EVERY_S = 60.0
# "Task not found" is common in the first seconds on another region's host; half a minute of nothing else is an end.
MISSING_S = 30.0
# After an answer that says nothing: doubling up to the longest; what the vendor itself asks for counts up to a bound.
DOUBT_S, DOUBT_LONGEST_S, REST_LONGEST_S = 0.5, 5.0, 30.0


class Polling:
    """
    One accepted task.

    Args:
        parked: called once, when the task is older than the maximum age and is asked after sparsely from then on.
        age_s: how old the task is already, when another process has begun it.
        hint: told when the vendor calls back, which is when to ask; until then sparsely.
    """

    def __init__(
        self,
        tools: Tools,
        platform: Platform,
        ticket: Ticket,
        parked: Callable[[], Awaitable[None]],
        age_s: float = 0.0,
        hint: Hint | None = None,
    ) -> None:
        self._tools, self._platform, self._ticket, self._park = tools, platform, ticket, parked
        self._pace = tools.paces(platform, ticket.model)
        self._started = tools.clock.now() - age_s
        self._resumed, self._hint = age_s > 0.0, hint
        self._working_s = 0.0
        self._bad = 0
        self._rest_s = 0.0
        self._missing: float | None = None
        self._parked = False

    async def until_over(self) -> Outcome:
        """The terminal outcome. Raises: TaskLost."""
        polls = 0
        while True:
            age = self._age()
            if age > FORGOTTEN_S:
                raise self._lost("The platform did not finish the job within an hour.")
            if age > self._tools.job_max_age_s and not self._parked:
                self._parked = True
                await self._park()
            await self._rest(self._wait_s(age, polls))
            outcome = await self._ask()
            polls += 1
            if isinstance(outcome, Working):
                self._works(outcome)
            elif isinstance(outcome, Unsure):
                self._doubt(outcome)
            else:
                self._learn()
                return outcome

    def _wait_s(self, age: float, polls: int) -> float:
        if self._parked:
            return PARKED_EVERY_S
        if self._resumed and not polls:
            return 0.0
        if self._bad:
            longest = min(DOUBT_LONGEST_S, DOUBT_S * 2 ** min(self._bad, 5))
            return max(self._rest_s, self._tools.jitter(longest))
        return NET_S if self._hint is not None else self._pace.next_wait(age, polls)

    async def _rest(self, seconds: float) -> None:
        if self._hint is None:
            await self._tools.clock.sleep(seconds)
        else:
            with suppress(TimeoutError):
                await self._tools.clock.within(seconds, self._hint.wait())

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

    def _works(self, outcome: Working) -> None:
        self._bad, self._missing, self._working_s = 0, None, self._age()
        if not outcome.known:
            self._tools.metrics.vendor_fields_unknown(self._platform.name).inc()

    def _doubt(self, outcome: Unsure) -> None:
        age = self._age()
        self._bad += 1
        self._rest_s = min(outcome.retry_after_s or 0.0, REST_LONGEST_S)
        if not outcome.missing:
            self._missing = None
        elif self._missing is None:
            self._missing = age
        elif age - self._missing >= MISSING_S and self._hint is None:  # by its id it may be another region's
            raise self._lost("The platform no longer knows the job it took.")

    def _learn(self) -> None:
        age = self._age()
        # Behind bad answers, sparse questions or a restart the end was seen late, which says nothing about the model.
        if not self._bad and not self._parked and not self._resumed:
            self._pace.observe(self._working_s, age)
        self._tools.metrics.poll_lag(self._platform.name, self._ticket.model).observe(age - self._working_s)

    def _age(self) -> float:
        return self._tools.clock.now() - self._started

    def _lost(self, text: str) -> TaskLost:
        return TaskLost(text, paid=Paid.MAYBE, detail=self._ticket.task)
