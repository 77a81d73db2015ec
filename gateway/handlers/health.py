"""Alive is not ready: `/healthz` says that the process answers, `/readyz` whether it wants work."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

Told = Callable[[], Mapping[str, str]]

_OK = orjson.dumps({"status": "ok"})
# One head and nothing behind it, of a request without a body.
_ASKED = re.compile(
    rb"(?P<method>GET|HEAD) (?P<path>[!-~]+) HTTP/1\.[01]\r\n"
    rb"(?:(?!(?i:content-length|transfer-encoding):)[!-9;-~]+:[^\r\n]*\r\n)+\r\n"
)


def application(
    checks: Told, platforms: Told, registry: CollectorRegistry, alive: Callable[[], bool]
) -> web.Application:
    """
    What operators ask, on a listener of their own, in a thread that does not wait for clients' work. `checks` names
    what is wrong; nothing is when it is empty. `alive` is False when the loop that serves clients does not turn.

    `platforms` says how each platform does. One that is in trouble does not make the gateway unready: others may serve,
    and what has been paid for is still fetched; taken out of service, every gateway would follow it.
    """
    app = web.Application()
    app.router.add_get("/healthz", _healthz(alive))
    app.router.add_get("/readyz", _readyz(checks, platforms))
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    return app


async def healthz(_request: web.Request) -> web.Response:
    return _json(200, {"status": "ok"})


def raw(said: bytes, prefix: str = "") -> bytes | None:
    """
    The whole answer to a connection that has said this, when it is no more than one GET or HEAD of `/healthz`; else
    None. The same answer as the handler's, for when a hundred others would be heard before it.
    """
    if (asked := _ASKED.fullmatch(said)) is None or asked["path"] != f"{prefix}/healthz".encode():
        return None
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
        b"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" % len(_OK)
    )
    return head if asked["method"] == b"HEAD" else head + _OK


def _healthz(alive: Callable[[], bool]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def told(request: web.Request) -> web.Response:
        return await healthz(request) if alive() else _json(503, {"status": "stuck"})

    return told


def _readyz(checks: Told, platforms: Told) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def readyz(_request: web.Request) -> web.Response:
        wrong = checks()
        status = {"status": "unavailable", **wrong} if wrong else {"status": "ready"}
        return _json(503 if wrong else 200, {**status, "platforms": dict(platforms())})

    return readyz


def _json(status: int, body: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
