"""One exchange with a vendor, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.blob import Blob
from gateway.domain.egress import DIRECT, Egress
from gateway.wire.body import JsonBody


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request to send. `secrets` are headers that carry credentials: they reach the socket and nothing else.
    `name` is the step it belongs to: `submit`, `poll`, or `probe` for one that costs nothing and changes nothing.

    Of a vendor that answers a submission with the picture itself: `pictures` are the members, at any depth, whose text
    is one in base64; `patience_s` is how long such a vendor may be silent while it works, None for the usual time.
    """

    name: str
    method: str
    url: str = field(repr=False)
    body: JsonBody | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    egress: Egress = DIRECT
    pictures: frozenset[str] = frozenset()
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A complete answer: status, headers (case-insensitive mapping), body up to a small cap.

    `pictures` are those that the call spoke of, whole ones only, in their order. The body has empty strings in their
    place; it is empty when it was not the JSON that it should have been.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    pictures: tuple[Blob, ...] = ()
