"""Every check says no to something, and nothing to what is right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.crash.checks import PNG, Seen, Served, wrong, wrong_under_load

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


ONE, OTHER = PNG[0] + b"1" + PNG[1], PNG[0] + b"2" + PNG[1]
PICTURE = Served("a", 200, pictures=(ONE,), again=(ONE,), paid=1, polled=True)
UNKNOWN = Served("b", 502, "platform_answer_lost", paid=1)
BOTH = Seen("trouble", rows=3, void=1, tickets=1, credits=8.0)


def test_what_is_right_under_load() -> None:
    """A picture, a task whose answer was lost, and a row of a submission that was certainly not taken."""
    assert list(wrong_under_load([PICTURE, UNKNOWN], BOTH, {"slots": 0.0})) == []


@pytest.mark.parametrize(
    ("picture", "lost", "seen", "left", "word"),
    [
        (replace(PICTURE, paid=2), UNKNOWN, BOTH, 0.0, "paid 2 times"),
        (PICTURE, replace(UNKNOWN, paid=2), BOTH, 0.0, "paid 2 times"),
        (replace(PICTURE, pictures=()), UNKNOWN, BOTH, 0.0, "got 0 pictures"),
        (replace(PICTURE, paid=0), UNKNOWN, BOTH, 0.0, "was paid 0 times"),
        (replace(PICTURE, pictures=(ONE[:-1],), again=None), UNKNOWN, BOTH, 0.0, "half a picture"),
        (replace(PICTURE, again=(OTHER,)), UNKNOWN, BOTH, 0.0, "another picture under the same key"),
        (replace(PICTURE, again=()), UNKNOWN, BOTH, 0.0, "another picture under the same key"),
        (PICTURE, replace(UNKNOWN, code="internal_error"), BOTH, 0.0, "got 502 internal_error"),
        (PICTURE, replace(UNKNOWN, polled=True), BOTH, 0.0, "had been asked after"),
        (PICTURE, replace(PICTURE, prompt="b"), replace(BOTH, tickets=2), 0.0, "2 clients got the same picture"),
        (PICTURE, UNKNOWN, replace(BOTH, rows=4), 0.0, "4 rows, 1 of them void"),
        (PICTURE, UNKNOWN, replace(BOTH, open=1), 0.0, "1 open"),
        (PICTURE, UNKNOWN, replace(BOTH, tickets=0), 0.0, "0 tasks in the ledger"),
        (PICTURE, UNKNOWN, replace(BOTH, credits=4.0), 0.0, "4.0 credits"),
        (PICTURE, UNKNOWN, replace(BOTH, reserved=1), 0.0, "1 reservations"),
        (PICTURE, UNKNOWN, replace(BOTH, recovery_s=5.1), 0.0, "ready only after"),
        (PICTURE, UNKNOWN, replace(BOTH, files=["core"]), 0.0, "left behind: core"),
        (PICTURE, UNKNOWN, BOTH, 1.0, "slots is 1 at the end"),
    ],
)
def test_what_is_wrong_under_load(picture: Served, lost: Served, seen: Seen, left: float, word: str) -> None:
    """Named in words."""
    assert any(word in said for said in wrong_under_load([picture, lost], seen, {"slots": left}))
