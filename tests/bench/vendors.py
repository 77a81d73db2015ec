"""`python -m tests.bench.vendors`: emulators in bench mode and a fake OpenAI; prints their base URLs as JSON."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import uvloop

from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from tests.bench.exchanges import EVENTS, echo_bytes
from tests.fakes.openai_server import Exchange, FakeOpenAi, fake_openai

SMALL, LARGE = 10_000, 1_500_000
TIMED_S = 0.5

# Model names as clients write them. Two are ready at once, one takes its time, as the platform does.
EMULATORS = {
    "small": EmulatorSettings(bench=True, bench_result_bytes=SMALL),
    "large": EmulatorSettings(bench=True, bench_result_bytes=LARGE),
    "timed": EmulatorSettings(bench=True, bench_result_bytes=LARGE, bench_delay_s=TIMED_S),
}
_ECHOES = {str(length): echo_bytes(length) for length in (1_000_000, 20_000_000)}


async def main() -> None:
    async with AsyncExitStack() as stack:
        urls = {}
        for name, settings in EMULATORS.items():
            urls[name] = (await stack.enter_async_context(Emulator(settings))).api_url
        fake = await stack.enter_async_context(fake_openai())
        fake.play(lambda exchange: _openai(fake, exchange))
        print(json.dumps(urls | {"openai": fake.url}), flush=True)
        await asyncio.Event().wait()


async def _openai(fake: FakeOpenAi, exchange: Exchange) -> None:
    fake.seen.clear()
    await exchange.read_body()
    last = exchange.seen.target.rpartition("/")[2]
    if (echo := _ECHOES.get(last)) is not None:
        whole = exchange.seen.length == len(echo)
        await exchange.head(200 if whole else 400, [("Content-Length", str(len(echo)))])
        await exchange.send(echo)
        return
    await exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    for number in range(EVENTS):
        await exchange.chunk(b'data: {"choices":[{"delta":{"content":"word %d"}}]}\n\n' % number)
        await asyncio.sleep(0.005)
    await exchange.send(b"0\r\n\r\n")


if __name__ == "__main__":
    uvloop.run(main())
