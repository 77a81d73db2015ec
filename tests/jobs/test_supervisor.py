"""Jobs are owned: started once, shared rightly, outlived by nothing."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.domain.errors import (
    GatewayError,
    KeyReused,
    Moderated,
    Paid,
    PlatformBusy,
    PlatformOutOfCredits,
    PlatformUnavailable,
    QueueFull,
    ShuttingDown,
)
from gateway.domain.outcome import Failed, Refused, Stage
from gateway.jobs import join
from gateway.jobs.breaker import State, Verdict
from gateway.jobs.fallback import next_may_try
from gateway.stores.contract import Made
from gateway.upstream.session import MaybeSent, NotSent
from tests.fakes.blob import MemoryBlob
from tests.fakes.customer import until
from tests.fakes.vendor import MODEL, PENDING, READY, TAKEN, Said, Vendor, Works


class Gate:
    """Holds a vendor's answers to one step back until it is opened."""

    def __init__(self, vendor: Vendor, step: str) -> None:
        self._open, self._step = asyncio.Event(), step
        vendor.before = lambda word: self._open.wait() if word == step else None

    def open(self) -> None:
        self._open.set()


async def finished(works: Works) -> None:
    await until(lambda: not works.supervisor._tasks)


@pytest.mark.parametrize("turns", [0, 1, 4])
async def test_a_crowd_with_one_key(turns: int) -> None:
    """However slow the ledger: one starts the job, all others join it, and every upload but one is let go at once."""
    works = Works(Vendor())
    works.ledger.turns = turns
    blobs = [MemoryBlob() for _ in range(50)]
    handles = await asyncio.gather(*(works.supervisor.start(works.order(key="k", inputs=[blob])) for blob in blobs))
    assert len({handle.job.record.id for handle in handles}) == 1
    assert sorted(str(handle.joined) for handle in handles) == ["None"] + ["key"] * 49
    await finished(works)
    assert works.vendor.asked["submit"] == 1
    assert {blob.released for blob in blobs} == {1}


@pytest.mark.parametrize("turns", [0, 3])
async def test_a_crowd_without_a_key(turns: int) -> None:
    """Identical and intended: everybody a job."""
    works = Works(Vendor())
    works.ledger.turns = turns
    handles = await asyncio.gather(*(works.supervisor.start(works.order()) for _ in range(20)))
    assert {handle.joined for handle in handles} == {None}
    await finished(works)
    assert works.vendor.asked["submit"] == 20


async def come_and_go(seed: int) -> None:
    """A client that is cut and back at random moments, over a slow ledger; meanwhile time may pass."""
    dice = random.Random(seed)
    works = Works(Vendor(polls=[PENDING, PENDING, READY]))
    works.ledger.turns = dice.randrange(4)
    got = set[str]()
    for _ in range(12):
        handle = await works.supervisor.start(works.order(resend=dice.random() < 0.3))
        if dice.random() < 0.3:
            await handle.job.until_finished()
            await handle.delivered()
            got.add(handle.job.record.id)
        else:
            for _ in range(dice.randrange(40)):
                await asyncio.sleep(0)
            await asyncio.sleep(dice.choice((0.0, 5.0, 60.0)) * dice.random())
        await handle.abandon()
        await asyncio.sleep(dice.choice((0.0, 5.0, 60.0)) * dice.random())
    await finished(works)
    assert works.vendor.asked["submit"] <= len(got) + 1
    assert not works.supervisor._live
    await until(lambda: works.held == 0)


@pytest.mark.parametrize("seed", range(20))
async def test_clients_that_come_and_go(seed: int) -> None:
    """Each picture that somebody got is paid for once."""
    await come_and_go(seed)


