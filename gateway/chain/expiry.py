"""Keys whose end is near, told early enough to hand out others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.chain.settings import KeySettings

SOON_DAYS = 14
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Ends:
    """Ids of keys that have expired, and of those that will within `SOON_DAYS`, each with its day in UTC."""

    over: tuple[str, ...]
    soon: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.over or self.soon)


def ends(keys: Iterable[KeySettings], wall: float) -> Ends:
    """`wall` is now, in Unix seconds."""
    left = [(key.expires.timestamp() - wall, f"{key.id} ({key.expires:%Y-%m-%d})") for key in keys if key.expires]
    return Ends(
        over=tuple(told for seconds, told in left if seconds <= 0),
        soon=tuple(told for seconds, told in left if 0 < seconds <= SOON_DAYS * DAY_S),
    )
