"""
A platform in trouble is left alone for a while: one breaker for each account and model.

What one model refuses says nothing about the others: the whole account is shut only when the free question after its
credits says so, and opened by the same question (see `account`).

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
    GatewayError,
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

# Without a verdict after so long a probe no longer keeps the next one from going.
PROBE_S = 10.0
# How long a client may wait before it asks an account again that is shut until its operator has acted.
SHUT_RETRY_S = 30.0
WORDS: Mapping[type[GatewayError], str] = {
    PlatformOutOfCredits: "The gateway's account at the platform is out of credits; nothing was sent and nothing was "
    "charged. It serves again a few seconds after its operator has topped it up.",
    PlatformAuthFailed: "The platform refuses the gateway's own key{for_model}; yours is fine. Nothing was sent and "
    "nothing was charged. The gateway's operator has to mend it.",
    PlatformUnavailable: "The platform is in trouble and is left alone for a moment; nothing was sent and nothing was "
    "charged. Try again later.",
}


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
    cause: type[GatewayError] = PlatformUnavailable
    """What others are told for the time for which it keeps them away."""
    learn: Callable[[], None] = lambda: None
    """The breaker's: the verdict counts from now on."""
    others: Callable[[], bool] = lambda: False
    """The breaker's: whether another attempt was answered since this one began."""
    silent: bool = False
    answered: bool = False

    def unanswered(self) -> bool:
        """
        No answer has come for longer than a platform that is well ever takes: a fault, before its end is known.
        Returns True when no other attempt was answered meanwhile.
        """
        self.verdict, self.why = Verdict.FAULT, "no answer"
        self.learn()
        self.verdict, self.silent = Verdict.NOTHING, True
        return not self.others()

    def heard(self, sent: Sent, outcome: Outcome | None) -> None:
        """`outcome` is what an answer means, None when none came."""
        self.answered = isinstance(sent, Answered)
        if not isinstance(sent, Answered) or outcome is None:
            error = PlatformUnreachable if isinstance(sent, NotSent) else AnswerLost
            self.verdict, self.why = Verdict.FAULT, error.code
        elif isinstance(outcome, Failed):
            self.verdict, self.why = _judge(outcome), outcome.error.code
            if self.verdict is Verdict.HOPELESS:
                self.cause = type(outcome.error)
        elif isinstance(outcome, Unsure):
            self.verdict, self.why = Verdict.FAULT, outcome.why
        else:
            self.verdict = Verdict.WELL
        if self.silent and self.verdict is Verdict.FAULT:
            self.verdict = Verdict.NOTHING  # it has been counted


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
                if not self.faults:
                    return "closed"
                count = "one fault" if self.faults == 1 else f"{self.faults} faults in a row"
                return f"closed, after {count} ({self.why})"
            case State.HALF_OPEN:
                return f"half-open: the next submission is a probe; last fault: {self.why}"
        return f"open for another {self.opens_in_s:.0f} s; last fault: {self.why}"


