"""Who asks, and what the operator lets them use."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.domain.paths import told_by_model


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    The most a caller may use; None is no limit.

    Requests, images and megapixels are counted per minute, jobs at the same time, money per day and month in UTC.
    """

    requests: int | None = None
    images: int | None = None
    megapixels: float | None = None
    jobs: int | None = None
    credits_day: float | None = None
    credits_month: float | None = None
    cents_day: float | None = None
    cents_month: float | None = None


UNLIMITED = Allowance()


@dataclass(frozen=True, slots=True)
class Caller:
    """
    `id` is a metric-safe name from the configuration, never the key.

    `models` and `paths` are globs of what may be used. Without `models` it is every model; without `paths` every path
    where no models are named, else those that `domain.paths` lists. `weight` is the caller's share of busy slots,
    relative to others'. `expires` is wall time in seconds.
    """

    id: str
    models: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    allowance: Allowance = UNLIMITED
    weight: float = 1.0
    expires: float | None = None

    def may_use(self, model: str) -> bool:
        return not self.models or any(fnmatchcase(model, glob) for glob in self.models)

    def may_call(self, method: str, path: str) -> bool:
        """`path` begins with `/v1/`, without the gateway's own prefix."""
        if self.paths:
            return any(fnmatchcase(path, glob) for glob in self.paths)
        return not self.models or told_by_model(method, path)
