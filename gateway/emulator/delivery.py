"""The delivery origin: signed links, ranges, no credentials; https://docs.bfl.ai/api_integration/integration_guidelines."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from gateway.emulator import torn
from gateway.emulator.mishaps import act_out
from gateway.emulator.tasks import Task
from gateway.emulator.world import World

_SERVER = "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"
_REFUSAL = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}.\n'
    "RequestId:00000000-0000-0000-0000-000000000000</Message></Error>"
)


def link_to(world: World, task: Task) -> str:
    """A fresh link to the task's picture, valid for the configured lifetime from now."""
    day = datetime.fromtimestamp(task.started, UTC).strftime("%Y/%m/%d")
    path = f"/results/{day}/{task.id}/sample.{task.output_format}"
    expires = world.now + world.settings.link_lifetime_s
    return world.origins.delivery + world.signer.sign(path, f"image/{task.output_format}", expires)


def xml(status: int, code: str) -> web.Response:
    """A refusal as Azure Blob Storage words it."""
    return web.Response(status=status, text=_REFUSAL.format(code=code), content_type="application/xml")


class Delivery:
    """Handlers of the delivery origin."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Pictures by link; whoever asks for anything else was led astray."""
        return [
            web.get("/results/{year}/{month}/{day}/{id}/{name}", self.deliver),
            web.route("*", "/{anything:.*}", self.stray),
        ]

    async def stray(self, request: web.Request) -> web.Response:
        """Nobody has a reason to come here."""
        return xml(404, "ResourceNotFound")

    async def deliver(self, request: web.Request) -> web.StreamResponse:
        """The picture, or a refusal: wrong or expired signature 403, unknown 404."""
        world = self._world
        task = world.tasks.find(request.match_info["id"], world.now)
        armed = world.faults.take("delivery", task.riding if task else ())
        if armed:
            world.counts.faults[armed.name] += 1
            if armed.fault.act:
                return await act_out(armed.fault.act, armed, request, world)
        forged = not world.signer.opens(request.path, request.query, world.now)
        if forged or (armed and armed.name == "delivery_expired"):
            world.counts.downloads_refused += 1
            return xml(403, "AuthenticationFailed")
        if task is None:
            world.counts.downloads_refused += 1
            return xml(404, "BlobNotFound")
        picture = await asyncio.shield(task.making)
        headers = _headers(picture, request.query["rsct"], task.ends)
        task.downloads += 1
        world.counts.downloads += 1
        if armed:
            return await torn.deliver(armed, picture, headers, request, world)
        return _whole_or_part(request, picture, headers)


def _headers(picture: bytes, content_type: str, made: float) -> dict[str, str]:
    digest = hashlib.md5(picture, usedforsecurity=False).digest()
    return {
        "Content-Type": content_type,
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=1200",
        "Content-MD5": base64.b64encode(digest).decode(),
        "ETag": f'"0x{digest.hex()[:15].upper()}"',
        "Last-Modified": format_datetime(datetime.fromtimestamp(int(made), UTC), usegmt=True),
        "Server": _SERVER,
        "x-ms-version": "2026-02-06",
        "x-ms-blob-type": "BlockBlob",
    }


def _whole_or_part(request: web.Request, picture: bytes, headers: dict[str, str]) -> web.Response:
    total = len(picture)
    try:
        asked = request.http_range
    except ValueError:
        asked = slice(None)
    if asked.start is None and asked.stop is None:
        return web.Response(body=picture, headers=headers)
    start, stop, _ = asked.indices(total)
    if start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
    del headers["Content-MD5"]
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    return web.Response(status=206, body=picture[start:stop], headers=headers)
