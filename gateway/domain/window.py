"""How a limit stands, and what limits are called."""

from __future__ import annotations

from dataclasses import dataclass

PER_MINUTE = ("requests", "images", "megapixels")
MONEY = ("credits-day", "credits-month", "cents-day", "cents-month")
# Metric labels and the last part of response headers.
LIMITS = (*PER_MINUTE, "jobs", *MONEY)


@dataclass(frozen=True, slots=True)
class Window:
    """
    How one limit stands: `limit` and what is left of it, and in how many seconds it is whole again; infinite when
    nobody can tell.
    """

    limit: float
    remaining: float
    reset_s: float
