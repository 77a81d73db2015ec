"""
The root of the tree: what every fault has.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """Who has to change something."""

    CLIENT = "client"
    PLATFORM = "platform"
    GATEWAY = "gateway"


class Paid(StrEnum):
    """Whether the vendor may have charged: the one fact from which everything about repeating follows."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


CATALOGUE: dict[str, type[GatewayError]] = {}


class GatewayError(Exception):
    """
    A fault with a public face.

    Args:
        text: what is wrong, where, and what to do; shown to the client.
        param: the client's own field name, when one is to blame.
        detail: private; goes to the log.
        paid: whether the vendor may have charged for the request.
        retry_after_s: when the same request may succeed, in seconds.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = Blame.GATEWAY
    hopeful: ClassVar[bool] = False
    """True when the same request may succeed a little later, as long as it is unpaid."""
    safe: ClassVar[bool] = False
    """True when it is not paid again even so, as it is known to find its job."""

    def __init_subclass__(cls) -> None:
        CATALOGUE.setdefault(cls.code, cls)

    def __init__(
        self,
        text: str,
        *,
        param: str | None = None,
        detail: str | None = None,
        paid: Paid = Paid.NO,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.param = param
        self.detail = detail
        self.paid = paid
        self.retry_after_s = retry_after_s


class InternalError(GatewayError):
    """The gateway itself failed; the log has the request id and the traceback."""
