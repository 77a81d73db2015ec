"""What a route chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JobTarget:
    """
    A platform instance and one of its models: the request is translated and worked as a paid job.

    `defaults` are text fields used where the client sent none.
    """

    platform: str
    model: str
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """A platform instance that speaks OpenAI itself: the request is streamed there and back."""

    platform: str


Target = JobTarget | RelayTarget
