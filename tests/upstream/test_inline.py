"""Pictures that vendors put into their answers: decoded while they arrive, whole or not there, and never lost room."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.blob import Blob
from gateway.upstream import inline, session
from gateway.upstream.session import ANSWER_CAP, Answered, MaybeSent, Sent, Session
from gateway.wire.body import JsonBody
from gateway.wire.call import Answer, Call
from tests.fakes.pictures import picture
from tests.fakes.spooled import tight_spool

PICTURE = picture(200, 150, noise=True)
TEXT = base64.b64encode(PICTURE).decode()

Ask = Callable[..., Awaitable[Sent]]


@pytest.fixture
def held() -> dict[str, int]:
    return {"memory": 0, "disk": 0}


@pytest.fixture
async def ask(tmp_path: Path, held: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ask]:
    """Ask a server that writes the pieces it is given; afterwards nothing may be held."""
    monkeypatch.setattr(session, "SUBMIT_TIMES", aiohttp.ClientTimeout(total=5, sock_connect=1, sock_read=3))
    monkeypatch.setattr(inline, "CAP", 1_000_000)
    said: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=said["status"])
        response.content_length = sum(map(len, said["pieces"])) + said["short"]
        await response.prepare(request)
        for piece in said["pieces"]:
            await response.write(piece)
        assert request.transport is not None
        if said["short"]:
            request.transport.close()
        return response

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    spooled = tight_spool(tmp_path / "spool", held, budget=2_000_000, disk=0)
    async with spooled as spool, Session(spool) as opened:

        async def ask(body: Any, *, cut: int = 1000, status: int = 200, short: int = 0) -> Sent:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            said.update(status=status, short=short, pieces=[raw[at : at + cut] for at in range(0, len(raw), cut)])
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            return await opened.send(Call("submit", "POST", url, JsonBody({}), pictures=frozenset({"b64"})))

        yield ask
        await runner.cleanup()


async def read(blob: Blob) -> bytes:
    data = b"".join([chunk async for chunk in blob.chunks()])
    blob.release()
    return data


def answered(sent: Sent) -> Answer:
    assert isinstance(sent, Answered)
    return sent.answer


@pytest.mark.parametrize("cut", [7, 1000, 10**6])
async def test_a_picture(ask: Ask, held: dict[str, int], cut: int) -> None:
    """Its bytes are a blob as if it had been fetched; the text around it stays, an empty string in its place."""
    answer = answered(await ask({"made": [{"b64": TEXT, "seed": 7}], "cost": 4.50}, cut=cut))
    assert json.loads(answer.body) == {"made": [{"b64": "", "seed": 7}], "cost": 4.5}
    (blob,) = answer.pictures
    assert (blob.media_type, str(blob.pixels), blob.length) == ("image/png", "200x150", len(PICTURE))
    assert sum(held.values()) == len(PICTURE)
    assert await read(blob) == PICTURE


async def test_several(ask: Ask) -> None:
    """In their order; one that is null is no picture."""
    small = picture(seed=2)
    told = [{"b64": TEXT}, {"b64": None}, {"b64": base64.b64encode(small).decode()}]
    answer = answered(await ask({"made": told}))
    assert [await read(blob) for blob in answer.pictures] == [PICTURE, small]
    assert json.loads(answer.body)["made"] == [{"b64": ""}, {"b64": None}, {"b64": ""}]


@pytest.mark.parametrize(
    "text", ["", "no base64!", TEXT[:2000], base64.b64encode(b"GIF89a").decode(), TEXT + "=A", TEXT + "="]
)
async def test_what_is_no_whole_picture(ask: Ask, text: str) -> None:
    """It is not there, the rest of the answer is."""
    answer = answered(await ask({"b64": text, "cost": 4}))
    assert (json.loads(answer.body), answer.pictures) == ({"b64": "", "cost": 4}, ())


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        json.dumps({"b64": TEXT}).encode()[:-1],
        {"first": {"b64": TEXT}, "text": "x" * (ANSWER_CAP + 1)},
        {"first": {"b64": TEXT}, **{f"text{n}": "x" * 10_000 for n in range(7)}},
        {"b64": base64.b64encode(picture(700, 700, noise=True)).decode()},
    ],
    ids=["html", "list", "cut", "long text", "much text", "large picture"],
)
async def test_what_is_no_answer(ask: Ask, body: Any) -> None:
    """Answered, for it was; with nothing in it."""
    answer = answered(await ask(body))
    assert (answer.status, answer.body, answer.pictures) == (200, b"", ())


async def test_a_refusal_has_no_pictures(ask: Ask) -> None:
    """Read like every other one."""
    answer = answered(await ask({"b64": TEXT[:100]}, status=422))
    assert (json.loads(answer.body), answer.pictures) == ({"b64": TEXT[:100]}, ())


async def test_a_cut_connection(ask: Ask) -> None:
    """The vendor has made it, and will want its money: never sent again."""
    assert isinstance(await ask(json.dumps({"b64": TEXT}).encode()[:5000], short=10_000), MaybeSent)


@pytest.mark.parametrize(("patience_s", "kind"), [(None, MaybeSent), (5.0, Answered)])
async def test_patience(monkeypatch: pytest.MonkeyPatch, patience_s: float | None, kind: type) -> None:
    """A vendor that works before it answers is given the time that its call says."""
    monkeypatch.setattr(session, "SUBMIT_TIMES", aiohttp.ClientTimeout(total=0.2, sock_connect=1, sock_read=0.05))

    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(0.4)
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Session() as opened:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        assert isinstance(await opened.send(Call("submit", "POST", url, patience_s=patience_s)), kind)
    await runner.cleanup()
