"""Days and months as an accountant counts them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.purse import Purse, ends, periods


def wall(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "day_ends", "month_ends"),
    [
        ("2026-05-03T00:00:00", "2026-05-04", "2026-06-01"),
        ("2026-05-31T23:59:59.999", "2026-06-01", "2026-06-01"),
        ("2026-12-31T12:00:00", "2027-01-01", "2027-01-01"),
        ("2028-02-28T12:00:00", "2028-02-29", "2028-03-01"),
        ("2028-02-29T12:00:00", "2028-03-01", "2028-03-01"),
        ("2026-01-31T12:00:00", "2026-02-01", "2026-02-01"),
    ],
)
def test_boundaries(now: str, day_ends: str, month_ends: str) -> None:
    """Midnight UTC, the first of the month, leap years."""
    found = ends(wall(now))
    assert (f"{found['day']:%Y-%m-%d}", f"{found['month']:%Y-%m-%d}") == (day_ends, month_ends)
    assert periods(wall(now)) == {"day": now[:10], "month": now[:7]}


@given(st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_a_period_changes_at_its_end(now: datetime) -> None:
    """Not a moment before, from 2000 to 2100."""
    for span, end in ends(now.timestamp()).items():
        assert periods((end - timedelta(milliseconds=1)).timestamp())[span] == periods(now.timestamp())[span]
        assert periods(end.timestamp())[span] > periods(now.timestamp())[span]


def test_old_books_are_closed() -> None:
    """Yesterday can be corrected, the day before is forgotten, whatever is said about it."""
    purse = Purse()
    for day in ("2026-05-30", "2026-05-31", "2026-06-01"):
        purse.add([day, day[:7]], {"credits": 10, "cents": 1})
    purse.add(["2026-05-31", "2026-05"], {"credits": -4, "cents": 0})
    purse.add(["2026-05-30", "2026-05"], {"credits": -10, "cents": 0})
    used = [purse.used("credits", day) for day in ("2026-05-30", "2026-05-31", "2026-06-01", "2026-05", "2026-06")]
    assert used == [0, 6, 10, 6, 10]
    assert purse.used("cents", "2026-05") == 2
