"""What a handler finds on a request; the chain puts it there."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from gateway.domain.errors import GatewayError, Moderated
from gateway.domain.target import Target


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `id` is a metric-safe name from the configuration, never the key."""

    id: str


@dataclass(slots=True)
class Story:
    """
    What is learned of one request on its way, for the access line, the metrics and `Server-Timing`.

    `steps` are seconds by step word; `outcome` is `ok`, `moderated`, `client_gone` or an error's code; `job` is the id
    of the job that was worked or joined, `replayed` when it had ended before; `facts` are further log fields.
    """

    id: str
    route: str = "unmatched"
    platform: str = "-"
    model: str = "-"
    outcome: str = "ok"
    job: str | None = None
    replayed: bool = False
    steps: dict[str, float] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    def fail(self, fault: GatewayError) -> None:
        """What the client is told instead of a picture."""
        self.outcome = "moderated" if isinstance(fault, Moderated) else fault.code
        self.facts |= {"paid": fault.paid.value, "param": fault.param, "detail": fault.detail}
        if isinstance(fault, Moderated):
            self.facts |= {"moderation_stage": fault.stage, "categories": list(fault.categories)}


STORY = web.RequestKey("story", Story)
CALLER = web.RequestKey("caller", Caller)
CANDIDATES = web.RequestKey("candidates", tuple[Target, ...])
