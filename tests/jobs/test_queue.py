"""Nobody is forgotten, nobody starves, and no ceiling is ever passed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import GatewayError, Paid, PlatformBusy, PlatformUnavailable
from gateway.jobs.clock import Clock
from gateway.jobs.concurrency import JITTER, PAUSE_LONGEST_S, PAUSE_S
from gateway.jobs.lane import ALL
from gateway.jobs.queue import STANDSTILL_S, Queue
from gateway.stores.slots import MemorySlots
from tests.fakes.clock import Agenda, loop_clock
from tests.fakes.customer import until


class SlowSlots(MemorySlots):
    """Slots somewhere else: every verb takes a few turns of the loop, so that anything may happen meanwhile."""

    def __init__(self, ceilings: dict[str, int], dice: random.Random) -> None:
        super().__init__(ceilings)
        self._dice, self.most = dice, Counter[str]()

    async def acquire(self, account: str, model: str, submission: str) -> bool:
        await self._wait()
        found = await super().acquire(account, model, submission)
        await self._wait()
        for name, count in self._counts.items():
            self.most[name] = max(self.most[name], count)
        return found

    async def release(self, submission: str) -> None:
        await self._wait()
        await super().release(submission)

    async def _wait(self) -> None:
        for _ in range(self._dice.randrange(3)):
            await asyncio.sleep(0)


class Sleeper:
    """A clock on which sleepers wait until they are woken, the earliest first."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.time = 0.0
        self._sleeping: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._sleeping.append((self.time + seconds, woken := asyncio.Event()))
        await woken.wait()

    async def wake(self) -> None:
        """Let the time pass until the next one wakes."""
        self._sleeping.sort(key=lambda sleeper: sleeper[0])
        self.time, woken = self._sleeping.pop(0)
        woken.set()
        await settled()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def queue(ceiling: int = 2, *, limit: int = 100, clock: Clock | None = None, **nested: int) -> Queue:
    models = {f"bfl/{model}": most for model, most in nested.items()}
    slots = MemorySlots({"bfl": ceiling} | models)
    return Queue(slots, {"bfl": ceiling}, nested=models, limit=limit, clock=clock or loop_clock(), chance=lambda: 0.0)


def turn(
    line: Queue, submission: str, *, caller: str = "ann", model: str = "pro", **options: Any
) -> asyncio.Task[None]:
    return asyncio.create_task(line.turn("bfl", model, caller, submission, **options), name=submission)


async def test_the_ceiling_and_the_next() -> None:
    """As many as the account allows go at once; each one that ends lets the next go, in order."""
    line = queue(2)
    turns = [turn(line, str(index)) for index in range(5)]
    await settled()
    assert [task.done() for task in turns] == [True, True, False, False, False]
    line.release("bfl", "1")
    await settled()
    assert [task.done() for task in turns] == [True, True, True, False, False]
    for task in turns[3:]:
        task.cancel()
    await asyncio.gather(*turns, return_exceptions=True)


async def test_a_models_own_ceiling_does_not_hold_up_others() -> None:
    """The narrow model is full: its next waits, those behind it with another model go."""
    line = queue(4, max=1)
    first, second = turn(line, "a", model="max"), turn(line, "b", model="max")
    third = turn(line, "c", model="pro")
    await settled()
    assert (first.done(), second.done(), third.done()) == (True, False, True)
    line.release("bfl", "a")
    await asyncio.wait_for(second, 1)


async def test_callers_take_turns() -> None:
    """One with many jobs and one with a single job: the single one is served right after the first of the others."""
    line = queue(1)
    many = [turn(line, f"many-{index}", caller="many") for index in range(10)]
    one = turn(line, "one", caller="one")
    await settled()
    line.release("bfl", "many-0")
    await settled()
    assert one.done() and sum(task.done() for task in many) == 1
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)


async def test_callers_take_turns_by_weight() -> None:
    """While all of them wait, weight 3 gets three times the slots of weight 1, to within one."""
    line = queue(1)
    weights = {"heavy": 3.0, "light": 1.0}
    turns = [
        turn(line, f"{caller}-{index}", caller=caller, weight=weight)
        for caller, weight in weights.items()
        for index in range(12)
    ]
    await settled()
    for _ in range(12):
        (running,) = line._lanes["bfl"].running
        line.release("bfl", running)
        await settled()
    served = Counter(task.get_name().partition("-")[0] for task in turns if task.done())
    assert served.total() == 13 and abs(served["heavy"] - 3 * served["light"]) <= 3
    await dispersed(turns)


