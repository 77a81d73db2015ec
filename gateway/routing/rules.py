"""What can be chosen from, and by what: the operator's rules and lists, compiled once at load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from gateway.domain.target import ConvertPolicy, MaskPolicy, OversizePolicy, Terms
from gateway.routing.facts import NOBODY, RELAYED, ROUTES, Facts, Kind
from gateway.routing.index import Index, words_asked
from gateway.routing.job import JobOption
from gateway.routing.match import Match, Verdict
from gateway.routing.offer import JobOffer, Offer, RelayOffer, job_names
from gateway.routing.option import Company
from gateway.routing.reach import Reach
from gateway.routing.relay import RelayOption
from gateway.routing.rule import Option, Rule
from gateway.routing.settings import RouteSettings, RuleSettings, TargetSettings, split_entry

__all__ = ["NOBODY", "Facts", "Option", "Rule", "Rules"]

EVERYTHING = Match(())


@dataclass(frozen=True)
class Rules:
    """`rules` in order, and the list of each route by its resource's name. A route that has no list has no targets."""

    lists: Mapping[str, Rule] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, settings: RouteSettings, offers: Mapping[str, Offer]) -> Rules:
        """
        `offers` by platform id. A route the settings leave out goes to the first relay, without one to the first
        platform that can serve it; every other path goes to the first relay.

        Raises: KeyError for a platform that has no offer; loading a configuration tells such things before.
        """
        build = _Builder(settings, offers)
        relay = tuple(name for name, offer in offers.items() if isinstance(offer, RelayOffer))[:1]
        named: dict[str, Sequence[str]] = {"images.edits": settings.edits, "images.generations": settings.generations}
        lists = {route: build.listed(named[route] or relay or build.able(kind)[:1]) for route, kind in ROUTES.items()}
        return cls(lists | {RELAYED: build.listed(relay)}, tuple(map(build.rule, settings.rules)))

    def applying(self, facts: Facts) -> Iterator[tuple[Rule, Verdict]]:
        """Those that match or may match, in order, up to the first that surely does; nothing on a path of our own."""
        if facts.route not in self.lists:
            return
        if not facts.read:
            yield from self.reach.applying(facts)
            return
        for position in self._index.candidates(facts.words()):
            if self.rules[position].match.verdict(facts) is Verdict.YES:
                yield self.rules[position], Verdict.YES
                return
        yield self.lists[facts.route], Verdict.YES

    @cached_property
    def reach(self) -> Reach:
        """What stands behind the choice before the body is read."""
        return Reach(self.lists, self.rules)

    @cached_property
    def _index(self) -> Index:
        return Index([rule.match for rule in self.rules])

    def covered(self) -> Iterator[tuple[int, Rule]]:
        """The positions of rules that can never match, each with the first rule before it that takes all of theirs."""
        for position, rule in enumerate(self.rules):
            for earlier in self._index.candidates(words_asked(rule.match)):
                if earlier >= position:
                    break
                if self.rules[earlier].match.covers(rule.match):
                    yield position, self.rules[earlier]
                    break

    def why_body(self, facts: Facts) -> str:
        """Why the body has to be read before a target can be chosen or used; empty when it can be streamed."""
        for rule, verdict in self.applying(replace(facts, read=False)):
            if verdict is Verdict.OPEN:
                return f"rule {rule.name} asks for {', '.join(rule.match.from_body())}"
            return rule.why_body(facts)
        return ""

    def needs_body(self, facts: Facts) -> bool:
        """False for what may be streamed to the first target without being held. Looks at path, caller and headers."""
        return bool(self.why_body(facts))


class _Builder:
    """Settings and offers on their way into rules."""

    def __init__(self, settings: RouteSettings, offers: Mapping[str, Offer]) -> None:
        self._settings, self._offers = settings, offers
        self._job_names = job_names(offers.values())

    def able(self, kind: Kind) -> tuple[str, ...]:
        """The job platforms that make this kind."""
        return tuple(
            name for name, offer in self._offers.items() if isinstance(offer, JobOffer) and kind in offer.menus
        )

    def listed(self, entries: Iterable[str]) -> Rule:
        targets = []
        for entry in entries:
            platform, model = split_entry(entry)
            targets.append(TargetSettings(platform=platform, model=model))
        return Rule("", EVERYTHING, self._options(targets, None))

    def rule(self, settings: RuleSettings) -> Rule:
        options = self._options(settings.to, settings)
        able = frozenset(kind for option in options for kind in option.kinds)
        return Rule(settings.name, Match.of(settings.match, able), options)

    def _options(self, targets: Sequence[TargetSettings], rule: RuleSettings | None) -> tuple[Option, ...]:
        offers = [self._offers[target.platform] for target in targets]
        company = Company(
            self._job_names,
            rivals=frozenset(name for offer in offers if isinstance(offer, RelayOffer) for name in offer.names),
            listed=rule is None,
            several=len(offers) > 1,
            openai_names=self._settings.openai_names,
            platforms=len({offer.platform for offer in offers}),
        )
        options: list[Option] = []
        for offer, target in zip(offers, targets, strict=True):
            terms = self._terms(offer, target, rule)
            if isinstance(offer, JobOffer):
                options.append(JobOption(offer, terms, company, target.model, target.weight))
                company = replace(company, behind_job=True)
            else:
                options.append(RelayOption(offer, terms, company, target.model, target.weight))
        return tuple(options)

    def _terms(self, offer: Offer, target: TargetSettings, rule: RuleSettings | None) -> Terms:
        mask: MaskPolicy = (rule and rule.mask) or self._settings.mask
        oversize: OversizePolicy = (rule and rule.oversize) or self._settings.oversize
        standing = offer.terms.defaults if isinstance(offer, JobOffer) else {}
        convert: ConvertPolicy = (rule and rule.convert) or self._settings.convert
        return Terms(
            {**standing, **target.defaults},
            target.overrides,
            target.pins,
            mask,
            oversize,
            convert,
            (rule and rule.size_policy) or self._settings.size_policy,
            rule=rule.name if rule else "",
        )
