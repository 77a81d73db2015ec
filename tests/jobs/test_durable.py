"""
A state machine over a vendor that counts: requests come, are repeated and cut, processes die and follow each other,
answers are lost and called back. Whatever the order, each request is paid once, and what was made is found.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.domain.blob import Link
from gateway.domain.caller import Caller
from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import AnswerLost, GatewayError
from gateway.domain.outcome import Finished, Outcome, Ticket, Unsure, Working
from gateway.domain.target import JobTarget
from gateway.jobs.breakers import Breakers
from gateway.jobs.clock import Clock
from gateway.jobs.handle import JobHandle
from gateway.jobs.hints import Hints
from gateway.jobs.look_up import LookUp
from gateway.jobs.order import Order
from gateway.jobs.pace import Pace, Prior
from gateway.jobs.queue import Queue
from gateway.jobs.settings import BreakerSettings
from gateway.jobs.slot import Slot
from gateway.jobs.supervisor import Supervisor
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Plan
from gateway.stores.contract import Made, ReplySpec, State
from gateway.stores.limits import MemoryLimits
from gateway.stores.slots import MemorySlots
from gateway.stores.sqlite.books import SqliteBooks
from gateway.stores.sqlite.database import Database
from gateway.stores.sqlite.ledger import SqliteLedger
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.session import Answered, MaybeSent, Sent
from gateway.wire.call import Answer, Call
from tests.fakes.loop import Loop
from tests.fakes.vendor import MODEL, Shelf, Vendor

CREDITS = 4.0
SLOTS = 3
KEYS = ("a", "b", "c")


class Counting(Vendor):
    """Takes what is sent, once for each sending; a task is ready when it is told to be."""

    webhook_base = "https://gateway.example"
    max_active_tasks = SLOTS

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, str] = {}  # task → job of the address it was sent with
        self.paid: Counter[str] = Counter()  # by what was asked
        self.ready: set[str] = set()
        self.lose = self.hold = False

    def hooked(self, call: Call, url: str, secret: str) -> Call:
        return Call(call.name, call.method, f"{call.url}?{url}")

    def ticket(self, task: str, model: str) -> Ticket:
        return Ticket(task, f"https://toy.example/{task}", model, "toy", cost=CREDITS)

    async def send(self, call: Call) -> Sent:
        if call.name == "submit":
            while self.hold:
                await asyncio.sleep(1)
            content, _, place = call.url.partition("?")
            task = f"task-{len(self.taken)}"
            self.taken[task] = place.split("/")[-3]
            self.paid[content] += 1
            if self.lose:
                return MaybeSent("lost")
            return _answered(Working(self.ticket(task, MODEL), "submitted"))
        task = call.url.rpartition("/")[2]
        if task not in self.taken:
            return _answered(Unsure("task not found", missing=True))
        done = Finished((Link(f"https://toy.example/{task}.png"),), cost=CREDITS)
        return _answered(done if task in self.ready else Working(self.ticket(task, MODEL), "Pending"))


def _answered(outcome: Outcome) -> Answered:
    return Answered(Answer(200, cast(Any, {"outcome": outcome}), b""))


class Process:
    """A gateway\'s inside: supervisor and stores on one folder. The shelf of pictures is the disk\'s."""

    def __init__(self, folder: Path, vendor: Counting, shelf: Shelf, clock: Clock, ids: itertools.count[int]) -> None:
        self.vendor, self.clock = vendor, clock
        self.database = Database(folder, clock.now, clock.wall, lambda _took: None)
        self.ledger, books = SqliteLedger(self.database), SqliteBooks(self.database)
        self.limits, self.books = MemoryLimits(clock.now, clock.wall, books), books
        self.slots = MemorySlots({"toy": SLOTS})
        self.queue = Queue(self.slots, {"toy": SLOTS}, limit=100, clock=clock, chance=lambda: 0.5)
        self.bugs: list[Exception] = []
        pace, metrics = Pace(Prior(5.0, 0.2)), Catalogue()
        self.supervisor = Supervisor(
            Tools(
                session=cast(Any, vendor),
                download=cast(Any, vendor),
                queue=self.queue,
                breakers=Breakers(BreakerSettings(failures=10_000), clock.now),
                ledger=self.ledger,
                limits=self.limits,
                results=cast(Any, shelf),
                metrics=metrics,
                clock=clock,
                chance=lambda: 0.5,
                paces=lambda _platform, _model: pace,
                job_max_age_s=900.0,
                unanswered_within_s=3000.0,
                hints=Hints(lambda: b"k" * 32, "", metrics, clock.now),
            ),
            new_id=lambda: f"job-{next(ids)}",
            owner=lambda: self.database.owner,
            retention_s=86_400.0,
            crashed=self.bugs.append,
            lasting=True,
        )

    async def start(self) -> None:
        await self.database.open()
        await self.ledger.open()
        self.limits.restore(*await self.books.read())
        await self.supervisor.recover({"toy": self.vendor})

    async def die(self) -> None:
        """Every task ends where it is, and nothing more is written, nor what waits to be."""
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        vars(self.database).update(write=_gone, later=lambda *_: None)
        with suppress(queue.Empty):
            while True:
                self.database._writer._queue.get_nowait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.database.close()

    async def stop(self) -> None:
        await self.supervisor.drain(0.0)
        await self.queue.close()
        await self.database.close()


