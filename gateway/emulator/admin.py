"""The emulator's own interface under `/_emulator/`, for tests in other processes; no vendor has this."""

from __future__ import annotations

import orjson
from aiohttp import web

from gateway.emulator import answers
from gateway.emulator.fault_table import FAULTS
from gateway.emulator.world import World


class Admin:
    """
    `GET counts`, `GET tasks`, `GET faults`, `POST script {fault, times?, value?, share?}`, `POST credits {credits,
    account?}`, `POST revoke {key}`, `POST calm`, `POST reset`.

    `times` is 1 when absent, null for ever; `share` is the part of the calls that is spoiled, from 0 to 1.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Mounted on the submit origin."""
        return [
            web.get("/_emulator/counts", self.counts),
            web.get("/_emulator/tasks", self.tasks),
            web.get("/_emulator/faults", self.faults),
            web.post("/_emulator/script", self.script),
            web.post("/_emulator/calm", self.calm),
            web.post("/_emulator/credits", self.credits),
            web.post("/_emulator/revoke", self.revoke),
            web.post("/_emulator/reset", self.reset),
        ]

    async def counts(self, request: web.Request) -> web.Response:
        """The truth so far."""
        return answers.reply(200, self._world.truth().as_json())

    async def tasks(self, request: web.Request) -> web.Response:
        """Every remembered task, oldest first."""
        now = self._world.now
        return answers.reply(200, [task.summary(now) for task in self._world.tasks])

    async def faults(self, request: web.Request) -> web.Response:
        """Names and meanings."""
        return answers.reply(200, {fault.name: fault.meaning for fault in FAULTS.values()})

    async def script(self, request: web.Request) -> web.Response:
        """Arm a fault for the next calls."""
        wanted = orjson.loads(await request.read())
        if wanted.get("fault") not in FAULTS:
            return answers.detail(404, "no such fault; GET /_emulator/faults lists them")
        self._world.faults.script(
            wanted["fault"], times=wanted.get("times", 1), value=wanted.get("value"), share=wanted.get("share", 1.0)
        )
        return answers.reply(200, {"armed": wanted["fault"]})

    async def calm(self, request: web.Request) -> web.Response:
        """Forget what was scripted."""
        self._world.faults.calm()
        return answers.reply(200, {})

    async def credits(self, request: web.Request) -> web.Response:
        """Let an account have so many left."""
        wanted = orjson.loads(await request.read())
        self._world.set_credits(wanted.get("account", "default"), float(wanted["credits"]))
        return answers.reply(200, {})

    async def revoke(self, request: web.Request) -> web.Response:
        """Refuse a key from now on."""
        self._world.revoked.add(orjson.loads(await request.read())["key"])
        return answers.reply(200, {})

    async def reset(self, request: web.Request) -> web.Response:
        """Forget tasks, counts and faults."""
        self._world.reset()
        return answers.reply(200, {})
