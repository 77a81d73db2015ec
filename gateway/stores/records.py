"""
What is remembered of jobs, as values.

A submission is `(job id, index)`. Its row moves one way:
INTENT → {NOT_ACCEPTED | UNKNOWN | SUBMITTED} → READY → STORED → DELIVERED, with the ends FAILED, PARKED and LOST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import GatewayError
from gateway.domain.notes import Note
from gateway.domain.outcome import Ticket
from gateway.domain.size import Pixels


class State(StrEnum):
    INTENT = "intent"
    NOT_ACCEPTED = "not_accepted"
    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    PARKED = "parked"
    READY = "ready"
    STORED = "stored"
    DELIVERED = "delivered"
    FAILED = "failed"
    LOST = "lost"


OPEN = frozenset({State.INTENT, State.SUBMITTED, State.PARKED, State.READY})
"""The states of a submission that somebody has to see to its end."""


@dataclass(frozen=True, slots=True)
class ReplySpec:
    """
    Everything needed to answer later, also by another process. `kind` is the first word of its events' names, `size`
    what its pictures are brought to; None leaves them as they are made.
    """

    response_format: ResponseFormat
    output_format: OutputFormat
    notes: tuple[Note, ...]
    kind: str = "image_edit"
    size: Pixels | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """
    One job as it was asked. `created` is wall time in seconds; `key` is the client's Idempotency-Key;
    `fingerprint` identifies the request's content, `caller` who asked.
    """

    id: str
    caller: str
    fingerprint: str
    key: str | None
    platform: str
    model: str
    n: int
    reply: ReplySpec
    created: float


@dataclass(frozen=True, slots=True)
class Made:
    """
    A picture that was made and stored: its reference in `Results`, and what the vendor told about it.

    `prompt` is what the vendor made of the client's. It lives with the process: no ledger keeps anybody's words.
    """

    ref: str
    seed: int | None = None
    cost: float | None = None
    prompt: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `error` is set in NOT_ACCEPTED, UNKNOWN, FAILED and LOST; `made` from STORED on."""

    state: State
    owner: int
    ticket: Ticket | None = None
    made: Made | None = None
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A job with its rows by index; `age` is how long ago the last of them changed, in seconds."""

    job: JobRecord
    rows: Mapping[int, Row] = field(default_factory=dict)
    age: float = 0.0

    @property
    def over(self) -> bool:
        """True when every submission that was ever intended has reached an end."""
        ends = (State.STORED, State.DELIVERED, State.FAILED, State.UNKNOWN, State.NOT_ACCEPTED, State.LOST)
        return bool(self.rows) and all(row.state in ends for row in self.rows.values())

    @property
    def delivered(self) -> bool:
        return any(row.state is State.DELIVERED for row in self.rows.values())

    @property
    def unpaid(self) -> bool:
        """True when nothing was made and nothing can have been charged: as if it had never been."""
        return all(row.state is State.NOT_ACCEPTED for row in self.rows.values())

    @property
    def open(self) -> Mapping[int, Row]:
        """The submissions that somebody has to see to their end."""
        return {index: row for index, row in self.rows.items() if row.state in OPEN}


class Conflict(Exception):
    """The row is not in a state from which this step may follow, or belongs to another owner."""