async def test_who_is_expected_is_in_the_line() -> None:
    """Of many that come in the same moment each sees those before it, whether or not they have asked for their turn."""
    line = queue(2, limit=1)
    for index in range(3):
        assert line.wait_s("bfl", "pro", 1, 7.0) == (0.0 if index < 2 else 7.0)
        line.expect("bfl", "pro", [str(index)])
    assert line.wait_s("bfl", "pro", 1, 7.0) is None
    turns = [turn(line, str(index)) for index in range(2)]
    await settled()
    assert line.wait_s("bfl", "pro", 1, 7.0) is None
    line.expect_no_more("bfl", "2")
    line.expect_no_more("bfl", "0")
    assert line.wait_s("bfl", "pro", 1, 7.0) == 7.0
    await dispersed(turns)


async def test_more_slots_while_jobs_wait() -> None:
    """A higher ceiling is used at once; a new account has a line of its own."""
    line = queue(1, max=1)
    slots = line._slots
    assert isinstance(slots, MemorySlots)
    turns = await crowd(line, ["pro", "pro", "max", "max"])
    assert [task.done() for task in turns] == [True, False, False, False]
    slots.configure({"bfl": 4, "bfl/max": 2, "other": 1})
    line.configure({"bfl": 4, "other": 1}, {"bfl/max": 2})
    await settled()
    assert all(task.done() for task in turns)
    await asyncio.wait_for(line.turn("other", "pro", "ann", "there"), 1)
    assert line.wait_s("other", "pro", 1, 7.0) == 7.0


async def test_fewer_slots_while_jobs_run() -> None:
    """What runs goes on; nobody goes until it is below the new ceiling, and none of the slots is lost."""
    line = queue(3)
    slots = line._slots
    assert isinstance(slots, MemorySlots)
    turns = await crowd(line, ["pro"] * 6)
    slots.configure({"bfl": 1})
    line.configure({"bfl": 1}, {})
    for index, done in enumerate((3, 3, 4, 5, 6)):
        line.release("bfl", str(index))
        await settled()
        assert sum(task.done() for task in turns) == done
    line.release("bfl", "5")
    await settled()
    assert not slots._held and line.wait_s("bfl", "pro", 1, 7.0) == 0.0


async def test_a_lower_ceiling_and_what_refusals_have_taught() -> None:
    """Pushed back to fewer than the ceiling: a reload forgets neither that nor the new ceiling."""
    sleeper = Sleeper()
    line = queue(4, clock=Clock(now=lambda: 0.0, sleep=sleeper.sleep))
    turns = await crowd(line, ["pro"] * 4)
    line.pushed_back("bfl", "0", None)
    line.pushed_back("bfl", "1", None)
    lane = line._lanes["bfl"]
    limit = lane.limits[ALL]
    assert limit.level == 2
    line.configure({"bfl": 6}, {})
    assert (limit.level, lane.ceiling) == (2, 6)
    line.configure({"bfl": 1}, {})
    assert (limit.level, lane.ceiling) == (1, 1)
    line.configure({}, {})
    assert lane.ceiling == 1, "an account that is gone keeps its ceiling for the jobs it has left"
    await dispersed(turns)
    await line.close()


async def test_a_refusal_above_a_lower_ceiling() -> None:
    """Three of four still run where one may: a 429 does not raise the ceiling to three."""
    line = queue(4)
    turns = await crowd(line, ["pro"] * 4)
    line.configure({"bfl": 1}, {})
    line.pushed_back("bfl", "0", None)
    places = line.places("bfl")
    assert (places.running, places.allowed, places.ceiling) == (3, 1, 1)
    await dispersed(turns)
    await line.close()


async def test_who_was_pushed_back_goes_first() -> None:
    """A submission that the platform sent back is before its caller's others."""
    line = queue(1)
    await turn(line, "running")
    other, back = turn(line, "other"), turn(line, "back", first=True)
    await settled()
    line.release("bfl", "running")
    await settled()
    assert (back.done(), other.done()) == (True, False)
    other.cancel()


