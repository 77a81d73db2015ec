"""A clock that only moves when told, and a small client that speaks to an emulator over real sockets."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from PIL import Image

from gateway.emulator import Emulator, EmulatorSettings

KEY = "test-key-1"

Start = Callable[..., Awaitable["Client"]]
Photo = Callable[..., str]


class Clock:
    """Wall clock of a test; sleeping moves it on at once."""

    def __init__(self) -> None:
        self.time = 1_766_000_000.25

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Client:
    """What a caller of the vendor does: submit, poll, download."""

    def __init__(self, bfl: Emulator, session: aiohttp.ClientSession, clock: Clock) -> None:
        self.bfl = bfl
        self.session = session
        self.clock = clock

    async def post(
        self, body: object, *, model: str = "flux-kontext-pro", key: str | None = KEY
    ) -> aiohttp.ClientResponse:
        headers = {} if key is None else {"x-key": key}
        url = f"{self.bfl.api_url}/v1/{model}"
        response = await self.session.post(url, json=body, headers=headers, allow_redirects=False)
        await response.read()
        return response

    async def submit(self, prompt: str, *, model: str = "flux-kontext-pro", **fields: Any) -> dict[str, Any]:
        response = await self.post({"prompt": prompt, **fields}, model=model)
        assert response.status == 200, await response.text()
        accepted: dict[str, Any] = await response.json()
        return accepted

    async def poll(self, accepted: dict[str, Any]) -> aiohttp.ClientResponse:
        response = await self.session.get(accepted["polling_url"], allow_redirects=False)
        await response.read()
        return response

    async def finish(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """The poll's body once the task is over."""
        self.clock.time += 1000
        body: dict[str, Any] = await (await self.poll(accepted)).json()
        return body

    async def download(self, url: str, **headers: str) -> aiohttp.ClientResponse:
        response = await self.session.get(url, headers=headers, allow_redirects=False)
        await response.read()
        return response

    async def picture(self, prompt: str, **fields: Any) -> Image.Image:
        """The whole way: from a prompt to a decoded picture."""
        done = await self.finish(await self.submit(prompt, **fields))
        response = await self.download(done["result"]["sample"])
        assert response.status == 200
        return Image.open(io.BytesIO(await response.read()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def start(clock: Clock) -> AsyncIterator[Start]:
    """Starts an emulator with the given settings and hands out a client; closes both after the test."""
    async with AsyncExitStack() as stack:

        async def starter(**settings: Any) -> Client:
            chosen: dict[str, Any] = {
                "latency_sigma": 0.0,
                "submit_takes_s": 0.0,
                "poll_takes_s": 0.0,
                "now": clock.now,
                "sleep": clock.sleep,
            } | settings
            bfl = await stack.enter_async_context(Emulator(EmulatorSettings(**chosen)))
            session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
            return Client(bfl, session, clock)

        yield starter


@pytest.fixture
async def client(start: Start) -> Client:
    """A client of an emulator with plain settings."""
    return await start()


@pytest.fixture
def photo() -> Photo:
    """Makes a base64 picture: left half of one colour, right half of another, or transparent."""

    def make(
        width: int = 64,
        height: int = 64,
        *,
        left: str = "white",
        right: str = "black",
        form: str = "PNG",
        mode: str = "RGB",
    ) -> str:
        picture = Image.new(mode, (width, height), right)
        picture.paste(Image.new(mode, (width // 2, height), left), (0, 0))
        out = io.BytesIO()
        picture.save(out, form)
        return base64.b64encode(out.getvalue()).decode()

    return make
