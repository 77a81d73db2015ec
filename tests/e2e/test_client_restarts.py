"""
The gateway is killed or stopped under stock clients, and another process takes its place: one submission, and the user
has the picture. Clients use their own retries and no key.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.bench.processes import free_port
from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown
from tests.e2e.driver import SOME
from tests.e2e.stand import BFL_KEY, KEY, SLOW_MODEL
from tests.fakes.clock import UNHURRIED
from tests.fakes.customer import IMAGE
from tests.fakes.cutting_proxy import Cut, CuttingProxy
from tests.fakes.program import HURRIED, environment

PARALLEL = 100


class Service:
    """A gateway of its own at one address, one process after the other."""

    def __init__(self, folder: Path, emulator: str) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: asyncio.subprocess.Process | None = None
        document = {
            "listen": {"port": self._port},
            "admin": {"port": 0},
            "state_dir": str(folder / "state"),
            "auth": {"keys": [{"id": "client-0", "hash": f"sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"}]},
            "platforms": {"bfl": {"kind": "bfl", "api_key": BFL_KEY, "base_url": emulator}},
            "jobs": {"drain": 0, **UNHURRIED},
        }
        (folder / "gateway.yaml").write_text(yaml.safe_dump(document))

    async def start(self) -> None:
        with (self._folder / "gateway.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *HURRIED,
                *("serve", "--config", str(self._folder / "gateway.yaml")),
                env=environment(self._folder),
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        async with aiohttp.ClientSession() as client, asyncio.timeout(100):
            while True:
                try:
                    async with client.get(f"{self.url}/healthz"):
                        return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)

    async def replace(self, how: signal.Signals) -> None:
        """End it and start another one, whatever becomes of the connection over which somebody waits for that."""
        self._replacing = asyncio.ensure_future(self._replace(how))
        await asyncio.shield(self._replacing)

    async def _replace(self, how: signal.Signals) -> None:
        await self.end(how)
        await self.start()

    async def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()


@pytest.fixture
async def service(tmp_path: Path, stand: dict[str, str]) -> AsyncIterator[Service]:
    service = Service(tmp_path, stand["emulator"])
    await service.start()
    yield service
    await service.end(signal.SIGKILL)


async def asked_after(truth: Truth, prompt: str) -> None:
    """Returns once the platform was asked after the task: its answer to the submission is written down by then."""
    while not await truth.accepted(prompt):
        await asyncio.sleep(0.01)
    polls = (await truth.counts())["polls"]
    while (await truth.counts())["polls"] == polls:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_while_the_platform_works(
    sdk: Client, service: Service, prompt: str, truth: Truth, how: signal.Signals
) -> None:
    """The task goes on at the vendor; the next process asks after it, and the client's own retry joins."""

    async def restart() -> None:
        await asked_after(truth, prompt)
        await service.replace(how)

    async with CuttingProxy(service.url, [Cut(after_upload=restart)]) as proxy:
        answer = await sdk.edit(prompt, at=proxy.url, model=SLOW_MODEL)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


async def test_the_ai_sdk(ai_sdk: Client, service: Service, prompt: str, truth: Truth) -> None:
    """It repeats without saying so: the same request takes over the job that nobody waits for."""

    async def restart() -> None:
        await asked_after(truth, prompt)
        await service.replace(signal.SIGKILL)

    async with CuttingProxy(service.url, [Cut(after_upload=restart)]) as proxy:
        answer = await ai_sdk.edit(prompt, at=proxy.url, model=SLOW_MODEL)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_with_the_first_byte_of_the_answer(sdk: Client, service: Service, prompt: str, truth: Truth) -> None:
    """The picture is on disk before its answer begins: the next process has it."""

    async def restart() -> None:
        await service.replace(signal.SIGKILL)

    async with CuttingProxy(service.url, [Cut(answer_bytes=0, after_head=restart)]) as proxy:
        answer = await sdk.edit(prompt, at=proxy.url)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("killed", [False, True])
async def test_many_with_one_key(
    service: Service, stand: dict[str, str], prompt: str, truth: Truth, killed: bool
) -> None:
    """A hundred requests under one key, sent again until they are answered: one submission, the same bytes for all."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": prompt}

    async def one(client: aiohttp.ClientSession) -> bytes:
        while True:
            form = aiohttp.FormData({"prompt": prompt, "model": SLOW_MODEL})
            form.add_field("image", IMAGE, filename="picture.png")
            try:
                async with client.post(f"{service.url}/v1/images/edits", data=form, headers=headers) as answer:
                    body = await answer.read()
                    if answer.status == 200:
                        return body
                    assert answer.headers["x-should-retry"] == "true", body
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)

    async def restart() -> None:
        await asked_after(truth, prompt)
        await service.replace(signal.SIGKILL)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        work = [one(client) for _ in range(PARALLEL)]
        bodies, _ = await asyncio.gather(asyncio.gather(*work), restart() if killed else asyncio.sleep(0))
    assert len(set(bodies)) == 1
    assert await truth.accepted(prompt) == 1
