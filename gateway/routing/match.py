"""What a rule asks of a request, compiled at load: one condition for each key of `match`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Protocol

from gateway.routing.compare import Comparison
from gateway.routing.facts import Facts, Kind
from gateway.routing.possible import matching_kinds
from gateway.routing.settings import MatchSettings


class Verdict(Enum):
    """Whether a rule matches; OPEN while that depends on a body which has not been read."""

    YES = "yes"
    OPEN = "open"
    NO = "no"


class Condition(Protocol):
    """One key of `match` and what it asks. `from_body` is True when path, caller and headers do not tell."""

    @property
    def key(self) -> str: ...
    @property
    def from_body(self) -> bool: ...
    def holds(self, facts: Facts) -> bool: ...
    def covers(self, other: Condition) -> bool:
        """True when this one surely holds wherever the other, of the same key, does."""
        ...

    def unmet(self, facts: Facts) -> str:
        """What was found instead of what is asked, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A word that one of the patterns has to match: `path`, `model`, `caller`, or `header NAME`."""

    key: str
    globs: tuple[str, ...]

    @property
    def from_body(self) -> bool:
        return self.key == "model"

    def _words(self, facts: Facts) -> tuple[str, ...]:
        match self.key.partition(" "):
            case ("path", _, _):
                return (facts.path,)
            case ("model", _, _):
                return () if facts.model is None else (facts.model,)
            case ("caller", _, _):
                return (facts.caller.id,)
            case (_, _, header):
                return facts.header(header)

    def holds(self, facts: Facts) -> bool:
        return any(fnmatchcase(word, glob) for word in self._words(facts) for glob in self.globs)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, Named) and all(
            any(_covers(mine, theirs) for mine in self.globs) for theirs in other.globs
        )

    def unmet(self, facts: Facts) -> str:
        words = ", ".join(repr(word[:64]) for word in self._words(facts))
        return f"{self.key} is {words or 'absent'}, not {' or '.join(self.globs)}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A number in a range: `images`, `n` or `pixels`."""

    key: str
    wanted: Comparison
    written: str
    from_body: bool = True

    def _number(self, facts: Facts) -> int:
        return {"images": facts.images, "n": facts.n, "pixels": facts.pixels}[self.key]

    def holds(self, facts: Facts) -> bool:
        return self.wanted.holds(self._number(facts))

    def covers(self, other: Condition) -> bool:
        return isinstance(other, Measured) and self.wanted.covers(other.wanted)

    def unmet(self, facts: Facts) -> str:
        return f"{self.key} is {self._number(facts)}, not {self.written}"


@dataclass(frozen=True, slots=True)
class Masked:
    """Whether a mask came."""

    wanted: bool
    key: str = "mask"
    from_body: bool = True

    def holds(self, facts: Facts) -> bool:
        return facts.mask is self.wanted

    def covers(self, other: Condition) -> bool:
        return self == other

    def unmet(self, facts: Facts) -> str:
        return "a mask came" if facts.mask else "no mask came"


@dataclass(frozen=True, slots=True)
class Able:
    """What the rule is for, as far as its targets can do it; None among the kinds is everything that is relayed."""

    kinds: frozenset[Kind | None]
    key: str = "kind"
    from_body: bool = False

    def holds(self, facts: Facts) -> bool:
        return facts.kind in self.kinds

    def covers(self, other: Condition) -> bool:
        return isinstance(other, Able) and self.kinds >= other.kinds

    def unmet(self, facts: Facts) -> str:
        served = ", ".join(sorted(f"{kind}s" if kind else "relayed paths" for kind in self.kinds))
        return f"it is for {served or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions that all have to hold."""

    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, settings: MatchSettings, able: frozenset[Kind | None]) -> Match:
        """`able` is what the rule's targets can do."""
        return cls((Able(able & matching_kinds(settings)), *_conditions(settings)))

    def verdict(self, facts: Facts) -> Verdict:
        """OPEN only as long as the body was not read."""
        undecided = False
        for condition in self.conditions:
            if condition.from_body and not facts.read:
                undecided = True
            elif not condition.holds(facts):
                return Verdict.NO
        return Verdict.OPEN if undecided else Verdict.YES

    @property
    def front(self) -> Match:
        """What of it path, caller and headers answer."""
        return Match(tuple(condition for condition in self.conditions if not condition.from_body))

    def unmet(self, facts: Facts) -> tuple[str, ...]:
        """Why it does not match, a text for each condition that does not hold."""
        known = (condition for condition in self.conditions if facts.read or not condition.from_body)
        return tuple(condition.unmet(facts) for condition in known if not condition.holds(facts))

    def from_body(self) -> tuple[str, ...]:
        """The keys that only the body answers."""
        return tuple(condition.key for condition in self.conditions if condition.from_body)

    def covers(self, other: Match) -> bool:
        """True when this surely matches every request that the other does; False may mean that nobody can tell."""
        return all(
            any(mine.covers(theirs) for theirs in other.conditions if theirs.key.lower() == mine.key.lower())
            for mine in self.conditions
        )


def _conditions(settings: MatchSettings) -> Iterator[Condition]:
    named = (("path", settings.path), ("caller", settings.caller))
    yield from (Named(key, globs) for key, globs in named if globs)
    yield from (Named(f"header {name}", (glob,)) for name, glob in settings.header.items())
    if settings.model:
        yield Named("model", settings.model)
    for key, written in (("images", settings.images), ("n", settings.n), ("pixels", settings.pixels)):
        if written is not None:
            yield Measured(key, Comparison.read(written, megapixels=key == "pixels"), written)
    if settings.mask is not None:
        yield Masked(settings.mask)


def _covers(glob: str, other: str) -> bool:
    """Every word that `other` matches, `glob` matches too; told for patterns of letters and `*` only, else False."""
    if glob in ("*", other):
        return True
    return not set(glob) & set("?[") and "[" not in other and fnmatchcase(other, glob)
