"""Every check says no to something, and nothing to what is right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.crash.checks import Seen, wrong

RIGHT = Seen("ledger.stored:after", 200, pictures=1, accepted=1, rows=1, tickets=1, credits=4.0, files=["secret"])
LOST = Seen("send.submit:after", 502, "platform_answer_lost", accepted=1, rows=1, credits=4.0)


@pytest.mark.parametrize("seen", [RIGHT, LOST, replace(LOST, accepted=0)])
def test_what_is_right(seen: Seen) -> None:
    """A picture for one submission, or an honest error where nobody can know."""
    assert list(wrong(seen)) == []


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (replace(RIGHT, accepted=2), "paid 2 times"),
        (replace(RIGHT, pictures=0), "0 pictures"),
        (replace(RIGHT, tickets=0), "0 tasks"),
        (replace(RIGHT, same=False), "other bytes"),
        (replace(RIGHT, rows=2), "2 rows"),
        (replace(RIGHT, open=1), "1 of them open"),
        (replace(RIGHT, credits=8.0), "8.0 credits"),
        (replace(RIGHT, reserved=1), "1 reservations"),
        (replace(RIGHT, recovery_s=5.1), "ready only after"),
        (replace(RIGHT, files=["core"]), "left behind: core"),
        (replace(LOST, label="ledger.stored:after"), "the client got 502"),
        (replace(LOST, code="internal_error"), "internal_error"),
    ],
)
def test_what_is_wrong(seen: Seen, word: str) -> None:
    """Named in words."""
    assert any(word in said for said in wrong(seen))
