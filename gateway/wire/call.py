"""One exchange with a vendor, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.egress import DIRECT, Egress
from gateway.wire.body import JsonBody


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request to send. `secrets` are headers that carry credentials: they reach the socket and nothing else.
    `name` is the step it belongs to: `submit`, `poll`, or `probe` for one that costs nothing and changes nothing.
    """

    name: str
    method: str
    url: str = field(repr=False)
    body: JsonBody | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    egress: Egress = DIRECT


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers (case-insensitive mapping), body up to a small cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
