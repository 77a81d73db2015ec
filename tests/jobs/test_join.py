"""Who shares a job, as a table of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import (
    AnswerLost,
    GatewayError,
    KeyReused,
    Moderated,
    Paid,
    PlatformError,
    PlatformUnavailable,
    QueueFull,
)
from gateway.jobs import join
from gateway.jobs.job import Job
from gateway.stores.contract import Found, JobRecord, Made, ReplySpec, Row, State
from tests.fakes.vendor import Vendor, Works

REPLY = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())
RECORD = JobRecord("job-1", "ann", "ann same", None, "toy", "toy-1", 1, REPLY, 0.0)
LOST = AnswerLost("lost", paid=Paid.MAYBE)
BROKEN = PlatformError("broken", paid=Paid.MAYBE)
BLOCKED = Moderated("no", stage="input", categories=())
PICTURE = Made("ref")

order = Works(Vendor()).order


def row(state: State, result: Made | GatewayError | None = None) -> Row:
    if isinstance(result, GatewayError):
        return Row(state, 1, error=result)
    return Row(state, 1, made=result)


def job(waiters: int = 0, **changes: Any) -> Job:
    made = Job(replace(RECORD, **changes))
    made.waiters = waiters
    return made


def found(*rows: Row, age: float = 1.0, **changes: Any) -> Found:
    return Found(replace(RECORD, n=len(rows), **changes), dict(enumerate(rows)), age)


def ends(rows: Sequence[Row], age: float = 1.0, here_s: float = 0.0, **asked: Any) -> str | None:
    """Why the job is joined, `age` seconds after its last change; None when a new one is started."""
    jobs = [found(*rows, key="k" if asked.get("key") else None, age=age)]
    return next((how for _, how in join.ended(jobs, order(**asked), here_s)), None)


# Running jobs.


def test_an_orphan_is_taken_over() -> None:
    """Nobody waits for it, and the request is the same."""
    orphan = job()
    assert join.live([job(waiters=1), orphan], order()) == (orphan, "orphan")


def test_a_job_with_a_waiter_is_not() -> None:
    """Two intended identical requests stay two jobs, a declared resend is the same request."""
    waited = job(waiters=1)
    assert join.live([waited], order()) is None
    assert join.live([waited], order(resend=True)) == (waited, "resend")


def test_others_do_not_count() -> None:
    """Another caller's, another content's, and one that is about to end."""
    ending = job()
    ending.cancel()
    others = [job(caller="bob"), job(fingerprint="ann other"), ending]
    assert join.live(others, order(resend=True)) is None
    assert join.live([job(caller="bob", key="k")], order(key="k")) is None


def test_a_key_leads_to_its_job() -> None:
    """Whoever waits; and only to its own: a new key is a new job even where an orphan matches."""
    keyed, orphan = job(waiters=3, key="k"), job()
    assert join.live([orphan, keyed], order(key="k")) == (keyed, "key")
    assert join.live([orphan], order(key="new", resend=True)) is None


def test_a_key_with_other_content() -> None:
    """Refused, running or ended, unless what it stood for was unpaid."""
    with pytest.raises(KeyReused):
        join.live([job(key="k")], order("other", key="k"))
    with pytest.raises(KeyReused):
        ends([row(State.STORED, PICTURE)], content="other", key="k")
    assert ends([row(State.NOT_ACCEPTED, QueueFull("full"))], content="other", key="k") is None


# Jobs that are over.


@pytest.mark.parametrize(
    ("rows", "first_s", "last_s"),
    [
        ([row(State.STORED, PICTURE)], 0.0, 3599.0),
        ([row(State.STORED, PICTURE), row(State.FAILED, BLOCKED)], 0.0, 3599.0),
        ([row(State.STORED, PICTURE), row(State.UNKNOWN, LOST)], 0.0, 3599.0),
        ([row(State.UNKNOWN, LOST)], 0.0, 899.0),
        ([row(State.UNKNOWN, LOST), row(State.FAILED, BLOCKED)], 0.0, 899.0),
        ([row(State.FAILED, BROKEN)], 0.0, 899.0),
        ([row(State.LOST, BROKEN)], 0.0, 899.0),
    ],
)
def test_an_undeclared_request_joins(rows: list[Row], first_s: float, last_s: float) -> None:
    """What is undelivered, or what may have been paid in vain for a while."""
    assert ends(rows, first_s) == ends(rows, last_s) == "orphan"
    assert ends(rows, 3600.0) in (None, "orphan")


@pytest.mark.parametrize(
    ("rows", "age"),
    [
        ([row(State.DELIVERED, PICTURE)], 0.0),
        ([row(State.DELIVERED, PICTURE), row(State.UNKNOWN, LOST)], 0.0),
        ([row(State.NOT_ACCEPTED, QueueFull("full"))], 0.0),
        ([row(State.FAILED, BLOCKED)], 0.0),
        ([row(State.UNKNOWN, LOST)], 901.0),
        ([row(State.FAILED, BROKEN)], 901.0),
        ([row(State.SUBMITTED)], 0.0),
        ([row(State.STORED, PICTURE), row(State.SUBMITTED)], 0.0),
        ([], 0.0),
    ],
)
def test_an_undeclared_request_starts_anew(rows: list[Row], age: float) -> None:
    """What was delivered, was free, is too long ago, or is somebody else's to end."""
    assert ends(rows, age) is None


