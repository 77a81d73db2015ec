"""The ledger in memory: right as long as the process lives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.errors import GatewayError
from gateway.domain.outcome import Ticket
from gateway.stores.records import OPEN, Conflict, Found, JobRecord, Made, Row, State


@dataclass(slots=True)
class _Entry:
    job: JobRecord
    changed: float
    rows: dict[int, Row] = field(default_factory=dict)

    def found(self, now: float) -> Found:
        return Found(self.job, dict(self.rows), now - self.changed)


class MemoryLedger:
    """
    Implements `Ledger`. `now` is monotonic, in seconds: a clock that is set must not make jobs older.

    What was delivered to a client without a key is kept for `spare_s` seconds only, as memory is dear.
    """

    def __init__(self, now: Callable[[], float], spare_s: float) -> None:
        self._now, self._spare_s = now, spare_s
        self._jobs: dict[str, _Entry] = {}
        self._index: dict[tuple[str, str], dict[str, None]] = {}

    async def intent(self, job: JobRecord, index: int, owner: int) -> None:
        if (entry := self._jobs.get(job.id)) is None:
            entry = self._jobs[job.id] = _Entry(job, self._now())
            for place in _places(job):
                self._index.setdefault(place, {})[job.id] = None
        if index in entry.rows:
            raise Conflict(f"{job.id}/{index} has been intended before")
        if any(row.owner != owner for row in entry.rows.values()):
            raise Conflict(f"{job.id} belongs to another owner than {owner}")
        entry.rows[index] = Row(State.INTENT, owner)
        entry.changed = self._now()

    async def submitted(self, job: str, index: int, owner: int, ticket: Ticket) -> None:
        self._move(job, index, owner, {State.INTENT, State.UNKNOWN}, State.SUBMITTED, ticket=ticket)

    async def parked(self, job: str, index: int, owner: int) -> None:
        self._move(job, index, owner, {State.SUBMITTED}, State.PARKED)

    async def ready(self, job: str, index: int, owner: int) -> None:
        self._move(job, index, owner, {State.SUBMITTED, State.PARKED, State.READY, State.INTENT}, State.READY)

    async def stored(self, job: str, index: int, owner: int, made: Made) -> None:
        self._move(job, index, owner, {State.READY}, State.STORED, made=made)

    async def failed(self, job: str, index: int, owner: int, state: State, error: GatewayError) -> None:
        self._move(job, index, owner, OPEN, state, error=error)

    async def delivered(self, job: str) -> None:
        if (entry := self._jobs.get(job)) is None:  # nothing of it was ever intended, or it is forgotten
            return
        for index, row in entry.rows.items():
            if row.state is State.STORED:
                entry.rows[index] = replace(row, state=State.DELIVERED)
        entry.changed = self._now()

    async def adopt(self, job: str, owner: int) -> Found:
        entry = self._jobs[job]
        for index, row in entry.rows.items():
            if row.owner >= owner:
                raise Conflict(f"{job}/{index} belongs to owner {row.owner}")
        entry.rows = {index: replace(row, owner=owner) for index, row in entry.rows.items()}
        return entry.found(self._now())

    async def find(self, caller: str, *, fingerprint: str | None = None, key: str | None = None) -> tuple[Found, ...]:
        place = (caller, f"key {key}" if key is not None else f"content {fingerprint}")
        return tuple(self._jobs[id].found(self._now()) for id in reversed(self._index.get(place, {})))

    async def count(self) -> Mapping[State, int]:
        return Counter(row.state for entry in self._jobs.values() for row in entry.rows.values())

    async def get(self, job: str) -> Found | None:
        return self._jobs[job].found(self._now()) if job in self._jobs else None

    async def unfinished(self) -> tuple[Found, ...]:
        every = (entry.found(self._now()) for entry in self._jobs.values())
        return tuple(found for found in every if found.open)

    async def prune(self, keep: Callable[[str], bool], retention_s: float) -> None:
        every = [entry.found(self._now()) for entry in self._jobs.values()]
        for found in every:
            if not found.open and found.age > self._lasts_s(found, retention_s) and not keep(found.job.id):
                del self._jobs[found.job.id]
                for place in _places(found.job):
                    del self._index[place][found.job.id]
                    if not self._index[place]:
                        del self._index[place]

    def _lasts_s(self, found: Found, retention_s: float) -> float:
        if found.unpaid:
            return 0.0
        return self._spare_s if found.job.key is None and found.delivered else retention_s

    def _move(
        self,
        job: str,
        index: int,
        owner: int,
        before: set[State] | frozenset[State],
        after: State,
        *,
        ticket: Ticket | None = None,
        made: Made | None = None,
        error: GatewayError | None = None,
    ) -> None:
        entry = self._jobs[job]
        row = entry.rows[index]
        if row.state not in before or row.owner != owner:
            raise Conflict(f"{job}/{index} is {row.state} of owner {row.owner}: not to {after} by {owner}")
        # An error belongs to the end that it caused: a lost answer that was found again leaves none behind.
        entry.rows[index] = Row(after, owner, ticket or row.ticket, made or row.made, error)
        entry.changed = self._now()


def _places(job: JobRecord) -> tuple[tuple[str, str], ...]:
    content = (job.caller, f"content {job.fingerprint}")
    return (content,) if job.key is None else (content, (job.caller, f"key {job.key}"))
