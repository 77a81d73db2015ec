"""A gateway, the vendor's emulator beside it, and an OpenAI; the first two as processes of their own. Linux only."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.processes import free_port
from tests.fakes.openai_server import FakeOpenAi, answer, fake_openai
from tests.fakes.program import HURRIED, environment
from tests.soak.checks import Sample
from tests.soak.clients import GATED, KEYS, RELAYED

# The gateway's clock and the vendor run so much faster than the wall; minutes of load are hours of service.
FASTER = 20
BUDGET, DISK = 24 * 2**20, 512 * 2**20
ACTIVE = 12
# Half a minute of the wall: a client that comes back on a busy machine still finds its picture.
RETENTION_S = 600
VENDOR_KEY = "00000000-0000-4000-8000-000000000000"
# A task that takes longer has its slot taken away.
MAX_AGE_S = 240
PROMPT = re.compile(rb'name="prompt"\r\n\r\n([^\r]*)|"prompt": ?"([^"]*)"')
START_LIMIT_S = 100.0


@dataclass
class Stage:
    """`file` is the gateway's configuration; `relayed` the prompts that reached OpenAI."""

    folder: Path
    gateway: subprocess.Popen[bytes]
    url: str
    admin: str
    vendor: str
    openai: FakeOpenAi
    session: aiohttp.ClientSession
    relayed: set[str]
    key: str = VENDOR_KEY
    _turn: int = 0

    @property
    def file(self) -> Path:
        return self.folder / "gateway.yaml"

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text(errors="replace")

    async def metrics(self) -> dict[str, float]:
        """Every gauge and counter, summed over its labels by name."""
        async with self.session.get(f"{self.admin}/metrics") as answer:
            text = await answer.text()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name, labels = sample.name.removeprefix("gateway_"), sample.labels
                if name == "memory_budget_bytes":
                    name = f"memory_{labels['kind']}"
                if name == "slots":
                    found[f"slots_{labels['reason']}"] = found.get(f"slots_{labels['reason']}", 0) + sample.value
                if name == "upstream_responses_total":
                    name = f"{labels['platform']}_{labels['call']}"
                if name == "submissions_active":
                    found[f"active_{labels['platform']}"] = found.get(f"active_{labels['platform']}", 0) + sample.value
                found[name] = found.get(name, 0.0) + sample.value
        return found

    async def sample(self) -> Sample:
        began = time.monotonic()
        told, proc = await self.metrics(), Path(f"/proc/{self.gateway.pid}")
        took_s = time.monotonic() - began
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        children = (proc / "task" / str(self.gateway.pid) / "children").read_text().split()
        self._collect()
        return Sample(
            rss=int(status["VmRSS"].split()[0]) / 1024,
            descriptors=len(os.listdir(proc / "fd")),
            threads=int(status["Threads"]),
            children=len(children),
            tasks=told["event_loop_tasks"],
            held=told["memory_held"],
            reloaded=told["config_last_reload_successful"],
            took_s=took_s,
            waiting=told["queue_depth"],
            running=told["slots_running"],
        )

    async def counts(self) -> dict[str, Any]:
        self._collect()
        async with self.session.get(f"{self.vendor}/_emulator/counts") as answer:
            found: dict[str, Any] = await answer.json()
        return found

    async def vendor_does(self, what: str, **told: Any) -> None:
        async with self.session.post(f"{self.vendor}/_emulator/{what}", json=told) as answer:
            assert answer.status == 200, await answer.text()

    def rotate(self) -> str:
        """Write a new vendor key, and the old one."""
        old, self.key = self.key, str(uuid.uuid4())
        self.write(self._turn)
        return old

    def write(self, turn: int, *, good: bool = True) -> None:
        """The configuration of this turn: weights change, and sometimes all of it is wrong."""
        self._turn = turn
        document = _document(self.url, self.admin, self.vendor, self.openai.url, self.folder, turn, self.key)
        if not good:
            document["routes"]["edits"] = ["nobody"]
        new = self.file.with_suffix(".new")
        new.write_text(yaml.safe_dump(document))
        new.replace(self.file)
        self.gateway.send_signal(signal.SIGHUP)

    def _collect(self) -> None:
        """Keep the prompts of what was relayed, and no more of it."""
        for seen in self.openai.seen:
            if found := PROMPT.search(bytes(seen.body)):
                self.relayed.add((found[1] or found[2]).decode())
        self.openai.seen.clear()


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Everything started and answering."""
    drawn = {"created": 1, "data": [{"b64_json": RELAYED}]}
    async with fake_openai(answer(drawn)) as openai, aiohttp.ClientSession() as session:
        told = folder / "emulator.log"
        with _process(
            told, sys.executable, "-m", "gateway", "emulate", "--port", "0", "--speed", str(FASTER), "--gated", GATED
        ):
            while b"counts" not in told.read_bytes():
                await asyncio.sleep(0.05)
            vendor = told.read_text().split("counts", 1)[1].split()[0].removesuffix("/_emulator/counts")
            url, admin = (f"http://127.0.0.1:{free_port()}" for _ in "12")
            file = folder / "gateway.yaml"
            file.write_text(yaml.safe_dump(_document(url, admin, vendor, openai.url, folder, 0, VENDOR_KEY)))
            with _process(folder / "gateway.log", *HURRIED, "serve", "--config", str(file)) as gateway:
                stage = Stage(folder, gateway, url, admin, vendor, openai, session, set())
                async with asyncio.timeout(START_LIMIT_S):
                    while not await _ready(session, admin):
                        assert gateway.poll() is None, stage.log
                        await asyncio.sleep(0.05)
                yield stage


async def _ready(session: aiohttp.ClientSession, admin: str) -> bool:
    try:
        async with session.get(f"{admin}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@contextmanager
def _process(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment(log.parent), cwd=log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _document(url: str, admin: str, vendor: str, openai: str, folder: Path, turn: int, key: str) -> dict[str, Any]:
    limits = {
        "light": {"jobs": 12},
        "thrifty": {"images": 4, "megapixels": 40, "jobs": 2, "credits_month": 100_000},
        "hasty": {"requests": 60},
    }
    return {
        "listen": {"port": int(url.rpartition(":")[2])},
        "admin": {"port": int(admin.rpartition(":")[2])},
        "state_dir": str(folder / "state"),
        # Three minutes on the wall: the machine may be busy with something else.
        "jobs": {"answer_within": 3600, "job_max_age": MAX_AGE_S, "collect_within": 200, "unanswered_within": 200},
        "auth": {
            "keys": [
                {
                    "id": name,
                    "hash": f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}",
                    "limits": limits.get(name, {}),
                    "weight": 1 + (turn + index) % 4,
                }
                for index, (name, secret) in enumerate(KEYS.items())
            ]
        },
        "platforms": {
            "bfl": {
                "kind": "bfl",
                "api_key": key,
                "base_url": vendor,
                "max_active_tasks": ACTIVE,
                "webhook": {"public_url": url},
            },
            "openai": {"kind": "openai", "api_keys": ["sk-of-the-soak"], "base_url": openai},
        },
        "routes": {
            "oversize": "downscale",
            "mask": "fill",
            "rules": [
                {"name": "steady", "match": {"caller": ["steady"]}, "to": ["bfl"]},
                {
                    "name": "pictures",
                    "match": {"path": ["/v1/images/edits", "/v1/images/generations"]},
                    "to": ["bfl", "openai/gpt-image-2"],
                },
            ],
            "edits": ["bfl", "openai"],
        },
        "memory": {"budget": BUDGET, "disk": DISK},
        "results": {"retention": RETENTION_S},
    }
