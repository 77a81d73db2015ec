"""
`python -m tests.bench.reference PORT URLS PAUSES`: the same work in bare aiohttp, written in an afternoon.

Edits: read the form, post base64 JSON, poll ten times a second, download, answer JSON. All else: forward as a stream.
Nothing is checked, limited, measured, joined or repeated.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

import aiohttp
import uvloop
from aiohttp import web

from tests.bench.pauses import listen

POLL_EVERY_S = 0.1
CAP = 200 * 1024 * 1024


class Reference:
    """`urls` are the vendors' base URLs by model name, and `openai`."""

    def __init__(self, urls: dict[str, str], session: aiohttp.ClientSession) -> None:
        self._urls, self._session = urls, session

    async def edit(self, request: web.Request) -> web.Response:
        form = await request.post()
        picture = form["image[]"]
        assert isinstance(picture, web.FileField)
        task = {"prompt": form["prompt"], "input_image": base64.b64encode(picture.file.read()).decode()}
        api = self._urls[str(form["model"])]
        async with self._session.post(f"{api}/v1/flux-kontext-pro", json=task, headers={"x-key": "bench"}) as response:
            polling_url = (await response.json())["polling_url"]
        while True:
            await asyncio.sleep(POLL_EVERY_S)
            async with self._session.get(polling_url, headers={"x-key": "bench"}) as response:
                answer = await response.json()
            if answer["status"] == "Ready":
                break
        async with self._session.get(answer["result"]["sample"]) as response:
            data = await response.read()
        return web.json_response({"created": 0, "data": [{"b64_json": base64.b64encode(data).decode()}]})

    async def forward(self, request: web.Request) -> web.StreamResponse:
        headers = {"Authorization": "Bearer bench", "Content-Length": request.headers["Content-Length"]}
        url = self._urls["openai"] + request.path.removeprefix("/v1")
        async with self._session.request(request.method, url, data=request.content, headers=headers) as upstream:
            response = web.StreamResponse(status=upstream.status)
            response.content_length = upstream.content_length
            response.content_type = upstream.content_type
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


async def healthz(_request: web.Request) -> web.Response:
    return web.Response()


async def main(port: int, urls: dict[str, str], pauses: str) -> None:
    async with (
        await listen(pauses),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        reference = Reference(urls, session)
        app = web.Application(client_max_size=CAP)
        app.router.add_get("/healthz", healthz)
        app.router.add_post("/v1/images/edits", reference.edit)
        app.router.add_route("*", "/v1/{rest:.*}", reference.forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]))