async def _gone(*_: Any, **__: Any) -> None:
    raise asyncio.CancelledError


class Durable(RuleBasedStateMachine):
    """What clients, the vendor and the operator may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop()
        self.folder = tempfile.TemporaryDirectory()
        self.vendor, self.shelf, self.ids = Counting(), Shelf(), itertools.count(1)
        self.offset = 0.0
        self.asked: dict[str, JobHandle] = {}
        self.known: set[str] = set()
        self.process: Process = self.do(self._started())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def in_time() -> Any:
            async with asyncio.timeout(10_000):
                return await work

        return self.loop.run_until_complete(in_time())

    async def _started(self) -> Process:
        now = self.loop.time
        clock = Clock(now, lambda: 1_800_000_000.0 + self.offset + now(), asyncio.sleep)
        process = Process(Path(self.folder.name), self.vendor, self.shelf, clock, self.ids)
        await process.start()
        return process

    def order(self, key: str) -> Order:
        who, now = Caller("ann"), self.process.clock.now()
        call = Call("submit", "POST", f"https://toy.example/{key}")
        plan = Plan(JobTarget("toy", MODEL), (call,), credits=CREDITS)
        reply = ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ())
        return Order("ann", who, key, key, False, self.vendor, plan, reply, (), now, now + 10_000_000.0)

    @rule(key=st.sampled_from(KEYS))
    def ask(self, key: str) -> None:
        """For the first time, or again under the same key."""

        async def work() -> None:
            handle = await self.process.supervisor.start(self.order(key))
            if key in self.asked:
                await handle.abandon()
            else:
                self.asked[key] = handle
            await asyncio.sleep(20)

        self.known.add(key)
        self.do(work())

    @rule()
    def finish(self) -> None:
        """The vendor is done with all it has, and calls back."""

        async def work() -> None:
            for task, job in self.vendor.taken.items():
                if task not in self.vendor.ready:
                    self.vendor.ready.add(task)
                    await self.process.supervisor.called_back({"toy": self.vendor}, job, 0, task)
            await asyncio.sleep(30)

        self.do(work())

    @rule(lose=st.booleans())
    def answers_get_lost(self, lose: bool) -> None:
        self.vendor.lose = lose

    @rule(hold=st.booleans())
    def submissions_take_long(self, hold: bool) -> None:
        self.vendor.hold = hold

    @rule()
    def call_back_about_nothing(self) -> None:
        """A job that nobody has, and a task that nobody has."""

        async def work() -> None:
            for job, task in (("job-0", "task-0"), ("job-1", "made-up")):
                await self.process.supervisor.called_back({"toy": self.vendor}, job, 0, task)

        self.do(work())

    @precondition(lambda self: self.asked)
    @rule()
    def leave(self) -> None:
        """A client goes."""

        async def work() -> None:
            _, handle = self.asked.popitem()
            await handle.abandon()

        self.do(work())

    @rule()
    def kill(self) -> None:
        self._follow(self.process.die)

    @rule()
    def stop(self) -> None:
        self.vendor.hold = False
        self._follow(self.process.stop)

    @rule(jump_s=st.sampled_from([-3600.0, 3600.0, 86_000.0]))
    def kill_and_set_the_clock(self, jump_s: float) -> None:
        self.offset += jump_s
        self._follow(self.process.die)

    def _follow(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def work() -> None:
            await end()
            self.process = await self._started()

        self.asked.clear()
        self.do(work())

    @invariant()
    def paid_once(self) -> None:
        assert all(times == 1 for times in self.vendor.paid.values()), self.vendor.paid
        assert not self.process.bugs

    @invariant()
    def within_the_ceiling(self) -> None:
        assert self.process.slots._counts["toy"] <= max(SLOTS, len(self.known))

    def teardown(self) -> None:
        """In the end every request has its picture, or an honest word, and the money is what the vendor took."""
        try:
            self.vendor.hold = self.vendor.lose = False
            self.do(self._reckon())
        finally:
            self.do(self.process.stop())
            self.loop.close()
            self.folder.cleanup()

    async def _reckon(self) -> None:
        process = self.process
        for handle in self.asked.values():
            await handle.abandon()
        for _ in range(3):
            for task, job in list(self.vendor.taken.items()):
                self.vendor.ready.add(task)
                await process.supervisor.called_back({"toy": self.vendor}, job, 0, task)
            await asyncio.sleep(20)
        lost = 0
        for key in sorted(self.known):
            handle = await process.supervisor.start(self.order(key))
            await asyncio.sleep(20)
            for task, job in list(self.vendor.taken.items()):
                self.vendor.ready.add(task)
                await process.supervisor.called_back({"toy": self.vendor}, job, 0, task)
            await handle.job.until_finished()
            (result,) = handle.job.results
            assert isinstance(result, Made | AnswerLost), result
            lost += isinstance(result, GatewayError)
            assert isinstance(result, Made) == bool(self.vendor.paid[f"https://toy.example/{key}"])
            await handle.delivered()
        assert set(self.vendor.paid.values()) <= {1}
        await asyncio.sleep(300)
        assert process.limits.reserved() == ()
        counts = await process.ledger.count()
        assert counts.get(State.UNKNOWN, 0) == lost
        spent = [
            entry for entry in (await process.books.read())[0] if entry.unit == "credits" and len(entry.period) == 7
        ]
        assert sum(entry.micros for entry in spent) == CREDITS * 1_000_000 * len(self.known)
        assert process.slots._counts["toy"] == 0


LIMITS = settings(
    max_examples=25,
    stateful_step_count=15,
    phases=[Phase.explicit, Phase.generate],  # a shorter way to the same fault is not worth minutes
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestDurable = Durable.TestCase
TestDurable.settings = LIMITS
TestDurable = pytest.mark.timeout(300)(TestDurable)


async def _finds_nothing(*_: Any, **__: Any) -> None:
    return None


async def _writes_nothing(*_: Any, **__: Any) -> None:
    return None


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("place", "name", "wrong"),
    [
        (LookUp, "find", _finds_nothing),  # pays again
        (SqliteLedger, "stored", _writes_nothing),  # answers before storing
        (Slot, "release", lambda _self: None),  # leaks a slot
        (MemoryLimits, "settle", _writes_nothing),  # leaves the books open
    ],
    ids=["pays-again", "answers-early", "leaks", "open-books"],
)
def test_wrong_builds_are_caught(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, wrong: Any) -> None:
    """A property that no program can break proves nothing: one walk that is well, and fails in each wrong build."""
    _walk()
    monkeypatch.setattr(place, name, wrong)
    with pytest.raises(Exception):  # noqa: B017 - whichever check is the first to see it
        _walk()


def _walk() -> None:
    machine = Durable()
    try:
        for key, then in (("a", machine.kill), ("a", machine.leave), ("b", machine.leave), ("b", machine.leave)):
            machine.ask(key)
            machine.finish()
            machine.paid_once()
            then()
    finally:
        machine.teardown()
