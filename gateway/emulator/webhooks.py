"""The call-back when a task is over: https://docs.bfl.ai/kontext/kontext_image_editing names only URL and secret."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from gateway.emulator.faults import Armed
from gateway.emulator.polling import outcome
from gateway.emulator.tasks import Task
from gateway.emulator.world import World

# No recording of a real call-back exists; half a minute is what a receiver is said to have.
_PATIENCE = aiohttp.ClientTimeout(total=30)
# What is not taken comes again after these pauses, as other vendors do it; this one's are not known.
AGAIN_S = (1.0, 5.0, 30.0)
LATE_S = 60.0


async def call_back(world: World, task: Task, fields: Mapping[str, Any], armed: Armed | None) -> None:
    """POST the poll's answer to the client's URL once the task is over; each try is counted by its status."""
    fault = armed.name if armed else ""
    if fault == "webhook_early":
        await _deliver(world, fields, orjson.dumps({"id": task.id, "status": "Pending"}), fields.get("webhook_secret"))
    if math.isinf(task.ends) or fault == "webhook_lost":
        return
    late_s = float(armed.value or LATE_S) if armed and fault == "webhook_late" else 0.0
    await world.settings.sleep(max(0.0, task.ends - world.now) + late_s / world.settings.speed)
    _, body = await outcome(world, task)
    raw, secret = orjson.dumps(body), fields.get("webhook_secret")
    if fault == "webhook_forged":
        await _post(world, fields, orjson.dumps({"id": "not-a-task", "status": "Ready"}), "a-guess")
    if fault == "webhook_garbage":
        await _post(world, fields, b"\xff not JSON", secret)
    for _ in range(2 if fault == "webhook_twice" else 1):
        await _deliver(world, fields, raw, secret)


async def _deliver(world: World, fields: Mapping[str, Any], raw: bytes, secret: str | None) -> None:
    """Until it is taken, or nobody ever will."""
    for pause_s in (*AGAIN_S, None):
        if await _post(world, fields, raw, secret) or pause_s is None:
            return
        await world.settings.sleep(pause_s / world.settings.speed)


async def _post(world: World, fields: Mapping[str, Any], raw: bytes, secret: str | None) -> bool:
    """True for a 2xx."""
    headers = {"Content-Type": "application/json"}
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
            return 200 <= answer.status < 300
    except (aiohttp.ClientError, TimeoutError):
        world.counts.webhooks["unreachable"] += 1
        return False
