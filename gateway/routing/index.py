"""Which of many matches a request can meet at all, found by how their patterns begin instead of by trying each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.routing.match import Match, Named

_SPECIAL = re.compile(r"[*?\[]")

Word = tuple[str, str]
"""The key of a condition in lower case, and what a request has for it."""


class _Head(NamedTuple):
    text: str
    whole: bool


class Index:
    """
    Matches by their positions. Each is filed under one of its patterned conditions, the one that is least common; what
    has none, or a pattern that may begin with anything, is a candidate for every request.
    """

    def __init__(self, matches: Sequence[Match]) -> None:
        self._heads: dict[str, _Heads] = defaultdict(_Heads)
        self._others: list[int] = []
        filed = [list(_fileable(match)) for match in matches]
        common = Counter((key, head) for conditions in filed for key, heads in conditions for head in heads)
        for position, conditions in enumerate(filed):
            if conditions:
                key, heads = min(conditions, key=lambda each: max(common[each[0], head] for head in each[1]))
                self._heads[key].add(heads, position)
            else:
                self._others.append(position)

    def candidates(self, words: Iterable[Word]) -> list[int]:
        """Ascending, all positions of matches that may hold for something with these words."""
        found = {position for key, word in words if key in self._heads for position in self._heads[key].beginning(word)}
        return sorted([*self._others, *found]) if found else self._others


class _Heads:
    """Positions by what a pattern begins with; a pattern without anything special is the whole word."""

    def __init__(self) -> None:
        self._positions: dict[_Head, list[int]] = defaultdict(list)
        self._lengths: tuple[int, ...] = ()

    def add(self, heads: Iterable[_Head], position: int) -> None:
        for head in heads:
            self._positions[head].append(position)
            if not head.whole and len(head.text) not in self._lengths:
                self._lengths = tuple(sorted((*self._lengths, len(head.text))))

    def beginning(self, word: str) -> Iterator[int]:
        yield from self._positions.get(_Head(word, True), ())
        for length in self._lengths:
            if length > len(word):
                return
            yield from self._positions.get(_Head(word[:length], False), ())


def _fileable(match: Match) -> Iterator[tuple[str, frozenset[_Head]]]:
    """Keys of conditions all of whose patterns begin with something, each with these beginnings."""
    for condition in match.conditions:
        if isinstance(condition, Named):
            heads = frozenset(map(_head, condition.globs))
            if all(head.text for head in heads):
                yield condition.key.lower(), heads


def _head(glob: str) -> _Head:
    text = _SPECIAL.split(glob, maxsplit=1)[0]
    return _Head(text, text == glob)


def words_asked(match: Match) -> Iterator[Word]:
    """For `candidates` that may cover this match: such a pattern begins as each of this one's do."""
    for condition in match.conditions:
        if isinstance(condition, Named):
            yield condition.key.lower(), condition.globs[0]
