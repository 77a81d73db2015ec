"""What the emulator may be told: one frozen record, every field with its unit and its source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """
    Everything that can be chosen about one emulator.

    Where it listens (port 0 means any free one):
        host: address of the three listeners.
        public_host: the name put into minted URLs when it differs from `host` (containers).
        api_port, polling_port, delivery_port: TCP ports.

    Who may come in (https://api.bfl.ai/openapi.json puts `x-key` on every POST):
        keys: the valid keys; None accepts every well-formed key.
        key_pattern: what well-formed means; anything else is "Invalid API key format".
        accounts: key to account name; keys not listed share one account, because limits and
            credits belong to the organisation, not to the key.
        gated: model names no key here has access to.
        credits: what each account starts with (1 credit = 0.01 USD).

    How much at once (https://docs.bfl.ai/quick_start/generating_images):
        max_active: unfinished tasks per account.
        max_active_by_model: ceilings nested inside `max_active`.

    How long things take (seconds, divided by `speed`):
        latency_s: median task time by model name, overriding the table in `models.py`.
        latency_sigma: sigma of the log-normal around the median; 0 makes it exact.
        submit_takes_s, poll_takes_s: how long one answer takes.
        speed: 10 makes everything ten times quicker.
        link_lifetime_s: how long a delivery link is valid (not scaled; the vendor says 10 minutes).
        retention_s: how long a finished task is known (not scaled).

    Behaviour:
        global_polls: True lets the submit host answer polls for tasks living on the polling host.
        webhook_signature: also send `X-BFL-Signature`, an HMAC-SHA256 of the body.
        seed: makes latencies, seeds and pictures repeatable.

    Bench mode (`bench=True`): canned bytes, no ceilings, no auth, no pictures.
        bench_result_bytes: size of the delivered PNG.
        bench_delay_s: time from the submit's answer to Ready (not scaled).

    Time:
        now: wall clock in seconds.  sleep: how to wait.
    """

    host: str = "127.0.0.1"
    public_host: str | None = None
    api_port: int = 0
    polling_port: int = 0
    delivery_port: int = 0

    keys: frozenset[str] | None = None
    key_pattern: str = r"[A-Za-z0-9_-]{8,128}"
    accounts: Mapping[str, str] = field(default_factory=dict)
    gated: frozenset[str] = frozenset()
    credits: float = 1_000_000.0

    max_active: int = 24
    max_active_by_model: Mapping[str, int] = field(default_factory=lambda: {"flux-kontext-max": 6})

    latency_s: Mapping[str, float] = field(default_factory=dict)
    latency_sigma: float = 0.2
    submit_takes_s: float = 0.5
    poll_takes_s: float = 0.1
    speed: float = 1.0
    link_lifetime_s: float = 600.0
    retention_s: float = 3600.0

    global_polls: bool = False
    webhook_signature: bool = False
    seed: int = 0

    bench: bool = False
    bench_result_bytes: int = 1_500_000
    bench_delay_s: float = 0.0

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
