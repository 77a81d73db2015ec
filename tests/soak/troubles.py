"""Trouble at the vendor, one after the other, each with its end: good requests are judged by what it was just then."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.soak.checks import Good, Trouble
from tests.soak.stage import Stage

# Seconds of the wall: how long one lasts, and how long it is quiet before the next.
LASTS_S, QUIET_S = 2.0, 2.0
# How long a good request may stay without its picture before the next one comes all the same.
FELT_S = 15.0
# When the file with a new key has certainly been read.
READ_S = 2.0
CREDITS = 1_000_000


@asynccontextmanager
async def _scripted(stage: Stage, faults: Mapping[str, float]) -> AsyncIterator[None]:
    """Faults with their shares."""
    for fault, share in faults.items():
        await stage.vendor_does("script", fault=fault, times=None, share=share)
    yield
    await stage.vendor_does("calm")


@asynccontextmanager
async def lost_answers(stage: Stage) -> AsyncIterator[None]:
    """One submission in five, half of them accepted."""
    async with _scripted(stage, {"submit_accepted_reset": 0.05, "submit_accepted_502": 0.05, "submit_502": 0.1}):
        yield


@asynccontextmanager
async def silent_webhooks(stage: Stage) -> AsyncIterator[None]:
    async with _scripted(stage, {"webhook_lost": 1.0}):
        yield


@asynccontextmanager
async def pictures_gone(stage: Stage) -> AsyncIterator[None]:
    async with _scripted(stage, {"delivery_404": 1.0}):
        yield


@asynccontextmanager
async def pictures_trickle(stage: Stage) -> AsyncIterator[None]:
    async with _scripted(stage, {"delivery_trickle": 0.3}):
        yield


@asynccontextmanager
async def no_credits(stage: Stage) -> AsyncIterator[None]:
    """Until somebody pays."""
    await stage.vendor_does("credits", credits=0)
    yield
    await stage.vendor_does("credits", credits=CREDITS)


@asynccontextmanager
async def rotated_key(stage: Stage) -> AsyncIterator[None]:
    """In the right order: the old key is refused once the new one is in use, and jobs that ran go on."""
    old = stage.rotate()
    await asyncio.sleep(READ_S)
    await stage.vendor_does("revoke", key=old)
    yield


@asynccontextmanager
async def revoked_key(stage: Stage) -> AsyncIterator[None]:
    """In the wrong order."""
    await stage.vendor_does("revoke", key=stage.key)
    yield
    stage.rotate()


Kind = Callable[[Stage], AbstractAsyncContextManager[None]]
# Whether good requests are served while it lasts.
KINDS: Mapping[Kind, bool] = {
    lost_answers: True, no_credits: False, rotated_key: True, revoked_key: False, silent_webhooks: True,
    pictures_gone: True, pictures_trickle: True,
}  # fmt: skip


async def troubles(
    stage: Stage,
    dice: random.Random,
    seen: list[Trouble],
    good: Sequence[Good],
    over: Callable[[], bool],
    tell: Callable[[str], None],
) -> None:
    """All kinds in turn, until it is over; the next one waits for a good request that is served again, if any is."""
    while True:
        for kind in dice.sample(list(KINDS), len(KINDS)):
            await asyncio.sleep(QUIET_S)
            if over():
                return
            tell(f"now: {kind.__name__}")
            began = time.monotonic()
            async with kind(stage):
                await asyncio.sleep(LASTS_S)
            tell(f"over: {kind.__name__}")
            ended = time.monotonic()
            seen.append(Trouble(kind.__name__, began, ended, serves=KINDS[kind]))
            while time.monotonic() < ended + FELT_S and not any(one.served and one.begun >= ended for one in good):
                await asyncio.sleep(0.05)
