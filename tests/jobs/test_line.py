"""Turns by weight: shares hold within one turn, nobody starves, nothing is saved up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import combinations, count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.jobs.line import FEW, LAG, Line, Waiter


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Futures belong to one; nothing here ever waits for them."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
        asyncio.set_event_loop(None)


class Desk:
    """A line whose `max` is narrow, and the weights of its callers."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.line, self.weights, self.ids = Line(lambda model: model == "max"), weights, count()

    def join(self, caller: str, model: str = "pro", *, first: bool = False) -> Waiter:
        granted = asyncio.get_event_loop().create_future()
        waiter = Waiter(caller, f"{caller}-{next(self.ids)}", model, granted, self.weights.get(caller, 1.0))
        self.line.join(waiter, first=first)
        return waiter

    def serve(self, *full: str) -> Waiter | None:
        if (waiter := self.line.next(full)) is not None:
            self.line.went(waiter)
        return waiter

    def callers(self, turns: int, *full: str, busy: Sequence[tuple[str, str]] = ()) -> Counter[str]:
        """Who had how many of the next turns, when the `busy` ones send another each time they had theirs."""
        found = Counter[str]()
        for _ in range(turns):
            waiter = self.serve(*full)
            assert waiter is not None
            found[waiter.caller] += 1
            if (waiter.caller, waiter.model) in busy:
                self.join(waiter.caller, waiter.model)
        return found


def crowded(weights: Mapping[str, float], model: str = "pro", each: int = 3) -> Desk:
    desk = Desk(weights)
    for caller in weights:
        for _ in range(each):
            desk.join(caller, model)
    return desk


WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.5, 1.0, 2.0, 3.0, 7.0]), min_size=1)


def fair(turns: Mapping[str, int], weights: Mapping[str, float], more: float = 0.0) -> bool:
    """The bound of start-time fair queueing: no two are further apart than one turn of each, and `more`."""
    return all(
        abs(turns[a] / weights[a] - turns[b] / weights[b]) <= 1 / weights[a] + 1 / weights[b] + more + 1e-6
        for a in weights
        for b in weights
    )


@given(weights=WEIGHTS, turns=st.integers(1, 200), model=st.sampled_from(["pro", "max"]))
def test_shares(weights: dict[str, float], turns: int, model: str) -> None:
    """At any moment, while all of them wait, within one turn."""
    desk = crowded(weights, model)
    assert fair(desk.callers(turns, busy=[(caller, model) for caller in weights]), weights)


def test_three_to_one() -> None:
    """Weight 3 gets three times the turns of weight 1."""
    desk = crowded({"heavy": 3.0, "light": 1.0})
    assert desk.callers(400, busy=[("heavy", "pro"), ("light", "pro")]) == {"heavy": 300, "light": 100}


@given(weights=WEIGHTS, before=st.integers(0, 100), away=st.integers(0, 100))
def test_nothing_is_saved_up_by_being_away(weights: dict[str, float], before: int, away: int) -> None:
    """Somebody comes, has a turn, leaves and comes back: it is as far behind as a newcomer, however late."""
    regulars = [(caller, "pro") for caller in weights]
    desk = Desk({**weights, "guest": 2.0})
    for caller, model in regulars * 3:
        desk.join(caller, model)
    desk.join("guest")
    desk.callers(before, busy=regulars)
    while desk.line.before("guest-" + str(3 * len(weights))) is not None:
        desk.callers(1, busy=regulars)
    desk.callers(away, busy=regulars)
    for _ in range(3):
        desk.join("guest")
    assert fair(desk.callers(120, busy=[*regulars, ("guest", "pro")]), desk.weights, LAG / min(desk.weights.values()))


def test_no_debt_is_lost_by_leaving_for_a_moment() -> None:
    """One that sends its next only when it had its turn is not always the newcomer."""
    desk = crowded({"patient": 1.0, "sly": 1.0}, each=1)
    assert desk.callers(100, busy=[("patient", "pro"), ("sly", "pro")]) == {"patient": 50, "sly": 50}


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_within_a_caller(firsts: list[bool]) -> None:
    """First come, first served, except for those that were here before."""
    desk = Desk({})
    expected: list[Waiter] = []
    for first in firsts:
        waiter = desk.join("ann", first=first)
        expected.insert(0 if first else len(expected), waiter)
    assert [desk.serve() for _ in firsts] == expected
    assert desk.serve() is None and len(desk.line) == 0


def test_a_full_model_holds_nobody_up() -> None:
    """Neither its own caller's other models nor other callers."""
    desk = Desk({})
    blocked, own, other = desk.join("ann", "max"), desk.join("ann", "pro"), desk.join("bob", "pro")
    assert [desk.serve("max"), desk.serve("max"), desk.serve("max")] == [own, other, None]
    assert desk.serve() is blocked