async def test_the_wait_is_estimated() -> None:
    """Nothing when a slot is free, rounds of the typical time after that, and None when the queue is full."""
    line = queue(2, limit=3)
    assert line.wait_s("bfl", "pro", 2, 7.0) == 0.0
    assert line.wait_s("bfl", "pro", 3, 7.0) == 7.0
    assert line.wait_s("bfl", "pro", 5, 7.0) == 14.0
    assert line.wait_s("bfl", "pro", 6, 7.0) is None
    turns = [turn(line, str(index)) for index in range(5)]
    await settled()
    assert line.wait_s("bfl", "pro", 1, 7.0) is None
    for task in turns:
        task.cancel()
    await asyncio.gather(*turns, return_exceptions=True)


async def crowd(line: Queue, models: list[str]) -> list[asyncio.Task[None]]:
    """One submission of each, in this order; returned when all who can have gone."""
    turns = [turn(line, str(index), model=model) for index, model in enumerate(models)]
    await settled()
    return turns


async def dispersed(turns: list[asyncio.Task[None]]) -> None:
    for task in turns:
        task.cancel()
    await asyncio.gather(*turns, return_exceptions=True)


async def test_the_line_of_one_model_does_not_close_anothers() -> None:
    """Many wait for the narrow model, its line is full: the idle slots are still the others', at once."""
    line = queue(24, limit=20, max=6)
    turns = await crowd(line, ["max"] * 60)
    assert line.wait_s("bfl", "max", 1, 8.0) is None
    assert line.wait_s("bfl", "pro", 18, 7.0) == 0.0
    assert line.wait_s("bfl", "pro", 19, 7.0) == 7.0
    assert line.wait_s("bfl", "pro", 18 + 20, 7.0) is not None
    assert line.wait_s("bfl", "pro", 18 + 21, 7.0) is None
    await dispersed(turns)


@pytest.mark.parametrize(("before", "more", "wait"), [(0, 6, 0), (0, 7, 8), (6, 1, 8), (11, 2, 16), (23, 1, 24)])
async def test_a_model_waits_for_its_own_ceiling(before: int, more: int, wait: float) -> None:
    """The account has room, the model has not: the estimate counts the model's own rounds."""
    line = queue(24, max=6)
    turns = await crowd(line, ["max"] * before)
    assert line.wait_s("bfl", "max", more, 8.0) == wait
    await dispersed(turns)


async def test_a_narrow_model_waits_for_the_account_too() -> None:
    """None of the model runs, yet the account is busy: it waits, also behind those who came before."""
    line = queue(4, max=2)
    turns = await crowd(line, ["pro"] * 3)
    assert line.wait_s("bfl", "max", 1, 7.0) == 0.0
    assert line.wait_s("bfl", "max", 2, 7.0) == 7.0
    turns += [turn(line, f"late-{index}") for index in range(5)]
    await settled()
    assert line.wait_s("bfl", "max", 1, 7.0) == 14.0
    await dispersed(turns)


def last_start(running: list[tuple[str, float]], waiting: list[str], ceiling: int, nested: dict[str, int]) -> float:
    """When the last of `waiting` starts, if each task takes 1 s and in this order. `running`: (model, its end)."""
    now, active, line = 0.0, list(running), list(waiting)
    while True:
        for model in tuple(line):
            of_model = sum(other == model for other, _ in active)
            if len(active) < ceiling and of_model < nested.get(model, ceiling):
                active.append((model, now + 1))
                del line[line.index(model)]
                if model == waiting[-1] and model not in line:
                    return now
        now = min(end for _, end in active)
        active = [task for task in active if task[1] > now]


MODELS = st.sampled_from(["pro", "dev", "max", "wide"])


@settings(max_examples=300, deadline=None)
@given(
    ceiling=st.integers(1, 8),
    nested=st.fixed_dictionaries({"max": st.integers(1, 4), "wide": st.integers(3, 9)}),
    before=st.lists(MODELS, max_size=40),
    more=st.lists(MODELS, max_size=10),
    model=MODELS,
    count=st.integers(1, 4),
    dice=st.randoms(use_true_random=False),
)
def test_the_estimate_is_never_too_short(
    ceiling: int,
    nested: dict[str, int],
    before: list[str],
    more: list[str],
    model: str,
    count: int,
    dice: random.Random,
) -> None:
    """Against a simulation: at least its wait, and it never falls when more come."""

    async def estimates() -> tuple[float, float, list[bool]]:
        line = queue(ceiling, max=nested["max"], wide=nested["wide"])
        turns = await crowd(line, before)
        first, went = line.wait_s("bfl", model, count, 1.0), [task.done() for task in turns]
        turns += [turn(line, f"more-{index}", model=other) for index, other in enumerate(more)]
        await settled()
        second = line.wait_s("bfl", model, count, 1.0)
        await dispersed(turns)
        assert first is not None and second is not None
        return first, second, went

    estimate, later, went = asyncio.run(estimates())
    running = [(other, dice.uniform(0.01, 1.0)) for other, gone in zip(before, went, strict=True) if gone]
    waiting = [other for other, gone in zip(before, went, strict=True) if not gone]
    found = last_start(running, waiting + [model] * count, ceiling, nested)
    assert later >= estimate >= found - 1e-9


