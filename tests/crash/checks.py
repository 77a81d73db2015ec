"""What has to be true after a crash, as a function of what was seen: everything else is a violation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

# Between the first byte and the answer on disk nobody can know whether it was taken: an honest error is all there is.
GAP = ("ledger.intent:after", "send.submit", "ledger.submitted:before", "commit", "random")
RECOVERY_S = 5.0
CREDITS = 4.0
KNOWN = ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "ledger.lock", "secret", "results", "spool")


@dataclass(slots=True)
class Seen:
    """
    One request through a crash. `status`, `code` and `pictures` are the last answer's; `replayed` is what a further
    repetition under the same key got, None without one. `accepted` counts the vendor; `tickets`, `rows` and `open` the
    ledger; `credits` and `reserved` the books. `recovery_s` from the start of the process until it was ready.
    """

    label: str
    status: int = 0
    code: str = ""
    pictures: int = 0
    same: bool = True
    accepted: int = 0
    rows: int = 0
    tickets: int = 0
    open: int = 0
    credits: float = 0.0
    reserved: int = 0
    recovery_s: float = 0.0
    files: list[str] = field(default_factory=list)


def wrong(seen: Seen) -> Iterator[str]:
    """What should not be, in words."""
    gap = any(seen.label.startswith(point) for point in GAP)
    if seen.accepted > 1:
        yield f"paid {seen.accepted} times"
    if seen.status == 200:
        if seen.pictures != 1 or seen.accepted != 1:
            yield f"{seen.pictures} pictures for {seen.accepted} submissions"
        if seen.tickets != 1:
            yield f"{seen.tickets} tasks in the ledger, 1 at the vendor"
    elif not (gap and seen.code == "platform_answer_lost"):
        yield f"the client got {seen.status} {seen.code}"
    if not seen.same:
        yield "the same key got other bytes"
    if seen.rows != 1 or seen.open:
        yield f"{seen.rows} rows, {seen.open} of them open"
    if seen.credits != CREDITS or seen.reserved:
        yield f"the books say {seen.credits} credits, and {seen.reserved} reservations"
    if seen.recovery_s > RECOVERY_S:
        yield f"ready only after {seen.recovery_s:.1f} s"
    if strange := [name for name in seen.files if name not in KNOWN]:
        yield f"left behind: {', '.join(strange)}"
