"""What has to be true after a crash, as a function of what was seen: everything else is a violation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Between the first byte and the answer on disk nobody can know whether it was taken: an honest error is all there is.
GAP = ("ledger.intent:after", "send.submit", "ledger.submitted:before", "commit", "random")
# Seconds of processor time, as the machine may be busy with something else.
RECOVERY_S = 5.0
CREDITS = 4.0
# How a whole picture begins and ends.
PNG = b"\x89PNG", b"IEND\xaeB`\x82"
KNOWN = (
    "ledger.sqlite3",
    "ledger.sqlite3-wal",
    "ledger.sqlite3-shm",
    "ledger.lock",
    "secret",
    "results",
    "spool",
    "reserve",
)


@dataclass(slots=True)
class Seen:
    """
    One request through a crash. `status`, `code` and `pictures` are the last answer's; `same` and `again` say whether a
    further repetition under the same key got the same, and with which status, 0 for none. `accepted` counts the vendor;
    `tickets`, `rows`, `open` and `void`, certainly not accepted, the ledger; `credits` and `reserved` the books.
    `recovery_s` is the processor time from the start of the process until it was ready.
    """

    label: str
    status: int = 0
    code: str = ""
    pictures: int = 0
    same: bool = True
    again: int = 200
    accepted: int = 0
    rows: int = 0
    tickets: int = 0
    open: int = 0
    void: int = 0
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
        yield f"the same key got other bytes, with status {seen.again}"
    if seen.rows != 1 or seen.open:
        yield f"{seen.rows} rows, {seen.open} of them open"
    if seen.credits != CREDITS or seen.reserved:
        yield f"the books say {seen.credits} credits, and {seen.reserved} reservations"
    if seen.recovery_s > RECOVERY_S:
        yield f"ready only after {seen.recovery_s:.1f} s"
    yield from _left_behind(seen)


def _left_behind(seen: Seen) -> Iterator[str]:
    if strange := [name for name in seen.files if name not in KNOWN]:
        yield f"left behind: {', '.join(strange)}"


@dataclass(frozen=True, slots=True)
class Served:
    """
    One client of many: its last answer, `again` what a repetition under its key got, None without one. `paid` and
    `polled` are the vendor's: how many tasks were accepted for it, and whether any of them was ever asked after.
    """

    prompt: str
    status: int
    code: str = ""
    pictures: tuple[bytes, ...] = ()
    again: tuple[bytes, ...] | None = None
    paid: int = 0
    polled: bool = False


def wrong_under_load(clients: Sequence[Served], seen: Seen, left: Mapping[str, float]) -> Iterator[str]:
    """
    The same for many clients at a time; `left` counts what should have ended, by name. Who asks after a task has
    written it down, so that no later death may forget it.
    """
    for one in clients:
        if one.paid > 1:
            yield f"{one.prompt!r} was paid {one.paid} times"
        if one.status == 200:
            if one.paid != 1 or len(one.pictures) != 1:
                yield f"{one.prompt!r} got {len(one.pictures)} pictures, and was paid {one.paid} times"
            if not all(picture.startswith(PNG[0]) and picture.endswith(PNG[1]) for picture in one.pictures):
                yield f"{one.prompt!r} got half a picture"
            if one.again is not None and one.again != one.pictures:
                yield f"{one.prompt!r} got another picture under the same key"
        elif one.code != "platform_answer_lost":
            yield f"{one.prompt!r} got {one.status} {one.code}"
        elif one.polled:
            yield f"{one.prompt!r} was told that its answer is lost, and its task had been asked after"
    for picture, count in Counter(picture for one in clients for picture in one.pictures).items():
        if count > 1:
            yield f"{count} clients got the same picture of {len(picture)} bytes"
    if seen.rows - seen.void != len(clients) or seen.open:
        yield f"{seen.rows} rows, {seen.void} of them void and {seen.open} open"
    if seen.tickets < (got := sum(one.status == 200 for one in clients)):
        yield f"{seen.tickets} tasks in the ledger, {got} pictures"
    if seen.credits != CREDITS * len(clients) or seen.reserved:
        yield f"the books say {seen.credits} credits, and {seen.reserved} reservations"
    if seen.recovery_s > RECOVERY_S:
        yield f"ready only after {seen.recovery_s:.1f} s"
    yield from (f"{name} is {value:g} at the end" for name, value in left.items() if value)
    yield from _left_behind(seen)
