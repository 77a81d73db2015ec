"""The call-back when a task is over: https://docs.bfl.ai/kontext/kontext_image_editing names only URL and secret."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from gateway.emulator.polling import outcome
from gateway.emulator.tasks import Task
from gateway.emulator.world import World

# No recording of a real call-back exists; half a minute is what a receiver is said to have.
_PATIENCE = aiohttp.ClientTimeout(total=30)


async def call_back(world: World, task: Task, fields: Mapping[str, Any]) -> None:
    """POST the poll's answer to the client's URL once the task is over; one try, counted by its status."""
    if math.isinf(task.ends):
        return
    await world.settings.sleep(max(0.0, task.ends - world.now))
    _, body = await outcome(world, task)
    raw = orjson.dumps(body)
    headers = {"Content-Type": "application/json"}
    secret = fields.get("webhook_secret")
    if secret is not None:
        headers["X-Webhook-Secret"] = secret
        if world.settings.webhook_signature:
            digest = hmac.digest(secret.encode(), raw, hashlib.sha256).hex()
            headers["X-BFL-Signature"] = f"sha256={digest}"
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE) as session,
            session.post(fields["webhook_url"], data=raw, headers=headers, allow_redirects=False) as answer,
        ):
            world.counts.webhooks[str(answer.status)] += 1
    except (aiohttp.ClientError, TimeoutError):
        world.counts.webhooks["unreachable"] += 1
