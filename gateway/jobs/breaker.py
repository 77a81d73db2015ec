"""
A platform in trouble is left alone for a while: one breaker for each account.

It looks at submissions only. What was paid for is asked after and fetched whatever the breaker says, and the answers to
that count for nothing here. https://martinfowler.com/bliki/CircuitBreaker.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from gateway.domain.errors import (
    AnswerLost,
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformOutOfCredits,
    PlatformUnavailable,
    PlatformUnreachable,
)
from gateway.domain.outcome import Failed, Outcome, Unsure
from gateway.jobs.settings import BreakerSettings
from gateway.upstream.session import Answered, NotSent, Sent


class State(IntEnum):
    """The numbers are the metric's."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Verdict(StrEnum):
    """What one attempt to submit says about the platform."""

    WELL = "well"
    FAULT = "fault"
    HOPELESS = "hopeless"
    NOTHING = "nothing"


@dataclass(slots=True)
class Attempt:
    """One submission on its way; whoever sends it says what came of it."""

    verdict: Verdict = Verdict.NOTHING
    why: str = ""

    def heard(self, sent: Sent, outcome: Outcome | None) -> None:
        """`outcome` is what an answer means, None when none came."""
        if not isinstance(sent, Answered) or outcome is None:
            error = PlatformUnreachable if isinstance(sent, NotSent) else AnswerLost
            self.verdict, self.why = Verdict.FAULT, error.code
        elif isinstance(outcome, Failed):
            self.verdict, self.why = _judge(outcome), outcome.error.code
        elif isinstance(outcome, Unsure):
            self.verdict, self.why = Verdict.FAULT, outcome.why
        else:
            self.verdict = Verdict.WELL


@dataclass(frozen=True, slots=True)
class Standing:
    """For operators. `opens_in_s` is how long no submission is let through yet; `why` is the last fault."""

    state: State
    faults: int
    opens_in_s: float
    why: str

    def __str__(self) -> str:
        match self.state:
            case State.CLOSED:
                return f"closed, after {self.faults} faults in a row ({self.why})" if self.faults else "closed"
            case State.HALF_OPEN:
                return f"half-open: the next submission is a probe; last fault: {self.why}"
        return f"open for another {self.opens_in_s:.0f} s; last fault: {self.why}"


class Breaker:
    """
    One account's. `settings` are those of the moment; `now` is monotonic, in seconds.

    Closed: everything goes, faults in a row are counted. Open: nothing goes. Half-open: one probe goes, and its verdict
    decides; without one the next may be the probe.
    """

    def __init__(self, account: str, settings: Callable[[], BreakerSettings], now: Callable[[], float]) -> None:
        self._account, self._settings, self._now = account, settings, now
        self._faults, self._why = 0, ""
        self._until: float | None = None  # None while closed
        self._open_s = 0.0
        self._probe: Attempt | None = None
        self._prober = ""
        self._decided = asyncio.Event()
        self._round = 0

    @property
    def standing(self) -> Standing:
        left = 0.0 if self._until is None else max(0.0, self._until - self._now())
        state = State.CLOSED if self._until is None else State.OPEN if left else State.HALF_OPEN
        return Standing(state, self._faults, left, self._why)

    def check(self) -> None:
        """Raises: PlatformUnavailable when a submission would not be let through now."""
        standing = self.standing
        if standing.state is State.OPEN or (standing.state is State.HALF_OPEN and self._probe is not None):
            raise PlatformUnavailable(
                "The platform is in trouble and is left alone for a moment; nothing was sent and nothing was charged. "
                "Try again later.",
                detail=f"breaker of {self._account}: {standing}",
                retry_after_s=standing.opens_in_s or self._settings().open_for,
            )

    async def until_decided(self, owner: str) -> None:
        """Return when no probe of this owner is out: the pictures of one job share its fate."""
        while self._probe is not None and self._prober == owner:
            await self._decided.wait()

    @contextmanager
    def attempt(self, owner: str = "") -> Iterator[Attempt]:
        """
        Around one submission of `owner`; a verdict is to be left in it. Raises: PlatformUnavailable, and sends nothing
        then.
        """
        self.check()
        attempt, begun = Attempt(), self._round
        if self._until is not None:
            self._probe, self._prober, self._decided = attempt, owner, asyncio.Event()
        try:
            yield attempt
        finally:
            if self._probe is attempt:
                self._probe = None
            if begun == self._round:  # what set out before the last change says nothing about the time after it
                self._learn(attempt)
            if self._probe is None:
                self._decided.set()

    def _learn(self, attempt: Attempt) -> None:
        if attempt.verdict is Verdict.WELL:
            if self._until is not None:
                self._round += 1
            self._faults, self._until, self._open_s = 0, None, 0.0
        elif attempt.verdict in (Verdict.FAULT, Verdict.HOPELESS):
            self._faults, self._why = self._faults + 1, attempt.why
            settings = self._settings()
            probing, enough = self._until is not None, self._faults >= settings.failures
            if probing or enough or attempt.verdict is Verdict.HOPELESS:
                self._open_s = min(settings.longest, max(settings.open_for, 2 * self._open_s))
                self._until = self._now() + self._open_s
                self._round += 1


class Breakers:
    """Every account's breaker, made when it is first asked for. `watch` is told of each new one, by account."""

    def __init__(
        self,
        settings: BreakerSettings,
        now: Callable[[], float],
        watch: Callable[[str, Breaker], None] = lambda _account, _breaker: None,
    ) -> None:
        self._settings, self._now, self._watch = settings, now, watch
        self._breakers: dict[str, Breaker] = {}

    def of(self, account: str) -> Breaker:
        if (found := self._breakers.get(account)) is None:
            found = self._breakers[account] = Breaker(account, lambda: self._settings, self._now)
            self._watch(account, found)
        return found

    def configure(self, settings: BreakerSettings) -> None:
        """From now on; a breaker that is open stays so for the time it was opened for."""
        self._settings = settings

    def states(self) -> Mapping[str, Standing]:
        """By account; also for another thread."""
        return {account: breaker.standing for account, breaker in tuple(self._breakers.items())}

    def told(self) -> Mapping[str, str]:
        """The same in plain words."""
        return {account: str(standing) for account, standing in self.states().items()}


def _judge(outcome: Failed) -> Verdict:
    """
    A refused key or an empty account refuses every further submission as well, unpaid: there is no need to see five.
    A 429 is the queue's business. Any other definite no was about the request, from a platform that works.
    """
    error = outcome.error
    if isinstance(error, PlatformAuthFailed | PlatformOutOfCredits):
        return Verdict.HOPELESS
    if isinstance(error, PlatformBusy):
        return Verdict.NOTHING
    return Verdict.WELL if error.paid is Paid.NO else Verdict.FAULT
