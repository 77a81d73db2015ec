"""Slots: nested ceilings that hold whatever is acquired and released, in any order, any number of times."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.stores.slots import MemorySlots

CEILINGS = {"one": 4, "one/max": 2, "two": 1}
ACCOUNTS, MODELS = st.sampled_from(["one", "two", "free"]), st.sampled_from(["pro", "max"])
IDS = st.integers(0, 9).map("job/{}".format)


class Holding(RuleBasedStateMachine):
    """Against a plain model: who holds what."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = MemorySlots(CEILINGS)
        self.held: dict[str, tuple[str, str]] = {}

    def count(self, name: str) -> int:
        return Counter(name for account, model in self.held.values() for name in (account, f"{account}/{model}"))[name]

    @rule(account=ACCOUNTS, model=MODELS, submission=IDS)
    def acquire(self, account: str, model: str, submission: str) -> None:
        names = (account, f"{account}/{model}")
        free = all(self.count(name) < CEILINGS[name] for name in names if name in CEILINGS)
        expected = submission in self.held or free
        assert asyncio.run(self.slots.acquire(account, model, submission)) is expected
        if expected:
            self.held.setdefault(submission, (account, model))

    @rule(submission=IDS)
    def release(self, submission: str) -> None:
        asyncio.run(self.slots.release(submission))
        self.held.pop(submission, None)

    @rule(submission=IDS)
    def renew(self, submission: str) -> None:
        asyncio.run(self.slots.renew(submission))

    @invariant()
    def ceilings_hold(self) -> None:
        assert all(self.count(name) <= ceiling for name, ceiling in CEILINGS.items())


Holding.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestHolding = Holding.TestCase


async def test_the_model_counts_inside_the_account() -> None:
    """Six of the larger model do not use up the account, and a full account has none for it."""
    slots = MemorySlots({"bfl": 3, "bfl/max": 2})
    assert [await slots.acquire("bfl", "max", str(i)) for i in range(3)] == [True, True, False]
    assert await slots.acquire("bfl", "pro", "3")
    assert not await slots.acquire("bfl", "pro", "4")
    await slots.release("0")
    assert await slots.acquire("bfl", "max", "5")


async def test_a_second_release_gives_nothing_back() -> None:
    """Otherwise a submission that ends twice would raise the ceiling."""
    slots = MemorySlots({"bfl": 1})
    assert await slots.acquire("bfl", "pro", "a")
    await slots.release("a")
    await slots.release("a")
    assert await slots.acquire("bfl", "pro", "b")
    assert not await slots.acquire("bfl", "pro", "c")


async def test_other_ceilings() -> None:
    """Up and down while slots are held; who holds one keeps it, and an account that is gone keeps its ceilings."""
    slots = MemorySlots({"one": 2, "one/max": 1, "two": 1, "two/max": 1})
    assert [await slots.acquire("one", "pro", str(i)) for i in range(3)] == [True, True, False]
    slots.configure({"one": 1})
    await slots.release("0")
    assert not await slots.acquire("one", "pro", "3")
    await slots.release("1")
    assert await slots.acquire("one", "max", "3")
    slots.configure({"one": 2})
    assert await slots.acquire("one", "max", "4"), "the model has no ceiling any more"
    assert [await slots.acquire("two", "max", f"two-{i}") for i in range(2)] == [True, False]
