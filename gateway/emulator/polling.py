"""The polling origin: what a task answers about itself, with or without a key."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.emulator import answers
from gateway.emulator.delivery import link_to
from gateway.emulator.faults import Armed
from gateway.emulator.mishaps import act_out
from gateway.emulator.tasks import Task
from gateway.emulator.world import ORIGIN, World


async def outcome(world: World, task: Task) -> tuple[int, dict[str, Any]]:
    """HTTP status and body for a task that is over; each call signs the link anew."""
    ending = await task.ending()
    facts = None
    if ending.status == "Ready" and not task.carries("ready_without_result"):
        foreign = task.carries("foreign_sample")
        link = (foreign and foreign.value) or link_to(world, task)
        facts = answers.sample(task, None if task.carries("ready_without_sample") else link)
    return ending.http_status, answers.ended(task, ending, facts)


class Polling:
    """The one handler; the submit origin mounts it too, where regional tasks are unknown."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._second = 0
        self._polls_this_second = 0

    def routes(self) -> list[web.RouteDef]:
        """`GET /v1/get_result?id=…`."""
        return [web.get("/v1/get_result", self.poll)]

    async def poll(self, request: web.Request) -> web.StreamResponse:
        """One look at a task; https://api.bfl.ai/openapi.json asks no key here."""
        world = self._world
        world.counts.polls += 1
        await world.takes(world.settings.poll_takes_s)
        if request.headers.get("x-key") in world.revoked:
            return answers.detail(403, "Not authenticated - Invalid Authentication")
        task_id = request.query.get("id")
        if task_id is None:
            missing = {"type": "missing", "loc": ["query", "id"], "msg": "Field required", "input": None}
            return answers.reply(422, {"detail": [missing]})
        task = world.tasks.find(task_id, world.now)
        armed = world.faults.take("poll", task.riding if task else ())
        if task:
            task.polls += 1
        if armed:
            world.counts.faults[armed.name] += 1
            if armed.fault.act:
                return await act_out(armed.fault.act, armed, request, world)
        status, body = await self._look(task, task_id, armed, request.app[ORIGIN])
        world.counts.polls_by_status[body["status"]] += 1
        return answers.reply(status, body, self._headers(done=body["status"] == "Ready"))

    async def _look(
        self, task: Task | None, task_id: str, armed: Armed | None, origin: str
    ) -> tuple[int, dict[str, Any]]:
        world = self._world
        if armed and armed.name == "poll_status":
            return 200, answers.not_found(task_id) | {"status": armed.value or "Upscaling"}
        if task is None or armed or not self._lives_here(task, origin):
            return 404, answers.not_found(task_id)
        now = world.now
        if now >= task.ends:
            return await outcome(world, task)
        word, progress = task.waiting_word(now)
        return 200, answers.result(task, word, progress=progress)

    def _lives_here(self, task: Task, origin: str) -> bool:
        """A task lives on the polling host; one with a webhook has no polling URL and lives everywhere."""
        if task.carries("region_moved"):
            return origin == "api"
        return origin == "polling" or task.webhook or self._world.settings.global_polls

    def _headers(self, *, done: bool) -> dict[str, str]:
        now = self._world.now
        if int(now) != self._second:
            self._second, self._polls_this_second = int(now), 0
        self._polls_this_second += 1
        return answers.poll_headers(now, self._polls_this_second, done)
