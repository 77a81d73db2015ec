"""Alive is not ready: `/healthz` says that the process answers, `/readyz` whether it wants work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler


def application(checks: Callable[[], Mapping[str, str]], registry: CollectorRegistry) -> web.Application:
    """What operators ask, on a listener of their own. `checks` names what is wrong; nothing is when it is empty."""
    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", _readyz(checks))
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    return app


async def healthz(_request: web.Request) -> web.Response:
    return _json(200, {"status": "ok"})


def _readyz(checks: Callable[[], Mapping[str, str]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def readyz(_request: web.Request) -> web.Response:
        wrong = checks()
        return _json(503, {"status": "unavailable", **wrong}) if wrong else _json(200, {"status": "ready"})

    return readyz


def _json(status: int, body: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
