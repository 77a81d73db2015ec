"""A second loop: what it is given ends there, and its trouble is told here."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.chain.loop_thread import LoopThread, Pulse


async def test_work_in_another_thread() -> None:
    """Results and faults come back, and the thread ends with the block."""

    async def where() -> str:
        return threading.current_thread().name

    async def fail() -> None:
        raise KeyError("over there")

    async with LoopThread("apart") as apart:
        assert await apart.run(where()) == "apart"
        with pytest.raises(KeyError, match="over there"):
            await apart.run(fail())
    assert "apart" not in {thread.name for thread in threading.enumerate()}


async def test_a_pulse() -> None:
    """There while the loop turns, and for as long afterwards as a busy loop may need."""
    time = [0.0]
    pulse = Pulse(lambda: time[0], 30.0)
    time[0] = 30.0
    assert pulse.beats()
    time[0] = 31.0
    assert not pulse.beats()
    beating = asyncio.create_task(pulse.beat())
    await asyncio.sleep(0)
    assert pulse.beats()
    beating.cancel()
