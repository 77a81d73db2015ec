"""
How limits stand, in the response headers that OpenAI's clients read.

https://developers.openai.com/api/docs/guides/rate-limits#rate-limits-in-headers
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from gateway.domain.window import LIMITS, Window

NAMES = tuple(f"x-ratelimit-{word}-{name}" for name in LIMITS for word in ("limit", "remaining", "reset"))


def headers(windows: Mapping[str, Window]) -> dict[str, str]:
    """Three for each window; no time where nobody can tell one."""
    found = {}
    for name, window in windows.items():
        found[f"x-ratelimit-limit-{name}"] = _number(window.limit)
        found[f"x-ratelimit-remaining-{name}"] = _number(window.remaining)
        if math.isfinite(window.reset_s):
            found[f"x-ratelimit-reset-{name}"] = duration(window.reset_s)
    return found


def duration(seconds: float) -> str:
    """Rounded up to milliseconds, as Go spells it: `120ms`, `58.891s`, `6m0s`."""
    whole = math.ceil(round(seconds * 1000, 3))
    if 0 < whole < 1000:
        return f"{whole}ms"
    minutes, left = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    spelt = f"{left / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + spelt


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
