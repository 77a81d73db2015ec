"""What every submission works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gateway.domain.blob import Blob
from gateway.domain.outcome import Ticket
from gateway.domain.size import Pixels
from gateway.jobs.breakers import Breakers
from gateway.jobs.clock import Clock
from gateway.jobs.fit import as_made
from gateway.jobs.hints import Hints
from gateway.jobs.pace import Pace
from gateway.jobs.queue import Queue
from gateway.platforms.contract import Platform
from gateway.stores.contract import Ledger, Limits, Results
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.download import Download
from gateway.upstream.session import Answered, NotSent, Sent, Session
from gateway.wire.call import Call

log = structlog.get_logger("gateway.jobs")

# Statuses that say to a poll that the key is refused. What a submission is told is the platform's to read.
REFUSED = ("401", "402", "403")


async def _at_once() -> None:
    """Nobody else is in the way."""


@dataclass(frozen=True, slots=True)
class Tools:
    """
    Made once. `chance` is 0 ≤ x < 1; `paces` finds the pace of a platform's model; `present` finds the platform that
    stands now where one of an earlier configuration stood; `doubt` is told of an account that seems to be empty or
    refused; `able` raises the reason why nothing new can be remembered; `turn` is awaited before each poll, so that
    many which are due at once do not hold the loop; `fit` brings a picture to a size, or leaves it as it is. Whoever
    waits is told when the vendor has said nothing for `unanswered_within_s`.
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
    unanswered_within_s: float
    hints: Hints
    present: Callable[[Platform], Platform] = lambda platform: platform
    doubt: Callable[[str], None] = lambda _account: None
    able: Callable[[], None] = lambda: None
    turn: Callable[[], Awaitable[object]] = _at_once
    fit: Callable[[Blob, Pixels], Awaitable[Blob]] = as_made

    def jitter(self, longest_s: float) -> float:
        """Between half of `longest_s` and all of it."""
        return longest_s * (0.5 + 0.5 * self.chance())

    async def ask(self, platform: Platform, ticket: Ticket) -> Sent:
        """One question after a task."""
        await self.turn()
        return await self.send(platform, platform.poll(ticket))

    async def send(self, platform: Platform, call: Call) -> Sent:
        """Send a call with the credentials that its account has now: they are the account's, not the job's."""
        present = self.present(platform)
        if present is not platform:
            call = present.authorize(call) or call
        sent = await self.session.send(call)
        self.heard(platform, call.name, sent)
        return sent

    def heard(self, platform: Platform, call: str, sent: Sent) -> None:
        status = str(sent.answer.status) if isinstance(sent, Answered) else "0"
        self.metrics.upstream_responses(platform.name, call, status).inc()
        if call == "poll" and status in REFUSED:
            self.doubt(platform.account)
        if call == "submit" and not isinstance(sent, Answered):
            proof = sent.proof if isinstance(sent, NotSent) else "nothing"
            self.metrics.submissions_unanswered(platform.name, proof).inc()
            log.warning("submission not answered", platform=platform.name, proof=proof, detail=sent.why)
