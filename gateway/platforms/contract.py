"""
What a platform is: four pure verbs, a plan, a table of models, and a free question whether the account is well.

A platform that answers at once returns `Finished` from `read_submit`, and takes its two other verbs from `AtOnce`;
everything else is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.domain.blob import Blob
from gateway.domain.edit import Edit
from gateway.domain.egress import Egress
from gateway.domain.hosts import PrivateHosts
from gateway.domain.notes import Note
from gateway.domain.outcome import Outcome, Ticket, Unsure
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.domain.target import JobTarget
from gateway.wire.body import fulfil
from gateway.wire.call import Answer, Call


@dataclass(frozen=True, slots=True)
class Model:
    """
    What the gateway knows of one model, as data.

    `median_s` and `sigma` describe how long it usually takes (log-normal) before anything has been observed.
    `ceiling` is the vendor's limit of active tasks for this model; None when only the account's counts. `edits` takes
    pictures, `generates` works from text alone, `masks` takes a mask.
    """

    name: str
    max_images: int
    max_image_bytes: int
    max_image_pixels: int
    median_s: float
    sigma: float
    ceiling: int | None = None
    edits: bool = True
    generates: bool = False
    masks: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a platform makes of an edit: one call per picture asked for, all carrying the same bytes.

    `target` names the model that is really used, which a mask may have changed. `names` maps the vendor's field names
    to the client's, for complaints about a field. `needs` is the pixel work that the calls' bodies have holes for.
    `size` is what every answered picture is brought to; None leaves it as it is made.
    `credits` is what one call costs by the vendor's price list, None when it has none; `megapixels` what it reads and
    makes, for limits.
    """

    target: JobTarget
    calls: tuple[Call, ...]
    notes: tuple[Note, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Rework, ...] = ()
    credits: float | None = None
    megapixels: float = 0.0
    size: Pixels | None = None

    def fulfilled(self, made: Mapping[Rework, Blob]) -> Plan:
        """The plan with its pixel work done. Raises: KeyError when some of it was not."""
        calls = tuple(replace(call, body=call.body and fulfil(call.body, made)) for call in self.calls)
        return replace(self, calls=calls, needs=())


@dataclass(frozen=True, slots=True)
class Health:
    """
    What a probe found: `text` says it in plain words, `credits` what is left on the account when it was told, `refused`
    whether the key itself is no good.
    """

    ok: bool
    text: str
    credits: float | None = None
    refused: bool = False


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
    def default_generation(self) -> str | None:
        """The model for requests without pictures that name none; None when no model here works from text alone."""
        ...

    @property
    def defaults(self) -> Mapping[str, str]: ...
    @property
    def cents_per_credit(self) -> float:
        """What one of the vendor's credits costs, in US cents."""
        ...

    @property
    def egress(self) -> Egress: ...
    @property
    def private(self) -> PrivateHosts:
        """Hosts that may be reached over plain http and at private addresses, such as an emulator's."""
        ...

    def check_said(self, name: str, value: str, model: str | None) -> None:
        """
        What a route says about a field, at load, where its author reads the complaint; `model` is None for any.

        Raises: InvalidField when every such request would be refused, UnknownField when nothing would come of it.
        """
        ...

    def plan(self, edit: Edit, target: JobTarget) -> Plan:
        """Translate. Raises: InvalidField (and its kinds) with the client's field name."""
        ...

    def authorize(self, call: Call) -> Call | None:
        """
        A call that was made before a reload, with the account's present key and egress; None when the key must not go
        to the call's address.
        """
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

    @property
    def webhook_base(self) -> str | None:
        """Where the vendor's call-backs reach this gateway; None when nothing was said, or the vendor has none."""
        ...

    def hooked(self, call: Call, url: str, secret: str) -> Call:
        """The submission with an address to call back at and a secret to show there; as it is when it takes none."""
        ...

    def read_hook(self, headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
        """The task that a call-back names, if it shows the secret. Never raises on anything that may be sent."""
        ...

    def ticket(self, task: str, model: str) -> Ticket:
        """What asks after a task of which only the id is known."""
        ...

    def probe(self) -> Call:
        """A call that costs nothing and tells whether the key is good and what is left on the account."""
        ...

    def read_probe(self, answer: Answer) -> Health:
        """What the answer to a probe means. Never raises on anything a vendor may send."""
        ...


class NoHooks:
    """The part of a `Platform` whose vendor calls nobody back."""

    webhook_base: str | None = None

    def hooked(self, call: Call, url: str, secret: str) -> Call:
        return call

    def read_hook(self, headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
        return None

    def ticket(self, task: str, model: str) -> Ticket:
        raise LookupError(f"{model} has no task {task} that could be asked after by its id")


class AtOnce(NoHooks):
    """
    The half of a `Platform` whose vendor answers a submission with the picture: there is never a task to ask after.

    The answer has an address, or the bytes in base64: then the call says in which members, `Call.pictures`, and finds
    them in `Answer.pictures`.
    """

    def poll(self, ticket: Ticket) -> Call:
        raise LookupError(f"{ticket.account} answers at once and has no tasks")

    def read_poll(self, ticket: Ticket, answer: Answer) -> Outcome:
        return Unsure(f"{ticket.account} answers at once and has no tasks", missing=True)
