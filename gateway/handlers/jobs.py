"""`GET /v1/jobs/{id}`: how far a job is, and its pictures; for whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from gateway.dialects.openai.errors import envelope
from gateway.domain.errors import AnswerLost, GatewayError, NotFound
from gateway.handlers.keys import CALLER, SNAPSHOT, STORY
from gateway.handlers.own_url import own_url
from gateway.jobs.job import Job
from gateway.jobs.look_up import LookUp
from gateway.jobs.queue import Queue
from gateway.stores.contract import Made, Results


@dataclass(frozen=True, slots=True)
class JobsHandler:
    """`prefix` comes before every path; `link_s` is how long links are good, from the job on."""

    look_up: LookUp
    queue: Queue
    results: Results
    prefix: str
    link_s: float

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Raises: NotFound also for another caller's job: whether there is one is nobody else's business."""
        job = await self.look_up.by_id(request.match_info["id"])
        if job is None or job.record.caller != request[CALLER].id:
            raise NotFound("There is no such job, or it is not kept any more.")
        request[STORY].job = job.record.id
        body = orjson.dumps(await self._told(request, job))
        return web.Response(body=body, content_type="application/json")

    async def _told(self, request: web.Request, job: Job) -> dict[str, Any]:
        pictures = [await self._picture(request, job, index) for index in range(job.record.n)]
        states = {picture["status"] for picture in pictures}
        ahead = [picture["queue_position"] for picture in pictures if picture["queue_position"] is not None]
        status = next((word for word in ("running", "queued", "completed", "unknown") if word in states), "failed")
        return {
            "id": job.record.id,
            "object": "job",
            "created_at": int(job.record.created),
            "model": job.record.model,
            "platform": job.record.platform,
            "status": status,
            "n": job.record.n,
            "queue_position": min(ahead, default=None) if status == "queued" else None,
            "data": pictures,
        }

    async def _picture(self, request: web.Request, job: Job, index: int) -> dict[str, Any]:
        found: dict[str, Any] = {"index": index, "status": "running", "queue_position": None, "url": None}
        match job.results[index]:
            case Made() as made:
                found["status"] = "completed"
                found["url"] = await self._link(request, job, made)
            case AnswerLost() as error:
                found |= {"status": "unknown"} | envelope(error)
            case GatewayError() as error:
                code = request[SNAPSHOT].moderation_code if error.code == "moderation_blocked" else None
                found |= {"status": "failed"} | envelope(error, code)
            case None if not job.at_stake(index):
                found["status"] = "queued"
                found["queue_position"] = self.queue.before(job.record.platform, f"{job.record.id}/{index}")
        return found

    async def _link(self, request: web.Request, job: Job, made: Made) -> str | None:
        base, blob = own_url(request, self.prefix), await self.results.open(made.ref)
        if blob is not None:
            blob.release()
        if base is None or blob is None:
            return None
        return base + self.results.link(made.ref, int(job.record.created + self.link_s))
