"""So much a turn of the loop: counted in turns, whatever the clock says."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise

import pytest
import uvloop

from gateway.chain.turns import LONG, Turns


def begin(begun: list[int], number: int) -> bool:
    begun.append(number)
    return True


async def begun_by_turn(turns: Turns, begun: list[int], until: int) -> list[int]:
    """How many had begun after each turn, up to `until`."""
    seen = [len(begun)]
    while seen[-1] < until:
        await asyncio.sleep(0)
        seen.append(len(begun))
        assert len(seen) < 1000
    return seen


@pytest.mark.parametrize("each", [1, 3, 7])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_so_many_a_turn_in_order(each: int, loop: object) -> None:
    """However many come at once; the first ones without waiting."""

    async def main() -> None:
        turns, begun = Turns(each), list[int]()
        for number in range(20):
            turns.soon(partial(begin, begun, number))
        assert len(begun) == each and turns.crowded
        seen = await begun_by_turn(turns, begun, 20)
        assert all(after - before <= each for before, after in pairwise(seen))
        assert begun == list(range(20)) and not turns.crowded

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(main())


@pytest.mark.parametrize("many", [LONG - 1, 10 * LONG])
async def test_fewer_in_a_flood(many: int) -> None:
    """To its last one: no turn is long, neither in the flood nor where it ends. What is no flood is not slowed down."""
    turns, begun = Turns(8, 2), list[int]()
    for number in range(many):
        turns.soon(partial(begin, begun, number))
    seen = await begun_by_turn(turns, begun, many)
    steps = [after - before for before, after in pairwise(seen)]
    assert set(steps) <= ({0, 2} if many > LONG else {0, 3, 7, 8})
    assert begun == list(range(many))
    await asyncio.sleep(0)
    for number in range(many, 2 * LONG + many):
        turns.soon(partial(begin, begun, number))
    assert len(begun) == many + 8, "it is over"


async def test_waiters() -> None:
    """Told whether they had to wait; in the same order as everybody else."""
    turns, order = Turns(2), list[str]()

    async def wait(name: str) -> bool:
        waited = await turns.wait()
        order.append(name)
        return waited

    assert await asyncio.gather(*map(wait, "abcdef")) == [False, False, True, True, True, True]
    assert order == list("abcdef")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await turns.wait() is False


async def test_whoever_has_left_takes_no_turn() -> None:
    """Of a thousand that were cut off the next one does not wait for."""
    turns = Turns(1)
    await turns.wait()
    gone = [asyncio.create_task(turns.wait()) for _ in range(1000)]
    here = asyncio.create_task(turns.wait())
    await asyncio.sleep(0)
    for each in gone:
        each.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert here.done()


async def test_what_had_nothing_to_begin_takes_no_turn() -> None:
    """The next one is begun in its place."""
    turns, begun = Turns(1), list[int]()
    turns.soon(partial(begin, begun, 0))
    for _ in range(50):
        turns.soon(lambda: False)
    turns.soon(partial(begin, begun, 1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert begun == [0, 1]


async def test_the_end() -> None:
    """Nobody is left waiting."""
    turns, begun = Turns(1), list[int]()
    for number in range(10):
        turns.soon(partial(begin, begun, number))
    turns.finish()
    assert begun == list(range(10))
