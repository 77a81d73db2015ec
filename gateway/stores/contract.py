"""
The contracts of all that is remembered. Async from the start, so that a database or a second process can stand behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.blob import Blob
from gateway.domain.caller import Caller
from gateway.domain.errors import GatewayError
from gateway.domain.outcome import Ticket
from gateway.domain.window import Window as Window
from gateway.stores.records import OPEN as OPEN
from gateway.stores.records import Conflict as Conflict
from gateway.stores.records import Found as Found
from gateway.stores.records import JobRecord as JobRecord
from gateway.stores.records import Made as Made
from gateway.stores.records import ReplySpec as ReplySpec
from gateway.stores.records import Row as Row
from gateway.stores.records import State as State


class Ledger(Protocol):
    """Who was asked what, and how far it went. Each verb is one compare-and-set on (state, owner)."""

    async def intent(self, job: JobRecord, index: int, owner: int) -> None:
        """
        Before the first byte of a submission; the point after which money may be spent.

        Raises: Conflict, LedgerUnwritable.
        """
        ...

    async def submitted(self, job: str, index: int, owner: int, ticket: Ticket) -> None: ...
    async def parked(self, job: str, index: int, owner: int) -> None: ...
    async def ready(self, job: str, index: int, owner: int) -> None: ...
    async def stored(self, job: str, index: int, owner: int, made: Made) -> None: ...
    async def failed(self, job: str, index: int, owner: int, state: State, error: GatewayError) -> None:
        """An end: NOT_ACCEPTED, UNKNOWN, FAILED or LOST."""
        ...

    async def delivered(self, job: str) -> None:
        """What is stored has reached the client. A job nobody knows has nothing to deliver."""
        ...

    async def adopt(self, job: str, owner: int) -> Found:
        """Make `owner` the only one who may write this job's rows."""
        ...

    async def find(self, caller: str, *, fingerprint: str | None = None, key: str | None = None) -> tuple[Found, ...]:
        """This caller's jobs with that key, else those with that fingerprint, newest first."""
        ...

    async def get(self, job: str) -> Found | None: ...
    async def unfinished(self) -> tuple[Found, ...]:
        """The jobs of all callers with a submission that somebody has to see to its end, oldest first."""
        ...

    async def count(self) -> Mapping[State, int]:
        """How many submissions are open, unknown or lost, by state; of others only what is known without counting."""
        ...

    async def prune(self, keep: Callable[[str], bool], retention_s: float) -> None:
        """Forget settled jobs whose time is over, unless `keep` their id."""
        ...


class Slots(Protocol):
    """Nested ceilings on active tasks: an account's, and inside it a model's. Idempotent by submission id."""

    async def acquire(self, account: str, model: str, submission: str) -> bool:
        """Take a slot, or find that there is none. Acquiring again with the same id changes nothing."""
        ...

    async def adopt(self, account: str, model: str, submission: str) -> None:
        """A task that runs already: it has its slot, whatever the ceilings say."""
        ...

    async def renew(self, submission: str) -> None: ...
    async def release(self, submission: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Usage:
    """What is counted against a caller's allowance; `credits` and `cents` are the same money in two units."""

    requests: int = 0
    images: int = 0
    megapixels: float = 0.0
    jobs: int = 0
    credits: float = 0.0
    cents: float = 0.0


class Limits(Protocol):
    """
    What callers use, against what they may. A reservation has an id and is whole or not at all; the same id twice is
    one reservation. Windows are named `requests`, `images`, `megapixels`, `jobs`, `credits-day`, `credits-month`,
    `cents-day`, `cents-month`; one without a limit is absent.
    """

    async def reserve(self, id: str, caller: Caller, usage: Usage) -> Mapping[str, Window]:
        """
        Count the usage in, and tell how the limits it touches stand. A job counts until it is settled or given back.

        Money and jobs are counted without a limit too, so that one that is set during the day finds them.

        Raises: LimitReached, which names the limit and when to come again; LimitTooSmall when that would be never;
        SpendReached for money.
        """
        ...

    async def reserve_all(self, caller: Caller, usages: Mapping[str, Usage]) -> Mapping[str, Window]:
        """The same for several ids of one caller, all of them or none. Raises: as `reserve`."""
        ...

    def reserved(self) -> Collection[str]:
        """The ids of what is set aside just now."""
        ...

    async def settle(self, id: str, credits: float, cents: float) -> None:
        """
        It is over and cost this much, on the day it was reserved; ends the reservation. What else was counted stays
        counted. An id that nobody holds changes nothing.
        """
        ...

    async def settle_as_reserved(self, id: str) -> None:
        """It is over, and nobody has told what it cost."""
        ...

    async def give_back(self, id: str) -> None:
        """Nothing was charged: the money returns and the job ends. Rates stay counted: the request was made."""
        ...

    async def undo(self, id: str) -> None:
        """As if it had never been reserved: rates return as well. For what the caller may try again elsewhere."""
        ...


class Results(Protocol):
    """Finished pictures until they have reached the one who asked."""

    async def put(self, blob: Blob) -> str:
        """Take the blob over; returns its reference. Raises: OutOfRoom, and the blob stays the caller's."""
        ...

    def settled(self, ref: str) -> None:
        """The ledger names it now, or never will: it is not kept for its own sake any more."""
        ...

    async def open(self, ref: str) -> Blob | None:
        """The blob, held until its `release`; None when it is gone."""
        ...

    def link(self, ref: str, expires: int) -> str:
        """Path and query of a signed link, valid until `expires` (wall time, seconds)."""
        ...

    def check(self, ref: str, expires: str, signature: str) -> bool:
        """True for a link of ours that has not expired."""
        ...

    async def keep(self, ref: str) -> None:
        """Nobody waits for it now: keep it for the whole retention, out of memory."""
        ...

    def spare(self, ref: str) -> None:
        """Delivered: keep it for a resend only while nobody needs the room."""
        ...
