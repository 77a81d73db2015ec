"""How a platform is reached from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Egress:
    """
    An http proxy that connections go through, and the file of certificate authorities that are believed instead of the
    system's. `proxy` may carry a password: never printed. Nothing is ever taken from the environment.
    """

    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


DIRECT = Egress()
