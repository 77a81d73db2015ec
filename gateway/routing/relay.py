"""A relay in a rule or list: under which name it gets the request's model, if at all."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.paths import NAMING_MODELS
from gateway.domain.target import RelayTarget, Terms
from gateway.routing.facts import Facts, Family, Kind
from gateway.routing.offer import RelayOffer
from gateway.routing.option import Company, Skipped


@dataclass(frozen=True, slots=True)
class RelayOption:
    """`model`: in a rule it is sent whatever the client named, in a list where the client's word says nothing here."""

    offer: RelayOffer
    terms: Terms
    company: Company
    model: str | None = None
    weight: float | None = None

    @property
    def kinds(self) -> frozenset[Kind | None]:
        """What it can serve at all."""
        return frozenset((*Kind, None))

    @property
    def _meant(self) -> str | None:
        """The model of the configuration by the name that is sent."""
        return self.model and self.offer.names.get(self.model, self.model)

    @property
    def _forced(self) -> str | None:
        """What is sent whatever the client named."""
        return self.offer.image_model if self.company.listed else self._meant or self.offer.image_model

    @property
    def rewrites(self) -> bool:
        """True when a request for pictures may be changed, and has to be read for that."""
        renamed = any(name != sent for name, sent in self.offer.names.items())
        said = self.terms.defaults or self.terms.overrides or self.terms.pins
        return bool(renamed or said or self.model or self.offer.image_model or self.offer.fallback)

    def knows(self, model: str | None) -> bool:
        """True when the client's word is one that the platform is known for."""
        return model in self.offer.names

    def usable(self, facts: Facts) -> tuple[str, ...]:
        """The names that this caller may ask for, as far as they are known."""
        return tuple(name for name, sent in self.offer.names.items() if self.offer.allows(facts.caller, sent))

    def _target(self, sent: str | None) -> RelayTarget:
        return RelayTarget(self.offer.platform, sent, self.terms)

    def _plain(self) -> RelayTarget:
        """The request as it is: what a rule says about fields is about pictures."""
        return RelayTarget(self.offer.platform, None, Terms(rule=self.terms.rule))

    def reach(self, facts: Facts) -> tuple[RelayTarget, ...]:
        """Everything that `serve` may answer, whatever the body says. Empty when the caller may use none of it."""
        if facts.kind is None:
            return (self._plain(),)
        names = (self._forced,) if self._forced else (self._meant, self.offer.fallback, *self.offer.names.values())
        sent = dict.fromkeys(name for name in names if name and self.offer.allows(facts.caller, name))
        unchanged = () if self._forced else (self._target(None),)
        return (*unchanged, *map(self._target, sent))

    def serve(self, facts: Facts, family: Family | None) -> RelayTarget | Skipped:
        """Once the body is read: the target, or why there is none. `family` is what the client prefers."""
        offer, word = self.offer, facts.model
        sent = None if facts.kind is None else self._sent(word)
        if facts.kind is not None and sent is None and (why := self._unsure(word, family)):
            return Skipped(offer.platform, why)
        if facts.kind is not None and sent is None and word is None and facts.caller.models:
            # Nobody here knows what the platform would take by itself, so that no key could be held against it.
            allowed = (name for name in offer.names.values() if offer.allows(facts.caller, name))
            if (sent := next(allowed, None)) is None:
                return Skipped(offer.platform, "none of its models is allowed", forbidden=True)
        if word is None and facts.caller.models and facts.path in NAMING_MODELS and sent is None:
            # Left out, it may stand in something that was stored there.
            return Skipped(offer.platform, "is not told which model is meant", forbidden=True)
        used = sent or word
        if used is not None and not offer.allows(facts.caller, used):
            return Skipped(offer.platform, f"{used[:64]} is not allowed", forbidden=True)
        return self._plain() if facts.kind is None else self._target(sent)

    def _sent(self, word: str | None) -> str | None:
        """The model's name there, when the configuration knows it; None leaves the request as it is."""
        if known := self._forced or self.offer.names.get(word or ""):
            return known
        foreign = self.company.behind_job if word is None else self.company.is_flux(word)
        if foreign and self.offer.fallback:
            return self.offer.fallback
        return self._meant if foreign or word is None else None

    def _unsure(self, word: str | None, family: Family | None) -> str:
        """Why it gets no request whose model is left as it is; a relay that stands alone gets everything."""
        company = self.company
        if company.several and word in company.job_names:
            return "is not told which model to use instead"
        if company.listed and word in company.rivals:
            return "is not known for it"
        if company.listed and company.behind_job and word is None and family is not Family.OPENAI:
            return "is not told which model to use without one"
        return ""
