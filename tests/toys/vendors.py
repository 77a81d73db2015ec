"""The two vendors, on real sockets: they look at the key, take what their documentation would say, and count."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.pictures import picture

KEY = "the-key-of-the-toys"
PICTURE = picture(32, 32, seed=9)
# A job is asked after this often before it is done.
ROUNDS = 2


@dataclass
class Toys:
    """`jobs` and `pictures` are the bodies that came; `hare_says` is a status of the
    synchronous one's own."""

    url: str = ""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    polls: dict[str, int] = field(default_factory=dict)
    hare_says: int = 0

    async def submit(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({}, status=401)
        self.jobs.append(await request.json())
        return web.json_response({"job": f"t{len(self.jobs)}"}, status=202)

    async def state(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        name = request.match_info["name"]
        self.polls[name] = self.polls.get(name, 0) + 1
        if "forbidden" in self.jobs[int(name[1:]) - 1]["prompt"]:
            return web.json_response({"state": "refused"})
        if self.polls[name] < ROUNDS:
            return web.json_response({"state": "working"})
        return web.json_response({"state": "done", "picture": f"{self.url}/files/{name}.png"})

    async def at_once(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Token") != KEY:
            return web.json_response({}, status=401)
        if self.hare_says:
            return web.json_response({}, status=self.hare_says)
        self.pictures.append(await request.json())
        drawing = base64.b64encode(PICTURE).decode()
        return web.json_response({"drawing": drawing, "mood": "proud"})

    async def me(self, request: web.Request) -> web.Response:
        known = request.headers.get("X-Token") == KEY or request.headers.get("Authorization") == f"Bearer {KEY}"
        return web.json_response({}, status=200 if known else 401)

    async def file(self, request: web.Request) -> web.Response:
        assert not {"X-Token", "Authorization"} & set(request.headers), "a key reached the storage"
        return web.Response(body=PICTURE, content_type="image/png")


@asynccontextmanager
async def toys() -> AsyncIterator[Toys]:
    made, app = Toys(), web.Application(client_max_size=2**24)
    app.router.add_post("/jobs", made.submit)
    app.router.add_get("/jobs/{name}", made.state)
    app.router.add_post("/pictures", made.at_once)
    app.router.add_get("/me", made.me)
    app.router.add_get("/files/{name}", made.file)
    run = web.AppRunner(app)
    await run.setup()
    await web.TCPSite(run, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{run.addresses[0][1]}"
    try:
        yield made
    finally:
        await run.cleanup()
