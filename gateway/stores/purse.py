"""Money by calendar: days and months in UTC, in whole millionths so that sums are exact."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

MICRO = 1_000_000
# Yesterday's book and last month's are kept, for what was begun there and is settled now.
KEPT = 2


def micro(amount: float) -> int:
    return round(amount * MICRO)


def periods(wall: float) -> dict[str, str]:
    """The present `day` and `month`, by names that sort. `wall` is in seconds since 1970."""
    today = datetime.fromtimestamp(wall, UTC)
    return {"day": f"{today:%Y-%m-%d}", "month": f"{today:%Y-%m}"}


def ends(wall: float) -> dict[str, datetime]:
    """When the present `day` and `month` end."""
    today = datetime.fromtimestamp(wall, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {"day": today + timedelta(days=1), "month": (today.replace(day=1) + timedelta(days=31)).replace(day=1)}


class Purse:
    """What one caller has spent or set aside, by unit (`credits`, `cents`) and period."""

    def __init__(self) -> None:
        self._books: dict[str, dict[str, int]] = {}

    def used(self, unit: str, period: str) -> int:
        return self._books.get(period, {}).get(unit, 0)

    def add(self, periods: Iterable[str], amounts: dict[str, int]) -> list[str]:
        """Count into the books of these periods, or correct them; returns the long past periods it has forgotten."""
        for period in periods:
            book = self._books.setdefault(period, {})
            for unit, amount in amounts.items():
                book[unit] = book.get(unit, 0) + amount
        gone: list[str] = []
        for length in {len(period) for period in self._books}:
            gone += sorted(period for period in self._books if len(period) == length)[:-KEPT]
        for old in gone:
            del self._books[old]
        return gone
