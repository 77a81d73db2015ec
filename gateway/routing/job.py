"""A job platform in a rule or list: which of its models a request means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gateway.domain.target import JobTarget, Terms
from gateway.routing.facts import Facts, Family, Kind
from gateway.routing.offer import JobOffer, Menu
from gateway.routing.option import OPENAI_NAMES, Company, Skipped, matches


@dataclass(frozen=True)
class JobOption:
    """`model`: in a rule it is used whatever the client named, in a list it is the default."""

    offer: JobOffer
    terms: Terms
    company: Company
    model: str | None = None
    weight: float | None = None

    @cached_property
    def kinds(self) -> frozenset[Kind | None]:
        """What it can serve at all."""
        return frozenset(kind for kind, menu in self.offer.menus.items() if self._fixed in (None, *menu.names))

    @property
    def _fixed(self) -> str | None:
        return None if self.company.listed else self.model

    def _menu(self, facts: Facts) -> Menu | None:
        return self.offer.menus.get(facts.kind) if facts.kind in self.kinds and facts.kind else None

    def _models(self, menu: Menu) -> tuple[str, ...]:
        """What may be used: the one of the rule, else every model, the default first."""
        if self._fixed is not None:
            return (menu.names[self._fixed],)
        return (menu.names.get(self.model or "", menu.default), *menu.names.values())

    def _allowed(self, facts: Facts, models: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(model for model in models if self.offer.allows(facts.caller, model)))

    def knows(self, model: str | None) -> bool:
        """True when the client's word is one of the platform's names."""
        return model in self.offer.names

    def usable(self, facts: Facts) -> tuple[str, ...]:
        """The names that this caller may ask for."""
        menu = self._menu(facts)
        return tuple(name for name, model in menu.names.items() if self._allowed(facts, [model])) if menu else ()

    def reach(self, facts: Facts) -> tuple[JobTarget, ...]:
        """Everything that `serve` may answer, whatever the body says. Empty when the caller may use none of it."""
        menu = self._menu(facts)
        models = self._allowed(facts, self._models(menu)) if menu else ()
        return tuple(JobTarget(self.offer.platform, model, self.terms) for model in models)

    def serve(self, facts: Facts, family: Family | None) -> JobTarget | Skipped:
        """Once the body is read: the target, or why there is none. `family` is what the client prefers."""
        platform, menu, word = self.offer.platform, self._menu(facts), facts.model
        if menu is None:
            return Skipped(platform, f"has no {self._fixed or 'model'} for {facts.kind or 'relaying'}")
        wanted = self._models(menu)
        if self._fixed is None and word in menu.names:
            wanted = (menu.names[str(word)],)
        elif self._fixed is None and word is not None and not self._means_default(word, family):
            return Skipped(platform, f"has it not for {facts.kind}" if self.knows(word) else "has no such model")
        # Without a name any model will do that the key allows, the default first.
        if not (allowed := self._allowed(facts, wanted)):
            return Skipped(platform, f"{wanted[0]} is not allowed", forbidden=True)
        return JobTarget(platform, allowed[0], self.terms)

    def _means_default(self, word: str, family: Family | None) -> bool:
        """Whether a name that applications have built in means this platform; among several nobody can say."""
        meant = not self.company.listed or self.company.platforms == 1 or family is Family.FLUX
        return self.company.openai_names and meant and matches(word, OPENAI_NAMES)
