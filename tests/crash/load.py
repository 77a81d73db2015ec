"""A round under load: many clients, a kill at a random moment, and everybody repeats until there is an answer."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Iterator

import aiohttp

from tests.crash.checks import CREDITS, RECOVERY_S, Seen
from tests.crash.rig import LIMIT_S, NEVER, Reply, Round

CLIENTS = 12
LABEL = "load"


class LoadRound(Round):
    """Every second client has a key; they come one after the other within the time in which the kill may come."""

    async def run(self, chance: random.Random) -> Seen:
        self._write()
        self.replies: dict[str, Reply] = {}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as client:
            await self._start(NEVER)
            prompts = [f"{self._prompt}, {number}" for number in range(CLIENTS)]
            moments = [chance.uniform(0.0, 0.7) for _ in prompts]
            asking = [
                asyncio.create_task(self._ask(client, prompt, prompt if number % 2 else None, moment))
                for number, (prompt, moment) in enumerate(zip(prompts, moments, strict=True))
            ]
            try:
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                await self._end(signal.SIGKILL)
                started = time.monotonic()
                await self._start(NEVER)
                self.seen.recovery_s = time.monotonic() - started
                await asyncio.gather(*asking)
            finally:
                for task in asking:
                    task.cancel()
                await self._end(signal.SIGTERM)
        self._read_ledger()
        return self.seen

    async def _ask(self, client: aiohttp.ClientSession, prompt: str, key: str | None, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        reply = await self._send(client, prompt=prompt, key=key)
        while reply.again or reply.status == 0:
            await asyncio.sleep(0.05)
            reply = await self._send(client, resend=True, prompt=prompt, key=key)
        self.replies[prompt] = reply

    def wrong(self) -> Iterator[str]:
        """What should not be, in words."""
        seen, paid = self.seen, self._bfl.counts.accepted_by_prompt
        for prompt, reply in self.replies.items():
            if paid[prompt] > 1:
                yield f"{prompt!r} was paid {paid[prompt]} times"
            if reply.status == 200:
                if paid[prompt] != 1 or len(reply.body["data"]) != 1:
                    yield f"{prompt!r} got {len(reply.body['data'])} pictures, and was paid {paid[prompt]} times"
            elif reply.body["error"]["code"] != "platform_answer_lost":
                yield f"{prompt!r} got {reply.status} {reply.body['error']['code']}"
        if seen.rows != CLIENTS or seen.open:
            yield f"{seen.rows} rows, {seen.open} of them open"
        if seen.credits != CREDITS * CLIENTS or seen.reserved:
            yield f"the books say {seen.credits} credits, and {seen.reserved} reservations"
        if seen.recovery_s > RECOVERY_S:
            yield f"ready only after {seen.recovery_s:.1f} s"
