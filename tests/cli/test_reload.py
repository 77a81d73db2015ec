"""A configuration that is changed while the gateway runs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import yaml

from gateway.app import Gateway
from gateway.cli.reload import Reloader
from gateway.config.load import resolve
from gateway.config.schema import Config
from gateway.config.watch import Watched
from gateway.emulator.server import Emulator
from tests.cli.test_serve import FREE
from tests.conftest import KEY
from tests.fakes.customer import IMAGE, Customer, until
from tests.fakes.forms import key_settings
from tests.fakes.logbook import logbook
from tests.fakes.program import greeting, running
from tests.fakes.raw import exchange

StartGateway = Callable[..., Awaitable[Gateway]]


class File:
    """The configuration of a running gateway, in a file."""

    def __init__(self, path: Path, gateway: Gateway) -> None:
        self.path, self.gateway = path, gateway
        self.document = gateway.config.model_dump(mode="json")
        for platform in self.document["platforms"].values():
            platform["api_key"] = KEY
        self.learned: list[Config] = []
        self.reloader = Reloader(gateway, self._read, self.learned.append)
        self.write()

    def write(self) -> None:
        """As editors do: a new file in the place of the old one."""
        new = self.path.with_suffix(".new")
        new.write_text(yaml.safe_dump(self.document))
        os.replace(new, self.path)

    def _read(self) -> Config:
        return resolve(Config, self.path, {}).config

    @property
    def good(self) -> float | None:
        return self.gateway.metrics.registry.get_sample_value("gateway_config_last_reload_successful")


@pytest.fixture
async def file(tmp_path: Path, bfl: Emulator, start_gateway: StartGateway) -> File:
    return File(tmp_path / "gateway.yaml", await start_gateway(bfl))


async def status(file: File, client: aiohttp.ClientSession, model: str, key: str = "") -> int:
    """What an edit with this model is answered."""
    form = aiohttp.FormData({"prompt": "a fox", "model": model})
    form.add_field("image", IMAGE, filename="a.png")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with client.post(f"{file.gateway.url}/v1/images/edits", data=form, headers=headers) as heard:
        return heard.status


async def test_what_was_changed_counts(file: File, client: aiohttp.ClientSession) -> None:
    """Aliases, keys and ceilings: the next request is served by the new file."""
    assert await status(file, client, "cheap") == 404
    file.document["platforms"]["bfl"] |= {"aliases": {"cheap": "flux-kontext-pro"}, "max_active_tasks": 3}
    file.document["auth"]["keys"] = key_settings("the-new-key")
    file.write()
    assert await file.reloader.now("test")
    assert await status(file, client, "cheap") == 401
    assert await status(file, client, "cheap", "the-new-key") == 200
    assert file.good == 1 and [config.platforms["bfl"].kind for config in file.learned] == ["bfl"]
    assert file.gateway.slots._ceilings["bfl"] == 3


async def test_a_bad_file_changes_nothing(file: File, client: aiohttp.ClientSession) -> None:
    """Every problem is told with its place, the metric says so, and the old configuration serves on."""
    file.document["platforms"]["bfl"]["default_model"] = "nobody"
    file.document["jobs"]["queue_limit"] = -1
    file.write()
    with logbook() as book:
        assert not await file.reloader.now("test")
    assert file.good == 0
    told = [line["problem"] for line in book.lines if line["event"] == "configuration not taken"]
    assert len(told) == 2 and all(str(file.path) in line for line in told)
    assert await status(file, client, "flux-kontext-pro") == 200
    file.path.unlink()
    assert not await file.reloader.now("test")
    file.document["platforms"]["bfl"]["default_model"] = "flux-kontext-max"
    file.document["jobs"]["queue_limit"] = 10
    file.write()
    assert await file.reloader.now("test") and file.good == 1


async def test_what_waits_for_a_restart_is_named(file: File) -> None:
    """Ports and budgets are laid out once; whoever changes them reads that they do not count yet."""
    file.document["memory"]["budget"] = "1MiB"
    file.document["jobs"] |= {"queue_limit": 3, "answer_within": 17}
    file.write()
    with logbook() as book:
        assert await file.reloader.now("test")
    (line,) = [line for line in book.lines if line["event"] == "configuration taken"]
    assert line["needs_restart"] == ["memory", "jobs.queue_limit"]
    assert file.gateway.snapshot.answer_within_s == 17


async def test_running_jobs_keep_theirs(file: File, bfl: Emulator, client: aiohttp.ClientSession) -> None:
    """The platform is gone from the file while a job of it runs: the picture arrives all the same."""
    customer = Customer(file.gateway, client)
    edit = asyncio.create_task(customer.edit("make it blue"))
    await until(lambda: bfl.counts.accepted)
    file.document["platforms"] = {}
    file.document["routes"]["edits"] = []
    file.write()
    assert await file.reloader.now("test")
    assert len((await edit).pictures) == 1
    assert await status(file, client, "flux-kontext-pro") == 404


async def test_the_file_is_watched(file: File, client: aiohttp.ClientSession) -> None:
    """Looked at now and then; a replaced file is read without anybody saying so."""
    looks = asyncio.Semaphore(0)

    async def sleep(_seconds: float) -> None:
        await looks.acquire()

    file.reloader.watch(Watched(file.path), sleep)
    file.document["platforms"]["bfl"]["aliases"] = {"cheap": "flux-kontext-pro"}
    file.write()
    looks.release()
    await until(lambda: file.learned)
    await until(lambda: not file.reloader._turn.locked())
    assert await status(file, client, "cheap") == 200
    await file.reloader.close()
    assert not file.reloader._tasks


async def test_a_bug_ends_no_watch(file: File, client: aiohttp.ClientSession) -> None:
    """Whatever reading raises is told, counted as a bad file, and the next one is taken."""
    looks, read = asyncio.Semaphore(0), [MemoryError("no more"), RuntimeError("a bug")]

    def fail() -> Config:
        raise read.pop()

    async def sleep(_seconds: float) -> None:
        await looks.acquire()

    reloader = Reloader(file.gateway, lambda: fail() if read else file._read(), lambda _: None)
    reloader.watch(Watched(file.path), sleep)
    with logbook() as book:
        for before in (read[:], read[1:]):
            file.write()
            looks.release()
            await until(partial(lambda before: len(read) < len(before) and not reloader._turn.locked(), before))
        assert file.good == 0 and "a bug" in book.text
    file.write()
    looks.release()
    await until(lambda: file.good == 1)
    await reloader.close()


def test_a_signal(tmp_path: Path) -> None:
    """SIGHUP reads the file again; a bad one is told and the process goes on."""
    path = tmp_path / "gateway.yaml"
    path.write_text("jobs: {answer_within: 10}\n")
    with running(tmp_path, "serve", "--config", str(path), **FREE) as process:
        greeting(process)
        assert process.stderr is not None
        for text, expected in (("jobs: {answer_within: 20}\n", "taken"), ("jobs: {drain: never}\n", "not taken")):
            path.write_text(text)
            process.send_signal(signal.SIGHUP)
            # The test's own time limit ends a wait in vain.
            while f"configuration {expected}" not in process.stderr.readline():
                assert process.poll() is None
        process.terminate()
        process.wait(300)
    assert process.returncode == 0


async def test_no_reload_opens_a_listener_that_others_reach(tmp_path: Path, start_gateway: StartGateway) -> None:
    """Keys are gone and `listen` says 127.0.0.1, which is true after a restart only: the old keys go on."""
    gateway = await start_gateway(listen={"host": "0.0.0.0", "port": 0}, auth={"keys": key_settings("k")})
    open_one = Config.model_validate({"listen": {"port": 0}, "state_dir": tmp_path})
    reloader = Reloader(gateway, lambda: open_one, lambda _: None)
    with logbook() as book:
        assert not await reloader.now("test")
    assert "0.0.0.0" in book.lines[0]["problem"]
    url = gateway.url.replace("0.0.0.0", "127.0.0.1")
    assert (await exchange(url, "GET /v1/models HTTP/1.1", "Host: localhost")).status == 401
