"""One round: a gateway that dies at a point, another one in its place, and a client that wants its picture."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import apsw
import orjson
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.emulator.server import Emulator
from tests.crash.checks import Seen
from tests.fakes.customer import IMAGE, RESEND
from tests.fakes.program import environment

LIMIT_S, GRACE_S = 100.0, 0.5
NEVER = ("-", 1)
STEADY = (20_000, 32_768)
# What is come to on a start only needs a task that was left for it.
ON_A_START, TAKEN = ("ledger.adopt:before", "ledger.adopt:after"), ("ledger.submitted:after", 1)


def steady_port() -> int:
    """
    A free one that the system gives to no connection: whoever tries a dead port of that range again and again connects
    to itself one day, and the next process cannot listen there.
    """
    while True:
        port = random.SystemRandom().randrange(*STEADY)
        with suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True, slots=True)
class Reply:
    """`raw` is empty and `status` 0 for a connection that was cut or refused."""

    status: int
    raw: bytes
    again: bool = True

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw) if self.raw else {}


class Round:
    """In a folder of its own. `label` is where the first process dies, for the `nth` time there."""

    def __init__(self, bfl: Emulator, folder: Path, label: str, nth: int, *, keyed: bool, wrong: str = "-") -> None:
        self._bfl, self._folder, self._keyed, self._wrong = bfl, folder, keyed, wrong
        self._armed, self.seen = (label, nth), Seen(label)
        self._prompt = f"make it blue, {folder.name}"
        self._answer_s = "-"
        self._port, self._admin = steady_port(), steady_port()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, chance: random.Random) -> Seen:
        self._write()
        before = self._bfl.counts.accepted
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as client:
            try:
                reply = await self._through_the_crash(client, chance)
                while reply.again or reply.status == 0:
                    await asyncio.sleep(0.05)
                    reply = await self._send(client, resend=True)
                await self._told(client, reply)
            finally:
                await self._end(signal.SIGTERM)
        self.seen.accepted = self._bfl.counts.accepted - before
        self._read_ledger()
        return self.seen

    async def _through_the_crash(self, client: aiohttp.ClientSession, chance: random.Random) -> Reply:
        """What the client has when the first process is gone and the second one is ready."""
        label = self.seen.label
        first = TAKEN if label in ON_A_START else NEVER if label == "random" else self._armed
        await self._start(first)
        sending = asyncio.create_task(self._send(client))
        if label == "random":
            await asyncio.sleep(chance.uniform(0.0, 0.7))
        else:
            dying = asyncio.create_task(self._dead())
            await asyncio.wait([sending, dying], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([dying], timeout=GRACE_S)  # a point may come after the answer, or not that often
            dying.cancel()
        await self._end(signal.SIGKILL)
        reply = await sending
        if label in ON_A_START:
            await self._start(self._armed, ready=False)
            await self._dead()
        await self._start(NEVER)
        self.seen.recovery_s = (await self._metrics()).get("process_cpu_seconds_total", 0.0)
        return reply

    async def _told(self, client: aiohttp.ClientSession, reply: Reply) -> None:
        self.seen.status = reply.status
        if reply.status != 200:
            self.seen.code = reply.body["error"]["code"]
        else:
            pictures = [base64.b64decode(each["b64_json"]) for each in reply.body["data"]]
            self.seen.pictures = sum(data.startswith(b"\x89PNG") for data in pictures)
        if self._keyed:
            again = await self._send(client)
            self.seen.same, self.seen.again = again.raw == reply.raw, again.status
            # Nobody ends the process behind the crash but `run`.
            assert again.status or self._process is None or self._process.returncode is None, self._log()

    async def _send(
        self, client: aiohttp.ClientSession, *, resend: bool = False, prompt: str = "", key: str | None = "k"
    ) -> Reply:
        form = aiohttp.FormData()
        form.add_field("image", IMAGE, filename="picture.png", content_type="image/png")
        form.add_field("prompt", prompt or self._prompt)
        keyed = self._keyed and key is not None
        headers: Mapping[str, str] = {"Idempotency-Key": str(key)} if keyed else RESEND if resend else {}
        try:
            url = f"http://127.0.0.1:{self._port}/v1/images/edits"
            async with client.post(url, data=form, headers=headers) as answer:
                raw = await answer.read()
                return Reply(answer.status, raw, answer.headers.get("x-should-retry") == "true")
        except aiohttp.ClientError:
            return Reply(0, b"")

    def _write(self) -> None:
        self._folder.mkdir(parents=True)
        document = {
            "listen": {"port": self._port},
            "admin": {"port": self._admin},
            "state_dir": str(self._folder / "state"),
            "platforms": {"bfl": {"kind": "bfl", "api_key": "emulator-takes-any-key", "base_url": self._bfl.api_url}},
            "jobs": {"drain": 0, "collect_within": 600, "unanswered_within": 600},
        }
        (self._folder / "gateway.yaml").write_text(yaml.safe_dump(document))

    async def _start(self, armed: tuple[str, int], *, ready: bool = True) -> None:
        label, nth = armed
        with (self._folder / "gateway.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.crash.armed", label, str(nth), self._wrong, self._answer_s,
                "serve", "--config", str(self._folder / "gateway.yaml"),
                env=environment(self._folder), cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip
        if ready:
            await self._ready()

    async def _ready(self) -> None:
        limit = time.monotonic() + LIMIT_S
        async with aiohttp.ClientSession() as client:
            while time.monotonic() < limit:
                with suppress(aiohttp.ClientError):
                    async with client.get(f"http://127.0.0.1:{self._admin}/readyz") as answer:
                        if answer.status == 200:
                            return
                assert self._process is not None
                if self._process.returncode not in (None, -signal.SIGKILL):
                    break
                await asyncio.sleep(0.02)
        raise AssertionError(self._log())

    def _log(self) -> str:
        return (self._folder / "gateway.log").read_text()[-2000:]

    async def _metrics(self) -> dict[str, float]:
        """Every gauge and counter, summed over its labels by name."""
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{self._admin}/metrics") as answer,
        ):
            text = await answer.text()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    async def _dead(self) -> None:
        assert self._process is not None
        await self._process.wait()

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()

    def _read_ledger(self) -> None:
        seen, state = self.seen, self._folder / "state"
        db = apsw.Connection(str(state / "ledger.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY)
        rows = list(db.execute("SELECT state, ticket FROM submissions"))
        seen.rows, seen.tickets = len(rows), sum(ticket is not None for _, ticket in rows)
        seen.void = sum(row == "not_accepted" for row, _ in rows)
        seen.open = sum(row in ("intent", "submitted", "parked", "ready") for row, _ in rows)
        seen.reserved = int(db.execute("SELECT count(*) FROM reserved").get)
        money = db.execute("SELECT sum(micros) FROM books WHERE unit = 'credits' AND length(period) = 10").get
        seen.credits = (money or 0) / 1_000_000
        db.close()
        halves = [path.name for path in (state / "results").glob("*.tmp")]
        seen.files = [*os.listdir(state), *halves]
