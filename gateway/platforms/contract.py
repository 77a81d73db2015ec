"""
What a platform is: four pure verbs, a plan, and a table of models.

A platform that answers at once returns `Finished` from `read_submit`; everything else is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.edit import Edit
from gateway.domain.hosts import PrivateHosts
from gateway.domain.notes import Note
from gateway.domain.outcome import Outcome, Ticket
from gateway.domain.target import JobTarget
from gateway.wire.call import Answer, Call


@dataclass(frozen=True, slots=True)
class Model:
    """
    What the gateway knows of one model, as data.

    `median_s` and `sigma` describe how long it usually takes (log-normal) before anything has been observed.
    `ceiling` is the vendor's limit of active tasks for this model; None when only the account's counts.
    """

    name: str
    max_images: int
    max_image_bytes: int
    max_image_pixels: int
    median_s: float
    sigma: float
    ceiling: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a platform makes of an edit: one call per picture asked for, all carrying the same bytes.

    `names` maps the vendor's field names to the client's, for complaints about a field.
    """

    target: JobTarget
    calls: tuple[Call, ...]
    notes: tuple[Note, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


class Platform(Protocol):
    """
    One configured instance of a vendor's API.

    `name` is the operator's own id and the metric label; `account` is what ceilings and money are counted by.
    """

    @property
    def name(self) -> str: ...
    @property
    def owner(self) -> str:
        """The vendor, as `GET /v1/models` names it."""
        ...

    @property
    def account(self) -> str: ...
    @property
    def max_active_tasks(self) -> int: ...
    @property
    def models(self) -> Mapping[str, Model]: ...
    @property
    def aliases(self) -> Mapping[str, str]:
        """Further names under which clients may ask for a model."""
        ...

    @property
    def default_model(self) -> str: ...
    @property
    def defaults(self) -> Mapping[str, str]: ...
    @property
    def private(self) -> PrivateHosts:
        """Hosts that may be reached over plain http and at private addresses, such as an emulator's."""
        ...

    def plan(self, edit: Edit, target: JobTarget) -> Plan:
        """Translate. Raises: InvalidField (and its kinds) with the client's field name."""
        ...

    def read_submit(self, plan: Plan, answer: Answer) -> Outcome:
        """What the answer to a submission means. Never raises on anything a vendor may send."""
        ...

    def poll(self, ticket: Ticket) -> Call:
        """The call that asks after a task."""
        ...

    def read_poll(self, ticket: Ticket, answer: Answer) -> Outcome:
        """What the answer to a poll means. Never raises on anything a vendor may send."""
        ...
