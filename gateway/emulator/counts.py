"""The truth about everything the emulator saw; tests compare the gateway's story with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Counts:
    """
    Plain counters. A `Counter` is keyed by what its comment says.

    `submits_seen` are requests to a model's path, `accepted` those that became a paid task.
    """

    submits_seen: int = 0
    submits_cut: int = 0  # the client left before its body was complete
    accepted: int = 0
    accepted_by_body: Counter[str] = field(default_factory=Counter)  # sha256 of the raw body, hex
    accepted_by_prompt: Counter[str] = field(default_factory=Counter)  # the whole prompt
    accepted_by_model: Counter[str] = field(default_factory=Counter)  # model name
    struck_by_prompt: Counter[str] = field(default_factory=Counter)  # faults of submissions, by the whole prompt
    charged: float = 0.0  # credits taken, whatever was topped up
    active: int = 0  # unfinished tasks right now
    active_max: int = 0  # most unfinished tasks ever
    active_max_by_model: Counter[str] = field(default_factory=Counter)

    polls: int = 0
    polls_by_status: Counter[str] = field(default_factory=Counter)  # the status word that was answered
    downloads: int = 0  # pictures answered, whole or in part
    downloads_refused: int = 0  # expired, forged or unknown links
    strays: int = 0  # requests that followed a redirect somewhere they should not have

    requests: Counter[str] = field(default_factory=Counter)  # api, polling, delivery
    keys_seen: Counter[str] = field(default_factory=Counter)  # requests with x-key, by origin
    leaked_keys: int = 0  # x-key, Authorization or Cookie where none belongs
    submit_headers: Counter[str] = field(default_factory=Counter)  # sorted lower-case names, comma-joined
    chunked_submits: int = 0  # sent without a Content-Length

    ignored_fields: Counter[str] = field(default_factory=Counter)  # fields the vendor drops in silence
    explicit_nulls: Counter[str] = field(default_factory=Counter)  # fields sent as null
    data_uris: int = 0  # pictures sent as data: URIs instead of bare base64

    refused: Counter[str] = field(default_factory=Counter)  # submits answered no, by HTTP status
    faults: Counter[str] = field(default_factory=Counter)  # faults acted out, by name
    webhooks: Counter[str] = field(default_factory=Counter)  # call-backs, by the status they got
    body_bytes: int = 0  # bytes of submit bodies read

    def as_json(self) -> dict[str, object]:
        """The same facts as JSON-ready data."""
        facts = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: dict(fact) if isinstance(fact, Counter) else fact for name, fact in facts}