async def test_a_build_that_never_hands_out_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lost client pays twice in it, and that is noticed."""
    monkeypatch.setattr(join, "ended", lambda *_: iter(()))
    for seed in range(20):
        with pytest.raises(AssertionError):
            await come_and_go(seed)


async def test_an_orphan_that_ends_during_the_look_up() -> None:
    """Running at the first look and over at the second: whoever came meanwhile still finds it."""
    vendor = Vendor()
    gate, works = Gate(vendor, "collect"), Works(vendor)
    works.ledger.turns = 30
    first = await works.supervisor.start(works.order())
    await until(lambda: vendor.asked["collect"])
    second = asyncio.create_task(works.supervisor.start(works.order()))
    for _ in range(35):
        await asyncio.sleep(0)
    gate.open()
    await first.job.until_finished()
    await first.abandon()
    handle = await second
    assert handle.joined == "orphan" and handle.job.record.id == first.job.record.id
    assert vendor.asked["submit"] == 1


async def test_an_answer_on_its_way_is_not_an_orphan() -> None:
    """Stored and not yet delivered, but somebody is just being answered: the same request is another job."""
    works = Works(Vendor())
    first = await works.supervisor.start(works.order())
    await finished(works)
    second = await works.supervisor.start(works.order())
    assert second.joined is None
    await first.abandon()
    third = await works.supervisor.start(works.order())
    assert third.joined == "orphan" and third.replayed and third.job.record == first.job.record
    fourth = await works.supervisor.start(works.order())
    assert fourth.joined is None
    await finished(works)


async def test_delivered_is_delivered() -> None:
    """The next identical request is a new job, a declared resend gets the same; the picture is only spared."""
    works = Works(Vendor())
    first = await works.supervisor.start(works.order())
    await first.job.until_finished()
    await first.delivered()
    assert await works.rows() == ["delivered"]
    again = await works.supervisor.start(works.order(resend=True))
    assert again.joined == "resend" and again.job.results == first.job.results
    await again.delivered()
    assert (await works.supervisor.start(works.order())).joined is None
    await finished(works)
    assert works.shelf.lasting["ref-0"] is False


@pytest.mark.parametrize("key", [None, "k"])
async def test_undelivered_pictures_last(key: str | None) -> None:
    """What nobody took, and what a key may ask for again, is kept for the whole retention."""
    works = Works(Vendor())
    handle = await works.supervisor.start(works.order(key=key))
    await handle.job.until_finished()
    if key:
        await handle.delivered()
    await handle.abandon()
    await finished(works)
    assert works.shelf.lasting == {"ref-0": True}


async def test_abandoned_before_its_first_step() -> None:
    """The client is gone before anything has begun: nothing is asked of anybody."""
    works, blob = Works(Vendor()), MemoryBlob()
    handle = await works.supervisor.start(works.order(n=3, inputs=[blob]))
    await handle.abandon()
    await finished(works)
    assert not works.vendor.asked and blob.released == 1
    assert await works.rows() == []


async def test_nobody_joins_what_is_about_to_end() -> None:
    """A request that comes right after its client's departure starts anew instead of ending with the old one."""
    works = Works(Vendor(), slots=1)
    running = await works.supervisor.start(works.order("other"))
    first = await works.supervisor.start(works.order())
    await first.abandon()
    second = await works.supervisor.start(works.order())
    assert second.joined is None
    await second.job.until_finished()
    assert isinstance(second.job.results[0], Made)
    await running.job.until_finished()
    assert works.vendor.asked["submit"] == 2


async def test_the_last_waiter_decides() -> None:
    """Two share a job by its key: one leaves, the other still gets its picture."""
    works = Works(Vendor(), slots=1)
    running = await works.supervisor.start(works.order("other"))
    first = await works.supervisor.start(works.order(key="k"))
    second = await works.supervisor.start(works.order(key="k"))
    await first.abandon()
    await first.abandon()
    await second.job.until_finished()
    assert isinstance(second.job.results[0], Made)
    await running.abandon()
    await finished(works)


async def test_moderation_is_not_sticky_and_a_key_is() -> None:
    """Unkeyed the platform is asked again; under a key the refusal is replayed."""
    works = Works(Vendor(polls=[Refused(Stage.INPUT, ())]))
    for asked, key, joined in ((1, None, None), (2, None, None), (3, "k", None), (3, "k", "key")):
        handle = await works.supervisor.start(works.order(key=key))
        await handle.job.until_finished()
        assert handle.joined == joined and isinstance(handle.job.results[0], Moderated)
        await handle.abandon()
        await finished(works)
        assert works.vendor.asked["submit"] == asked


async def test_a_key_with_other_content_lets_its_upload_go() -> None:
    """Refused while it runs and afterwards; the bytes are not held."""
    works = Works(Vendor())
    first = await works.supervisor.start(works.order(key="k"))
    for _ in range(2):
        blob = MemoryBlob()
        with pytest.raises(KeyReused):
            await works.supervisor.start(works.order("other", key="k", inputs=[blob]))
        assert blob.released == 1
        await first.job.until_finished()
        await first.abandon()
        await finished(works)


async def test_a_cancelled_look_up_lets_its_upload_go() -> None:
    """The client goes while the ledger is being asked."""
    works, blob = Works(Vendor()), MemoryBlob()
    works.ledger.turns = 50
    starting = asyncio.create_task(works.supervisor.start(works.order(inputs=[blob])))
    for _ in range(10):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert blob.released == 1 and not works.supervisor._tasks


