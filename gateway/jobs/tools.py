"""What every submission works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.domain.blob import Blob
from gateway.domain.outcome import Ticket
from gateway.domain.size import Pixels
from gateway.jobs.breaker import Breakers
from gateway.jobs.clock import Clock
from gateway.jobs.fit import as_made
from gateway.jobs.hints import Hints
from gateway.jobs.pace import Pace
from gateway.jobs.queue import Queue
from gateway.platforms.contract import Platform
from gateway.stores.contract import Ledger, Limits, Results
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.download import Download
from gateway.upstream.session import Answered, Sent, Session


@dataclass(frozen=True, slots=True)
class Tools:
    """
    Made once. `chance` is 0 ≤ x < 1; `paces` finds the pace of a platform's model; `empty` is called when a platform
    says that an account has no credits left; `able` raises the reason why nothing new can be remembered; `fit` brings a
    picture to a size, or leaves it as it is.
    """

    session: Session
    download: Download
    queue: Queue
    breakers: Breakers
    ledger: Ledger
    limits: Limits
    results: Results
    metrics: Catalogue
    clock: Clock
    chance: Callable[[], float]
    paces: Callable[[Platform, str], Pace]
    job_max_age_s: float
    hints: Hints
    empty: Callable[[], None] = lambda: None
    able: Callable[[], None] = lambda: None
    fit: Callable[[Blob, Pixels], Awaitable[Blob]] = as_made

    def jitter(self, longest_s: float) -> float:
        """Between half of `longest_s` and all of it."""
        return longest_s * (0.5 + 0.5 * self.chance())

    async def ask(self, platform: Platform, ticket: Ticket) -> Sent:
        """One question after a task."""
        sent = await self.session.send(platform.poll(ticket))
        self.heard(platform, "poll", sent)
        return sent

    def heard(self, platform: Platform, call: str, sent: Sent) -> None:
        status = str(sent.answer.status) if isinstance(sent, Answered) else "0"
        self.metrics.upstream_responses(platform.name, call, status).inc()
