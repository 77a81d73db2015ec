"""One paid call: what is remembered of it, when its slot comes back, and when it may be sent again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.domain.caller import Caller
from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import (
    AnswerLost,
    GatewayError,
    InvalidField,
    Moderated,
    OutOfRoom,
    Paid,
    PlatformBusy,
    PlatformError,
    PlatformUnavailable,
)
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Stage, Ticket, Unsure
from gateway.jobs.breaker import Attempt, Verdict
from gateway.jobs.charge import Charge
from gateway.jobs.job import Job
from gateway.jobs.slot import Slot
from gateway.jobs.submission import Submission
from gateway.jobs.submit import CONNECT_TRIES, Resumed
from gateway.stores.contract import JobRecord, Made, ReplySpec
from gateway.upstream.download import FetchFailed
from gateway.upstream.session import Answered, MaybeSent, NotSent
from gateway.wire.call import Answer, Call
from tests.fakes.blob import MemoryBlob
from tests.fakes.customer import until
from tests.fakes.vendor import MODEL, PENDING, READY, SILENCE_S, TAKEN, TICKET, Said, Vendor, Works

BUSY = Failed(PlatformBusy("busy"))
INVALID = Failed(InvalidField("no", param="size"))
FAILED = Failed(PlatformError("broken", paid=Paid.MAYBE))
REFUSED = Refused(Stage.OUTPUT, ("Violence",))


class Hooked(Vendor):
    """Calls back when it is told to."""

    webhook_base = "https://gateway.example"

    def hooked(self, call: Call, url: str, secret: str) -> Call:
        return Call(call.name, call.method, f"{call.url}?{url}")

    def ticket(self, task: str, model: str) -> Ticket:
        return TICKET


async def run(works: Works, content: str = "same", *, within_s: float = 300.0) -> Made | GatewayError:
    """The result of a job's only submission."""
    handle = await works.supervisor.start(works.order(content, within_s=within_s))
    await handle.job.until_finished()
    (result,) = handle.job.results
    assert result is not None
    return result


async def test_the_whole_way() -> None:
    """Submitted once, polled until it is ready, collected, stored; seed and cost are kept, the slot is free."""
    works = Works(Vendor(polls=[PENDING, PENDING, READY]))
    assert await run(works) == Made("ref-0", seed=7, cost=4.0)
    assert works.vendor.asked == {"submit": 1, "poll": 3, "collect": 1}
    assert await works.rows() == ["stored"]
    await until(lambda: works.held == 0)


async def test_a_platform_that_answers_at_once() -> None:
    """Finished with the first answer: no polls."""
    works = Works(Vendor(submits=[READY]))
    assert await run(works) == Made("ref-0", seed=7, cost=None)
    assert works.vendor.asked == {"submit": 1, "collect": 1}


def with_pictures(outcome: Outcome, *pictures: MemoryBlob) -> Answered:
    return Answered(Answer(200, cast(Any, {"outcome": outcome}), b"", pictures))


async def test_pictures_in_the_answer() -> None:
    """The one that is the result is stored and stays; nobody holds the others."""
    made, spare = MemoryBlob(b"made"), MemoryBlob(b"spare")
    works = Works(Vendor(submits=[with_pictures(Finished((made,)), made, spare)]))
    assert await run(works) == Made("ref-0", seed=None, cost=None)
    assert works.shelf.blobs["ref-0"] is made and not works.vendor.asked["collect"]
    await until(lambda: spare.released == 1)
    assert made.released == 0


@pytest.mark.parametrize("outcome", [REFUSED, FAILED, INVALID])
async def test_pictures_that_nobody_gets(outcome: Outcome) -> None:
    """Given back, whatever the platform made of the answer."""
    picture = MemoryBlob()
    works = Works(Vendor(submits=[with_pictures(outcome, picture)]))
    assert isinstance(await run(works), GatewayError)
    await until(lambda: picture.released == 1)
    assert not works.shelf.blobs


async def test_an_answer_at_once_opens_the_queue_again() -> None:
    """After a 429, each one that the platform takes lets one more go, also where it never says that it works."""
    works = Works(Vendor(submits=[BUSY, READY]), slots=3)
    for content in "abc":
        handle = await works.supervisor.start(works.order(content))
        await handle.job.until_finished()
    assert works.vendor.asked["submit"] == 4
    assert works.queue.places("toy").allowed == 3


