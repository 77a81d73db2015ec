"""
A vendor's account in simulated time, and a crowd that drives the concurrency limit against it.

The vendor has a ceiling nobody told us, which others use as well and which may change; it may answer 429 to everything
for a while, hang, take submissions without saying so, or keep a task for ever. Nothing sleeps: events are on a heap.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from gateway.jobs.concurrency import ConcurrencyLimit


@dataclass
class Vendor:
    """
    `ceiling(t)`: tasks that our account may have at the time `t`. `refuses(t)`: everything is a 429. `hangs(t)`: what
    arrives is never answered. `lost`, `stuck`: shares of submissions whose answer gets lost, and of tasks that never
    end; `lost_taken` of the lost ones did become tasks. `counts_stuck`: stuck tasks take places.
    """

    ceiling: Callable[[float], int] = lambda _t: 24
    refuses: Callable[[float], bool] = lambda _t: False
    hangs: Callable[[float], bool] = lambda _t: False
    lost: float = 0.0
    lost_taken: float = 0.0
    stuck: float = 0.0
    counts_stuck: bool = True
    task_s: float = 5.0
    spread: float = 0.2
    rtt_s: float = 0.4


@dataclass
class Crowd:
    """
    Drives the limit as the queue does: as many as it lets go, at most `ceiling` that count. `waiting(t)`: whether
    anybody waits. Afterwards: `sent`, `refused` and `accepted` are times, `probes` how many were sent beyond the level,
    `use` the share of what the vendor would have let run that did run.
    """

    vendor: Vendor
    ceiling: int = 24
    waiting: Callable[[float], bool] = lambda _t: True
    seed: int = 1
    timeout_s: float = 45.0
    late_s: float = 12.0
    hold_share: float = 0.125
    now: float = 0.0
    alarm: float = 0.0
    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    probes: int = 0
    busy_s: float = 0.0
    room_s: float = 0.0

    def __post_init__(self) -> None:
        self.limit = ConcurrencyLimit(self.ceiling)
        self.dice = random.Random(self.seed)
        self.running = set[str]()
        self.counted = set[str]()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._names = count(), count()

    def later(self, after_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + after_s, next(self._order), work))

    def run(self, seconds: float, *, measured_from: float = 0.0) -> Crowd:
        """Up to that time; use is measured from `measured_from` on."""
        self._go()
        while self._events and self._events[0][0] <= seconds:
            at, _, work = heapq.heappop(self._events)
            if at > measured_from:
                passed = at - max(self.now, measured_from)
                allowed = min(self.ceiling, self.vendor.ceiling(self.now))
                self.busy_s += passed * min(allowed, len(self.running))
                self.room_s += passed * allowed
            self.now = at
            work()
            self._go()
        return self

    @property
    def use(self) -> float:
        return self.busy_s / self.room_s

    def first_after(self, at: float) -> float:
        """How long after the time `at` the first submission was accepted, in seconds."""
        return next((found - at for found in self.accepted if found > at), float("inf"))

    def _go(self) -> None:
        while self.waiting(self.now) and len(self.counted) < self.ceiling and self.limit.opens_at(self.now) <= self.now:
            self._send(str(next(self._names)))
        opens_at = self.limit.opens_at(self.now)
        if self.waiting(self.now) and len(self.counted) < self.ceiling and not self.now < self.alarm <= opens_at:
            self.alarm = max(opens_at, self.now + 0.01)
            self.later(self.alarm - self.now, lambda: None)

    def _send(self, name: str) -> None:
        self.probes += len(self.limit) >= self.limit.level
        self.limit.sent(name, self.now)
        self.counted.add(name)
        self.sent.append(self.now)
        self.later(self.vendor.rtt_s / 2 * self.dice.uniform(0.5, 1.5), lambda: self._arrives(name))

    def _arrives(self, name: str) -> None:
        vendor, home_s = self.vendor, self.vendor.rtt_s / 2
        if vendor.hangs(self.now):
            self.later(self.timeout_s, lambda: self._lost(name))
        elif vendor.refuses(self.now) or len(self.running) >= vendor.ceiling(self.now):
            self.later(home_s, lambda: self._no(name))
        elif self.dice.random() < vendor.lost:
            if self.dice.random() < vendor.lost_taken:
                self._begins(name)
            self.later(home_s, lambda: self._lost(name))
        else:
            stuck = self.dice.random() < vendor.stuck
            if not stuck or vendor.counts_stuck:
                self._begins(name, stuck=stuck)
            self.later(home_s, lambda: self._yes(name))
            if not stuck:
                self._ends_later(name)

    def _begins(self, name: str, *, stuck: bool = False) -> None:
        self.running.add(name)
        if not stuck:
            self.later(self._task_s(name), lambda: self.running.discard(name))

    def _ends_later(self, name: str) -> None:
        self.later(self._task_s(name) + 0.3, lambda: self._over(name))

    def _task_s(self, name: str) -> float:
        return self.vendor.task_s * random.Random(f"{self.seed} {name}").lognormvariate(0.0, self.vendor.spread)

    def _yes(self, name: str) -> None:
        self.accepted.append(self.now)
        self.limit.accepted(name, self.now)
        self.later(self.late_s, lambda: self._uncount(name))

    def _uncount(self, name: str) -> None:
        if name in self.counted:
            self.counted.discard(name)
            self.limit.uncounted(name)

    def _no(self, name: str) -> None:
        self.refused.append(self.now)
        self.counted.discard(name)
        self.limit.refused(name, self.now, None, self.dice.random())

    def _lost(self, name: str) -> None:
        self.limit.uncounted(name)
        holds = sum(1 for other in self.counted if other.startswith("lost "))
        self.counted.discard(name)
        if holds < int(self.ceiling * self.hold_share):
            self.counted.add(f"lost {name}")
        self.later(self.late_s, lambda: self._over(name))

    def _over(self, name: str) -> None:
        self.counted -= {name, f"lost {name}"}
        self.limit.ended(name)
