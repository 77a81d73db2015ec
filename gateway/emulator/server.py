"""Three origins, each its own application on its own port, opened and closed together."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.emulator.admin import Admin
from gateway.emulator.api import MAX_BODY, Api
from gateway.emulator.bench import Answer, BenchConnection, BenchOrigins
from gateway.emulator.counts import Counts
from gateway.emulator.delivery import Delivery, xml
from gateway.emulator.mishaps import STRAY_PATH
from gateway.emulator.polling import Polling
from gateway.emulator.settings import EmulatorSettings
from gateway.emulator.world import ORIGIN, World


class Emulator:
    """
    Black Forest Labs in a box.

    Used as `async with Emulator(EmulatorSettings(speed=50)) as bfl:`; inside, `api_url`,
    `polling_url` and `delivery_url` are base URLs without a trailing slash.
    """

    def __init__(self, settings: EmulatorSettings | None = None) -> None:
        self.settings = settings or EmulatorSettings()
        self._world = World(self.settings)
        self._runners: list[web.AppRunner] = []
        self._bench: list[asyncio.Server] = []

    @property
    def api_url(self) -> str:
        return self._world.origins.api

    @property
    def polling_url(self) -> str:
        return self._world.origins.polling

    @property
    def delivery_url(self) -> str:
        return self._world.origins.delivery

    @property
    def counts(self) -> Counts:
        """The truth at this moment; read it anew for later truth."""
        return self._world.truth()

    @property
    def tasks(self) -> list[dict[str, object]]:
        """Every remembered task as plain data, oldest first."""
        return [task.summary(self._world.now) for task in self._world.tasks]

    def script(self, fault: str, *, times: int | None = 1, value: str | None = None, share: float = 1.0) -> None:
        """
        Spoil the next `times` calls (None: all), or a share of them, with a fault of `fault_table.FAULTS`.

        Raises:
            KeyError: no fault has that name.
        """
        self._world.faults.script(fault, times=times, value=value, share=share)

    def calm(self) -> None:
        """Forget what was scripted; tasks keep the faults that they carry."""
        self._world.faults.calm()

    def set_credits(self, credits: float, *, account: str = "default") -> None:
        """Let an account have so many left."""
        self._world.set_credits(account, credits)

    def revoke(self, key: str) -> None:
        """Refuse this key from now on, also to those who ask after tasks of its account."""
        self._world.revoked.add(key)

    def reset(self) -> None:
        """Forget tasks, counts, spending and faults."""
        self._world.reset()

    async def __aenter__(self) -> Self:
        settings, origins = self.settings, self._world.origins
        if settings.bench:
            canned = BenchOrigins(self._world)
            origins.delivery = await self._open_bench("delivery", canned.delivery, settings.delivery_port)
            origins.polling = await self._open_bench("polling", canned.polling, settings.polling_port)
            origins.api = await self._open_bench("api", canned.api, settings.api_port)
            return self
        polling = Polling(self._world).routes()
        delivery = Delivery(self._world).routes()
        api = [*Admin(self._world).routes(), *polling, *Api(self._world).routes()]
        origins.delivery = await self._open("delivery", delivery, settings.delivery_port)
        origins.polling = await self._open("polling", polling, settings.polling_port)
        origins.api = await self._open("api", api, settings.api_port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, why: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._world.close()
        for server in self._bench:
            server.close()
        for runner in self._runners:
            await runner.cleanup()

    async def _open_bench(self, origin: str, answer: Answer, port: int) -> str:
        """Listen with a bare protocol, and the base URL that leads there."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: BenchConnection(self._world, origin, answer), self.settings.host, port, backlog=1024
        )
        self._bench.append(server)
        return self._base_url(server.sockets[0].getsockname()[1])

    async def _open(self, origin: str, routes: list[web.RouteDef], port: int) -> str:
        """Listen, and the base URL that leads there."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[_watch(self._world)])
        app[ORIGIN] = origin
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self.settings.host, port).start()
        return self._base_url(runner.addresses[0][1])

    def _base_url(self, port: int) -> str:
        return f"http://{self.settings.public_host or self.settings.host}:{port}"


def _watch(world: World) -> Middleware:
    """Counts every request and key by origin; refuses credentials where pictures are delivered."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin, headers = request.app[ORIGIN], request.headers
        if request.path.startswith("/_emulator/"):
            return await handler(request)
        world.counts.requests[origin] += 1
        world.counts.keys_seen[origin] += "x-key" in headers
        world.counts.strays += request.path == STRAY_PATH
        if origin == "delivery" and not {"x-key", "Authorization", "Cookie"}.isdisjoint(headers):
            world.counts.leaked_keys += 1
            return xml(400, "InvalidHeaderValue")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return web.json_response({"detail": "Not Found"}, status=404)
        except web.HTTPMethodNotAllowed:
            return web.json_response({"detail": "Method Not Allowed"}, status=405)

    return watch
