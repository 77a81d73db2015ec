"""Turns by weight: shares hold within one turn, nobody starves, nothing is saved up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.line import Line, Waiter


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


def fair(turns: Mapping[str, int], weights: Mapping[str, float]) -> bool:
    """The bound of start-time fair queueing: no two are further apart than one turn of each."""
    return all(
        abs(turns[a] / weights[a] - turns[b] / weights[b]) <= 1 / weights[a] + 1 / weights[b] + 1e-6
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
    """Somebody comes, has turns, leaves and comes back: from then on it shares as if it had just come."""
    regulars = [(caller, "pro") for caller in weights]
    desk = Desk({**weights, "guest": 2.0})
    for caller, model in regulars * 3:
        desk.join(caller, model)
    desk.join("guest")
    desk.callers(before, busy=regulars)
    while any(waiter.caller == "guest" for waiter in desk.line._heads(())):
        desk.callers(1, busy=regulars)
    desk.callers(away, busy=regulars)
    for _ in range(3):
        desk.join("guest")
    assert fair(desk.callers(120, busy=[*regulars, ("guest", "pro")]), desk.weights)


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
    assert not waiting and not desk.line._times and not desk.line._present


def test_who_has_left_is_passed_over() -> None:
    """Cancelled and not yet gone from the line."""
    desk = Desk({})
    gone, following = desk.join("ann"), desk.join("ann")
    gone.granted.cancel()
    assert desk.line.next(()) is following
