"""
One emulator behind three gateways, in a process of its own, for clients that live in other processes.

`python -m tests.e2e.stand DIRECTORY` prints one line of JSON with the addresses and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from gateway.app import Gateway
from gateway.config.schema import Config
from gateway.emulator import Emulator, EmulatorSettings
from gateway.jobs import join
from gateway.telemetry import logs
from tests.fakes.clock import fast_clock
from tests.fakes.customer import NO_BREAKER

KEY = "gw-end-to-end-0123456789abcdef"
SECOND_KEY = "gw-end-to-end-fedcba9876543210"
BFL_KEY = "00000000-0000-4000-8000-000000000000"

# The vendor hurries more than the gateway's clock does: a resend within a minute is one within three real seconds,
# which is what the clients under test need for theirs.
VENDOR_SPEED, CLOCK_SPEED = 100.0, 20.0
# Real seconds that a picture of the slow model takes: longer than a client that is made impatient waits.
SLOW_MODEL, SLOW_S = "flux-kontext-max", 1.0

# `hasty` promises an answer in half a real second, `narrow` takes one job at a time and lets nobody wait.
GATEWAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "hasty": {"jobs": {"answer_within": 0.5 * CLOCK_SPEED}},
    "narrow": {"jobs": {"queue_limit": 0}, "platform": {"max_active_tasks": 1}},
}


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[dict[str, str]]:
    """The addresses by name: every gateway's, and `emulator`, whose admin interface tells the truth."""
    settings = EmulatorSettings(
        speed=VENDOR_SPEED, latency_s={SLOW_MODEL: SLOW_S * VENDOR_SPEED}, latency_sigma=0.05, max_active_by_model={}
    )
    # Half a real second would be too short for clients that start processes and upload on a busy machine.
    join.RESEND_S = 60.0
    async with AsyncExitStack() as stack:
        bfl = await stack.enter_async_context(Emulator(settings))
        addresses = {"emulator": bfl.api_url}
        for name, told in GATEWAYS.items():
            gateway = Gateway(_config(told, bfl.api_url, directory / name), clock=fast_clock(CLOCK_SPEED))
            addresses[name] = (await stack.enter_async_context(gateway)).url
        yield addresses


def _config(told: dict[str, Any], bfl_url: str, state_dir: Path) -> Config:
    keys = [
        {"id": f"client-{index}", "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}
        for index, key in enumerate((KEY, SECOND_KEY))
    ]
    account = {"kind": "bfl", "api_key": BFL_KEY, "base_url": bfl_url, **told.get("platform", {})}
    return Config.model_validate(
        {
            "listen": {"port": 0},
            "admin": {"port": 0},
            "auth": {"keys": keys},
            "state_dir": state_dir,
            "platforms": {"bfl": account},
            "jobs": {"drain": 0, "breaker": NO_BREAKER, **told.get("jobs", {})},
        }
    )


async def main() -> None:
    logs.configure([KEY, SECOND_KEY, BFL_KEY], readable=False)
    async with standing(Path(sys.argv[1])) as addresses:
        print(json.dumps(addresses), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
