"""The ledger: every verb is one compare-and-set, and what was paid is found again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Set
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import AnswerLost, Paid
from gateway.domain.outcome import Ticket
from gateway.stores.contract import Conflict, JobRecord, Ledger, Made, ReplySpec, Row, State
from gateway.stores.ledger import MemoryLedger
from gateway.stores.sqlite.database import Database
from gateway.stores.sqlite.ledger import SqliteLedger

REPLY = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())
JOB = JobRecord("job", "caller", "content", None, "bfl", "flux-kontext-pro", 1, REPLY, created=1.0)
TICKET = Ticket("task", "https://api.bfl.ai/x", "flux-kontext-pro", "bfl")
MADE = Made("ref")
LOST = AnswerLost("lost", paid=Paid.MAYBE)
OWNER = 1
KEPT_S, SPARE_S = 3600.0, 300.0

Step = Callable[[Ledger, int], Awaitable[None]]

STEPS: dict[str, Step] = {
    "intent": lambda ledger, owner: ledger.intent(JOB, 0, owner),
    "submitted": lambda ledger, owner: ledger.submitted("job", 0, owner, TICKET),
    "parked": lambda ledger, owner: ledger.parked("job", 0, owner),
    "ready": lambda ledger, owner: ledger.ready("job", 0, owner),
    "stored": lambda ledger, owner: ledger.stored("job", 0, owner, MADE),
    "delivered": lambda ledger, owner: ledger.delivered("job"),
    "unknown": lambda ledger, owner: ledger.failed("job", 0, owner, State.UNKNOWN, LOST),
    "failed": lambda ledger, owner: ledger.failed("job", 0, owner, State.FAILED, LOST),
}

# How to get to each state, and which steps may follow there.
WAYS: dict[State, tuple[list[str], set[str]]] = {
    State.INTENT: (["intent"], {"submitted", "ready", "unknown", "failed", "delivered"}),
    State.SUBMITTED: (["intent", "submitted"], {"parked", "ready", "unknown", "failed", "delivered"}),
    State.PARKED: (["intent", "submitted", "parked"], {"ready", "unknown", "failed", "delivered"}),
    State.READY: (["intent", "submitted", "ready"], {"ready", "stored", "unknown", "failed", "delivered"}),
    State.STORED: (["intent", "submitted", "ready", "stored"], {"delivered"}),
    State.DELIVERED: (["intent", "ready", "stored", "delivered"], {"delivered"}),
    State.UNKNOWN: (["intent", "unknown"], {"submitted", "delivered"}),
    State.FAILED: (["intent", "submitted", "failed"], {"delivered"}),
}


class Wall:
    """A wall clock that stands until it is moved."""

    now = 100.0


@pytest.fixture
def wall() -> Wall:
    return Wall()


class Written(SqliteLedger):
    """What is written later is written before anybody looks; the one error of these tests is itself again."""

    async def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        await self._db.write(lambda _db: None)
        return await super()._rows(sql, values)

    def _told(self, job: str, row: Row, delivered: Set[str]) -> Row:
        same = row.error is not None and (row.error.code, row.error.text, row.error.paid) == (
            LOST.code,
            "lost",
            LOST.paid,
        )
        return super()._told(job, replace(row, error=LOST) if same else row, delivered)


@pytest.fixture(params=["memory", "sqlite"])
async def ledger(request: pytest.FixtureRequest, wall: Wall, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger(lambda: wall.now, SPARE_S)
        return
    database = Database(tmp_path, lambda: wall.now, lambda: wall.now, lambda _took: None)
    await database.open()
    yield Written(database)
    await database.close()


def told_at_once(ledger: Ledger, step: str) -> bool:
    """A conflict of what is written later is in the log only."""
    return isinstance(ledger, MemoryLedger) or step not in ("parked", "ready")


async def walk(ledger: Ledger, steps: list[str]) -> None:
    for step in steps:
        await STEPS[step](ledger, OWNER)


async def row(ledger: Ledger) -> Row:
    (found,) = await ledger.find("caller", fingerprint="content")
    return found.rows[0]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", WAYS)
async def test_what_may_follow(ledger: Ledger, state: State, step: str) -> None:
    """Each state admits its own steps; every other is a conflict that changes nothing."""
    way, allowed = WAYS[state]
    await walk(ledger, way)
    before = await row(ledger)
    assert before.state is state
    if step in allowed:
        await STEPS[step](ledger, OWNER)
    else:
        with pytest.raises(Conflict) if told_at_once(ledger, step) else nullcontext():
            await STEPS[step](ledger, OWNER)
        assert await row(ledger) == before


@pytest.mark.parametrize("step", [step for step in STEPS if step != "delivered"])
@pytest.mark.parametrize("state", WAYS)
async def test_somebody_else_may_do_nothing(ledger: Ledger, state: State, step: str) -> None:
    """Every step of another owner is a conflict, in every state."""
    await walk(ledger, WAYS[state][0])
    before = await row(ledger)
    with pytest.raises(Conflict) if told_at_once(ledger, step) else nullcontext():
        await STEPS[step](ledger, OWNER + 1)
    assert await row(ledger) == before


async def test_what_a_row_remembers(ledger: Ledger) -> None:
    """The ticket from the acceptance on, the picture from its storing on."""
    await walk(ledger, ["intent", "submitted", "parked", "ready", "stored", "delivered"])
    assert await row(ledger) == Row(State.DELIVERED, OWNER, TICKET, MADE)


async def test_a_lost_answer_that_is_found_again(ledger: Ledger) -> None:
    """Its error goes with the state that had it: the picture is the answer now."""
    await walk(ledger, ["intent", "unknown"])
    assert await row(ledger) == Row(State.UNKNOWN, OWNER, error=LOST)
    await walk(ledger, ["submitted", "ready", "stored"])
    assert await row(ledger) == Row(State.STORED, OWNER, TICKET, MADE)


async def test_adoption(ledger: Ledger) -> None:
    """The new owner alone writes from then on; the old one can neither go on nor begin another submission."""
    job = replace(JOB, n=2)
    await ledger.intent(job, 0, 1)
    found = await ledger.adopt("job", 2)
    assert found.rows == {0: Row(State.INTENT, 2)}
    with pytest.raises(Conflict):
        await ledger.submitted("job", 0, 1, TICKET)
    with pytest.raises(Conflict):
        await ledger.intent(job, 1, 1)
    await ledger.submitted("job", 0, 2, TICKET)
    await ledger.intent(job, 1, 2)


@pytest.mark.parametrize("owner", [1, 2])
async def test_adoption_goes_forward_only(ledger: Ledger, owner: int) -> None:
    """An older or the same process does not take a job back."""
    await ledger.intent(JOB, 0, 2)
    with pytest.raises(Conflict):
        await ledger.adopt("job", owner)
    assert (await row(ledger)).owner == 2


async def test_finding(ledger: Ledger) -> None:
    """By key, else by content; the caller's own only, newest first."""
    for job in (
        JOB,
        replace(JOB, id="newer"),
        replace(JOB, id="keyed", key="k"),
        replace(JOB, id="foreign", caller="other", key="k"),
        replace(JOB, id="different", fingerprint="else", key="k"),
    ):
        await ledger.intent(job, 0, OWNER)

    async def ids(caller: str, **by: str) -> list[str]:
        return [found.job.id for found in await ledger.find(caller, **by)]

    assert await ids("caller", fingerprint="content") == ["keyed", "newer", "job"]
    assert await ids("caller", key="k") == ["different", "keyed"]
    assert await ids("other", key="k") == ["foreign"]
    assert await ids("caller", key="content") == []
    assert await ids("nobody", fingerprint="content") == []


