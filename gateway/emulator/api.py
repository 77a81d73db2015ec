"""The submit origin: one POST per model, credits, and the global poll that knows no regional task."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientPayloadError, web

from gateway.emulator import answers, gate, webhooks
from gateway.emulator.accept import TooManyActive, accept
from gateway.emulator.faults import Armed
from gateway.emulator.intake import Submission, Unprocessable, examine
from gateway.emulator.mishaps import act_out
from gateway.emulator.models import MODELS, Model
from gateway.emulator.tasks import Task
from gateway.emulator.world import World

# Four pictures of 20 MB as base64, the vendor's own maximum, and room for eight.
MAX_BODY = 256 * 1024 * 1024


# How long an early call-back may keep the answer to its submission, and one that comes late.
EARLY_S, LATE_S = 0.3, 30.0


class Api:
    """Handlers of the submit origin."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """A POST for every model in the table, and the credits."""
        return [web.get("/v1/credits", self.credits), web.post("/v1/{model}", self.submit)]

    async def credits(self, request: web.Request) -> web.Response:
        """What the key's account has left."""
        key = request.headers.get("x-key", "")
        refused = gate.refusal(self._world, key)
        if refused is not None:
            return refused
        return answers.reply(200, {"credits": self._world.credits_of(self._world.account_of(key))})

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """One POST, one task at most."""
        model = MODELS.get(request.match_info["model"])
        if model is None:
            return answers.detail(404, "Not Found")
        counts = self._world.counts
        counts.submits_seen += 1
        counts.submit_headers[",".join(sorted(name.lower() for name in request.headers))] += 1
        counts.chunked_submits += "Content-Length" not in request.headers
        try:
            first = await request.content.readany()
            armed = self._world.faults.before_reading(first)
            if armed:
                return await self._spoil(armed, request)
            raw = first + await request.content.read()
        except (ConnectionError, ClientPayloadError, web.RequestPayloadError):
            counts.submits_cut += 1
            return web.Response(status=400)
        counts.body_bytes += len(raw)
        response = await self._consider(request, model, raw)
        if response.status != 200:
            counts.refused[str(response.status)] += 1
        return response

    async def _consider(self, request: web.Request, model: Model, raw: bytes) -> web.StreamResponse:
        world, key = self._world, request.headers.get("x-key", "")
        await world.takes(world.settings.submit_takes_s)
        refused = gate.refusal(world, key, model.name)
        if refused is not None:
            return refused
        account = world.account_of(key)
        if world.credits_of(account) < model.credits:
            return answers.detail(402, "Insufficient credits")
        try:
            content_type = request.headers.get("Content-Type", "")
            submission = await asyncio.to_thread(examine, model, raw, content_type)
            armed = world.faults.on_submit(submission.prompt)
            if armed:
                world.counts.struck_by_prompt[submission.prompt] += 1
            if armed and not armed.fault.accepts:
                return await self._spoil(armed, request)
            task = accept(world, model, submission, account)
        except Unprocessable as why:
            return answers.reply(422, {"detail": why.errors})
        except TooManyActive as why:
            return answers.detail(429, str(why))
        if task.webhook:
            await self._call_back(task, submission)
        if armed and armed.fault.act:
            return await self._spoil(armed, request)
        if armed and armed.name == "submit_accepted_late":
            await world.takes(float(armed.value or LATE_S))
        return answers.reply(200, self._answer(task, submission, armed), answers.SUBMIT_HEADERS)

    async def _call_back(self, task: Task, submission: Submission) -> None:
        world = self._world
        struck = world.faults.take("webhook", task.riding)
        calling = world.spawn(webhooks.call_back(world, task, submission.fields, struck))
        if struck and struck.name == "webhook_early":
            await asyncio.wait([calling], timeout=EARLY_S)

    def _answer(self, task: Task, submission: Submission, armed: Armed | None) -> dict[str, Any]:
        origin = self._world.origins.polling
        if armed and armed.name == "submit_foreign_polling":
            origin = armed.value or "https://polling.example"
        body = answers.accepted(task, origin, submission.fields.get("webhook_url"))
        if armed and armed.name == "submit_no_id":
            return {name: value for name, value in body.items() if name not in ("id", "polling_url")}
        return body

    async def _spoil(self, armed: Armed, request: web.Request) -> web.StreamResponse:
        self._world.counts.faults[armed.name] += 1
        if armed.fault.act:
            return await act_out(armed.fault.act, armed, request, self._world)
        field = armed.value or "aspect_ratio"
        error = {"type": "value_error", "loc": ["body", field], "msg": "Value error, not accepted"}
        return answers.reply(422, {"detail": [error | {"input": None, "ctx": {"error": {}}}]})
