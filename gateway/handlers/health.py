"""Alive is not ready: `/healthz` says that the process answers, `/readyz` whether it wants work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler


async def healthz(_request: web.Request) -> web.Response:
    return _json(200, {"status": "ok"})


def readyz(checks: Callable[[], Mapping[str, str]]) -> Callable[[web.Request], object]:
    """`checks` names what is wrong; nothing is wrong when it is empty."""

    async def readyz(_request: web.Request) -> web.Response:
        wrong = checks()
        return _json(503, {"status": "unavailable", **wrong}) if wrong else _json(200, {"status": "ready"})

    return readyz


def metrics(registry: CollectorRegistry) -> Callable[[web.Request], object]:
    return make_aiohttp_handler(registry)


def _json(status: int, body: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