@pytest.mark.parametrize("then", ["pro", "max"])
def test_who_waits_for_a_full_model_saves_nothing_up(then: str) -> None:
    """An hour behind a narrow model buys an hour neither of the whole account nor of that model, once it is free."""
    desk = Desk({})
    for _ in range(50):
        desk.join("narrow", "max")
    for _ in range(3):
        desk.join("wide", "pro")
    desk.callers(1000, "max", busy=[("wide", "pro")])
    if then == "pro":
        for _ in range(50):
            desk.join("narrow", "pro")
    turns = desk.callers(40, *(("max",) if then == "pro" else ()), busy=[("wide", "pro")])
    assert abs(turns["narrow"] - turns["wide"]) <= 2


@pytest.mark.parametrize("gap", [1, 7, 30])
def test_a_narrow_model_is_shared_by_weight(gap: int) -> None:
    """However seldom one of its slots is free, and whoever uses the rest of the account meanwhile."""
    desk = Desk({"heavy": 3.0, "light": 1.0})
    for caller in ("heavy", "light"):
        for _ in range(3):
            desk.join(caller, "max")
    for _ in range(3):
        desk.join("crowd", "pro")
    found = Counter[str]()
    for _ in range(80):
        desk.callers(gap, "max", busy=[("crowd", "pro")])
        while (waiter := desk.serve()) is not None and waiter.model == "pro":
            desk.join("crowd", "pro")
        assert waiter is not None
        found[waiter.caller] += 1
        desk.join(waiter.caller, "max")
    assert found == {"heavy": 60, "light": 20}


@given(
    weights=WEIGHTS,
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["pro", "max"]), st.booleans()), max_size=60),
)
def test_nobody_starves(weights: dict[str, float], steps: list[tuple[str, str, bool]]) -> None:
    """Whatever others do, a waiter goes within a number of turns that the weights give."""
    desk = Desk(weights)
    for caller, model, first in steps:
        desk.join(caller, model, first=first)
    late = desk.join("late", "max")
    bound = len(steps) + sum(round(weights.get(caller, 1.0)) + 1 for caller in "abcdef") * 3
    for _ in range(bound):
        waiter = desk.serve()
        assert waiter is not None
        if waiter is late:
            return
        desk.join(waiter.caller, waiter.model)
    raise AssertionError("it starves")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["pro", "max"]), st.sampled_from("jsl")), max_size=60)
)
def test_nobody_is_lost(steps: list[tuple[str, str, str]]) -> None:
    """Joining, being served and leaving in any order: who is counted is who waits."""
    desk, waiting = Desk({}), list[Waiter]()
    for caller, model, step in steps:
        if step == "j":
            waiting.append(desk.join(caller, model))
        elif step == "s":
            found = desk.serve()
            assert (found is None) is (not waiting)
            if found is not None:
                waiting.remove(found)
        elif waiting:
            desk.line.leave(waiting.pop())
        assert len(desk.line) == len(waiting)
        assert +desk.line.waiting == Counter(waiter.model for waiter in waiting)
    while (found := desk.serve()) is not None:
        waiting.remove(found)
    assert not waiting and not desk.line._callers and not desk.line._models and not desk.line._present


def test_who_has_left_is_passed_over() -> None:
    """Cancelled and not yet gone from the line."""
    desk = Desk({})
    gone, following = desk.join("ann"), desk.join("ann")
    gone.granted.cancel()
    assert desk.line.next(()) is following


def test_a_caller_with_one_narrow_model_only() -> None:
    """It gets its share of the account there, although another, who can go elsewhere, has had fewer turns of it."""
    weights = {"heavy": 1.0, "light": 1.0, "big": 2.0, "both": 1.0, "narrow": 1.0}
    backlogs = {(caller, "pro"): 60 for caller in ("heavy", "light", "big", "both")}
    shares = served(24, {"max": 6}, weights, backlogs | {("both", "max"): 60, ("narrow", "max"): 60}, 6000, 1)
    assert {caller: round(share) for caller, share in shares.items()} == dict.fromkeys(weights, 4) | {"big": 8}


def shares(
    slots: int, ceilings: Mapping[str, int], weights: Mapping[str, float], backlogs: Mapping[tuple[str, str], int]
) -> dict[str, float]:
    """
    Weighted max-min shares in slots, by progressive filling: everybody's share grows by weight, until a group of
    callers has all that it can use together.
    """
    models = {model for _, model in backlogs}
    found: dict[str, float] = {}

    def most(callers: Iterable[str]) -> float:
        own = {model: sum(backlogs.get((caller, model), 0) for caller in callers) for model in models}
        return min(slots, sum(min(count, ceilings.get(model, slots)) for model, count in own.items()))

    while left := [caller for caller in weights if caller not in found]:
        groups = [group for size in range(len(left), 0, -1) for group in combinations(left, size)]
        level, group = min(
            (
                ((most({*group, *found}) - sum(found.values())) / sum(map(weights.__getitem__, group)), group)
                for group in groups
            ),
            key=lambda each: each[0],
        )
        found |= {caller: level * weights[caller] for caller in group}
    return found


