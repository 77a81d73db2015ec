"""
Which request gets an existing job instead of paying for a new one.

A known Idempotency-Key always leads to its job. Without one, an identical request takes over a job that nobody waits
for and that was not delivered; a declared resend joins in any case. Two intended identical requests stay two jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.domain.errors import KeyReused, Paid, PlatformUnavailable
from gateway.jobs.job import Job
from gateway.jobs.order import Order
from gateway.stores.contract import Found, JobRecord, State

# What may have been paid in vain is not paid again by a client that repeats any 5xx, nor by a person who tries again:
# until then the same request gets the same answer. A new Idempotency-Key is how one says that it is wanted anew.
REPLAY_S = 900.0
# Delivered means handed to the kernel. A client that lost the last bytes sends again within a second or two; one that
# was refused meanwhile, and means another job, is told by `retry-after` to wait for longer than this.
RESEND_S = 10.0
# A resend is known when its upload is complete, so what was delivered is remembered for as long as one may take.
DELIVERED_S = 300.0


def live(jobs: Iterable[Job], order: Order) -> tuple[Job, str] | None:
    """
    The job to join among those that run or are being answered, and why: `key`, `orphan` or `resend`.

    Raises: KeyReused.
    """
    mine = [job for job in jobs if job.record.caller == order.caller and not job.cancelled]
    if order.key is not None:
        for job in mine:
            if job.record.key == order.key and not job.void:
                _same(order, job.record)
                return job, "key"
        return None
    same = [job for job in mine if job.record.fingerprint == order.fingerprint and not job.void]
    if orphan := next((job for job in same if not job.waiters), None):
        return orphan, "orphan"
    return (same[0], "resend") if same and order.resend else None


def ended(jobs: Iterable[Found], order: Order, here_s: float) -> Iterator[tuple[Found, str]]:
    """
    The same among jobs that are over, newest first: the first of them whose pictures still exist is the one.

    `here_s` is how long ago the request began to arrive, in seconds.

    Raises: KeyReused; PlatformUnavailable for one that nobody can see to its end now.
    """
    for found in jobs:
        if found.open and (order.key is not None or order.resend):
            raise PlatformUnavailable(
                f"The job of this request runs at {found.job.platform}/{found.job.model}, which this gateway is not "
                "configured for now. Put it back and restart the gateway within the hour; nothing is paid twice.",
                paid=Paid.MAYBE,
            )
        if not found.over or found.unpaid:
            continue
        if order.key is not None:
            _same(order, found.job)
            yield found, "key"
        elif (how := _answers(found, here_s, resend=order.resend)) is not None:
            yield found, how


def _answers(found: Found, here_s: float, *, resend: bool) -> str | None:
    """Why it is the answer, whatever the client says of itself: `orphan` when nobody had the picture, or `resend`."""
    states = {row.state for row in found.rows.values()}
    if State.STORED in states:
        return "orphan"
    if State.DELIVERED in states:
        return "resend" if resend and found.age - here_s < RESEND_S else None
    if all(row.error is None or row.error.paid is Paid.NO for row in found.rows.values()):
        return None
    if found.age >= REPLAY_S:
        return None
    return "resend" if resend else "orphan"


def _same(order: Order, record: JobRecord) -> None:
    if record.fingerprint != order.fingerprint:
        raise KeyReused(
            "This Idempotency-Key was used with another request. Send a new key with a new request, or the same "
            "request with the old key."
        )
