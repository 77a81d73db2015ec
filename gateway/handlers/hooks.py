"""
`POST /hooks/{platform}/{job}/{index}/{mac}`: a vendor calls back.

The address and a secret say that it was told to; what it says is only a hint, and its task is asked after.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.errors import BadKey, MethodNotAllowed, NotFound, OutOfRoom
from gateway.handlers.body import Body, Pace
from gateway.handlers.keys import SNAPSHOT, STORY
from gateway.jobs.hints import Hints
from gateway.jobs.supervisor import Supervisor
from gateway.telemetry.catalogue import Catalogue

MOST = 64 * 1024
INDEX = re.compile(r"[0-9]{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HooksHandler:
    hints: Hints
    supervisor: Supervisor
    metrics: Catalogue

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Raises: NotFound for an address that was never given out, BadKey without its secret, OutOfRoom for later."""
        if request.method != "POST":
            raise MethodNotAllowed(f"{request.method} is not allowed here; allowed: POST.", allowed=("POST",))
        platforms, told = request[SNAPSHOT].platforms, request.match_info
        name, job, asked = told["platform"], told["job"], told["index"]
        index = int(asked) if INDEX.fullmatch(asked) else -1
        platform = platforms.get(name)
        if platform is None or not self.hints.good(told["mac"], name, job, index):
            self._count(name if platform else "-", "unknown")
            raise NotFound("Nobody is expected to call here.")
        body = b"".join([piece async for piece in Body(request, MOST, Pace()).pieces()])
        task = platform.read_hook(request.headers, body, self.hints.secret(name, job, index))
        if task is None:
            self._count(name, "refused")
            raise BadKey("The call-back does not show its secret, or names no task.")
        request[STORY].job, request[STORY].platform = job, name
        if not await self.supervisor.called_back(platforms, job, index, task):
            self._count(name, "later")
            raise OutOfRoom("The job is being answered just now. Call again.", retry_after_s=5)
        self._count(name, "taken")
        return web.Response(status=204)

    def _count(self, platform: str, outcome: str) -> None:
        self.metrics.hooks(platform, outcome).inc()
