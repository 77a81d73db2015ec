"""
A round under load: many clients, kills at labelled points and at random moments, and everybody repeats until there is
an answer. With trouble, the vendor loses answers or never gives them meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import random
import signal
import time
from collections.abc import Iterator, Mapping

import aiohttp

from tests.crash.armed import labels
from tests.crash.checks import Seen, Served, wrong_under_load
from tests.crash.rig import LIMIT_S, NEVER, Reply, Round

CLIENTS = 24
LOAD, TROUBLE = "load", "trouble"
# Within so many seconds of the wall they come, and the process is dead at the latest.
COME_S, LIVES_S = 0.7, (0.1, 1.5)
# What the vendor does to so large a part of all submissions each, and how long an answer is waited for, on the wall.
FAULTS = ("submit_stall", "submit_accepted_stall", "submit_accepted_502", "submit_accepted_reset", "submit_502")
SHARE, ANSWER_S = 0.04, 3.0
# What has to be over at the end.
ENDED = ("submissions_active", "slots", "queue_depth", "requests_in_flight")


class LoadRound(Round):
    """Every second client has a key. The last process finds what several before have left, and is not killed."""

    async def run(self, chance: random.Random) -> Seen:
        self._write()
        kills = 1
        if self.seen.label == TROUBLE:
            kills, self._answer_s = chance.randint(1, 2), str(ANSWER_S)
            for fault in FAULTS:
                self._bfl.script(fault, times=None, share=SHARE)
        self.clients: list[Served] = []
        self.left: Mapping[str, float] = {}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as client:
            come = asyncio.Event()
            moments = [COME_S * chance.random() for _ in range(CLIENTS)]
            asking = [asyncio.create_task(self._ask(client, *each, come)) for each in enumerate(moments)]
            try:
                for _ in range(kills):
                    await self._live_and_die(chance, come)
                await self._start(NEVER)
                self.seen.recovery_s = (await self._metrics()).get("process_cpu_seconds_total", 0.0)
                replies = await asyncio.gather(*asking)
                again = [await self._again(client, number, reply) for number, reply in enumerate(replies)]
                self.left = await self._quiet()
            finally:
                for task in asking:
                    task.cancel()
                await self._end(signal.SIGTERM)
        polled = {str(task["prompt"]) for task in self._bfl.tasks if task["polls"]}
        self.clients = [
            self._served(number, reply, repeated, polled)
            for number, (reply, repeated) in enumerate(zip(replies, again, strict=True))
        ]
        self._read_ledger()
        return self.seen

    async def _live_and_die(self, chance: random.Random, come: asyncio.Event) -> None:
        """At one of the points, for as many times as there are clients or fewer, or at a moment."""
        troubled = self.seen.label == TROUBLE
        point = (chance.choice(labels()), chance.randint(1, CLIENTS)) if troubled and chance.random() < 0.7 else NEVER
        await self._start(point, ready=False)
        dying, ready = (asyncio.create_task(work) for work in (self._dead(), self._ready()))
        await asyncio.wait([dying, ready], return_when=asyncio.FIRST_COMPLETED)
        come.set()
        await asyncio.wait([dying], timeout=chance.uniform(*LIVES_S))
        await self._end(signal.SIGKILL)
        ready.cancel()
        await asyncio.gather(dying, ready, return_exceptions=True)

    async def _ask(self, client: aiohttp.ClientSession, number: int, wait_s: float, come: asyncio.Event) -> Reply:
        await come.wait()
        await asyncio.sleep(wait_s)
        prompt, key = self._name(number)
        reply = await self._send(client, prompt=prompt, key=key)
        while reply.again or reply.status == 0:
            await asyncio.sleep(0.05)
            reply = await self._send(client, resend=True, prompt=prompt, key=key)
        return reply

    async def _again(self, client: aiohttp.ClientSession, number: int, reply: Reply) -> Reply | None:
        prompt, key = self._name(number)
        return await self._send(client, prompt=prompt, key=key) if key and reply.status == 200 else None

    async def _quiet(self) -> dict[str, float]:
        """What is under way, once nothing is, or when that takes too long."""
        ends = time.monotonic() + LIMIT_S
        while True:
            told = await self._metrics()
            left = {name: told[f"gateway_{name}"] for name in ENDED}
            if not any(left.values()) or time.monotonic() > ends:
                return left
            await asyncio.sleep(0.1)

    def _name(self, number: int) -> tuple[str, str | None]:
        """Prompt, which no two pictures have in common, and key of every second one."""
        prompt = f'write "{self._folder.name}, {number}"'
        return prompt, prompt if number % 2 else None

    def _served(self, number: int, reply: Reply, again: Reply | None, polled: set[str]) -> Served:
        prompt, _ = self._name(number)
        code = "" if reply.status == 200 else str(reply.body["error"]["code"])
        return Served(
            prompt,
            reply.status,
            code,
            _pictures(reply),
            None if again is None else _pictures(again),
            self._bfl.counts.accepted_by_prompt[prompt],
            prompt in polled,
        )

    def wrong(self) -> Iterator[str]:
        """What should not be, in words."""
        return wrong_under_load(self.clients, self.seen, self.left)

    def __str__(self) -> str:
        got = sum(one.status == 200 for one in self.clients)
        return f"{got} pictures, {len(self.clients) - got} answers lost, {self._bfl.counts.accepted} accepted"


def _pictures(reply: Reply) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(each["b64_json"]) for each in reply.body["data"]) if reply.status == 200 else ()
