"""What the gateway cannot or may not do just now."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.errors.tree import GatewayError
from gateway.domain.window import Window


class QueueFull(GatewayError):
    """The wait would not fit the time in which an answer was promised."""

    code, status = "queue_full", 429
    hopeful = True


class AnswerOverdue(GatewayError):
    """The job goes on, the promised time is over; the same request joins it."""

    code, status = "answer_overdue", 504


class OutOfRoom(GatewayError):
    """Memory budget and disk are exhausted."""

    code, status = "out_of_room", 503
    hopeful = True


class ShuttingDown(GatewayError):
    """The gateway is draining."""

    code, status = "shutting_down", 503
    hopeful = True


class LimitReached(GatewayError):
    """A limit of the key is used up for now; the text and `limit` say which, `windows` how it and others stand."""

    code, status = "rate_limit_exceeded", 429
    hopeful = True

    def __init__(
        self,
        text: str,
        *,
        limit: str = "",
        retry_after_s: float | None = None,
        windows: Mapping[str, Window] | None = None,
    ) -> None:
        super().__init__(text, retry_after_s=retry_after_s, detail=f"limit {limit}")
        self.limit = limit
        self.windows = windows or {}


class LimitTooSmall(LimitReached):
    """The request alone is larger than a limit of the key: it never passes."""

    code = "request_beyond_limit"
    hopeful = False


class SpendReached(LimitReached):
    """The key's money for the day or the month is spent."""

    code = "spend_limit_exceeded"
    hopeful = False


class TooManyFailures(GatewayError):
    """Too many wrong keys came from this address."""

    code, status = "too_many_failures", 429
    hopeful = True


class LedgerUnwritable(GatewayError):
    """What is about to be paid for cannot be written down, so it is not begun."""

    code, status = "ledger_unwritable", 503
    hopeful = True


class HandedOver(GatewayError):
    """The gateway stops, and the next process goes on with the job: the same request, sent again, gets its result."""

    code, status = "handed_over", 503
    hopeful = safe = True
