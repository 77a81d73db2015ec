"""When Python looks for cycles: hardly while there is much to look at."""

from __future__ import annotations

import asyncio
import gc

import pytest

from gateway.cli import collector
from tests.fakes.clock import Calendar


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    called = list[str]()
    for name in ("collect", "freeze"):
        monkeypatch.setattr(gc, name, lambda name=name: called.append(name))
    monkeypatch.setattr(gc, "set_threshold", lambda *numbers: called.append(f"threshold {numbers[2]}"))
    return called


def test_the_program_itself_is_left_out(looks: list[str]) -> None:
    """Once it is whole and clean."""
    collector.settle()
    assert looks == ["collect", "freeze", f"threshold {collector.NEVER}"]


@pytest.mark.parametrize(("tasks", "seconds"), [(0, collector.EVERY_S), (200, collector.LATEST_S)])
async def test_when_there_is_little_or_it_is_late(looks: list[str], tasks: int, seconds: float) -> None:
    """Each minute without work; under load twice an hour."""
    calendar = Calendar()
    busy = [asyncio.create_task(asyncio.Event().wait()) for _ in range(tasks)]
    collecting = asyncio.create_task(collector.collect(calendar.clock))
    while len(looks) < 3:
        await asyncio.sleep(0)
    assert calendar.time == pytest.approx(3 * seconds, abs=2 * collector.EVERY_S)
    for each in (collecting, *busy):
        each.cancel()