@pytest.mark.parametrize(
    ("rows", "age", "joins"),
    [
        ([row(State.DELIVERED, PICTURE)], 9.0, True),
        ([row(State.DELIVERED, PICTURE)], 11.0, False),
        ([row(State.FAILED, BROKEN)], 899.0, True),
        ([row(State.FAILED, BROKEN)], 901.0, False),
        ([row(State.FAILED, BLOCKED)], 0.0, False),
        ([row(State.NOT_ACCEPTED, QueueFull("full"))], 0.0, False),
    ],
)
def test_a_declared_resend(rows: list[Row], age: float, joins: bool) -> None:
    """Gets also what was delivered a moment ago, and every failure that may have been paid for a quarter of an hour."""
    assert ends(rows, age, resend=True) == ("resend" if joins else None)


@pytest.mark.parametrize("others", [[], [row(State.UNKNOWN, LOST)]])
def test_a_declared_resend_of_what_nobody_had(others: list[Row]) -> None:
    """Its first delivery: what the client says of itself does not make it a second one."""
    assert ends([row(State.STORED, PICTURE), *others], 60.0, resend=True) == "orphan"


def test_a_slow_resend() -> None:
    """What counts is when it began to arrive: a large upload takes its time."""
    rows = [row(State.DELIVERED, PICTURE)]
    assert ends(rows, 60.0, resend=True, here_s=55.0) == "resend"
    assert ends(rows, 60.0, resend=True, here_s=45.0) is None


@pytest.mark.parametrize(
    "rows",
    [
        [row(State.STORED, PICTURE)],
        [row(State.DELIVERED, PICTURE)],
        [row(State.FAILED, BLOCKED)],
        [row(State.FAILED, BROKEN)],
        [row(State.UNKNOWN, LOST)],
    ],
)
def test_a_key_is_answered_the_same_for_as_long_as_it_is_kept(rows: list[Row]) -> None:
    """Pictures, moderation, failures: all but what was known to be unpaid."""
    assert ends(rows, 3599.0, key="k") == "key"


def test_the_newest_that_fits() -> None:
    """One that cannot answer is passed over."""
    delivered, stored = found(row(State.DELIVERED, PICTURE)), found(row(State.STORED, PICTURE), id="job-2")
    assert list(join.ended([delivered, stored], order(), 0.0)) == [(stored, "orphan")]


def test_never_intended_siblings() -> None:
    """A job of three of which two never got a slot is over when the one has ended."""
    one = Found(replace(RECORD, n=3), {0: row(State.STORED, PICTURE)}, 1.0)
    assert list(join.ended([one], order(), 0.0)) == [(one, "orphan")]


# One that nobody can see to its end.


@pytest.mark.parametrize("asked", [{"key": "k"}, {"resend": True}])
def test_a_task_of_a_platform_that_is_gone(asked: dict[str, Any]) -> None:
    """It may have been paid, so it is not sent anew, nor is the client told that it ended."""
    with pytest.raises(PlatformUnavailable, match="Put it back") as refused:
        ends([row(State.SUBMITTED)], **asked)
    assert refused.value.paid is Paid.MAYBE
