"""What the three origins share: settings, truth, script, tasks, money, chance, and how a task begins."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.emulator.counts import Counts
from gateway.emulator.faults import Faults
from gateway.emulator.settings import EmulatorSettings
from gateway.emulator.signing import Signer
from gateway.emulator.tasks import Tasks

# Which of the three an application is: "api", "polling" or "delivery".
ORIGIN = web.AppKey("origin", str)

# Pictures made at the same time; more would only take the cores from whoever is being tested.
_AT_ONCE = 2


@dataclass(slots=True)
class Origins:
    """The three base URLs, known once the ports are bound."""

    api: str = ""
    polling: str = ""
    delivery: str = ""


class World:
    """One vendor's whole state; nothing in it outlives the emulator."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.tasks = Tasks(retention_s=settings.retention_s)
        self.origins = Origins()
        self.closing = asyncio.Event()
        self.workshop = asyncio.Semaphore(_AT_ONCE)
        self._chance = random.Random(settings.seed)
        self.faults = Faults(self._chance.random)
        self.revoked = set[str]()
        self.signer = Signer(self._chance.randbytes(32))
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._background: set[asyncio.Task[Any]] = set()
        self._key_pattern = re.compile(settings.key_pattern)

    @property
    def now(self) -> float:
        return self.settings.now()

    def truth(self) -> Counts:
        """The counts, with the number of unfinished tasks brought up to this moment."""
        self.counts.active = self.tasks.active_everywhere(self.now).total()
        return self.counts

    async def takes(self, seconds: float) -> None:
        """Wait as long as the vendor would, at the chosen speed."""
        if seconds / self.settings.speed > 0.0005:
            await self.settings.sleep(seconds / self.settings.speed)

    def task_time(self, model: str, median_s: float) -> float:
        """Seconds one task of this model takes: log-normal around its median, at the chosen speed."""
        median = self.settings.latency_s.get(model, median_s)
        return self._chance.lognormvariate(0, self.settings.latency_sigma) * median / self.settings.speed

    def new_id(self) -> str:
        """A random uuid4 in its text form."""
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def new_seed(self) -> int:
        """The seed of a request that asked for none: 32 bits, as observed in 2026."""
        return self._chance.getrandbits(32)

    def well_formed(self, key: str) -> bool:
        """Whether a key has the right format; says nothing about its validity."""
        return self._key_pattern.fullmatch(key) is not None

    def account_of(self, key: str) -> str:
        """The organisation a key belongs to."""
        return self.settings.accounts.get(key, "default")

    def credits_of(self, account: str) -> float:
        """What an account has left."""
        return self.settings.credits - self._spent[account]

    def set_credits(self, account: str, credits: float) -> None:
        """Let an account have so many left: a top-up, or a leak."""
        self._spent[account] = self.settings.credits - credits

    def charge(self, account: str, credits: float) -> None:
        """Take credits from an account."""
        self.counts.charged += credits
        self._spent[account] += credits

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something beside the answers; it is cancelled when the emulator closes."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def reset(self) -> None:
        """Back to the state after the start; the origins stay."""
        self.counts = Counts()
        self.faults.reset()
        self.tasks.reset()
        self._spent.clear()
        self.revoked.clear()

    async def close(self) -> None:
        """Let stalled answers go and end everything in the background."""
        self.closing.set()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # a picture that failed tells it to the poll, not to the log
