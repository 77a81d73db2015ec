"""What one waiter holds of a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from gateway.domain.window import Window
from gateway.jobs.job import Job


class Owner(Protocol):
    """Whose the job is: the supervisor."""

    def own(self, work: Coroutine[Any, Any, None]) -> Awaitable[None]: ...
    async def delivered(self, job: Job) -> None: ...
    async def abandoned(self, job: Job) -> None: ...


class JobHandle:
    """
    One waiter's hold on a job. `joined` tells how it came to an existing one: `key`, `resend`, `orphan`, or None;
    `windows` how the caller's limits stand that a new one has touched.
    """

    def __init__(
        self,
        owner: Owner,
        job: Job,
        joined: str | None,
        windows: Mapping[str, Window] = MappingProxyType({}),
    ) -> None:
        self._owner, self.job, self.joined, self.windows = owner, job, joined, windows
        self._held = True
        self.replayed = joined is not None and job.finished
        job.join()

    def delivered(self) -> Awaitable[None]:
        """The answer has been written completely. What follows is the supervisor's: the handler may end at once."""
        return self._let_go(self._owner.delivered)

    def abandon(self) -> Awaitable[None]:
        """Nobody waits here any more. Ends the job only if no money can have been spent."""
        return self._let_go(self._owner.abandoned)

    def _let_go(self, then: Callable[[Job], Coroutine[Any, Any, None]]) -> Awaitable[None]:
        held, self._held = self._held, False
        return self._owner.own(then(self.job) if held else _nothing())


async def _nothing() -> None:
    """What is left to do for a waiter that has let go before."""
