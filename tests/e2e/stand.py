"""
One emulator, and an OpenAI, behind several gateways, in a process of its own, for clients that live in other processes.

`python -m tests.e2e.stand DIRECTORY` prints one line of JSON with the addresses and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from gateway.app import Gateway
from gateway.config.schema import Config
from gateway.emulator import Emulator, EmulatorSettings
from gateway.jobs import join
from gateway.jobs.clock import Clock
from gateway.telemetry import logs
from tests.e2e.keys import entry, special_keys
from tests.e2e.upstream import OPENAI_KEY, upstream
from tests.fakes.clock import UNHURRIED, fast_clock
from tests.fakes.customer import NO_BREAKER

KEY = "gw-end-to-end-0123456789abcdef"
SECOND_KEY = "gw-end-to-end-fedcba9876543210"
BFL_KEY = "00000000-0000-4000-8000-000000000000"

# The vendor hurries more than the gateway's clock does: a resend within a minute is one within three real seconds,
# which is what the clients under test need for theirs.
VENDOR_SPEED, CLOCK_SPEED = 100.0, 20.0
# Real seconds that a picture of the slow model takes: longer than a client that is made impatient waits.
SLOW_MODEL, SLOW_S = "flux-kontext-max", 1.0

MODELS: dict[str, Any] = {"models": ["gpt-image-2", "gpt-image-2.6-flare"]}
# What is signed in the stand, in `X-Request-Signature`.
SIGNING_SECRET = "a-secret-that-clients-share"
BOTH: dict[str, Any] = {"edits": ["bfl", "openai"], "generations": ["bfl", "openai"]}
# Two platforms: the client's model decides, or a rule that a test asks for by header.
FAMILY: dict[str, Any] = {
    **BOTH,
    "mask": "fill",
    "oversize": "downscale",
    "rules": [
        {"name": name, "match": {"header": {"X-Rule": name}}, "to": to}
        for name, to in (
            ("to-relay", ["bfl", "openai/gpt-image-2"]),
            ("to-job", ["openai/gpt-image-2", "bfl"]),
            ("mini", [{"platform": "openai", "model": "gpt-image-2.6-flare", "overrides": {"quality": "low"}}]),
        )
    ],
}

# `hasty` promises an answer in half a second of the wall, `patient` in thirty; `narrow` takes one job at a time.
GATEWAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keyless": {"auth": {}},
    "hasty": {"jobs": {"answer_within": 0.5 * CLOCK_SPEED}},
    "patient": {"jobs": {"answer_within": 30 * CLOCK_SPEED}},
    "narrow": {"jobs": {"queue_limit": 0}, "platform": {"max_active_tasks": 1}},
    "family": {"routes": FAMILY},
    "keys": {"auth": {"keys": special_keys()}, "routes": BOTH | {"mask": "fill"}},
    "signed": {"signature": {"secrets": [SIGNING_SECRET], "mode": "body"}},
    "stamped": {"signature": {"secrets": [SIGNING_SECRET], "mode": "timestamp"}},
}
# Those that also have OpenAI behind them.
RELAYING = ("family", "keys")


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[dict[str, str]]:
    """
    The addresses by name: every gateway's, `upstream`, which is OpenAI, and `emulator`, whose admin interface tells the
    truth.
    """
    settings = EmulatorSettings(
        speed=VENDOR_SPEED, latency_s={SLOW_MODEL: SLOW_S * VENDOR_SPEED}, latency_sigma=0.05, max_active_by_model={}
    )
    # Half a real second would be too short for clients that start processes and upload on a busy machine.
    join.RESEND_S = 60.0
    async with AsyncExitStack() as stack:
        bfl = await stack.enter_async_context(Emulator(settings))
        openai = await stack.enter_async_context(upstream())
        addresses = {"emulator": bfl.api_url, "upstream": openai.url.removesuffix("/v1")}
        for name, told in GATEWAYS.items():
            platforms: dict[str, Any] = {"bfl": {"kind": "bfl", "api_key": BFL_KEY, "base_url": bfl.api_url}}
            if name in RELAYING:
                platforms["openai"] = {"kind": "openai", "api_keys": [OPENAI_KEY], "base_url": openai.url} | MODELS
            gateway = Gateway(_config(told, platforms, directory / name), clock=_clock())
            addresses[name] = (await stack.enter_async_context(gateway)).url
        yield addresses


def _clock() -> Clock:
    """Hours and days stay what they are, for clients that write the time into what they sign."""
    return replace(fast_clock(CLOCK_SPEED), wall=time.time)


def _config(told: dict[str, Any], platforms: dict[str, Any], state_dir: Path) -> Config:
    sections = dict(told)
    platforms["bfl"] |= sections.pop("platform", {})
    return Config.model_validate(
        {
            "listen": {"port": 0},
            "admin": {"port": 0},
            "auth": {"keys": [entry("client-0", KEY), entry("client-1", SECOND_KEY)]},
            "state_dir": state_dir,
            "platforms": platforms,
            "jobs": {
                "drain": 0,
                **UNHURRIED,
                "breaker": NO_BREAKER,
                **sections.pop("jobs", {}),
            },
            **sections,
        }
    )


async def main() -> None:
    logs.configure([KEY, SECOND_KEY, BFL_KEY, OPENAI_KEY, SIGNING_SECRET], readable=False)
    async with standing(Path(sys.argv[1])) as addresses:
        print(json.dumps(addresses), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
