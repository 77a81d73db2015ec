"""From the vendor's one answer to its outcome."""

from __future__ import annotations

from gateway.domain.errors import AnswerLost, Paid, PlatformAuthFailed, PlatformBusy
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Stage
from gateway.wire.call import Answer


def read(answer: Answer) -> Outcome:
    """A picture, a refusal, or a fault."""
    if answer.status == 401:
        return Failed(PlatformAuthFailed("The vendor refuses the gateway's token."))
    if answer.status == 429:
        return Failed(PlatformBusy("The vendor is busy."))
    if answer.status == 451:
        return Refused(Stage.INPUT, ())
    if answer.status == 200 and answer.pictures:
        return Finished((answer.pictures[0],), cost=1.0)
    return Failed(AnswerLost("The answer has no picture; it may be charged.", paid=Paid.MAYBE))