@pytest.mark.parametrize(
    ("submits", "polls", "code", "paid", "state", "asked"),
    [
        ([NotSent("dns")], [], "platform_unreachable", Paid.NO, "not_accepted", CONNECT_TRIES),
        ([MaybeSent("reset")], [], "platform_answer_lost", Paid.MAYBE, "unknown", 1),
        ([NotSent("dns"), MaybeSent("reset")], [], "platform_answer_lost", Paid.MAYBE, "unknown", 2),
        ([Failed(AnswerLost("502", paid=Paid.MAYBE))], [], "platform_answer_lost", Paid.MAYBE, "unknown", 1),
        ([INVALID], [], "invalid_value", Paid.NO, "not_accepted", 1),
        ([REFUSED], [], "moderation_blocked", Paid.NO, "failed", 1),
        ([TAKEN], [REFUSED], "moderation_blocked", Paid.NO, "failed", 1),
        ([TAKEN], [FAILED], "platform_error", Paid.MAYBE, "failed", 1),
        ([TAKEN], [Unsure("gone", missing=True)], "platform_task_lost", Paid.MAYBE, "lost", 1),
        ([Unsure("what")], [], "platform_error", Paid.MAYBE, "failed", 1),
    ],
    ids=[
        "unreachable",
        "reset",
        "reset-second",
        "502",
        "invalid",
        "refused-at-once",
        "refused",
        "failed",
        "missing",
        "out-of-order",
    ],
)
async def test_ends(submits: list[Said], polls: list[Said], code: str, paid: Paid, state: str, asked: int) -> None:
    """Every end says whether it was paid, and the ledger agrees; only what is unpaid was sent more than once."""
    works = Works(Vendor(submits, polls))
    error = await run(works)
    assert isinstance(error, GatewayError)
    assert (error.code, error.paid) == (code, paid)
    assert await works.rows() == [state]
    assert works.vendor.asked["submit"] == asked
    found = works.metrics.registry.get_sample_value
    labels = {"platform": "toy", "model": "toy-1", "outcome": code}
    assert found("gateway_submissions_total", labels) == 1


async def test_a_lost_answer_keeps_its_slot() -> None:
    """The task may be running: its slot comes back when it cannot any more, and the client does not wait for that."""
    works = Works(Vendor(submits=[MaybeSent("reset")]), slots=8, late_s=100.0)
    started = works.clock.now()
    await run(works)
    assert works.clock.now() - started < 100
    assert works.held == 1 and works.queue.places("toy").unknown == 1
    await until(lambda: works.held == 0)
    assert works.clock.now() - started >= 100 and works.queue.places("toy").unknown == 0


@pytest.mark.parametrize(
    ("says", "result", "asked"),
    [
        (TAKEN, Made("ref-0", seed=7, cost=4.0), 1),
        (READY, Made("ref-0", seed=7, cost=None), 1),
        (NotSent("reset"), Made("ref-0", seed=7, cost=4.0), 2),
        (BUSY, Made("ref-0", seed=7, cost=4.0), 2),
        (INVALID, "invalid_value", 1),
        (MaybeSent("time-out"), "platform_answer_lost", 1),
    ],
)
async def test_an_answer_after_long_silence(says: Said, result: Made | str, asked: int) -> None:
    """
    Whoever waits is told before it comes, and others take its place. What it says counts all the same: nothing is lost
    or sent twice, and no slot is forgotten.
    """
    works = Works(Vendor(submits=[says, TAKEN]), slots=1, late_s=60.0)
    answer = asyncio.Event()
    works.vendor.before = lambda step: answer.wait() if step == "submit" and works.vendor.asked[step] == 1 else None
    first = await works.supervisor.start(works.order())
    await first.job.until_answerable(works.clock, 30.0, works.clock.now())
    assert first.job.unanswered and not first.job.finished and works.queue.places("toy").unknown == 1
    works.vendor.before = lambda _step: None
    works.vendor.says["submit"].insert(0, TAKEN)
    assert isinstance(await run(works, content="other"), Made)
    answer.set()
    await first.job.until_finished()
    (found,) = first.job.results
    if isinstance(result, Made):
        assert isinstance(found, Made) and replace(found, ref="ref-0") == result
    else:
        assert isinstance(found, GatewayError) and found.code == result
    assert works.vendor.asked["submit"] == 1 + asked
    await until(lambda: works.held == 0 and works.queue.places("toy").unknown == 0)


