"""One entry of a rule's `to`, or of a route's list, and what surrounds it there."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

# Names that many applications have built in and cannot change.
OPENAI_NAMES = ("gpt-image-*", "chatgpt-image-*", "dall-e-*")
# What Black Forest Labs calls its models: https://docs.bfl.ai/quick_start/introduction
FLUX_NAMES = ("flux*",)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An option that is passed over. `forbidden` when it could serve the request, but not for this key."""

    platform: str
    why: str
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Company:
    """
    What surrounds an option, as far as it decides what a model's name means.

    `job_names` are those of every job platform, `rivals` those that relays beside it are known for. `listed`: it stands
    in a route's list, where the names decide, and not in a rule, where the order does. `several` options stand there,
    of as many `platforms`; jobs stand before it when it is `behind_job`. `openai_names`: see `RouteSettings`.
    """

    job_names: frozenset[str] = frozenset()
    rivals: frozenset[str] = frozenset()
    listed: bool = False
    several: bool = False
    platforms: int = 1
    behind_job: bool = False
    openai_names: bool = True

    def is_flux(self, model: str) -> bool:
        return model in self.job_names or matches(model, FLUX_NAMES)


def matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
