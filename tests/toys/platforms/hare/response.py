"""From the vendor's one answer to its outcome."""

from __future__ import annotations

import orjson

from gateway.domain.blob import Link
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
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        found = None
    if answer.status == 200 and isinstance(found, dict) and isinstance(found.get("url"), str):
        return Finished((Link(found["url"]),), cost=1.0)
    return Failed(AnswerLost("The answer says nothing that is known; it may be charged.", paid=Paid.MAYBE))
