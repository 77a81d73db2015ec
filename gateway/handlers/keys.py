"""What a handler finds on a request; the chain puts it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from gateway.domain.caller import Caller
from gateway.domain.errors import GatewayError, LimitReached, Moderated
from gateway.domain.notes import Note
from gateway.domain.target import Target
from gateway.domain.window import Window
from gateway.handlers.settings import UploadSettings
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi
from gateway.routing.rules import Facts, Rules


@dataclass(slots=True)
class Story:
    """
    What is learned of one request on its way, for the access line, the metrics and `Server-Timing`.

    `steps` are seconds by step word; `outcome` is `ok`, `moderated`, `client_gone` or an error's code; `job` is the id
    of the job that was worked or joined, `replayed` when it had ended before; `facts` are further log fields.
    `attempts` are the targets so far, each failed one with its code, and each that cannot serve a field with that field
    as well; `notes` what became of a relayed request's fields.
    `windows` tells how the caller's limits stand that the request has touched. `fingerprint` is known once the request
    was read; `again` is then true for a repetition of one that may have lost its answer. `joined` is why the request
    got a job that was there, see `JobHandle`.
    """

    id: str
    route: str = "unmatched"
    platform: str = "-"
    model: str = "-"
    outcome: str = "ok"
    job: str | None = None
    joined: str | None = None
    replayed: bool = False
    steps: dict[str, float] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    notes: tuple[Note, ...] = ()
    fingerprint: str | None = None
    again: bool = False

    @property
    def target(self) -> str:
        """Platform and model, as answers name them."""
        return self.platform if self.model == "-" else f"{self.platform}/{self.model}"

    def fail(self, fault: GatewayError) -> None:
        """What the client is told instead of a picture."""
        self.outcome = "moderated" if isinstance(fault, Moderated) else fault.code
        self.facts |= {"paid": fault.paid.value, "param": fault.param, "detail": fault.detail}
        if isinstance(fault, LimitReached):
            self.windows |= fault.windows
        if isinstance(fault, Moderated):
            self.facts |= {"moderation_stage": fault.stage, "categories": list(fault.categories)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The part of the configuration that a reload may replace, as handlers need it. A request keeps the one it came with.

    `platforms` and `relays` by the operator's own ids; `public_url` is where clients reach the gateway.
    """

    rules: Rules
    platforms: Mapping[str, Platform]
    relays: Mapping[str, OpenAi]
    uploads: UploadSettings
    answer_within_s: float
    collect_within_s: float
    patience_s: float
    moderation_code: str
    public_url: str | None


SNAPSHOT = web.RequestKey("snapshot", Snapshot)
STORY = web.RequestKey("story", Story)
CALLER = web.RequestKey("caller", Caller)
FACTS = web.RequestKey("facts", Facts)
CANDIDATES = web.RequestKey("candidates", tuple[Target, ...])
