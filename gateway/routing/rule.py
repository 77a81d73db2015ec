"""One rule, compiled at load."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.routing.facts import Facts
from gateway.routing.job import JobOption
from gateway.routing.match import Match
from gateway.routing.relay import RelayOption

Option = JobOption | RelayOption


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the operator's; without a name it stands for a route's list, which takes what no rule matches."""

    name: str
    match: Match
    options: tuple[Option, ...]

    def why_body(self, facts: Facts) -> str:
        """Why its choice depends on the body, or can only be carried out with the body in hand; empty when neither."""
        relays = [option for option in self.options if isinstance(option, RelayOption)]
        if len(relays) < len(self.options):
            return "a translated request has to be read"
        if len(relays) > 1:
            return "it may be needed for a second platform"
        if relays and facts.caller.models:
            return "the key allows certain models"
        if facts.kind is None or not relays:
            return ""
        if relays[0].rewrites:
            return "model or fields may be changed"
        if facts.caller.allowance.images is not None or facts.caller.allowance.megapixels is not None:
            return "the key allows a number of pictures"
        return ""
