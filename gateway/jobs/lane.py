"""What the queue knows of one account."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.jobs.concurrency import ConcurrencyLimit
from gateway.jobs.line import Line, Waiter

# The share that everybody competes for; the others are called by their model.
ALL = ""


@dataclass(frozen=True, slots=True)
class Places:
    """
    For operators. How many submissions of the account run, have lost their answers, and are past their age; of how many
    tasks the vendor has said nothing of use for long; how many wait and since when, in seconds; how many at a time the
    vendor is expected to accept, and for how long it has refused all.
    """

    running: int
    unknown: int
    over_age: int
    silent: int
    waiting: int
    oldest_s: float
    allowed: int
    ceiling: int
    still_s: float

    def __str__(self) -> str:
        text = f"{self.running} of {self.ceiling} slots in use"
        if self.allowed < self.ceiling:
            text += f", {self.allowed} allowed after refusals"
        if self.unknown:
            text += f", {self.unknown} submissions without an answer"
        if self.over_age:
            text += f", {self.over_age} tasks past their age"
        if self.silent:
            text += f", {self.silent} tasks of which polls say nothing"
        if self.waiting:
            text += f", {self.waiting} waiting for up to {self.oldest_s:.0f} s"
        if self.still_s:
            text += f"; everything was refused with 429 for {self.still_s:.0f} s"
        return text


@dataclass(slots=True)
class Lane:
    """One account. Submissions are by id, with their models."""

    account: str
    ceiling: int
    line: Line
    limits: dict[str, ConcurrencyLimit]
    expected: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, Waiter] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    lost: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    over_age: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    keeping: Counter[str] = field(default_factory=Counter)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ages: list[tuple[float, str]] = field(default_factory=list)
    freed: deque[str] = field(default_factory=deque)
    stirred: bool = False
    serving: asyncio.Task[None] | None = None
    alarm: tuple[float, asyncio.Task[None]] | None = None

    def shares(self, model: str) -> Iterator[ConcurrencyLimit]:
        """What bounds a submission of the model: its own limit, where it has one, and the account's."""
        if model in self.limits:
            yield self.limits[model]
        yield self.limits[ALL]

    def places(self, now: float) -> Places:
        over_age = len(self.over_age) + sum(at <= now and name in self.running for at, name in tuple(self.ages))
        return Places(
            len(self.running) + len(self.over_age) - over_age,
            len(self.unknown),
            over_age,
            len(self.silent),
            len(self.line),
            now - min((self.since.get(name, now) for name in tuple(self.waiting)), default=now),
            self.limits[ALL].expected(now),
            self.ceiling,
            self.limits[ALL].still_s(now),
        )
