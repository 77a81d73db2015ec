"""The stand, the libraries' processes and the emulator's own account of what happened."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import pytest
from PIL import Image

from tests.e2e import environments
from tests.e2e.client import Client
from tests.e2e.curl import Curl, curling
from tests.e2e.driver import AI_SDK, SDKS, Driver, Library
from tests.fakes.installed import required
from tests.fakes.pictures import picture

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses by name, of real processes' real sockets."""
    directory = tmp_path_factory.mktemp("stand")
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.stand", str(directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert first, (directory / "log").read_text()
            yield json.loads(first)
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(300)
    said = (directory / "log").read_text()
    assert "Traceback" not in said, said[-4000:]


@pytest.fixture(scope="session")
def start_driver() -> Iterator[Callable[[str], Driver]]:
    """A library's process, started when it is first needed. Missing ones are skipped, in CI they fail."""
    running: dict[str, Driver] = {}
    missing: dict[str, str] = {}

    def start(process: str) -> Driver:
        if process in missing:
            pytest.skip(missing[process])
        if process not in running:
            try:
                running[process] = Driver(process)
            except environments.Missing as why:
                if required():
                    pytest.fail(f"{process} is required with CI=true: {why}")
                missing[process] = f"{process}: {why}"
                pytest.skip(missing[process])
        return running[process]

    yield start
    for driver in running.values():
        driver.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Five small pictures in the three formats; the first is a PNG of 48 × 32."""
    directory = tmp_path_factory.mktemp("pictures")
    found = []
    for index, form in enumerate(("PNG", "JPEG", "WEBP", "PNG", "PNG")):
        path = directory / f"picture {index}.{form.lower()}"
        path.write_bytes(picture(48, 32, form=form, seed=index))
        found.append(str(path))
    return found


@pytest.fixture(scope="session")
def mask(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the first picture's size; its left half is transparent, which is where the picture is to change."""
    image = Image.new("RGBA", (48, 32), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 24, 32))
    path = tmp_path_factory.mktemp("masks") / "mask.png"
    image.save(path)
    return str(path)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of about 4 MB: more than any socket buffer holds, and enough for curl to wait for `100 Continue`."""
    path = tmp_path_factory.mktemp("large") / "large.png"
    path.write_bytes(picture(1200, 1200, noise=True))
    return path


@pytest.fixture(params=list(SDKS))
def sdk(
    request: pytest.FixtureRequest, stand: dict[str, str], start_driver: Callable[[str], Driver], files: list[str]
) -> Client:
    """Every official OpenAI client in turn."""
    library = SDKS[request.param]
    return _aimed(library, start_driver(library.process), stand, files)


@pytest.fixture
def ai_sdk(stand: dict[str, str], start_driver: Callable[[str], Driver], files: list[str]) -> Client:
    """Vercel's AI SDK."""
    return _aimed(AI_SDK, start_driver(AI_SDK.process), stand, files)


@pytest.fixture
def curl(stand: dict[str, str], tmp_path: Path) -> Curl:
    """The plain program."""
    return curling(stand["plain"], tmp_path)


def _aimed(library: Library, driver: Driver, stand: dict[str, str], files: list[str]) -> Client:
    assert driver.version.startswith(library.version)
    return Client(library, driver, stand, files)


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """A prompt that no other test has, so that the emulator's counts for it are this test's."""
    return f"{request.node.originalname} {uuid.uuid4()}"


class Truth:
    """What the emulator saw."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def counts(self) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/_emulator/counts") as response:
            found: dict[str, Any] = await response.json()
            return found

    async def accepted(self, prompt: str) -> int:
        """How many paid tasks the prompt became."""
        return int((await self.counts())["accepted_by_prompt"].get(prompt, 0))

    async def script(self, fault: str) -> None:
        """The next call of the fault's stage is spoiled, whoever makes it."""
        async with self._session.post(f"{self._url}/_emulator/script", json={"fault": fault}) as response:
            assert response.status == 200

    async def tasks(self, prompt: str) -> list[dict[str, Any]]:
        """The tasks of that prompt with what was sent, oldest first."""
        async with self._session.get(f"{self._url}/_emulator/tasks") as response:
            return [task for task in await response.json() if task["prompt"] == prompt]


async def relayed(session: aiohttp.ClientSession, stand: dict[str, str], text: str) -> list[dict[str, Any]]:
    """What OpenAI saw of requests with that text, oldest first: target, headers by small names, body as bytes."""
    async with session.get(f"{stand['upstream']}/_seen?{quote_plus(text)}") as response:
        return [{**one, "body": base64.b64decode(one["body"])} for one in await response.json()]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


@pytest.fixture
async def truth(stand: dict[str, str], session: aiohttp.ClientSession) -> AsyncIterator[Truth]:
    """The emulator's account; afterwards, nothing it saw may have been dropped in silence or told to the wrong host."""
    told = Truth(session, stand["emulator"])
    yield told
    counts = await told.counts()
    assert counts["ignored_fields"] == {}
    assert counts["leaked_keys"] == 0
    assert counts["strays"] == 0


def shown(picture: dict[str, Any]) -> Image.Image:
    """The decoded picture of an answer's item."""
    return decoded(base64.b64decode(picture["b64_json"], validate=True))


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