async def test_a_vendor_that_works_before_it_answers() -> None:
    """It has all of its own time: nobody is told of silence, and its slot is its own, before that is over."""
    works = Works(Vendor(submits=[READY]), slots=1, late_s=600.0)
    works.vendor.before = lambda step: asyncio.sleep(3 * SILENCE_S) if step == "submit" else None
    order = works.order()
    calls = tuple(replace(call, patience_s=4 * SILENCE_S) for call in order.plan.calls)
    handle = await works.supervisor.start(replace(order, plan=replace(order.plan, calls=calls)))
    await handle.job.until_answerable(works.clock, 30.0, works.clock.now())
    assert isinstance(handle.job.results[0], Made)
    assert works.tools.breakers.of("toy", MODEL).standing.faults == 0


@pytest.mark.parametrize("hooked", [False, True])
async def test_a_parked_task_that_somebody_waits_for(hooked: bool) -> None:
    """Past its age it is asked after sparsely, and soon again when somebody comes for it."""
    vendor = (Hooked if hooked else Vendor)(polls=[PENDING])
    works = Works(vendor, max_age_s=60.0)
    handle = await works.supervisor.start(works.order())
    await until(lambda: works.clock.now() > 120)
    asked = vendor.asked["poll"]
    await until(lambda: works.clock.now() > 180)
    assert 10 <= vendor.asked["poll"] - asked <= 14
    await handle.abandon()
    await until(lambda: works.clock.now() > 300)
    asked, left = vendor.asked["poll"], works.clock.now()
    await until(lambda: vendor.asked["poll"] == asked + 3, within_s=200)
    assert works.clock.now() - left > 110
    vendor.says["poll"], came = [READY], works.clock.now()
    handle = await works.supervisor.start(works.order())
    await handle.job.until_finished()
    assert isinstance(handle.job.results[0], Made) and works.clock.now() - came < 6


@pytest.mark.parametrize(("beside", "refused"), [("hangs", True), ("is answered", False), ("is worked", False)])
async def test_a_line_behind_silence(beside: str, refused: bool) -> None:
    """
    It moves no faster than what hangs is given up: when nobody at all was answered, those who wait hear it with those
    who hang, unpaid; as soon as somebody was, and while a task is worked, they wait for their turns.
    """
    works = Works(Vendor(polls=[PENDING] if beside == "is worked" else [READY]), slots=2, late_s=60.0)
    hangs, which = asyncio.Event(), {"hangs": (1, 2), "is answered": (1,), "is worked": (2,)}[beside]
    works.vendor.before = lambda step: hangs.wait() if step == "submit" and works.vendor.asked[step] in which else None
    came = works.clock.now()
    handles = []
    for name in ("first", "second"):
        handles.append(await works.supervisor.start(works.order(name)))
        await until(lambda: works.vendor.asked["submit"] == len(handles))
    handles += [await works.supervisor.start(works.order(f"behind {number}")) for number in range(3)]
    await until(lambda: works.clock.now() - came > SILENCE_S + 1)
    results = [handle.job.results[0] for handle in handles[2:]]
    assert all((isinstance(each, PlatformUnavailable) and each.paid is Paid.NO) is refused for each in results)
    works.vendor.says["poll"] = [READY]
    hangs.set()
    for handle in handles:
        await handle.job.until_finished()
    assert sum(isinstance(handle.job.results[0], Made) for handle in handles) == (2 if refused else 5)
    assert works.vendor.asked["submit"] == (2 if refused else 5)


@pytest.mark.parametrize("lost", [MaybeSent("reset"), Failed(AnswerLost("502", paid=Paid.MAYBE))])
async def test_a_call_back_that_is_waited_for_long(lost: Said) -> None:
    """The answer is lost, and only a call-back can tell of the task: whoever waits hears soon that nobody knows."""
    vendor = Hooked(submits=[lost], polls=[PENDING, PENDING, READY])
    works = Works(vendor, slots=1, late_s=600.0)
    came = works.clock.now()
    handle = await works.supervisor.start(works.order())
    await handle.job.until_answerable(works.clock, 30.0, came)
    assert (handle.job.unanswered, handle.job.finished) == (True, False)
    assert works.clock.now() - came < SILENCE_S + 1
    assert works.tools.hints.give(handle.job.record.id, 0, TICKET.task)
    await handle.job.until_finished()
    assert isinstance(handle.job.results[0], Made)
    assert vendor.asked["submit"] == 1
    await until(lambda: works.held == 0)


