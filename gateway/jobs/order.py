"""A request ready to be worked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from gateway.domain.blob import Blob
from gateway.domain.caller import Caller
from gateway.platforms.contract import Plan, Platform
from gateway.stores.contract import ReplySpec


@dataclass(frozen=True, slots=True)
class Order:
    """
    `caller` is the id of `who` asks. `key` is its Idempotency-Key, `resend` whether it declares itself a repetition.
    `began` is when it arrived, `deadline` when it is to be answered, `submit_by` until when its submissions may wait to
    be taken, if that is earlier; all monotonic.

    `inputs` are blobs of which the supervisor takes over one hold each, and releases it once: as soon as they are not
    needed, also when it refuses the order. Who may order again, elsewhere, holds them once more for each order.
    """

    caller: str
    who: Caller
    fingerprint: str
    key: str | None
    resend: bool
    platform: Platform
    plan: Plan
    reply: ReplySpec
    inputs: Sequence[Blob]
    began: float
    deadline: float
    submit_by: float = inf
