"""Bodies and headers of the vendor's answers, in the shapes that were recorded; built, never sent, here."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from gateway.emulator.tasks import Charge, Ending, Task

# Seen on every submit in front of which Azure Front Door stands.
SUBMIT_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Accept-Ranges": "bytes",
    "X-Azure-Ref": "emulated",
    "X-Cache": "CONFIG_NOCACHE",
}

# Polls per second and host, by header only.
POLL_LIMIT = 1200


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)


def detail(status: int, text: str) -> web.Response:
    """A refusal with a string detail."""
    return reply(status, {"detail": text})


def accepted(task: Task, polling_origin: str, webhook_url: str | None) -> dict[str, Any]:
    """The submit's answer: with a polling URL, or, when the client gave a webhook, without one."""
    if webhook_url is not None:
        body: dict[str, Any] = {"id": task.id, "status": "Pending", "webhook_url": webhook_url}
    else:
        body = {"id": task.id, "polling_url": f"{polling_origin}/v1/get_result?id={quote(task.id)}"}
    priced: Charge | None = task.charge if task.model.family == 2 else None
    body["cost"] = priced and priced.cost
    body["input_mp"] = priced and priced.input_mp
    body["output_mp"] = priced and priced.output_mp
    return body


def result(task: Task, status: str, **facts: Any) -> dict[str, Any]:
    """The poll's answer around a status; FLUX.1 and FLUX 3 tell their price when they are done."""
    body = not_found(task.id) | {"status": status} | facts
    if status == "Ready" and task.model.family != 2:
        body["cost"] = task.charge.cost
    return body


def not_found(task_id: str) -> dict[str, Any]:
    """The poll's answer for an id nobody knows here (or not yet, or not any more)."""
    return {
        "id": task_id,
        "status": "Task not found",
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }


def sample(task: Task, link: str | None) -> dict[str, Any]:
    """The `result` of a finished task; FLUX.2 tells no end and no duration."""
    times = {"start_time": task.started}
    if task.model.family != 2:
        times |= {"end_time": task.ends, "duration": task.ends - task.started}
    facts: dict[str, Any] = {"prompt": rewritten(task), "seed": task.seed, **times}
    if task.model.family == 3:
        facts["expanded_prompt"] = f"{task.prompt}, in fine detail"
    return facts if link is None else {"sample": link, **facts}


def rewritten(task: Task) -> str:
    """The prompt that was worked with: longer than the client's when upsampling ran."""
    told = not task.fields["disable_pup"] if "disable_pup" in task.fields else task.fields.get("prompt_upsampling")
    upsampled = task.model.upsamples if told is None else told
    return f"{task.prompt}, in fine detail" if upsampled else task.prompt


def ended(task: Task, ending: Ending, facts: dict[str, Any] | None) -> dict[str, Any]:
    """The poll's answer for a task that is over."""
    return result(task, ending.status, result=facts, details=ending.details)


def poll_headers(now: float, polls_this_second: int, done: bool) -> dict[str, str]:
    """Headers on every poll, even a good one."""
    return {
        "Retry-After": "0" if done else "1",
        "X-Ratelimit-Limit": str(POLL_LIMIT),
        "X-Ratelimit-Remaining": str(max(0, POLL_LIMIT - polls_this_second)),
        "X-Ratelimit-Reset": str(float(int(now)) + 1.0),
    }
