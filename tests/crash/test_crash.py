"""A short `make crash`: the points that tell most, and wrong builds that have to be caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.armed import WRONG
from tests.crash.run import crash

TELLING = (
    ("ledger.intent:before", True),
    ("send.submit:after", True),
    ("ledger.submitted:after", False),
    ("ledger.adopt:after", True),
    ("results.write:after", True),
    ("ledger.stored:after", False),
    ("respond:before", True),
    ("load", True),
    ("trouble", True),
)
# Where each wrong build shows: the one after its death knows nothing of the task, pays again, or has nothing to give.
SHOWS = {
    "forgets-the-task": "send.poll:after",
    "pays-again": "ledger.submitted:after",
    "answers-before-storing": "respond:after",
    "leaves-the-books-open": "respond:before",
}


@pytest.mark.timeout(300)
async def test_killed_at_a_point(tmp_path: Path) -> None:
    """The picture comes, it is paid for once, and the books balance."""
    assert await crash(tmp_path, [(label, 1, keyed) for label, keyed in TELLING], seed=1) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("label", "build", "word"),
    [
        ("load", "pays-again", "paid 2 times"),
        ("trouble", "pays-again", "paid 2 times"),
        ("trouble", "forgets-the-task", "0 tasks in the ledger"),
    ],
)
async def test_load_is_judged_as_well(tmp_path: Path, label: str, build: str, word: str) -> None:
    """The same wrong builds, with many at a time, and with a vendor that loses answers of itself."""
    assert any(word in line for line in await crash(tmp_path, [(label, 1, True)] * 2, seed=1, build=build))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("build", WRONG)
async def test_wrong_builds_are_caught(tmp_path: Path, build: str) -> None:
    """A check that cannot fail is none."""
    assert await crash(tmp_path, [(SHOWS[build], 1, True)], seed=1, build=build)
