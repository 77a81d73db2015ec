"""What is said when the disk does not take what has to be remembered."""

from __future__ import annotations

from gateway.domain.errors import LedgerUnwritable


class LedgerUnusable(OSError):
    """The ledger cannot be opened; the text says why and what to do."""


def unwritable(detail: str) -> LedgerUnwritable:
    """`detail` is for the log."""
    text = (
        "The gateway cannot write down what it is about to pay for, so it takes no new jobs; nothing was charged. "
        "Jobs that run are finished. Try again later."
    )
    return LedgerUnwritable(text, retry_after_s=15, detail=detail)