async def test_what_does_not_fit_is_refused() -> None:
    """A wait longer than the client's patience, or a full queue: 429 with a time, before anything starts."""
    works = Works(Vendor(polls=[PENDING]), slots=1)
    await works.supervisor.start(works.order("other"))
    await until(lambda: works.held)
    with pytest.raises(QueueFull) as refused:
        works.supervisor.admit(works.vendor, "toy-1", 1, 7.0)
    assert refused.value.paid is Paid.NO and refused.value.retry_after_s == pytest.approx(3.0)
    works.supervisor.admit(works.vendor, "toy-1", 1, 11.0)
    with pytest.raises(QueueFull):
        works.supervisor.admit(works.vendor, "toy-1", 200, 10_000.0)
    await works.supervisor.drain(0)


async def test_all_at_once_are_admitted_one_by_one() -> None:
    """Many arrive before the first has asked for its turn: only as many are taken as the line is long."""
    works = Works(Vendor(polls=[PENDING]), slots=2)
    works.queue._limit = 3
    begun = [works.supervisor.start(works.order(str(number))) for number in range(20)]
    found = await asyncio.gather(*begun, return_exceptions=True)
    assert [isinstance(one, QueueFull) for one in found] == [False] * 5 + [True] * 15
    await until(lambda: works.held == 2)
    lane = works.queue._lanes["toy"]
    assert len(lane.line) == 3 and not lane.expected
    await works.supervisor.drain(0)


async def test_all_at_once_see_each_others_wait() -> None:
    """Each of a burst is told of the wait behind those before it."""
    works = Works(Vendor(polls=[PENDING]), slots=1)
    begun = [works.supervisor.start(works.order(str(number), within_s=12.0)) for number in range(5)]
    found = await asyncio.gather(*begun, return_exceptions=True)
    assert [isinstance(one, QueueFull) for one in found] == [False] * 2 + [True] * 3
    await works.supervisor.drain(0)


async def trip(works: Works) -> None:
    """The breaker of the only platform opens."""
    for _ in range(2):
        with works.breakers.of("toy", MODEL).attempt() as attempt:
            attempt.verdict = Verdict.HOPELESS


async def test_a_platform_that_is_left_alone() -> None:
    """Refused at once and unpaid, before anything is read and also afterwards; what is paid for goes on."""
    vendor = Vendor(polls=[PENDING])
    works, blob = Works(vendor), MemoryBlob()
    paid = await works.supervisor.start(works.order("paid"))
    await until(lambda: vendor.asked["poll"])
    await trip(works)
    with pytest.raises(PlatformUnavailable) as refused:
        works.supervisor.admit(vendor, "toy-1", 1, 300.0)
    with pytest.raises(PlatformUnavailable):
        await works.supervisor.start(works.order("new", inputs=[blob]))
    assert refused.value.paid is Paid.NO and refused.value.retry_after_s
    assert next_may_try([refused.value]) and blob.released == 1
    polls = vendor.asked["poll"]
    await until(lambda: vendor.asked["poll"] > polls)
    vendor.says["poll"][:] = [READY]
    await paid.job.until_finished()
    assert isinstance(paid.job.results[0], Made) and vendor.asked["submit"] == 1


async def test_who_waits_while_the_breaker_opens() -> None:
    """Those in the line are told when their turn comes, without INTENT; their slots come back."""
    vendor = Vendor(polls=[PENDING])
    works = Works(vendor, slots=1)
    await works.supervisor.start(works.order("first"))
    await until(lambda: works.held)
    waiting = [await works.supervisor.start(works.order(str(number))) for number in range(3)]
    await until(lambda: len(works.queue._lanes["toy"].line) == 3)
    await trip(works)
    vendor.says["poll"][:] = [READY]
    for number, handle in enumerate(waiting):
        await handle.job.until_finished()
        assert next_may_try(handle.job.results)
        assert await works.rows(str(number)) == []
    await until(lambda: works.held == 0)
    assert vendor.asked["submit"] == 1


async def test_the_breaker_opens_by_itself() -> None:
    """Connects that fail are counted over jobs; the fifth opens it, also for the job that was just trying again."""
    works = Works(Vendor(submits=[NotSent("refused")]))
    codes = []
    for number in range(2):
        handle = await works.supervisor.start(works.order(str(number)))
        await handle.job.until_finished()
        (result,) = handle.job.results
        assert isinstance(result, GatewayError) and result.paid is Paid.NO
        codes.append(result.code)
    assert codes == ["platform_unreachable", "platform_unavailable"] and works.vendor.asked["submit"] == 5
    assert works.breakers.states()["toy", MODEL].state is State.OPEN
    works.vendor.says["submit"][:] = [TAKEN]
    works.breakers.of("toy", MODEL)._until = 0.0
    handle = await works.supervisor.start(works.order("probe"))
    await handle.job.until_finished()
    assert isinstance(handle.job.results[0], Made)
    assert works.breakers.states()["toy", MODEL].state is State.CLOSED


