"""What a rule can be about, judged by what it asks; and what it asks in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from gateway.routing.compare import Comparison
from gateway.routing.facts import PATHS, Kind
from gateway.routing.settings import MatchSettings

_ROOT = "/v1/"
_SPECIAL = re.compile(r"[*?[].*", re.DOTALL)

# What a request of each kind can come with. The size of a picture that is only linked to counts as 0.
_ANY, _NONE, _SOME = Comparison(0, None), Comparison(0, 0), Comparison(1, None)
_COMES_WITH = {
    Kind.EDIT: {"images": _SOME, "n": _SOME, "pixels": _ANY},
    Kind.GENERATION: {"images": _NONE, "n": _SOME, "pixels": _NONE},
}


def possible_kinds(settings: MatchSettings) -> frozenset[Kind | None]:
    """What a rule can be about, judged by its `kind` and `path`; None is everything that is only relayed."""
    kinds = frozenset(
        kind
        for kind, path in PATHS.items()
        if settings.kind in (None, kind)
        and (not settings.path or any(fnmatchcase(path, glob) for glob in settings.path))
    )
    exact = settings.path and all(glob in PATHS.values() for glob in settings.path)
    return kinds if settings.kind or exact else kinds | {None}


def asked_in_vain(settings: MatchSettings) -> Iterator[tuple[str, str]]:
    """The keys because of which no request can match, each with the reason."""
    if settings.path and not any(map(_leads_below_root, settings.path)):
        yield "path", f"can never match: every path begins with {_ROOT}"
        return
    kinds = possible_kinds(settings)
    if not kinds:
        yield "kind", f"can never match: {settings.kind}s have the path {PATHS[settings.kind or Kind.EDIT]}"
    for key in ("images", "n", "pixels"):
        written = getattr(settings, key)
        if written is None or not kinds:
            continue
        wanted = Comparison.read(written, megapixels=True)
        if kinds == {None}:
            yield key, "is told of requests for pictures only; what this rule is for is relayed unread"
        elif not any(wanted.meets(_COMES_WITH[kind][key]) for kind in kinds if kind is not None):
            yield key, f"can never match: nothing comes with {key} {written}"
    if settings.mask is not None and kinds == {None}:
        yield "mask", "is told of requests for pictures only; what this rule is for is relayed unread"
    if settings.mask and kinds == {Kind.GENERATION}:
        yield "mask", "can never match: a mask comes with edits only"


def _leads_below_root(glob: str) -> bool:
    literal = _SPECIAL.sub("", glob)
    return literal.startswith(_ROOT) or (literal != glob and _ROOT.startswith(literal))
