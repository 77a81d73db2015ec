"""From the vendor's answers to outcomes."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.domain.blob import Link
from gateway.domain.errors import (
    AnswerLost,
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformError,
    PlatformOutOfCredits,
)
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Stage, Ticket, Unsure, Working
from gateway.wire.call import Answer


def read_submit(answer: Answer, model: str, account: str, jobs: str) -> Outcome:
    """`jobs` is the address that the id of a job follows."""
    found = words(answer)
    match answer.status, found.get("job"):
        case 202, str(job) if job.isascii() and job.isalnum():
            return Working(Ticket(job, jobs + job, model, account, cost=3.0), "taken")
        case 401, _:
            return Failed(PlatformAuthFailed("The vendor refuses the gateway's key."))
        case 402, _:
            return Failed(PlatformOutOfCredits("The gateway's account is empty."))
        case 429, _:
            return Failed(PlatformBusy("The vendor is busy."))
    return Failed(AnswerLost("The answer says nothing that is known; the job may be charged.", paid=Paid.MAYBE))


def read_state(ticket: Ticket, answer: Answer) -> Outcome:
    found = words(answer)
    match found.get("state"), found.get("picture"):
        case "working", _:
            return Working(ticket, "working")
        case "done", str(url):
            return Finished((Link(url),), cost=3.0)
        case "refused", _:
            return Refused(Stage.INPUT, ())
        case "broken", _:
            return Failed(PlatformError("The vendor failed.", paid=Paid.MAYBE))
    return Unsure(f"answered {answer.status}", missing=answer.status == 404)


def words(answer: Answer) -> dict[str, Any]:
    """The answer's object; empty when it is none."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
