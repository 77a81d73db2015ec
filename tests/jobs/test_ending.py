"""Every kind of end, for the client and for the ledger."""

from __future__ import annotations

import pytest

from gateway.domain.blob import Link
from gateway.domain.errors import (
    AnswerLost,
    GatewayError,
    InvalidField,
    Moderated,
    Paid,
    PlatformBusy,
    PlatformError,
    ResultLost,
    TaskLost,
)
from gateway.domain.outcome import Failed, Finished, Refused, Stage, Unsure
from gateway.jobs.ending import end_of, terminal
from gateway.stores.contract import State

MADE = Finished((Link("https://toy.example/picture"),))


def test_a_picture_is_handed_on() -> None:
    """As it is."""
    assert terminal(MADE) is MADE


def test_a_refusal() -> None:
    """OpenAI's error, with the vendor's stage and words."""
    with pytest.raises(Moderated) as caught:
        terminal(Refused(Stage.OUTPUT, ("Violence",)))
    assert (caught.value.stage, caught.value.categories) == ("output", ("Violence",))


def test_a_failure_raises_its_own_error() -> None:
    """Not another one."""
    error = InvalidField("no", param="size")
    with pytest.raises(InvalidField) as caught:
        terminal(Failed(error))
    assert caught.value is error


def test_what_is_no_end() -> None:
    """The platform may have been paid for something that nobody understands."""
    with pytest.raises(PlatformError) as caught:
        terminal(Unsure("what"))
    assert caught.value.paid is Paid.MAYBE


@pytest.mark.parametrize(
    ("error", "taken", "state"),
    [
        (PlatformBusy("x"), False, State.NOT_ACCEPTED),
        (Moderated("x", stage="input", categories=()), True, State.FAILED),
        (AnswerLost("x", paid=Paid.MAYBE), False, State.UNKNOWN),
        (PlatformError("x", paid=Paid.MAYBE), True, State.FAILED),
        (ResultLost("x", paid=Paid.YES), True, State.LOST),
        (TaskLost("x", paid=Paid.MAYBE), True, State.LOST),
    ],
)
def test_states(error: GatewayError, taken: bool, state: State) -> None:
    """Money and acceptance decide."""
    assert end_of(error, taken=taken) is state