def served(
    slots: int,
    ceilings: Mapping[str, int],
    weights: Mapping[str, float],
    backlogs: Mapping[tuple[str, str], int],
    turns: int,
    seed: int,
) -> dict[str, float]:
    """
    How many slots each has on average, when tasks take 0.5 to 1.5 s and each that ends is followed by another at the
    end of the line. No slot is ever idle while somebody could use it.
    """
    dice, desk, now = random.Random(seed), Desk(weights), 0.0
    ends: list[tuple[float, str, str]] = []
    running, since = Counter[str](), 0.0
    busy = dict.fromkeys(weights, 0.0)
    arriving = [each for each, count in backlogs.items() for _ in range(count)]
    dice.shuffle(arriving)
    for caller, model in arriving:
        desk.join(caller, model)
    for turn in range(turns):
        full = {model for model, ceiling in ceilings.items() if running[model] >= ceiling}
        while len(ends) < slots and (waiter := desk.serve(*full)) is not None:
            running[waiter.model] += 1
            heappush(ends, (now + dice.uniform(0.5, 1.5), waiter.caller, waiter.model))
            full = {model for model, ceiling in ceilings.items() if running[model] >= ceiling}
        assert len(ends) == slots or all(model in full for model, count in desk.line.waiting.items() if count)
        if turn == turns // 10:
            busy = dict.fromkeys(weights, 0.0)
            since = now
        end, caller, model = heappop(ends)
        for each in (caller, *(other for _, other, _ in ends)):
            busy[each] += end - now
        now = end
        running[model] -= 1
        desk.join(caller, model)
    return {caller: busy[caller] / (now - since) for caller in weights}


@st.composite
def mixtures(
    draw: st.DrawFn,
) -> tuple[int, dict[str, int], dict[str, float], dict[tuple[str, str], int]]:
    slots = draw(st.sampled_from([2, 4, 6, 12, 24]))
    ceilings = draw(st.dictionaries(st.just("max"), st.integers(1, slots - 1)))
    weights = draw(st.dictionaries(st.sampled_from("abcde"), st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=2))
    backlogs = {
        (caller, model): draw(st.sampled_from([1, 2, 4, 3 * slots]))
        for caller in weights
        for model in draw(st.sets(st.sampled_from(["pro", "dev", "max"]), min_size=1))
    }
    return slots, ceilings, weights, backlogs


@settings(max_examples=25, derandomize=True, deadline=None)
@given(mixtures(), st.integers(0, 99))
def test_weighted_max_min(
    mixture: tuple[int, dict[str, int], dict[str, float], dict[tuple[str, str], int]], seed: int
) -> None:
    """Whoever waits for what, with ceilings of models within that of the account: each share is within a tenth."""
    slots, ceilings, weights, backlogs = mixture
    expected = shares(slots, ceilings, weights, backlogs)
    # Enough for the least share to be told from chance.
    turns = round(150 * sum(expected.values()) / min(expected.values()))
    found = served(slots, ceilings, weights, backlogs, turns, seed)
    assert found == pytest.approx(expected, rel=0.1)


def test_callers_that_left_are_forgotten() -> None:
    """A line that is never empty remembers those who owe something, not everybody who ever came."""
    desk = Desk({})
    for number in range(10 * FEW):
        model = ("pro", "max")[number % 2]
        for caller in ("regular", "regular", f"guest-{number}"):
            desk.join(caller, model)
        desk.callers(3 if number else 2)
        assert len(desk.line._callers) <= 2 * FEW


def test_how_many_came_before() -> None:
    """In the order of arrival, those first that were here before; whoever they belong to."""
    desk = Desk({})
    one, other = desk.join("ann"), desk.join("bob", "max")
    back = desk.join("cid", first=True)
    assert [desk.line.before(waiter.submission) for waiter in (back, one, other)] == [0, 1, 2]
    desk.line.leave(one)
    assert [desk.line.before(waiter.submission) for waiter in (back, one, other)] == [0, None, 1]


def test_looking_for_the_next_looks_at_few() -> None:
    """However many callers wait, whose turn it is is known without asking all of them."""
    desk = Desk({})
    asked = Counter[str]()

    class Watched(asyncio.Future[None]):
        def done(self) -> bool:
            asked["done"] += 1
            return super().done()

    for number in range(500):
        desk.line.join(Waiter(f"c{number}", f"s{number}", ("pro", "max")[number % 2], Watched()))
    for _ in range(100):
        assert desk.serve() is not None
    assert asked["done"] <= 1000
