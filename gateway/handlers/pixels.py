"""The pixel work that a plan needs, done and put into the plan."""

from __future__ import annotations

import asyncio

from gateway.domain.rework import Rework
from gateway.imaging.workers import Imaging
from gateway.jobs.fit import remake
from gateway.platforms.contract import Plan
from gateway.stores.blobs import SpooledBlob
from gateway.stores.spool import Spool


async def fulfil(plan: Plan, imaging: Imaging, spool: Spool) -> tuple[Plan, tuple[SpooledBlob, ...]]:
    """
    The plan with its needs met, and the pictures made for it, each of which the caller releases.

    The sources have to be held until this returns. On a failure nothing stays behind.

    Raises: InvalidImage, ImageTooLarge, InvalidMask, OutOfRoom, ShuttingDown, InternalError.
    """
    if not plan.needs:
        return plan, ()
    made: dict[Rework, SpooledBlob] = {}
    try:
        async with asyncio.TaskGroup() as group:
            for work in dict.fromkeys(plan.needs):
                group.create_task(_make(work, made, imaging, spool))
        return plan.fulfilled(made), tuple(made.values())
    except BaseException as error:
        for blob in made.values():
            blob.release()
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0] from None  # the one that ended the others
        raise


async def _make(work: Rework, made: dict[Rework, SpooledBlob], imaging: Imaging, spool: Spool) -> None:
    # What comes out is about as large as what goes in, or smaller; more is found while it comes.
    made[work] = await remake(work, imaging, await spool.reserve(work.source.length))
