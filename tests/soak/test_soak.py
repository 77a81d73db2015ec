"""The soak itself, for as long as a test may take: real processes, every kind of client, and the books."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.soak import soak

SECONDS = 5.0


@pytest.mark.timeout(300)
async def test_a_short_one(tmp_path: Path) -> None:
    """Too short for slopes; everything else is reckoned as in a long one."""
    report = await soak(tmp_path, SECONDS, 7, print)
    assert report.wrong == []
    told = dict(report.rows)
    assert int(told["faults played"]) > 0
    assert int(told["submissions"].split(",")[0]) > 10