async def test_what_is_found_does_not_change(ledger: Ledger) -> None:
    """A finding is how it was, not a window."""
    await walk(ledger, ["intent"])
    (found,) = await ledger.find("caller", fingerprint="content")
    await walk(ledger, ["submitted"])
    assert found.rows[0].state is State.INTENT


async def test_changes_are_dated(ledger: Ledger, wall: Wall) -> None:
    """Each step makes the job young again."""
    for seconds, step in ((100.0, "intent"), (107.0, "submitted"), (109.0, "ready")):
        wall.now = seconds
        await walk(ledger, [step])
        wall.now = seconds + 3
        (found,) = await ledger.find("caller", fingerprint="content")
        assert found.age == 3


@pytest.mark.parametrize("state", WAYS)
async def test_pruning_spares_what_is_under_way(ledger: Ledger, wall: Wall, state: State) -> None:
    """However old: a running task would be paid and forgotten."""
    await walk(ledger, WAYS[state][0])
    wall.now += 2 * KEPT_S
    await ledger.prune(lambda _: False, KEPT_S)
    over = state not in (State.INTENT, State.SUBMITTED, State.PARKED, State.READY)
    assert len(await ledger.find("caller", fingerprint="content")) == (0 if over else 1)


async def test_pruning_waits_for_the_retention(ledger: Ledger, wall: Wall) -> None:
    """Not before the last moment in which it may answer a request; its id may come again."""
    keyed = replace(JOB, id="keyed", key="k")
    for job in (JOB, keyed):
        await ledger.intent(job, 0, OWNER)
        await ledger.failed(job.id, 0, OWNER, State.FAILED, LOST)
    wall.now += KEPT_S
    await ledger.prune(lambda _: False, KEPT_S)
    assert len(await ledger.find("caller", fingerprint="content")) == 2
    wall.now += 1
    await ledger.prune(lambda id: id == "job", KEPT_S)
    assert [found.job.id for found in await ledger.find("caller", fingerprint="content")] == ["job"]
    assert await ledger.find("caller", key="k") == () and await ledger.get("keyed") is None
    await ledger.intent(keyed, 0, OWNER)
    assert len(await ledger.find("caller", key="k")) == 1