@settings(max_examples=100, deadline=None)
@given(ceiling=st.integers(1, 8), own=st.integers(1, 9), before=st.integers(0, 40), count=st.integers(1, 4))
def test_the_estimate_is_exact_for_one_model(ceiling: int, own: int, before: int, count: int) -> None:
    """Where only one model is asked and the running ones have just begun, it is what the simulation finds."""

    async def estimate() -> float | None:
        line = queue(ceiling, max=own)
        turns = await crowd(line, ["max"] * before)
        found = line.wait_s("bfl", "max", count, 1.0)
        await dispersed(turns)
        return found

    active = min(before, ceiling, own)
    waiting = ["max"] * (before - active + count)
    assert asyncio.run(estimate()) == last_start([("max", 1.0)] * active, waiting, ceiling, {"max": own})


async def test_a_refusal_and_the_probes_after_it() -> None:
    """Several refusals of one burst are one pause; then a probe goes, and each that is accepted lets others go."""
    sleeper = Sleeper()
    line = queue(3, clock=Clock(now=lambda: sleeper.time, sleep=sleeper.sleep))
    turns = [turn(line, str(index)) for index in range(6)]
    await settled()
    for index in (0, 1, 2):
        line.pushed_back("bfl", str(index), None)
    await settled()
    assert sum(task.done() for task in turns) == 3
    assert sleeper.asked == [PAUSE_S]
    await sleeper.wake()
    assert sum(task.done() for task in turns) == 4
    line.accepted("bfl", "3", 100.0)
    await settled()
    assert sum(task.done() for task in turns) > 4
    await dispersed(turns)
    await line.close()


async def test_a_narrow_model_is_refused_alone() -> None:
    """A 429 for a model with a ceiling of its own says nothing about the others."""
    line = queue(24, max=6)
    line._clock = Clock(now=lambda: 0.0, sleep=Sleeper().sleep)
    turns = await crowd(line, ["max"] * 6)
    line.pushed_back("bfl", "0", None)
    turns += [turn(line, "more", model="max"), turn(line, "other")]
    await settled()
    assert (turns[-2].done(), turns[-1].done()) == (False, True)
    assert line.wait_s("bfl", "pro", 18, 7.0) == 0.0
    await dispersed(turns)
    await line.close()


async def test_a_model_without_a_ceiling_any_more() -> None:
    """What its own ceiling held back goes, what runs is counted on."""
    line = queue(24, max=2)
    line._clock = Clock(now=lambda: 0.0, sleep=Sleeper().sleep)
    turns = await crowd(line, ["max"] * 6)
    assert sum(task.done() for task in turns) == 2
    line._slots.configure({"bfl": 24})  # type: ignore[attr-defined]
    line.configure({"bfl": 24}, {})
    await settled()
    assert sum(task.done() for task in turns) == 6
    line.pushed_back("bfl", "0", None)
    for name in "12345":
        line.release("bfl", name)
    await settled()
    assert line.places("bfl").running == 0
    await dispersed(turns)
    await line.close()


async def test_lost_answers_keep_few_slots() -> None:
    """At most a part of the ceiling, and for as long as a task can take; others go in their place meanwhile."""
    sleeper = Sleeper()
    line = queue(16, clock=Clock(now=lambda: sleeper.time, sleep=sleeper.sleep))
    turns = await crowd(line, ["pro"] * 16)
    for index in range(16):
        line.accepted("bfl", str(index), 1000.0)
        if index < 8:
            line.lost("bfl", str(index), 20.0)
    turns += [turn(line, f"later-{index}") for index in range(16)]
    for _ in range(6):  # beyond what the vendor has borne, so each is a probe until it is accepted
        await settled()
        for name in line._lanes["bfl"].running:
            line.accepted("bfl", name, 1000.0)
    await settled()
    places = line.places("bfl")
    assert (places.running, places.unknown) == (14, 8), "two of eight keep theirs"
    assert sum(task.done() for task in turns) == 16 + 6
    while line.places("bfl").unknown:
        await sleeper.wake()
    places = line.places("bfl")
    assert (places.running, sum(task.done() for task in turns)) == (16, 24)
    await dispersed(turns)
    await line.close()