class Account:
    """Whether an account is served at all. Shut and opened by what the free question after its credits is answered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cause: type[GatewayError] | None = None
        """Why it is shut: PlatformOutOfCredits, PlatformAuthFailed or PlatformUnavailable; None when it is not."""
        self.why = ""

    def refusal(self) -> GatewayError:
        assert self.cause is not None
        return self.cause(
            WORDS[self.cause].format(for_model=""),
            detail=f"account {self.name} is shut: {self.why}",
            retry_after_s=PROBE_S if self.cause is PlatformUnavailable else SHUT_RETRY_S,
        )

    def check(self) -> None:
        """Raises: the reason why it is shut."""
        if self.cause is not None:
            raise self.refusal()


class Breaker:
    """
    One account's model's. `settings` are those of the moment; `now` is monotonic, in seconds; `opened` is told of each
    opening.

    Closed: everything goes, faults in a row are counted. Open: nothing goes. Half-open: one probe goes, and its verdict
    decides; without one the next may be the probe.
    """

    def __init__(
        self,
        account: Account,
        settings: Callable[[], BreakerSettings],
        now: Callable[[], float],
        *,
        model: str = "",
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        self._account, self._settings, self._now = account, settings, now
        self._model, self._opened = model, opened
        self._faults, self._why = 0, ""
        self.cause: type[GatewayError] = PlatformUnavailable
        self._until: float | None = None  # None while closed
        self._open_s = 0.0
        self._probe: Attempt | None = None
        self._prober, self._probing_until = "", 0.0
        self._decided = asyncio.Event()
        self._round = self._answers = 0

    @property
    def standing(self) -> Standing:
        left = 0.0 if self._until is None else max(0.0, self._until - self._now())
        state = State.CLOSED if self._until is None else State.OPEN if left else State.HALF_OPEN
        return Standing(state, self._faults, left, self._why)

    def refusal(self) -> GatewayError:
        """PlatformUnavailable, PlatformAuthFailed or PlatformOutOfCredits: what is told to whoever is kept away."""
        standing = self.standing
        return self.cause(
            WORDS[self.cause].format(for_model=f" for {self._model}" if self._model else ""),
            detail=f"breaker of {self._account.name} {self._model}: {standing}",
            retry_after_s=standing.opens_in_s or self._settings().open_for,
        )

    def check(self) -> None:
        """Raises: `refusal` when no submission would be let through now."""
        self._account.check()
        state = self.standing.state
        if state is State.OPEN or (state is State.HALF_OPEN and self._probing):
            raise self.refusal()

    async def until_decided(self, owner: str) -> None:
        """Return when no probe of this owner is out: the pictures of one job share its fate."""
        while self._probe is not None and self._prober == owner:
            await self._decided.wait()

    @contextmanager
    def attempt(self, owner: str = "") -> Iterator[Attempt]:
        """
        Around one submission of `owner`; a verdict is to be left in it. Raises: as `check`, and sends nothing then.
        """
        self.check()
        attempt, begun, decided, answers = Attempt(), self._round, self._decided, self._answers
        if self._until is not None:
            self._probe, self._prober, self._decided = attempt, owner, asyncio.Event()
            self._probing_until, decided = self._now() + PROBE_S, self._decided

        def learn() -> None:
            # A fault of a probe that another one has followed is old news; the pause after it would outlast its cause.
            followed = self._until is not None and self._probe is not None and self._probe is not attempt
            if self._probe is attempt:
                self._probe = None
            # What set out before the last change says nothing about the time after it.
            if begun == self._round and not (followed and attempt.verdict is Verdict.FAULT):
                self._learn(attempt)
            decided.set()

        attempt.learn, attempt.others = learn, lambda: self._answers > answers
        try:
            yield attempt
        finally:
            self._answers += attempt.answered
            learn()

    def ease(self) -> None:
        """The account is well: let the next submission find out at once whether its model is."""
        if self._until is not None:
            self._until = min(self._until, self._now())

    def reset(self) -> None:
        """What opened it is over."""
        if self._until is not None:
            self._faults, self._until, self._open_s, self._round = 0, None, 0.0, self._round + 1

    @property
    def _probing(self) -> bool:
        return self._probe is not None and self._now() < self._probing_until

    def _learn(self, attempt: Attempt) -> None:
        if attempt.verdict is Verdict.WELL:
            if self._until is not None:
                self._round += 1
            self._faults, self._until, self._open_s = 0, None, 0.0
        elif attempt.verdict in (Verdict.FAULT, Verdict.HOPELESS):
            self._faults, self._why = self._faults + 1, attempt.why
            settings = self._settings()
            probing, enough = self._until is not None, self._faults >= settings.failures
            # A single refusal of key or account may be a stray one: the account is asked, see `account`.
            again = attempt.verdict is Verdict.HOPELESS and self._faults > 1
            if probing or enough or again:
                self._open_s = min(settings.longest, max(settings.open_for, 2 * self._open_s))
                self._until, self.cause = self._now() + self._open_s, attempt.cause
                self._round += 1
                self._opened()


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
