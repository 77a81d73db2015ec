"""The ledger: every verb is one compare-and-set, and what was paid is found again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import AnswerLost, Paid, PlatformError
from gateway.domain.outcome import Ticket
from gateway.stores.contract import Conflict, Found, JobRecord, Ledger, Made, ReplySpec, Row, State
from gateway.stores.ledger import MemoryLedger

REPLY = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())
JOB = JobRecord("job", "caller", "content", None, "bfl", "flux-kontext-pro", 1, REPLY, created=1.0)
TICKET = Ticket("task", "https://api.bfl.ai/x", "flux-kontext-pro", "bfl")
MADE = Made("ref")
LOST = AnswerLost("lost", paid=Paid.MAYBE)
OWNER = 1

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


@pytest.fixture
def ledger(wall: Wall) -> MemoryLedger:
    return MemoryLedger(lambda: wall.now)


async def walk(ledger: Ledger, steps: list[str]) -> None:
    for step in steps:
        await STEPS[step](ledger, OWNER)


async def row(ledger: Ledger) -> Row:
    (found,) = await ledger.find("caller", fingerprint="content")
    return found.rows[0]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", WAYS)
async def test_what_may_follow(ledger: MemoryLedger, state: State, step: str) -> None:
    """Each state admits its own steps; every other is a conflict that changes nothing."""
    way, allowed = WAYS[state]
    await walk(ledger, way)
    before = await row(ledger)
    assert before.state is state
    if step in allowed:
        await STEPS[step](ledger, OWNER)
    else:
        with pytest.raises(Conflict):
            await STEPS[step](ledger, OWNER)
        assert await row(ledger) == before


@pytest.mark.parametrize("step", [step for step in STEPS if step != "delivered"])
@pytest.mark.parametrize("state", WAYS)
async def test_somebody_else_may_do_nothing(ledger: MemoryLedger, state: State, step: str) -> None:
    """Every step of another owner is a conflict, in every state."""
    await walk(ledger, WAYS[state][0])
    before = await row(ledger)
    with pytest.raises(Conflict):
        await STEPS[step](ledger, OWNER + 1)
    assert await row(ledger) == before


async def test_what_a_row_remembers(ledger: MemoryLedger) -> None:
    """The ticket from the acceptance on, the picture from its storing on."""
    await walk(ledger, ["intent", "submitted", "parked", "ready", "stored", "delivered"])
    assert await row(ledger) == Row(State.DELIVERED, OWNER, TICKET, MADE)


async def test_a_lost_answer_that_is_found_again(ledger: MemoryLedger) -> None:
    """Its error goes with the state that had it: the picture is the answer now."""
    await walk(ledger, ["intent", "unknown"])
    assert await row(ledger) == Row(State.UNKNOWN, OWNER, error=LOST)
    await walk(ledger, ["submitted", "ready", "stored"])
    assert await row(ledger) == Row(State.STORED, OWNER, TICKET, MADE)


async def test_adoption(ledger: MemoryLedger) -> None:
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
async def test_adoption_goes_forward_only(ledger: MemoryLedger, owner: int) -> None:
    """An older or the same process does not take a job back."""
    await ledger.intent(JOB, 0, 2)
    with pytest.raises(Conflict):
        await ledger.adopt("job", owner)
    assert (await row(ledger)).owner == 2


async def test_finding(ledger: MemoryLedger) -> None:
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


async def test_what_is_found_does_not_change(ledger: MemoryLedger) -> None:
    """A finding is how it was, not a window."""
    await walk(ledger, ["intent"])
    (found,) = await ledger.find("caller", fingerprint="content")
    await walk(ledger, ["submitted"])
    assert found.rows[0].state is State.INTENT


async def test_changes_are_dated(ledger: MemoryLedger, wall: Wall) -> None:
    """Each step makes the job young again."""
    for seconds, step in ((100.0, "intent"), (107.0, "submitted"), (109.0, "ready")):
        wall.now = seconds
        await walk(ledger, [step])
        wall.now = seconds + 3
        (found,) = await ledger.find("caller", fingerprint="content")
        assert found.age == 3


@pytest.mark.parametrize("state", WAYS)
async def test_pruning_spares_what_is_under_way(ledger: MemoryLedger, state: State) -> None:
    """Whatever the rule says: a running task would be paid and forgotten."""
    await walk(ledger, WAYS[state][0])
    gone = await ledger.prune(lambda _: True)
    over = state not in (State.INTENT, State.SUBMITTED, State.PARKED, State.READY)
    assert [found.job.id for found in gone] == (["job"] if over else [])
    assert len(await ledger.find("caller", fingerprint="content")) == (0 if over else 1)


async def test_pruning_asks(ledger: MemoryLedger) -> None:
    """Only what the rule names goes, from every index, and its id may come again."""
    keyed = replace(JOB, id="keyed", key="k")
    for job in (JOB, keyed):
        await ledger.intent(job, 0, OWNER)
        await ledger.failed(job.id, 0, OWNER, State.FAILED, LOST)
    gone = await ledger.prune(lambda found: found.job.key is not None)
    assert gone == (Found(keyed, {0: Row(State.FAILED, OWNER, error=LOST)}),)
    assert [found.job.id for found in await ledger.find("caller", fingerprint="content")] == ["job"]
    assert await ledger.find("caller", key="k") == ()
    await ledger.intent(keyed, 0, OWNER)
    assert len(await ledger.find("caller", key="k")) == 1


async def test_counting(ledger: MemoryLedger) -> None:
    """Rows by state, over all jobs."""
    four = replace(JOB, n=4)
    for index in range(4):
        await ledger.intent(four, index, OWNER)
    await ledger.submitted("job", 0, OWNER, TICKET)
    await ledger.failed("job", 1, OWNER, State.UNKNOWN, LOST)
    assert await ledger.count() == {State.SUBMITTED: 1, State.UNKNOWN: 1, State.INTENT: 2}


async def test_delivering_tells_only_what_is_stored(ledger: MemoryLedger) -> None:
    """A failed sibling stays failed."""
    job = replace(JOB, n=2)
    await walk(ledger, ["intent", "ready", "stored"])
    await ledger.intent(job, 1, OWNER)
    await ledger.failed("job", 1, OWNER, State.FAILED, PlatformError("no"))
    await ledger.delivered("job")
    (found,) = await ledger.find("caller", fingerprint="content")
    assert [found.rows[index].state for index in (0, 1)] == [State.DELIVERED, State.FAILED]
    assert found.delivered


async def test_delivering_what_nobody_knows(ledger: MemoryLedger) -> None:
    """A stream whose submissions all waited in vain was never intended: nothing to note, nothing to fail at."""
    await ledger.delivered("never intended")
    assert not await ledger.count()


def test_when_a_job_is_over() -> None:
    """When each submission that was ever intended has an end; one that only waited has no row."""
    done, running = Row(State.STORED, 1), Row(State.READY, 1)
    two = replace(JOB, n=2)
    assert Found(two, {0: done, 1: done}).over
    assert not Found(two, {0: done, 1: running}).over
    assert Found(two, {0: done}).over
    assert not Found(two).over