async def test_what_was_lost_is_found() -> None:
    """It has its slot again, for as long as its task runs; what was to become of it as a lost one counts no more."""
    sleeper = Sleeper()
    line = queue(2, clock=Clock(now=lambda: sleeper.time, sleep=sleeper.sleep))
    turns = await crowd(line, ["pro"] * 2)
    line.lost("bfl", "0", 20.0)
    assert line.places("bfl").unknown == 1
    await line.adopt("bfl", "pro", "0")
    await settled()
    assert (line.places("bfl").running, line.places("bfl").unknown) == (2, 0)
    assert line._slots._held.keys() == {"0", "1"}  # type: ignore[attr-defined]
    while sleeper._sleeping:
        await sleeper.wake()
    late = turn(line, "2")
    await settled()
    assert line.places("bfl").running == 2 and not late.done()
    line.lost("bfl", "1", 20.0)
    line.release("bfl", "1")
    await settled()
    assert late.done() and line.places("bfl").unknown == 0
    await dispersed([*turns, late])
    await line.close()


async def test_tasks_past_their_age_make_room() -> None:
    """Stuck tasks hold up nobody who waits: their slots are others' as soon as no such task can still run."""
    sleeper = Sleeper()
    line = queue(2, clock=Clock(now=lambda: sleeper.time, sleep=sleeper.sleep))
    turns = await crowd(line, ["pro"] * 4)
    for name in ("0", "1"):
        line.accepted("bfl", name, 20.0)
    await settled()
    assert sum(task.done() for task in turns) == 2
    while sum(task.done() for task in turns) < 3:
        await sleeper.wake()
    line.accepted("bfl", "2", 20.0)
    await settled()
    assert all(task.done() for task in turns)
    assert (places := line.places("bfl")).over_age == 2 and places.running == 2
    for name in "0123":
        line.release("bfl", name)
    await settled()
    assert line.places("bfl").over_age == 0 and not line._slots._held  # type: ignore[attr-defined]
    await line.close()


async def insist(line: Queue, name: str) -> None:
    """One submission to a vendor that refuses everything, sent again and again."""
    again = False
    while True:
        await line.turn("bfl", "pro", "ann", name, first=again)
        line.pushed_back("bfl", name, None)
        again = True


async def test_a_vendor_that_refuses_everything() -> None:
    """Who has waited for long is told, who comes while somebody waits is told at once, and one goes on probing."""
    sleeper = Sleeper()
    line = queue(2, clock=Clock(now=lambda: sleeper.time, sleep=sleeper.sleep))
    tasks = [asyncio.create_task(insist(line, str(index))) for index in range(5)]
    await settled()
    line.check("bfl", "pro")
    while not all(task.done() for task in tasks):
        await sleeper.wake()
    assert all(isinstance(task.exception(), PlatformBusy) for task in tasks)
    assert STANDSTILL_S <= sleeper.time <= STANDSTILL_S + 20
    line.check("bfl", "pro")
    tasks.append(asyncio.create_task(insist(line, "fresh")))
    await settled()
    with pytest.raises(PlatformBusy) as busy:
        line.check("bfl", "pro")
    assert busy.value.retry_after_s and busy.value.paid is Paid.NO
    refusals = line._lanes["bfl"].limits[ALL]._refused_at
    await sleeper.wake()
    assert line._lanes["bfl"].limits[ALL]._refused_at != refusals, "probes go on"
    sleeper.time += 1000.0
    line.check("bfl", "pro")
    await dispersed(tasks)
    await line.close()


async def test_each_is_told_in_time() -> None:
    """Those who came one after another: each when it has waited for long, not only when the next probe is refused."""
    agenda = Agenda()
    line = queue(1, clock=agenda.clock)
    told = list[float]()

    async def come(at_s: float) -> None:
        await agenda.clock.sleep(at_s)
        with pytest.raises(PlatformBusy):
            await insist(line, f"at {at_s}")
        told.append(agenda.time - at_s)

    async def all_come() -> None:
        await asyncio.gather(*(come(3.0 * index) for index in range(6)))

    await agenda.run(all_come())
    longest = PAUSE_LONGEST_S * (1 + JITTER)
    assert all(STANDSTILL_S <= waited < STANDSTILL_S + longest for waited in told)
    assert sum(waited == STANDSTILL_S for waited in told) >= 3
    await line.close()


