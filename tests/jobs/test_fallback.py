"""When the next platform may be tried: a table over the whole tree of errors."""

from __future__ import annotations

import pytest

from gateway.domain.errors import (
    CATALOGUE,
    GatewayError,
    InternalError,
    InvalidField,
    LimitReached,
    Moderated,
    Paid,
    PlatformBusy,
    PlatformError,
    PlatformUnavailable,
    PlatformUnreachable,
    QueueFull,
    ShuttingDown,
    SpendReached,
)
from gateway.jobs.fallback import TROUBLE, next_may_try
from gateway.jobs.job import Result
from gateway.stores.contract import Made

BUSY, GONE = PlatformBusy("429"), PlatformUnreachable("dns")


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble(kind: type[GatewayError]) -> None:
    """The platform's own and unpaid: yes; perhaps paid: never."""
    assert next_may_try([kind("x")])
    assert not next_may_try([kind("x", paid=Paid.MAYBE)])
    assert not next_may_try([kind("x", paid=Paid.YES)])


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_other_error(code: str) -> None:
    """What is not listed is not the platform's trouble."""
    kind = CATALOGUE[code]
    error = kind.__new__(kind)
    GatewayError.__init__(error, "x")
    assert next_may_try([error]) is (kind in TROUBLE)


@pytest.mark.parametrize(
    ("results", "may"),
    [
        ([], False),
        ([None], False),
        ([GONE, None], False),
        ([GONE, BUSY, QueueFull("x"), PlatformUnavailable("x")], True),
        ([GONE, Made("ref")], False),
        ([GONE, Moderated("x", stage="input", categories=())], False),
        ([GONE, InvalidField("x", param="size")], False),
        ([GONE, LimitReached("x", limit="images")], False),
        ([GONE, SpendReached("x", limit="credits-day")], False),
        ([GONE, ShuttingDown("x")], False),
        ([GONE, PlatformError("x")], False),
        ([GONE, InternalError("x", paid=Paid.MAYBE)], False),
    ],
)
def test_all_submissions_count(results: list[Result | None], may: bool) -> None:
    """One that was made, refused, perhaps paid or is still open holds the job where it is."""
    assert next_may_try(results) is may
