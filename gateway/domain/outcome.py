"""What a platform's answer means."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.blob import Blob, Link
from gateway.domain.errors import GatewayError


class Stage(StrEnum):
    """Where content was refused: the request, or the picture made from it."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    Plain data that lets anyone poll a submission, also another process, later.

    `polling_url` is used verbatim: tasks live on regional hosts. `account` is the platform instance that was charged.
    """

    task: str
    polling_url: str = field(repr=False)
    model: str
    account: str
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Working:
    """Accepted, not finished. `status` is the vendor's word; `known` is False for a word nobody has documented."""

    ticket: Ticket
    status: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Unsure:
    """This answer says nothing about the task: ask again. `missing` when the vendor said it knows no such task."""

    why: str
    missing: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Done: where the pictures are, nowhere if that was not said, and what the vendor told about them."""

    results: tuple[Link | Blob, ...]
    cost: float | None = None
    seed: int | None = None
    prompt: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Content moderation said no; `reasons` are the vendor's words."""

    stage: Stage
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Over, with an error that says whether it was paid."""

    error: GatewayError


Outcome = Working | Unsure | Finished | Refused | Failed