@pytest.mark.parametrize("lost", [MaybeSent("reset"), Failed(AnswerLost("502", paid=Paid.MAYBE))])
@pytest.mark.parametrize("called", [False, True])
async def test_slots_of_those_who_wait_for_a_call_back(lost: Said, called: bool) -> None:
    """Others take their places at once, and who is called about has its own again."""
    vendor = Hooked(submits=[lost, lost, lost, TAKEN])
    works = Works(vendor, slots=1, late_s=600.0)
    handles = [await works.supervisor.start(works.order(f"lost {number}")) for number in range(3)]
    came = works.clock.now()
    assert isinstance(await run(works, content="other"), Made)
    assert works.clock.now() - came < SILENCE_S
    assert works.queue.places("toy").unknown == 3
    if called:
        vendor.says["poll"] = [PENDING]
        for handle in handles:
            works.tools.hints.give(handle.job.record.id, 0, TICKET.task)
        await until(lambda: vendor.asked["poll"] > 6)
        assert (works.queue.places("toy").unknown, works.queue.places("toy").running) == (0, 3)
        vendor.says["poll"] = [READY]
    for handle in handles:
        await handle.job.until_finished()
        assert isinstance(handle.job.results[0], Made if called else AnswerLost)
    await until(lambda: works.held == 0 and works.queue.places("toy").unknown == 0)


async def test_a_call_back_after_silence() -> None:
    """The time-out came first, and others have taken its place: its task has its slot again as long as it runs."""
    vendor = Hooked(submits=[MaybeSent("time-out")], polls=[PENDING])
    works = Works(vendor, slots=1, late_s=600.0)
    vendor.before = lambda step: asyncio.sleep(SILENCE_S + 25) if step == "submit" else None
    handle = await works.supervisor.start(works.order())
    await until(lambda: works.queue.places("toy").unknown == 1)
    told = handle.job.unanswered
    await until(lambda: vendor.asked["submit"] == 1 and not handle.job._sending)
    works.tools.hints.give(handle.job.record.id, 0, TICKET.task)
    await until(lambda: vendor.asked["poll"] > 1)
    places = works.queue.places("toy")
    assert (places.unknown, places.running, told, handle.job.unanswered) == (0, 1, True, False)
    vendor.says["poll"] = [READY]
    await handle.job.until_finished()
    await until(lambda: works.held == 0)


async def test_busy_waits_without_a_slot() -> None:
    """A 429 gives the slot back, waits its turn and is sent again under the same INTENT."""
    works = Works(Vendor(submits=[BUSY, BUSY, TAKEN]))
    held: list[int] = []
    works.vendor.before = lambda step: held.append(works.held) if step == "submit" else None
    assert isinstance(await run(works), Made)
    assert held == [1, 1, 1]
    assert works.vendor.asked["submit"] == 3


async def test_busy_keeps_its_place() -> None:
    """Who was sent back goes before those of the same caller who came later."""
    works = Works(Vendor(submits=[BUSY, TAKEN]), slots=1)
    first = await works.supervisor.start(works.order("first"))
    second = await works.supervisor.start(works.order("second"))
    await first.job.until_accepted()
    assert works.vendor.asked["submit"] == 2 and not second.job.intended
    await second.job.until_finished()


async def test_the_slot_is_free_when_the_task_is_over() -> None:
    """Fetching the picture is no task of the platform's."""
    fetched = asyncio.Event()
    vendor = Vendor()
    vendor.before = lambda step: fetched.wait() if step == "collect" else None
    works = Works(vendor)
    handle = await works.supervisor.start(works.order())
    await until(lambda: vendor.asked["collect"])
    await until(lambda: works.held == 0)
    fetched.set()
    await handle.job.until_finished()


