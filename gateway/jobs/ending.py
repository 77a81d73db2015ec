"""What the end of a submission means: for its client an error or a picture, for the ledger a state."""

from __future__ import annotations

from gateway.domain.errors import GatewayError, Moderated, Paid, PlatformError, ResultLost, TaskLost
from gateway.domain.outcome import Failed, Finished, Outcome, Refused
from gateway.stores.contract import State


def terminal(outcome: Outcome) -> Finished:
    """Raises: Moderated for a refusal, the error of a failure, PlatformError for what is no end."""
    match outcome:
        case Finished():
            return outcome
        case Refused(stage, reasons):
            raise Moderated(
                "Your request was rejected by the safety system of the platform. Change the prompt or the picture.",
                stage=stage.value,
                categories=reasons,
            )
        case Failed(error):
            raise error
    raise PlatformError("The platform answered out of order.", paid=Paid.MAYBE, detail=repr(outcome))


def end_of(error: GatewayError, *, taken: bool) -> State:
    """`taken`: the platform had the submission for certain."""
    if error.paid is Paid.NO:
        return State.FAILED if isinstance(error, Moderated) else State.NOT_ACCEPTED
    if not taken:
        return State.UNKNOWN
    return State.LOST if isinstance(error, ResultLost | TaskLost) else State.FAILED