async def test_all_who_wait_are_told() -> None:
    """Of one model, or of the whole account; those who run are not."""
    line = queue(1)
    turns = await crowd(line, ["pro", "pro", "dev"])
    line.refuse("bfl", lambda: PlatformUnavailable("trouble"), model="pro")
    await settled()
    assert [task.done() for task in turns] == [True, True, False] and isinstance(turns[1].exception(), GatewayError)
    line.refuse("bfl", lambda: PlatformUnavailable("trouble"))
    line.refuse("nobody", lambda: PlatformUnavailable("trouble"))
    await settled()
    assert isinstance(turns[2].exception(), PlatformUnavailable) and len(line._lanes["bfl"].line) == 0
    await line.close()


async def test_cancelled_at_the_moment_of_its_turn() -> None:
    """A turn that was granted and not taken goes to the next."""
    line = queue(1)
    await turn(line, "running")
    leaving, following = turn(line, "leaving"), turn(line, "next")
    await settled()
    line.release("bfl", "running")
    while not leaving.done():
        lane = line._lanes["bfl"]
        if len(lane.running) == 1 and "ann" in lane.line._callers and len(lane.line) == 1:
            leaving.cancel()
        await asyncio.sleep(0)
    await asyncio.wait_for(following, 1)
    assert len(line._lanes["bfl"].running) == 1


@pytest.mark.parametrize("seed", range(25))
async def test_nobody_is_forgotten(seed: int) -> None:
    """Random arrivals, departures, refusals and ends on slow slots: who stays is served, every slot comes back."""
    dice = random.Random(seed)
    slots = SlowSlots({"bfl": 5, "bfl/max": 2}, dice)
    depths: list[int] = []
    line = Queue(
        slots,
        {"bfl": 5},
        limit=1000,
        clock=loop_clock(),
        chance=dice.random,
        depth=lambda _account, depth: depths.append(depth),
    )
    served, active = set[str](), Counter[str]()

    async def live(name: str, model: str) -> None:
        try:
            await attempts(name, model)
        finally:
            line.expect_no_more("bfl", name)

    async def attempts(name: str, model: str) -> None:
        for attempt in range(dice.randrange(1, 4)):
            caller = dice.randrange(4)
            try:
                await line.turn("bfl", model, f"caller-{caller}", name, weight=caller + 0.5, first=attempt > 0)
            except PlatformBusy:
                continue  # a vendor that refuses for so long is not waited for
            active.update(("all", model))
            assert active["all"] <= 5 and active["max"] <= 2
            accepted = False
            try:
                for _ in range(dice.randrange(6)):
                    await asyncio.sleep(0)
                if accepted := dice.random() < 0.7:
                    line.accepted("bfl", name, 1000.0)
            finally:
                active.subtract(("all", model))
                if not accepted and dice.random() < 0.6:
                    line.pushed_back("bfl", name, None)
                else:
                    line.release("bfl", name)
        served.add(name)

    staying: list[asyncio.Task[None]] = []
    leaving: list[asyncio.Task[None]] = []
    for index in range(60):
        task = asyncio.create_task(live(str(index), dice.choice(("pro", "max"))))
        (leaving if dice.random() < 0.4 else staying).append(task)
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
        if leaving and dice.random() < 0.5:
            dice.choice(leaving).cancel()
        if dice.random() < 0.2:
            most = dice.randrange(1, 6)
            slots.configure({"bfl": most, "bfl/max": 2})
            line.configure({"bfl": most}, {"bfl/max": 2} if dice.random() < 0.5 else {})
    for task in leaving:
        task.cancel()
    async with asyncio.timeout(100_000):
        await asyncio.gather(*staying)
        await asyncio.gather(*leaving, return_exceptions=True)
    lane = line._lanes["bfl"]
    await until(lambda: lane.serving is None)
    assert len(served) >= len(staying)
    assert (len(lane.running), len(lane.line), depths[-1], lane.line._callers) == (0, 0, 0, {})
    assert not (lane.since or lane.waiting or lane.expected) and not any(map(len, lane.limits.values()))
    assert not slots._held and not +slots._counts
    assert slots.most["bfl"] <= 5 and slots.most["bfl/max"] <= 2
    await line.close()