@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize(("submits", "made"), [([TAKEN], 4), ([Failed(PlatformBusy("429")), TAKEN], 4)])
async def test_a_job_of_several_as_the_probe(slots: int, submits: list[Said], made: int) -> None:
    """The first submission is the probe, the others wait for what comes of it: the breaker takes no picture away."""
    works = Works(Vendor(submits=submits), slots=slots)
    await trip(works)
    works.breakers.of("toy", MODEL)._until = 0.0
    handle = await works.supervisor.start(works.order(n=4))
    await handle.job.until_finished()
    assert sum(isinstance(result, Made) for result in handle.job.results) == made


async def test_a_job_of_several_as_a_probe_that_fails() -> None:
    """One call is sent, and all four say that nothing was charged."""
    works = Works(Vendor(submits=[Failed(PlatformOutOfCredits("402"))]), slots=4)
    await trip(works)
    works.breakers.of("toy", MODEL)._until = 0.0
    handle = await works.supervisor.start(works.order(n=4))
    await handle.job.until_finished()
    assert next_may_try(handle.job.results) and works.vendor.asked["submit"] == 1


async def test_the_next_platform() -> None:
    """
    A job that failed by its platform's trouble is not joined by the order for the next one, even while another client
    of the same key is still being told of the failure; that one then joins the new job.
    """
    vendor = Vendor(submits=[Failed(PlatformOutOfCredits("402"))])
    works, blob = Works(vendor), MemoryBlob()
    first = await works.supervisor.start(works.order(key="k", inputs=[blob]))
    second = await works.supervisor.start(works.order(key="k"))
    assert second.joined == "key"
    await first.job.until_accepted()
    assert next_may_try(first.job.results) and blob.released == 1
    await first.abandon()
    works.breakers.of("toy", MODEL)._until = None
    vendor.says["submit"][:] = [TAKEN]
    again = await works.supervisor.start(works.order(key="k", inputs=[blob]))
    assert again.joined is None
    await second.abandon()
    other = await works.supervisor.start(works.order(key="k"))
    assert other.joined == "key" and other.job is again.job
    await other.job.until_finished()
    assert isinstance(other.job.results[0], Made) and vendor.asked["submit"] == 2
    assert blob.released == 2


async def test_the_sweep_forgets_and_counts() -> None:
    """Nothing is forgotten that runs or is being answered; lost answers are counted until they are."""
    works = Works(Vendor(submits=[MaybeSent("reset")]))
    handle = await works.supervisor.start(works.order())
    await handle.job.until_finished()
    works.supervisor._retention_s = -1.0
    await works.supervisor.sweep()
    assert works.metrics.registry.get_sample_value("gateway_jobs_unknown") == 1
    await handle.abandon()
    await works.supervisor.sweep()
    assert works.metrics.registry.get_sample_value("gateway_jobs_unknown") == 0
    assert await works.rows() == []


async def test_drained_in_time() -> None:
    """Nothing new is taken, what runs ends, and its client is answered."""
    works = Works(Vendor())
    handle = await works.supervisor.start(works.order())
    draining = asyncio.create_task(works.supervisor.drain(60.0))
    await asyncio.sleep(0)
    assert works.supervisor.draining
    with pytest.raises(ShuttingDown):
        works.supervisor.admit(works.vendor, "toy-1", 1, 300.0)
    blob = MemoryBlob()
    with pytest.raises(ShuttingDown) as refused:
        await works.supervisor.start(works.order("new", inputs=[blob]))
    assert refused.value.paid is Paid.NO and blob.released == 1
    assert await draining == 0
    assert isinstance(handle.job.results[0], Made)


async def test_cut_at_the_limit() -> None:
    """What was submitted says that it may be paid for, what was not says the contrary, and all slots come back."""
    works = Works(Vendor(polls=[PENDING]), slots=1)
    submitted = await works.supervisor.start(works.order("one"))
    await until(lambda: works.vendor.asked["poll"])
    waiting = await works.supervisor.start(works.order("two"))
    started = works.clock.now()
    assert await works.supervisor.drain(20.0) == 2
    assert works.clock.now() - started >= 20.0
    results = [handle.job.results[0] for handle in (submitted, waiting)]
    assert [isinstance(result, ShuttingDown) and result.paid for result in results] == [Paid.MAYBE, Paid.NO]
    await until(lambda: works.held == 0)
