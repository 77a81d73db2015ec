"""Everything that runs during a bench: vendors on one core, gateways and the reference on the other."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.bench import load
from tests.bench.exchanges import KEY, Edit
from tests.bench.processes import LOAD_CORE, MEASURED_CORE, BenchFailed, Process, free_port
from tests.bench.vendors import EMULATORS, LARGE, SMALL, TIMED_S

MIB = 1024 * 1024
STARTS = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """
    `gateway` has all as it is, `spooling` no room for an upload in memory, `tight` 64 MiB; `watched` and `bare` tell
    their loops' pauses at the socket beside them. `forgetful` has no ledger on disk, `unfiled` has one and keeps
    finished pictures in memory; `filed` keeps each in a file of its own. `starts` are seconds, `idle` MB, each as
    gateway and reference.
    """

    gateway: Process
    spooling: Process
    tight: Process
    watched: Process
    bare: Process
    forgetful: Process
    unfiled: Process
    filed: Process
    watched_pauses: Path
    bare_pauses: Path
    starts: tuple[float, float]
    idle: tuple[float, float]
    _urls: dict[str, str]

    @property
    def measured(self) -> tuple[Process, ...]:
        return (
            self.gateway,
            self.spooling,
            self.tight,
            self.watched,
            self.bare,
            self.forgetful,
            self.unfiled,
            self.filed,
        )

    async def told(self, model: str) -> tuple[int, int]:
        """Submissions an emulator has seen, and the bytes of all bodies."""
        host, _, port = self._urls[model].removeprefix("http://").rpartition(":")
        _, connection = await asyncio.get_running_loop().create_connection(load.Connection, host, int(port))
        answer = await connection.ask((b"GET /_emulator/counts HTTP/1.1\r\nHost: bench\r\n\r\n",))
        connection.close()
        counts = orjson.loads(answer.body)
        if counts["leaked_keys"]:
            raise BenchFailed("a key went where pictures are delivered")
        return counts["submits_seen"], counts["body_bytes"]


# What a BFL account may have unfinished at a time, https://docs.bfl.ai/quick_start/introduction: peaks of memory are
# measured as they are met in production. Rates are measured without a ceiling.
VENDOR_ACTIVE = 24


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Start all of it, and let the gateways learn how long a task takes here."""
    async with AsyncExitStack() as stack:
        vendors = Process(["tests.bench.vendors"], folder / "vendors.log", core=LOAD_CORE)
        urls = json.loads(await (await stack.enter_async_context(vendors)).said())
        bare_pauses, watched_pauses = folder / "bare.sock", folder / "watched.sock"

        def gateway(name: str, *module: str, active: int = 1000, ledger: str = "sqlite", **memory: int) -> Process:
            port, path = free_port(), folder / f"{name}.yaml"
            path.write_text(yaml.safe_dump(_config(port, folder / name, urls, memory, active, ledger)))
            return Process(
                [*(module or ("gateway",)), "serve", "--config", str(path)],
                folder / f"{name}.log",
                core=MEASURED_CORE,
                port=port,
            )

        def bare() -> Process:
            port = free_port()
            arguments = ["tests.bench.reference", str(port), json.dumps(urls), str(bare_pauses)]
            return Process(arguments, folder / "bare.log", core=MEASURED_CORE, port=port)

        ours: list[tuple[float, float]] = []
        theirs: list[tuple[float, float]] = []
        for _ in range(STARTS):
            for made, times in ((gateway("trial"), ours), (bare(), theirs)):
                async with made as process:
                    times.append((process.started_s, process.rss_mb()))
            bare_pauses.unlink()

        running = [
            await stack.enter_async_context(process)
            for process in (
                gateway("gateway", budget=256 * MIB),
                gateway("spooling", budget=1),
                gateway("tight", active=VENDOR_ACTIVE, budget=64 * MIB),
                gateway("watched", "tests.bench.pauses", str(watched_pauses), budget=256 * MIB),
                bare(),
                gateway("forgetful", ledger="none", budget=256 * MIB),
                gateway("unfiled", "tests.bench.unfiled", "memory", budget=256 * MIB),
                gateway("filed", "tests.bench.unfiled", "files", budget=256 * MIB),
            )
        ]
        ready, spooling, tight, watched, plain, forgetful, unfiled, filed = running
        stage = Stage(
            gateway=ready,
            spooling=spooling,
            tight=tight,
            watched=watched,
            bare=plain,
            forgetful=forgetful,
            unfiled=unfiled,
            filed=filed,
            watched_pauses=watched_pauses,
            bare_pauses=bare_pauses,
            starts=(min(s for s, _ in ours), min(s for s, _ in theirs)),
            idle=(max(m for _, m in ours), max(m for _, m in theirs)),
            _urls=urls,
        )
        models = (tuple(EMULATORS), ("large",), ("timed",), ("large",), (), ("small",), ("small",), ("small",))
        await asyncio.gather(
            *(_teach(process, model) for process, used in zip(running, models, strict=True) for model in used)
        )
        yield stage


async def _teach(process: Process, model: str) -> None:
    """Edit until the answers come as fast as they will: a gateway expects the vendor's usual seconds at first."""
    edit = Edit.of(model, sent=SMALL, got=SMALL if model == "small" else LARGE)
    settled = 0
    assert process.port is not None
    for _ in range(60):
        answers = await load.loop(process.port, edit.make, edit.check, at_once=6)
        typical = sorted(answer.seconds for answer in answers)[3]
        settled += typical < 0.4 + (TIMED_S if model == "timed" else 0)
        if settled == 5:
            return
    raise BenchFailed(f"edits of {model!r} still take {typical:.1f} s")


def _config(
    port: int, state: Path, urls: dict[str, str], memory: dict[str, int], active: int, ledger: str
) -> dict[str, Any]:
    platforms: dict[str, Any] = {
        name: {
            "kind": "bfl",
            "api_key": "00000000-0000-4000-8000-000000000000",
            "base_url": urls[name],
            "aliases": {name: "flux-kontext-pro"},
            "max_active_tasks": active,
        }
        for name in EMULATORS
    }
    platforms["openai"] = {"kind": "openai", "api_keys": ["sk-bench-0000000000"], "base_url": urls["openai"]}
    return {
        "listen": {"port": port},
        "admin": {"port": 0},
        "state_dir": str(state),
        "ledger": ledger,
        "auth": {"keys": [{"id": "bench", "hash": "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()}]},
        "platforms": platforms,
        "routes": {"edits": list(EMULATORS)},
        "memory": memory,
        "jobs": {"drain": 0, "queue_limit": 1000},
    }