@pytest.mark.parametrize(("key", "kept_s"), [(None, SPARE_S), ("k", KEPT_S)])
async def test_memory_keeps_what_was_delivered_for_a_resend_only(wall: Wall, key: str | None, kept_s: float) -> None:
    """Unless a key names it."""
    ledger = MemoryLedger(lambda: wall.now, SPARE_S)
    await ledger.intent(replace(JOB, key=key), 0, OWNER)
    await walk(ledger, ["ready", "stored", "delivered"])
    for more_s, there in ((kept_s, True), (1, False)):
        wall.now += more_s
        await ledger.prune(lambda _: False, KEPT_S)
        assert (await ledger.get("job") is not None) == there


async def test_memory_forgets_what_was_not_accepted(wall: Wall) -> None:
    """As if it had never been."""
    ledger = MemoryLedger(lambda: wall.now, SPARE_S)
    await ledger.intent(JOB, 0, OWNER)
    await ledger.failed("job", 0, OWNER, State.NOT_ACCEPTED, LOST)
    wall.now += 1
    await ledger.prune(lambda _: False, KEPT_S)
    assert await ledger.get("job") is None


async def test_what_is_unfinished(ledger: Ledger) -> None:
    """All callers' jobs with a submission under way."""
    for name, caller in (("a", "ann"), ("b", "bob"), ("c", "ann")):
        await ledger.intent(replace(JOB, id=name, caller=caller), 0, OWNER)
    await ledger.failed("b", 0, OWNER, State.UNKNOWN, LOST)
    assert [found.job.id for found in await ledger.unfinished()] == ["a", "c"]
    assert (await ledger.count())[State.UNKNOWN] == 1
