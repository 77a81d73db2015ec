"""Time as an argument."""

from __future__ import annotations

import asyncio

import pytest

from gateway.jobs.clock import Clock
from tests.fakes.clock import loop_clock


async def test_within_hands_on_the_result() -> None:
    """What is done in time is returned."""
    assert await loop_clock().within(10, asyncio.sleep(0, "done")) == "done"


async def test_within_hands_on_the_failure() -> None:
    """What fails in time fails so outside, and is no time-out."""

    async def fails() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError):
        await loop_clock().within(10, fails())


@pytest.mark.parametrize("seconds", [0.0, -5.0, 1.0])
async def test_within_ends_the_work(seconds: float) -> None:
    """Past its time the work is cancelled, and has ended when the time-out is told."""
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    with pytest.raises(TimeoutError):
        await loop_clock().within(seconds, endless())
    assert ended.is_set()


async def test_cancelled_within_ends_the_work() -> None:
    """Whoever stops waiting stops the work."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(loop_clock().within(1000, endless()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


async def test_the_default_clock_is_the_systems() -> None:
    """Durations never go back, and stamps are Unix time."""
    clock = Clock()
    assert clock.now() <= clock.now()
    assert clock.wall() > 1_700_000_000
