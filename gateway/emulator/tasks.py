"""Tasks and their timeline: what a task is, when it ends, how many may be unfinished at once."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.emulator.faults import Armed
from gateway.emulator.inputs import BadInput
from gateway.emulator.models import Model


@dataclass(frozen=True, slots=True)
class Charge:
    """Credits, and megapixels in and out; at submit all three are null for FLUX.1 and FLUX 3."""

    cost: float
    input_mp: float
    output_mp: float


@dataclass(frozen=True, slots=True)
class Ending:
    """A terminal status, the HTTP status it is answered with, and its `details`."""

    status: str
    http_status: int = 200
    details: dict[str, object] | None = None


@dataclass(slots=True, eq=False)
class Task:
    """
    One accepted submission.

    Args:
        fields: the body as sent, pictures replaced by their digest.
        started, ends: wall clock, seconds; `ends` is infinite for a task that never does.
        making: the picture being made, or failing with BadInput.
        planned: an ending chosen by a fault; None lets the picture decide.
        riding: faults that strike its polls and deliveries.
    """

    id: str
    model: Model
    account: str
    prompt: str
    seed: int
    output_format: str
    size: tuple[int, int]
    fields: dict[str, object]
    charge: Charge
    started: float
    ends: float
    making: asyncio.Future[bytes]
    planned: Ending | None = None
    riding: list[Armed] = field(default_factory=list)
    webhook: bool = False
    polls: int = 0
    downloads: int = 0

    def carries(self, name: str) -> Armed | None:
        """The fault of that name riding on this task."""
        return next((armed for armed in self.riding if armed.name == name), None)

    def waiting_word(self, now: float) -> tuple[str, float | None]:
        """Status and progress of a task that has not ended: FLUX.2 and later tell what they do."""
        share = (now - self.started) / (self.ends - self.started) if math.isfinite(self.ends) else 0.0
        if self.model.family > 1 and share > 1 / 3:
            return ("Reasoning" if share < 0.5 else "Generating"), None
        return "Pending", math.floor(share * 10) / 10 or None if self.model.progress else None

    async def ending(self) -> Ending:
        """How it ended; only to be asked at or after `ends`."""
        if self.planned:
            return self.planned
        try:
            await asyncio.shield(self.making)
        except BadInput as why:
            return Ending("Error", details={"error": str(why)})
        return Ending("Ready")

    def summary(self, now: float) -> dict[str, object]:
        """The task as JSON-ready data for the admin interface."""
        return {
            "id": self.id,
            "model": self.model.name,
            "account": self.account,
            "prompt": self.prompt,
            "seed": self.seed,
            "output_format": self.output_format,
            "size": list(self.size),
            "fields": self.fields,
            "cost": self.charge.cost,
            "active": now < self.ends,
            "polls": self.polls,
            "downloads": self.downloads,
            "faults": [armed.name for armed in self.riding],
        }


class Tasks:
    """Every task still remembered, and who is unfinished right now."""

    def __init__(self, *, retention_s: float) -> None:
        self._retention_s = retention_s
        self._by_id: dict[str, Task] = {}
        self._unfinished: set[Task] = set()

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._by_id.values()))

    def active(self, account: str, now: float) -> Counter[str]:
        """Unfinished tasks of an account, by model name."""
        self._unfinished = {task for task in self._unfinished if now < task.ends}
        return Counter(task.model.name for task in self._unfinished if task.account == account)

    def active_everywhere(self, now: float) -> Counter[str]:
        """Unfinished tasks of all accounts, by model name."""
        return Counter(task.model.name for task in self._unfinished if now < task.ends)

    def add(self, task: Task, now: float) -> None:
        """Remember a task; tasks past their retention are forgotten first, oldest first."""
        for old in list(self._by_id.values()):
            if now < old.ends + self._retention_s:
                break
            del self._by_id[old.id]
        self._by_id[task.id] = task
        self._unfinished.add(task)

    def find(self, task_id: str, now: float) -> Task | None:
        """The task of that id, unless it is unknown or its retention is over."""
        task = self._by_id.get(task_id)
        return task if task and now < task.ends + self._retention_s else None

    def reset(self) -> None:
        """Forget all of them."""
        for task in self._by_id.values():
            task.making.cancel()
        self._by_id.clear()
        self._unfinished.clear()
