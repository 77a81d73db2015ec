"""What a request is counted for against its key's limits, where no job does the counting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.domain.errors import GatewayError, LimitReached
from gateway.domain.size import Pixels, read_size
from gateway.handlers.keys import CALLER, STORY
from gateway.jobs.fallback import next_may_try
from gateway.stores.contract import Limits, Usage
from gateway.telemetry.catalogue import Catalogue

# https://developers.openai.com/api/reference/resources/images/methods/edit: n
MOST_PICTURES = 10
# What `auto` and no size are counted as; megapixels are such squares, as they are for jobs.
USUAL = Pixels(1024, 1024)


async def count(request: web.Request, limits: Limits, metrics: Catalogue, id: str, usage: Usage) -> None:
    """Raises: LimitReached, its kinds included; nothing is counted then."""
    told = request[STORY]
    try:
        told.windows |= await limits.reserve(id, request[CALLER], usage)
    except LimitReached as refusal:
        metrics.limited(refusal.limit).inc()
        raise


@asynccontextmanager
async def counted(
    request: web.Request, limits: Limits, metrics: Catalogue, platform: str, usage: Usage
) -> AsyncIterator[None]:
    """
    Around a relayed request, which is one job while it lasts. Where the platform is to blame and another one may try,
    it is as if it had never been. Money is not known here: OpenAI tells tokens, and bills what they cost.

    Raises: as `count`.
    """
    id = f"{request[STORY].id}/{platform}"
    await count(request, limits, metrics, id, usage)
    end = limits.give_back
    try:
        yield
    except GatewayError as error:
        if next_may_try([error]):
            end = limits.undo
        raise
    finally:
        await end(id)


def usage(fields: Mapping[str, str] | None) -> Usage:
    """
    Of a request for pictures with these text fields; None when nobody has read them. What cannot be understood counts
    as the most there is, so that no spelling of a number gets more for less.
    """
    images = MOST_PICTURES if fields is None else _number(fields.get("n", "1"))
    return Usage(images=images, megapixels=images * _pixels((fields or {}).get("size", "auto")) / USUAL.count, jobs=1)


def _number(text: str) -> int:
    told = int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else MOST_PICTURES
    return max(1, min(told, MOST_PICTURES))


def _pixels(text: str) -> int:
    try:
        size = read_size(text)
    except ValueError:
        return USUAL.count
    return size.count if isinstance(size, Pixels) else USUAL.count