async def test_no_waiting_for_a_platform_that_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent back with a 429 while the breaker has opened: it does not go into the line again."""
    works, turns = Works(Vendor(submits=[BUSY])), list[str]()
    waiting = works.queue.turn

    async def turn(account: str, model: str, caller: str, submission: str, **options: Any) -> None:
        turns.append(submission)
        await waiting(account, model, caller, submission, **options)

    def trip(_step: str) -> None:
        # As another submission of the same moment would.
        for _ in range(2):
            works.breakers.of("toy", MODEL)._learn(Attempt(Verdict.HOPELESS))

    monkeypatch.setattr(works.queue, "turn", turn)
    works.vendor.before = trip
    error = await run(works)
    assert isinstance(error, PlatformUnavailable) and error.paid is Paid.NO
    assert turns == ["job-1/0"] and await works.rows() == ["not_accepted"]
    await until(lambda: works.held == 0)


async def test_busy_to_the_end() -> None:
    """When the time is over the 429 is the answer, unpaid, a moment before the client gives up."""
    works = Works(Vendor(submits=[BUSY]))
    started = works.clock.now()
    error = await run(works, within_s=40.0)
    assert isinstance(error, PlatformBusy) and error.paid is Paid.NO and error.hopeful
    assert works.clock.now() - started < 60
    assert await works.rows() == ["not_accepted"]


async def test_no_turn_in_time() -> None:
    """Nobody gave a slot back: unpaid, and nothing was ever written down."""
    works = Works(Vendor(polls=[PENDING]), slots=1)
    first = await works.supervisor.start(works.order("other"))
    error = await run(works, within_s=20.0)
    assert isinstance(error, GatewayError) and (error.code, error.paid) == ("queue_full", Paid.NO)
    assert await works.rows() == []
    assert works.vendor.asked["submit"] == 1
    await works.supervisor.drain(0)
    assert first.job.finished


async def test_a_slot_is_kept_until_the_maximum_age() -> None:
    """A task that does not end is parked: its slot is free, and its end is still seen."""
    works = Works(Vendor(polls=[PENDING] * 60 + [READY]), max_age_s=30.0)
    handle = await works.supervisor.start(works.order())
    await until(lambda: works.vendor.asked["submit"])
    assert works.held == 1
    await until(lambda: works.held == 0)
    assert await works.rows() == ["parked"]
    works.vendor.says["poll"][:] = [READY]
    await handle.job.until_finished()
    assert await works.rows() == ["stored"]


@pytest.mark.parametrize("step", ["submit", "poll", "collect"])
async def test_a_bug_is_an_end(step: str) -> None:
    """Whatever breaks inside is remembered as perhaps paid, told once, and leaves no slot taken."""
    vendor = Vendor()

    def fail(word: str) -> None:
        if word == step:
            raise ZeroDivisionError(word)

    vendor.before = fail
    works = Works(vendor)
    error = await run(works)
    assert isinstance(error, GatewayError)
    assert (error.code, error.paid, error.hopeful) == ("internal_error", Paid.MAYBE, False)
    assert await works.rows() == ["unknown" if step == "submit" else "failed"]
    assert [type(bug) for bug in works.bugs] == [ZeroDivisionError]
    await until(lambda: works.held == 0)


async def test_the_intent_cannot_be_written() -> None:
    """No ledger, no money: nothing is sent, and the client may try again."""
    works = Works(Vendor())

    async def refuses(*_: object) -> None:
        raise OutOfRoom("The ledger cannot be written.")

    works.ledger.intent = refuses  # type: ignore[assignment,method-assign]
    handle = await works.supervisor.start(works.order())
    await handle.job.until_finished()
    (error,) = handle.job.results
    assert isinstance(error, OutOfRoom) and error.paid is Paid.NO
    assert not handle.job.intended and not works.vendor.asked


async def test_a_full_disk_does_not_make_it_unpaid() -> None:
    """The picture could not be stored at first: it is collected again, not paid for again."""
    works = Works(Vendor())
    works.shelf.faults = [OutOfRoom("full"), OutOfRoom("full")]
    assert isinstance(await run(works), Made)
    assert works.vendor.asked == {"submit": 1, "poll": 3, "collect": 3}


async def test_lost_pictures_are_paid() -> None:
    """Never fetched: counted, paid for certain, and nothing to be sent again."""
    works = Works(Vendor(fetches=[FetchFailed("no", status=403)]))
    error = await run(works)
    assert isinstance(error, GatewayError)
    assert (error.code, error.paid, error.hopeful) == ("platform_result_lost", Paid.YES, False)
    assert await works.rows() == ["lost"]
    assert works.metrics.registry.get_sample_value("gateway_results_lost_total", {"platform": "toy"}) == 1


async def test_the_bytes_are_let_go_when_taken() -> None:
    """Nothing of the upload is needed once the platform has it."""
    blob, taken = MemoryBlob(), asyncio.Event()
    vendor = Vendor()
    vendor.before = lambda step: taken.wait() if step == "poll" else None
    works = Works(vendor)
    handle = await works.supervisor.start(works.order(inputs=[blob]))
    await until(lambda: vendor.asked["poll"])
    assert blob.released == 1
    taken.set()
    await handle.job.until_finished()
    assert blob.released == 1


@pytest.mark.parametrize("outcome", [BUSY, NotSent("dns")], ids=["busy", "not-sent"])
async def test_leaving_while_nothing_is_at_stake(outcome: Outcome | NotSent) -> None:
    """Known to be unpaid, and nobody waits any more: it ends there, as if it had never been."""
    works = Works(Vendor(submits=[outcome]))
    handle = await works.supervisor.start(works.order())
    await until(lambda: works.vendor.asked["submit"] and not handle.job.intended)
    await handle.abandon()
    await until(lambda: handle.job.finished)
    assert works.vendor.asked["submit"] <= 2
    assert await works.rows() == ["not_accepted"]
    await until(lambda: works.held == 0)


async def test_leaving_before_the_answer_that_makes_it_free() -> None:
    """The client goes while the submission is on its way, and the platform says busy: nobody submits it again."""
    answer = asyncio.Event()
    vendor = Vendor(submits=[BUSY])
    vendor.before = lambda _step: answer.wait()
    works = Works(vendor)
    handle = await works.supervisor.start(works.order())
    await until(lambda: vendor.asked["submit"])
    await handle.abandon()
    assert not handle.job.cancelled
    answer.set()
    await until(lambda: handle.job.finished)
    assert vendor.asked["submit"] == 1


async def test_moderation_is_no_failure() -> None:
    """A refusal carries its stage and reasons."""
    error = await run(Works(Vendor(polls=[REFUSED])))
    assert isinstance(error, Moderated)
    assert (error.stage, error.categories) == ("output", ("Violence",))


@pytest.mark.parametrize(
    ("sent", "proof"),
    [
        (NotSent("dns"), "connection"),
        (NotSent("cut", "written"), "written"),
        (NotSent("cut", "kernel"), "kernel"),
        (MaybeSent("reset"), "nothing"),
    ],
)
async def test_what_is_known_of_a_submission_without_an_answer(sent: NotSent | MaybeSent, proof: str) -> None:
    """It is told apart; what was certainly not sent goes once more, and is paid for once."""
    works = Works(Vendor(submits=[sent, TAKEN]))
    result = await run(works)
    assert isinstance(result, Made) == isinstance(sent, NotSent)
    assert works.vendor.asked["submit"] == 1 + isinstance(sent, NotSent)
    labels = {"platform": "toy", "proof": proof}
    assert works.metrics.registry.get_sample_value("gateway_submissions_unanswered_total", labels) == 1


async def test_a_picture_of_before_whose_platform_does_not_answer() -> None:
    """The task was over already: it takes no slot, is never parked, and its picture is fetched in the end."""
    works = Works(Vendor(polls=[*[Unsure("502")] * 60, READY]), max_age_s=30.0)
    reply = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())
    record = JobRecord("job-of-before", "ann", "ann same", None, "toy", TICKET.model, 1, reply, 0.0)
    await works.ledger.intent(record, 0, 1)
    await works.ledger.submitted(record.id, 0, 1, TICKET)
    await works.ledger.ready(record.id, 0, 1)
    found = await works.ledger.get(record.id)
    assert found is not None
    charge = Charge(works.tools, works.vendor, record.model, record.id, ())
    slot = Slot(works.tools, works.vendor, record.model, f"{record.id}/0", Caller("ann"))
    begin = Resumed(TICKET, 15.0)
    made = await Submission(works.tools, works.vendor, Job.of(found), charge, slot, begin, 0, 1).run()
    assert isinstance(made, Made)
    assert await works.rows() == ["stored"]
